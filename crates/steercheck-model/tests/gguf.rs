//! Models read from GGUF files, in the layout of llama.cpp's converter, equal the same models in Hugging Face's layout.

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::quantized::GgmlDType;
use candle_core::{Device, Tensor};
use common::convert::convert;
use common::gguf_writer::{Kind, Meta, Writer};
use common::random::{self, Sizes, Tensors};
use common::{difference, golden};
use serde_json::{Value, json};
use steercheck_model::{
    FinalNorm, Gguf, GgufValue, HeadKind, Kernels, LoadOptions, Loaded, Model, Precision, Reads, RotaryScaling,
};
use steercheck_testkit::shared;
use tempfile::TempDir;

const PRECISIONS: [Precision; 2] = [Precision::F32, Precision::Stored];

fn open(path: &Path, precision: Precision) -> Model {
    let options = LoadOptions { precision, ..LoadOptions::default() };
    match Loaded::open(path, &options) {
        Ok(loaded) => loaded.model,
        Err(e) => panic!("{}: {e}", path.display()),
    }
}

fn open_gguf(file: &Writer, precision: Precision) -> Model {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, file.write().bytes).unwrap();
    open(&path, precision)
}

fn open_folder(config: &Value, tensors: &Tensors) -> Model {
    let folder = TempDir::new().unwrap();
    random::write_folder(folder.path(), config, tensors);
    open(folder.path(), Precision::F32)
}

/// Configuration and weights of a fixture.
fn fixture(shared: &Path, name: &str) -> (Value, Tensors) {
    let folder = shared.join("fixtures").join(name);
    let config = serde_json::from_str(&std::fs::read_to_string(folder.join("config.json")).unwrap()).unwrap();
    let mut tensors = Tensors::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        if file.starts_with("model") && file.ends_with(".safetensors") {
            tensors.extend(candle_core::safetensors::load(&path, &Device::Cpu).unwrap());
        }
    }
    assert!(!tensors.is_empty(), "{name}");
    (config, tensors)
}

/// Largest difference of a model's states from a fixture's golden tensors, per quantity.
fn from_golden(model: &Model, gold: &std::collections::HashMap<String, Tensor>) -> BTreeMap<&'static str, f32> {
    let ids = common::prompts(gold, "input_ids");
    let mut worst = BTreeMap::new();
    let mut note = |what: &'static str, ours: &Tensor, theirs: &Tensor| {
        let w = worst.entry(what).or_insert(0f32);
        *w = w.max(difference(ours, theirs));
    };
    let depth = model.spec.depth();
    for (i, trace) in model.trace(&ids, &Reads::ALL).unwrap().into_iter().enumerate() {
        let of = |key: &str| gold[key].get(i).unwrap();
        let (residual, heads) = (trace.residual.unwrap(), trace.heads.unwrap());
        for b in 0..=depth {
            note("residual", &residual.get(b).unwrap(), &of(&format!("hidden.{b}")));
        }
        for b in 0..depth {
            note("heads", &heads.get(b).unwrap().flatten_from(1).unwrap(), &of(&format!("attn_proj_in.{b}")));
        }
        let logits = model.logits(&residual.get(depth).unwrap(), FinalNorm::Apply, HeadKind::Full).unwrap();
        note("logits", &logits, &of("logits"));
    }
    worst
}

/// Largest difference of all that two models give for the same prompts.
fn between(a: &Model, b: &Model) -> f32 {
    let prompts = random::prompts(a.spec.vocab_size, &[1, 9, 13], 3);
    let run = |m: &Model| {
        let mut all = Vec::new();
        for trace in m.trace(&prompts, &Reads::ALL).unwrap() {
            let residual = trace.residual.unwrap();
            let top = residual.get(m.spec.depth()).unwrap();
            all.push(m.logits(&top, FinalNorm::Apply, HeadKind::Full).unwrap());
            all.extend([residual, trace.heads.unwrap(), trace.attention.unwrap(), trace.mlp.unwrap()]);
        }
        all
    };
    run(a).iter().zip(&run(b)).map(|(a, b)| difference(a, b)).fold(0.0, f32::max)
}

#[test]
fn a_converted_fixture_agrees_with_its_golden_tensors_in_both_precisions() {
    let Some(shared) = shared() else { return };
    for name in
        ["llama_llama3rope", "llama_yarn", "llama_bf16_sharded", "deepseek_llama_linear", "qwen2_tied", "gemma3_text"]
    {
        let (config, tensors) = fixture(&shared, name);
        let mut file = convert(&config, &tensors, Kind::F32);
        if name == "gemma3_text" {
            // The published models leave both at 6 and 10000; the fixture has others.
            file.meta("gemma3.attention.sliding_window_pattern", Meta::U32(3));
            file.meta("gemma3.rope.freq_base_swa", Meta::F32(90.0));
        }
        for precision in PRECISIONS {
            let model = open_gguf(&file, precision);
            let worst = from_golden(&model, &golden(&shared, name));
            println!("{name:24} {precision:?}: {worst:?}");
            assert!(worst.len() == 3 && worst.values().all(|d| *d <= 1e-4), "{name} {precision:?}: {worst:?}");
            assert!(model.info.unused_tensors.is_empty(), "{name}: {:?}", model.info.unused_tensors);
        }
    }
}

#[test]
fn a_bf16_fixture_keeps_its_golden_tensors_when_it_is_converted_to_bf16() {
    let Some(shared) = shared() else { return };
    let (config, tensors) = fixture(&shared, "llama_bf16_sharded");
    let file = convert(&config, &tensors, Kind::Bf16);
    for precision in PRECISIONS {
        let model = open_gguf(&file, precision);
        let worst = from_golden(&model, &golden(&shared, "llama_bf16_sharded"));
        assert!(worst.values().all(|d| *d <= 1e-4), "{precision:?}: {worst:?}");
        assert!(model.info.stored_types.contains_key("BF16"));
    }
}

#[test]
fn every_fourth_block_of_a_smollm3_file_is_without_rotary_positions() {
    let sizes = Sizes { blocks: 5, ..Sizes::SMALL };
    let mut config = random::config("smollm3", sizes);
    let tensors = random::tensors(&config, 5);
    let model = open_gguf(&convert(&config, &tensors, Kind::F32), Precision::F32);
    let rotates: Vec<bool> = model.spec.blocks.iter().map(|b| b.rotary.is_some()).collect();
    assert_eq!(rotates, [true, true, true, false, true]);
    config["no_rope_layers"] = json!([1, 1, 1, 0, 1]);
    config["rope_theta"] = json!(10_000.0);
    let d = between(&model, &open_folder(&config, &tensors));
    assert!(d <= 1e-4, "{d}");
}

/// Matrices rounded as a file of this kind has them.
fn rounded(tensors: &Tensors, kind: Kind) -> Tensors {
    let one = |t: &Tensor| if t.dims().len() > 1 { kind.rounded(t) } else { t.clone() };
    tensors.iter().map(|(n, t)| (n.clone(), one(t))).collect()
}

#[test]
fn every_stored_type_gives_the_model_whose_weights_were_rounded_the_same_way() {
    let ggml = [
        GgmlDType::Q4_0,
        GgmlDType::Q4_1,
        GgmlDType::Q5_0,
        GgmlDType::Q5_1,
        GgmlDType::Q8_0,
        GgmlDType::Q2K,
        GgmlDType::Q3K,
        GgmlDType::Q4K,
        GgmlDType::Q5K,
        GgmlDType::Q6K,
    ];
    for kind in [Kind::F32, Kind::F16, Kind::Bf16].into_iter().chain(ggml.map(Kind::Ggml)) {
        for family in ["llama", "qwen2"] {
            let sizes = if kind.block() > 32 { Sizes::WIDE } else { Sizes::SMALL };
            let config = random::config(family, sizes);
            let tensors = random::tensors(&config, 11);
            let reference = open_folder(&config, &rounded(&tensors, kind));
            let file = convert(&config, &tensors, kind);
            for precision in PRECISIONS {
                let model = open_gguf(&file, precision);
                let d = between(&model, &reference);
                println!("{kind:?} {family} {precision:?}: {d}");
                assert!(d <= 1e-5, "{kind:?} {family} {precision:?}: {d}");
                let most = model.info.stored_types.values().max().copied();
                assert_eq!(most, Some(2 + 7 * sizes.blocks), "{:?}", model.info.stored_types);
            }
        }
    }
}

#[test]
fn types_may_differ_from_tensor_to_tensor_and_data_may_be_aligned_to_any_number() {
    let config = random::config("llama", Sizes::SMALL);
    let tensors = random::tensors(&config, 17);
    let kinds = [Kind::Ggml(GgmlDType::Q4_0), Kind::F16, Kind::Ggml(GgmlDType::Q8_0), Kind::F32, Kind::Bf16];
    let mut mixed = Tensors::new();
    for (i, (name, tensor)) in tensors.iter().enumerate() {
        mixed.insert(name.clone(), if tensor.dims().len() > 1 { kinds[i % 5].rounded(tensor) } else { tensor.clone() });
    }
    let reference = open_folder(&config, &mixed);
    for alignment in [1, 2, 8, 64, 4096] {
        let mut file = convert(&config, &Tensors::new(), Kind::F32);
        file.align(alignment);
        // Each kind's conversion, of which the tensors of that kind are taken.
        for (i, (name, tensor)) in tensors.iter().enumerate() {
            let one = Tensors::from([(name.clone(), tensor.clone())]);
            convert(&config, &one, kinds[i % 5]).move_tensors_to(&mut file);
        }
        for precision in PRECISIONS {
            let d = between(&open_gguf(&file, precision), &reference);
            assert!(d <= 1e-5, "alignment {alignment} {precision:?}: {d}");
        }
    }
}

#[test]
fn integer_kernels_run_for_k_quants_alone_come_near_the_float_ones_and_the_record_says_which_ran() {
    let config = random::config("llama", Sizes::WIDE);
    let tensors = random::tensors(&config, 23);
    for kind in [GgmlDType::Q4_0, GgmlDType::Q8_0, GgmlDType::Q4K, GgmlDType::Q6K] {
        let expected = if format!("{kind:?}").ends_with('K') { Kernels::Integer } else { Kernels::Float };
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("model.gguf");
        std::fs::write(&path, convert(&config, &tensors, Kind::Ggml(kind)).write().bytes).unwrap();
        let options = LoadOptions { kernels: Kernels::Integer, ..LoadOptions::default() };
        let integer = Loaded::open(&path, &options).unwrap().model;
        assert_eq!(integer.info.kernels, expected, "{kind:?}");
        let d = between(&integer, &open(&path, Precision::F32));
        assert!((d > 0.0) == (expected == Kernels::Integer) && d < 0.5, "{kind:?}: {d}");
    }
}

#[test]
fn metadata_of_every_type_is_read_back() {
    let mut file = Writer::new();
    let written = [
        ("a.u8", Meta::U8(200), GgufValue::Int(200)),
        ("a.i8", Meta::I8(-3), GgufValue::Int(-3)),
        ("a.u16", Meta::U16(65_535), GgufValue::Int(65_535)),
        ("a.i16", Meta::I16(-32_768), GgufValue::Int(-32_768)),
        ("a.u32", Meta::U32(u32::MAX), GgufValue::Int(u32::MAX.into())),
        ("a.i32", Meta::I32(i32::MIN), GgufValue::Int(i32::MIN.into())),
        ("a.u64", Meta::U64(u64::MAX), GgufValue::Int(u64::MAX.into())),
        ("a.i64", Meta::I64(i64::MIN), GgufValue::Int(i64::MIN.into())),
        ("a.f32", Meta::F32(0.25), GgufValue::Float(0.25)),
        ("a.f64", Meta::F64(1e-300), GgufValue::Float(1e-300)),
        ("a.yes", Meta::Bool(true), GgufValue::Bool(true)),
        ("a.no", Meta::Bool(false), GgufValue::Bool(false)),
        ("a.text", Meta::text("Grüße 😀"), GgufValue::Text("Grüße 😀".into())),
        ("a.empty", Meta::List(vec![]), GgufValue::Array(vec![])),
        (
            "a.texts",
            Meta::List(vec![Meta::text(""), Meta::text("b")]),
            GgufValue::Array(vec![GgufValue::Text(String::new()), GgufValue::Text("b".into())]),
        ),
        (
            "a.nested",
            Meta::List(vec![Meta::List(vec![Meta::I8(1)]), Meta::List(vec![Meta::F32(0.5)])]),
            GgufValue::Array(vec![
                GgufValue::Array(vec![GgufValue::Int(1)]),
                GgufValue::Array(vec![GgufValue::Float(0.5)]),
            ]),
        ),
    ];
    for (key, value, _) in &written {
        file.meta(key, value.clone());
    }
    let gguf = Gguf::parse(&file.write().bytes, "a.gguf").unwrap();
    assert_eq!(gguf.metadata.len(), written.len());
    for (key, _, want) in &written {
        assert_eq!(&gguf.metadata[*key], want, "{key}");
    }
    assert_eq!(gguf.text("a.text").unwrap(), Some("Grüße 😀"));
    assert_eq!(gguf.int("a.u16").unwrap(), Some(65_535));
    assert_eq!(gguf.float("a.f32").unwrap(), Some(0.25));
    assert_eq!(gguf.float("a.i8").unwrap(), Some(-3.0));
    assert_eq!(gguf.bool("a.yes").unwrap(), Some(true));
    assert_eq!(gguf.texts("a.texts").unwrap(), Some(vec![String::new(), "b".into()]));
    assert_eq!(gguf.int("a.absent").unwrap(), None);
    for error in [
        gguf.int("a.i8").err(),
        gguf.int("a.text").err(),
        gguf.text("a.u8").err(),
        gguf.bool("a.u8").err(),
        gguf.float("a.text").err(),
        gguf.texts("a.nested").err(),
        gguf.floats("a.texts").err(),
        gguf.ints("a.f32").err(),
        gguf.required_int("a.absent").err(),
    ] {
        assert!(error.unwrap().to_string().contains("a.gguf: key 'a."));
    }
}

/// A llama's GGUF file with these keys added, and the scaling that is read from it.
fn scaling_of(keys: &[(&str, Meta)]) -> RotaryScaling {
    let config = random::config("llama", Sizes::SMALL);
    let mut file = convert(&config, &random::tensors(&config, 1), Kind::F16);
    for (key, value) in keys {
        file.meta(&format!("llama.rope.{key}"), value.clone());
    }
    open_gguf(&file, Precision::Stored).spec.rotary[0].scaling.clone()
}

#[test]
fn rotary_scaling_is_read_as_llama_cpp_reads_it() {
    let linear = RotaryScaling::Linear { factor: 4.0 };
    let factor = ("scaling.factor", Meta::F32(4.0));
    assert_eq!(scaling_of(&[]), RotaryScaling::None);
    assert_eq!(scaling_of(&[("scaling.type", Meta::text("linear")), factor.clone()]), linear);
    // Without a type, a factor is linear; files of 2023 have it under another key.
    assert_eq!(scaling_of(std::slice::from_ref(&factor)), linear);
    assert_eq!(scaling_of(&[("scale_linear", Meta::F32(4.0))]), linear);
    assert_eq!(scaling_of(&[("scaling.type", Meta::text("none")), factor.clone()]), RotaryScaling::None);

    let yarn = |more: &[(&str, Meta)]| {
        let mut keys = vec![("scaling.type", Meta::text("yarn")), factor.clone()];
        keys.extend_from_slice(more);
        match scaling_of(&keys) {
            RotaryScaling::Yarn { factor, trained, attention_factor, .. } => (factor, trained, attention_factor),
            other => panic!("{other:?}"),
        }
    };
    let default = 0.1 * 4f64.ln() + 1.0;
    let (factor, trained, attention_factor) = yarn(&[("scaling.original_context_length", Meta::U32(16))]);
    assert_eq!((factor, trained), (4.0, 16));
    assert!((attention_factor - default).abs() < 1e-6);
    // The context length stands in for the original one.
    assert_eq!(yarn(&[]).1, 64);
    // `attn_factor` multiplies the default, `yarn_attn_factor` replaces it.
    assert!((yarn(&[("scaling.attn_factor", Meta::F32(0.5))]).2 - 0.5 * default).abs() < 1e-6);
    assert!((yarn(&[("scaling.yarn_attn_factor", Meta::F32(1.5))]).2 - 1.5).abs() < 1e-6);
}

#[test]
fn a_gemma3_file_without_a_window_has_only_global_blocks() {
    let mut config = random::config("gemma3_text", Sizes { blocks: 7, ..Sizes::SMALL });
    config["query_pre_attn_scalar"] = json!(16);
    config["tie_word_embeddings"] = json!(true);
    config["sliding_window"] = json!(4);
    config["rope_theta"] = json!(1_000_000.0);
    let tensors = random::tensors(&config, 29);
    let mut file = convert(&config, &tensors, Kind::F32);
    let windows = |model: &Model| -> Vec<Option<usize>> { model.spec.blocks.iter().map(|b| b.window).collect() };
    let model = open_gguf(&file, Precision::F32);
    let (w, none) = (Some(4), None);
    assert_eq!(windows(&model), [w, w, w, w, w, none, w]);
    assert!(between(&model, &open_folder(&config, &tensors)) <= 1e-4);
    for absent in [false, true] {
        file.meta("gemma3.attention.sliding_window", Meta::U32(0));
        if absent {
            file.without("gemma3.attention.sliding_window");
        }
        assert_eq!(windows(&open_gguf(&file, Precision::F32)), [None; 7]);
    }
}
