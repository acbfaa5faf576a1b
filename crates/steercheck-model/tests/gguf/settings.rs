//! Other settings than the fixtures have, of those that the format carries: the file gives the numbers of the Hugging Face
//! files with the same settings. A key that is written but not read would show here.

use serde_json::{Value, json};
use steercheck_model::Precision;
use steercheck_testkit::shared;

use super::common::convert::convert;
use super::common::fixture;
use super::common::gguf_writer::Kind;
use super::{between, open_folder, open_gguf};

const TOLERANCE: f32 = 1e-4;

type Setting = (&'static str, Value);

/// A fixture, the setting that is changed, and settings that are changed before, because the converter drops them.
fn cases() -> Vec<(&'static str, Setting, Vec<Setting>)> {
    let yarn = json!({
        "rope_type": "yarn", "factor": 3.0, "original_max_position_embeddings": 20, "attention_factor": 1.4,
        "beta_fast": 20.0, "beta_slow": 2.0
    });
    let longrope = json!({
        "type": "longrope", "short_factor": [1.0, 1.1, 1.2, 1.4, 1.5, 1.9],
        "long_factor": [1.0, 1.5, 2.0, 3.5, 5.0, 7.0]
    });
    let no_window = || vec![("sliding_window", Value::Null)];
    let theta = |key, value: f64| vec![(key, json!(value))];
    let gemma2 = || vec![("rope_theta", json!(10_000.0)), ("query_pre_attn_scalar", json!(12))];
    vec![
        ("llama_llama3rope", ("rope_theta", json!(70.0)), vec![]),
        ("llama_llama3rope", ("rms_norm_eps", json!(0.05)), vec![]),
        ("llama_bf16_sharded", ("rope_scaling", yarn), vec![]),
        ("llama_bf16_sharded", ("rope_scaling", json!({"rope_type": "linear", "factor": 2.5})), vec![]),
        ("mistral_sliding", ("rope_theta", json!(90.0)), no_window()),
        ("mixtral", ("num_experts_per_tok", json!(3)), vec![]),
        ("qwen2_moe", ("num_experts_per_tok", json!(4)), vec![]),
        ("olmo_clip", ("clip_qkv", json!(0.4)), vec![]),
        ("olmo_clip", ("clip_qkv", Value::Null), vec![]),
        ("granite", ("attention_multiplier", json!(0.15)), vec![]),
        ("granite", ("embedding_multiplier", json!(1.5)), vec![]),
        ("granite", ("residual_multiplier", json!(0.8)), vec![]),
        ("granite", ("logits_scaling", json!(0.5)), vec![]),
        ("cohere", ("logit_scale", json!(2.5)), vec![]),
        ("gemma2", ("attn_logit_softcapping", json!(1.0)), gemma2()),
        ("gemma2", ("final_logit_softcapping", json!(2.0)), gemma2()),
        ("gemma2", ("sliding_window", json!(3)), gemma2()),
        ("gemma_mqa", ("rms_norm_eps", json!(0.1)), theta("rope_theta", 10_000.0)),
        ("starcoder2", ("norm_epsilon", json!(0.1)), no_window()),
        ("stablelm", ("partial_rotary_factor", json!(0.5)), theta("rope_theta", 10_000.0)),
        ("phi", ("partial_rotary_factor", json!(1.0)), theta("rope_theta", 10_000.0)),
        ("phi3_longrope", ("sliding_window", Value::Null), vec![]),
        ("phi3_longrope", ("original_max_position_embeddings", json!(12)), vec![("rope_scaling", longrope)]),
        ("gpt_neox_parallel", ("use_parallel_residual", json!(false)), theta("rotary_emb_base", 10_000.0)),
        ("gpt_neox_parallel", ("rotary_pct", json!(1.0)), theta("rotary_emb_base", 10_000.0)),
        ("bloom", ("layer_norm_epsilon", json!(0.1)), vec![]),
        ("gpt2", ("layer_norm_epsilon", json!(0.1)), vec![]),
    ]
}

#[test]
fn a_changed_setting_changes_the_file_as_it_changes_the_folder() {
    let Some(shared) = shared() else { return };
    for (name, (key, value), before) in cases() {
        let (mut config, mut tensors) = fixture(&shared.join("fixtures").join(name));
        tensors.retain(|_, t| t.dtype().is_float());
        for (key, value) in before {
            config[key] = value;
        }
        let unchanged = open_folder(&config, &tensors);
        config[key] = value;
        let folder = open_folder(&config, &tensors);
        let file = open_gguf(&convert(&config, &tensors, Kind::F32), Precision::F32);
        let (d, moved) = (between(&file, &folder), between(&unchanged, &folder));
        println!("{name:24} {key:32} {d:e} (the setting moves {moved:.3})");
        assert!(d <= TOLERANCE, "{name} {key}: {d}");
        assert!(moved > 100.0 * TOLERANCE, "{name} {key} moves {moved}");
    }
}

#[test]
fn a_parallel_stablelm_is_known_by_its_missing_norm() {
    let Some(shared) = shared() else { return };
    let (mut config, mut tensors) = fixture(&shared.join("fixtures/stablelm"));
    tensors.retain(|name, _| !name.contains("post_attention_layernorm"));
    config["use_parallel_residual"] = json!(true);
    config["rope_theta"] = json!(10_000.0);
    let file = open_gguf(&convert(&config, &tensors, Kind::F32), Precision::F32);
    let d = between(&file, &open_folder(&config, &tensors));
    assert!(d <= TOLERANCE, "{d}");
}
