//! Every fixture as a GGUF file: its residuals, head outputs and logits are the golden ones.
//!
//! The fixtures have settings that published models of their family do not have. Where llama.cpp's format has a key for such a
//! setting but its converter writes none (or always the same number), the key is set afterwards. Where an equal model without
//! the setting exists, that one is converted. Where neither is possible, the setting is dropped, and the file is compared
//! with the Hugging Face files of the model without it, which `fixtures.rs` ties to the golden tensors of the whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use steercheck_testkit::shared;

use super::common::convert::convert;
use super::common::gguf_writer::{Kind, Meta, Writer};
use super::common::random::Tensors;
use super::common::{fixture, from_golden, golden, prompts};
use super::{PRECISIONS, between_on, open_folder, open_gguf};

const TOLERANCE: f32 = 1e-4;

/// A key's value.
enum Stated {
    Int(u32),
    Float(f32),
}

/// How a fixture is converted.
pub(super) struct Case {
    name: &'static str,
    /// Keys, without the architecture, that the format has and the converter does not write from this configuration.
    keys: &'static [(&'static str, Stated)],
    /// The weights of an equal model whose settings can be written.
    equal: fn(&Value, &mut Tensors),
    /// Settings that the format cannot carry, and what stands in their place in the file and in the model that it is
    /// compared with.
    dropped: &'static [(&'static str, &'static str)],
    /// Positions at which the golden tensors hold in spite of what was dropped.
    positions: usize,
}

const PLAIN: Case = Case { name: "", keys: &[], equal: |_, _| (), dropped: &[], positions: usize::MAX };

const fn plain(name: &'static str) -> Case {
    Case { name, ..PLAIN }
}

pub(super) const CASES: &[Case] = &[
    plain("bloom"),
    plain("bloom_hub_names"),
    plain("cohere"),
    plain("deepseek_llama_linear"),
    Case { name: "falcon_40b_style", keys: &[("rope.freq_base", Stated::Float(500.0))], ..PLAIN },
    Case { name: "falcon_7b_style", keys: &[("rope.freq_base", Stated::Float(500.0))], ..PLAIN },
    Case { name: "gemma2", keys: &[("rope.freq_base", Stated::Float(400.0))], equal: scaled_queries, ..PLAIN },
    Case {
        name: "gemma3_text",
        keys: &[("attention.sliding_window_pattern", Stated::Int(3))],
        equal: scaled_queries,
        ..PLAIN
    },
    Case { name: "gemma_mqa", keys: &[("rope.freq_base", Stated::Float(400.0))], ..PLAIN },
    Case {
        name: "glm",
        keys: &[
            ("rope.freq_base", Stated::Float(500.0)),
            ("rope.dimension_count", Stated::Int(8)),
            ("attention.key_length", Stated::Int(16)),
            ("attention.value_length", Stated::Int(16)),
            ("attention.layer_norm_rms_epsilon", Stated::Float(0.005)),
        ],
        ..PLAIN
    },
    plain("gpt2"),
    plain("gpt2_hub_names"),
    Case { name: "gpt_neox_hub_buffers", keys: &[("rope.freq_base", Stated::Float(300.0))], ..PLAIN },
    Case { name: "gpt_neox_parallel", keys: &[("rope.freq_base", Stated::Float(300.0))], ..PLAIN },
    plain("granite"),
    plain("internlm2"),
    plain("llama_bf16_sharded"),
    // At one length, dynamic scaling is another base: 1000 · (2 · 24 / 16 - 1)^(12 / 10) at the golden 24.
    Case {
        name: "llama_dynamic",
        keys: &[("rope.freq_base", Stated::Float(2297.3967)), ("context_length", Stated::Int(64))],
        ..PLAIN
    },
    plain("llama_llama3rope"),
    plain("llama_yarn"),
    // The architecture llama has no window. Where the window holds everything, the golden tensors are those without one.
    Case { name: "mistral_sliding", dropped: &[("sliding_window", "null")], positions: 7, ..PLAIN },
    plain("mixtral"),
    // The architecture has no scale of the scores, and queries are clipped before they are scaled. transformers computes
    // with 8 for `alibi_bias_max` whatever the configuration says.
    Case {
        name: "mpt",
        keys: &[
            ("attention.layer_norm_epsilon", Stated::Float(0.005)),
            ("attention.max_alibi_bias", Stated::Float(8.0)),
        ],
        dropped: &[("attn_config", r#"{"alibi": true, "alibi_bias_max": 6, "clip_qkv": 1.2}"#)],
        positions: 0,
        ..PLAIN
    },
    plain("olmo2"),
    plain("olmo_clip"),
    Case {
        name: "olmoe",
        keys: &[
            ("attention.clamp_kqv", Stated::Float(1.5)),
            ("attention.layer_norm_rms_epsilon", Stated::Float(0.005)),
        ],
        ..PLAIN
    },
    Case { name: "phi", keys: &[("rope.freq_base", Stated::Float(500.0))], ..PLAIN },
    plain("phi3_longrope"),
    // The converter has no names for the block without experts: it is written as any other family's.
    plain("qwen2_moe"),
    plain("qwen2_tied"),
    plain("qwen3"),
    // llama.cpp fixes that every fourth block is without rotary positions.
    Case { name: "smollm3", dropped: &[("no_rope_layers", "[1, 1, 1, 0]")], positions: 0, ..PLAIN },
    Case { name: "stablelm", keys: &[("rope.freq_base", Stated::Float(500.0))], ..PLAIN },
    Case { name: "starcoder2", dropped: &[("sliding_window", "null")], positions: 8, ..PLAIN },
];

/// Fixtures of which there is no GGUF file, and why.
const NONE: &[(&str, &str)] = &[
    ("falcon_rw_style", "llama.cpp's Falcon is parallel and rotates: no sequential blocks, no biases, no ALiBi"),
    ("gpt_neo_local", "the converter has no GPT-Neo"),
    ("gptj", "the converter has no GPT-J"),
    ("opt", "the converter has no OPT"),
    ("opt_350m_style", "the converter has no OPT"),
];

/// llama.cpp scales Gemma's scores by the head's width; any other scale is part of the queries (of their norm where there is
/// one, whose weights are stored less 1).
fn scaled_queries(config: &Value, tensors: &mut Tensors) {
    let factor = (config["head_dim"].as_f64().unwrap() / config["query_pre_attn_scalar"].as_f64().unwrap()).sqrt();
    let normed = tensors.keys().any(|name| name.ends_with("q_norm.weight"));
    for (name, tensor) in tensors.iter_mut() {
        if normed && name.ends_with("q_norm.weight") {
            *tensor = (((&*tensor + 1.0).unwrap() * factor).unwrap() - 1.0).unwrap();
        } else if !normed && name.ends_with("q_proj.weight") {
            *tensor = (&*tensor * factor).unwrap();
        }
    }
}

/// A fixture's configuration and weights as they are converted, and the file.
pub(super) fn converted(shared: &Path, case: &Case) -> (Value, Tensors, Writer) {
    let (mut config, mut tensors) = fixture(&shared.join("fixtures").join(case.name));
    for (key, value) in case.dropped {
        config[*key] = serde_json::from_str(value).unwrap();
    }
    let mut equal = tensors.clone();
    (case.equal)(&config, &mut equal);
    let mut file = convert(&config, &equal, Kind::F32);
    let arch = file.architecture();
    for (key, value) in case.keys {
        let value = match value {
            Stated::Int(n) => Meta::U32(*n),
            Stated::Float(x) => Meta::F32(*x),
        };
        file.meta(&format!("{arch}.{key}"), value);
    }
    tensors.retain(|_, t| t.dtype().is_float());
    (config, tensors, file)
}

#[test]
fn every_fixture_agrees_with_its_golden_tensors_as_a_gguf_file_in_both_precisions() {
    let Some(shared) = shared() else { return };
    let mut failures = Vec::new();
    for case in CASES {
        let (config, tensors, file) = converted(&shared, case);
        let gold = golden(&shared, case.name);
        for precision in PRECISIONS {
            let model = open_gguf(&file, precision);
            let mut worst = BTreeMap::new();
            if case.positions > 0 {
                worst = from_golden(&model, &gold, case.positions);
                assert_eq!(worst.len(), 3, "{}", case.name);
            }
            if !case.dropped.is_empty() {
                let whole = open_folder(&config, &tensors);
                worst.insert("without the setting", between_on(&model, &whole, &prompts(&gold, "input_ids")));
            }
            println!("{:24} {precision:?}: {worst:?}", case.name);
            if worst.is_empty() || worst.values().any(|d| *d > TOLERANCE) {
                failures.push(format!("{} {precision:?}: {worst:?}", case.name));
            }
            let unused = &model.info.unused_tensors;
            assert!(unused.is_empty(), "{}: {unused:?}", case.name);
        }
    }
    for (name, reason) in NONE {
        println!("{name:24} no GGUF file: {reason}");
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

/// `STEERCHECK_WRITE_GGUF=FOLDER` writes the files there, for `models verify` and other programs. Those whose golden tensors
/// are not those of the whole fixture go into a folder of their own.
#[test]
fn the_files_are_written_into_the_folder_that_is_asked_for() {
    let Some(folder) = std::env::var_os("STEERCHECK_WRITE_GGUF").map(PathBuf::from) else {
        println!("did not run: STEERCHECK_WRITE_GGUF names no folder");
        return;
    };
    let Some(shared) = shared() else { return };
    for case in CASES {
        let (.., file) = converted(&shared, case);
        let into = if case.dropped.is_empty() { folder.clone() } else { folder.join("without_a_setting") };
        std::fs::create_dir_all(&into).unwrap();
        std::fs::write(into.join(format!("{}.gguf", case.name)), file.write().bytes).unwrap();
    }
}

#[test]
fn every_fixture_folder_is_converted_or_has_a_reason_why_not() {
    let Some(shared) = shared() else { return };
    let mut folders: Vec<String> = std::fs::read_dir(shared.join("fixtures"))
        .unwrap()
        .map(|e| e.unwrap())
        .filter(|e| e.path().join("config.json").is_file())
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    folders.sort();
    let mut listed: Vec<&str> = CASES.iter().map(|c| c.name).chain(NONE.iter().map(|(name, _)| *name)).collect();
    listed.sort_unstable();
    assert_eq!(folders, listed);
}

#[test]
fn a_bf16_fixture_keeps_its_golden_tensors_when_it_is_converted_to_bf16() {
    let Some(shared) = shared() else { return };
    let (config, tensors) = fixture(&shared.join("fixtures/llama_bf16_sharded"));
    let file = convert(&config, &tensors, Kind::Bf16);
    for precision in PRECISIONS {
        let model = open_gguf(&file, precision);
        let worst = from_golden(&model, &golden(&shared, "llama_bf16_sharded"), usize::MAX);
        assert!(worst.values().all(|d| *d <= 1e-4), "{precision:?}: {worst:?}");
        assert!(model.info.stored_types.contains_key("BF16"));
    }
}
