//! Configurations with missing keys, wrong types and values that cannot be.

use serde_json::{Value, json};
use steercheck_model::ModelError;
use tempfile::TempDir;

use super::common::random::{self, Numbers, Sizes};
use super::{Tally, is_about, memory_was_bounded, options, use_model};

const TINY: Sizes = Sizes { vocab: 8, hidden: 8, inner: 8, blocks: 2, heads: 2, kv_heads: 1, head_dim: 4 };

/// A sound model of a family, whose configuration is then spoiled.
struct Spoiled {
    folder: TempDir,
    config: Value,
}

impl Spoiled {
    fn new(family: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let mut config = random::config(family, TINY);
        if family == "gemma3_text" {
            config["query_pre_attn_scalar"] = json!(4);
            config["sliding_window"] = json!(2);
        }
        random::write_folder(folder.path(), &config, &random::tensors(&config, 3));
        let sound = Self { folder, config };
        sound.open(&sound.config).unwrap();
        sound
    }

    fn open(&self, config: &Value) -> Result<(), ModelError> {
        self.open_text(&config.to_string())
    }

    fn open_text(&self, text: &str) -> Result<(), ModelError> {
        std::fs::write(self.folder.path().join("config.json"), text).unwrap();
        use_model(self.folder.path(), &options(0))
    }

    /// Sets (or, with `None`, removes) keys, and expects an error.
    fn refuses(&self, keys: &[(&str, Option<Value>)], variant: &str, word: &str) {
        let mut config = self.config.clone();
        for (key, value) in keys {
            let object = config.as_object_mut().unwrap();
            match value {
                Some(value) => drop(object.insert((*key).to_string(), value.clone())),
                None => drop(object.shift_remove(*key)),
            }
        }
        match self.open(&config) {
            Ok(()) => panic!("{keys:?} was accepted"),
            Err(error) => is_about(&format!("{keys:?}"), &error, variant, word),
        }
    }

    fn accepts(&self, key: &str, value: Value) {
        let mut config = self.config.clone();
        config[key] = value;
        self.open(&config).unwrap_or_else(|e| panic!("{key}: {e}"));
    }
}

#[test]
fn models_that_are_no_decoders_with_heads_are_told_so() {
    let llama = Spoiled::new("llama");
    for (name, kind) in [
        ("mamba", "state-space"),
        ("rwkv", "state-space"),
        ("jamba", "hybrid"),
        ("recurrent_gemma", "hybrid"),
        ("t5", "encoder-decoder"),
        ("bart", "encoder-decoder"),
        ("bert", "an encoder"),
    ] {
        let wanted = [("model_type", Some(json!(name)))];
        llama.refuses(&wanted, "NotADecoder", "is not a decoder transformer with attention heads");
        llama.refuses(&wanted, "NotADecoder", kind);
    }
}

#[test]
fn settings_that_no_family_has_are_refused_with_the_key() {
    let llama = Spoiled::new("llama");
    for (key, value) in [
        ("is_causal", json!(false)),
        ("use_bidirectional_attention", json!(true)),
        ("per_layer_config", json!({"0": {"num_attention_heads": 1}})),
        ("quantization_config", json!({"quant_method": "gptq"})),
    ] {
        llama.refuses(&[(key, Some(value))], "Config", key);
        llama.accepts(key, serde_json::Value::Null);
    }
}

#[test]
fn an_architecture_that_is_not_known_is_answered_with_the_nearest() {
    let llama = Spoiled::new("llama");
    for (name, near) in [
        ("lama", "the nearest known: llama"),
        ("Llama", "llama"),
        ("qwen25", "qwen2"),
        ("gemma4", "gemma"),
        ("gemma3", "gemma3_text"),
        ("mixtrall", "mixtral"),
        ("smollm", "smollm3"),
        ("xyz", "known are llama"),
        ("", "known are llama"),
    ] {
        llama.refuses(&[("model_type", Some(json!(name)))], "UnknownArchitecture", near);
    }
    llama.refuses(&[("model_type", Some(json!("a\nb")))], "UnknownArchitecture", "'a?b'");
    llama.refuses(&[("model_type", Some(json!("x".repeat(100_000))))], "UnknownArchitecture", "xxx...");
    llama.refuses(&[("model_type", None)], "Config", "'model_type' is missing");
    llama.refuses(&[("model_type", Some(json!(7)))], "Config", "not a text");
}

#[test]
fn a_file_that_is_not_a_configuration_is_refused() {
    let llama = Spoiled::new("llama");
    let deep = "[".repeat(100_000);
    for (text, variant, word) in [
        ("", "Damaged", "config.json"),
        ("{", "Damaged", "config.json"),
        ("model", "Damaged", "config.json"),
        ("{\"model_type\": NaN}", "Damaged", "config.json"),
        (deep.as_str(), "Damaged", "recursion"),
        ("[]", "Config", "object"),
        ("null", "Config", "object"),
        ("{}", "Config", "model_type"),
    ] {
        is_about(&text[..text.len().min(20)], &llama.open_text(text).unwrap_err(), variant, word);
    }
}

#[test]
fn sizes_that_are_missing_or_cannot_be_are_refused_with_the_key() {
    for family in ["llama", "mistral", "qwen2", "smollm3", "gemma3_text"] {
        let model = Spoiled::new(family);
        for key in ["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"] {
            model.refuses(&[(key, None)], "Config", &format!("'{key}' is missing"));
            for bad in [
                json!(0),
                json!(-1),
                json!(2.0),
                json!("8"),
                json!(true),
                json!([8]),
                json!({}),
                json!(u64::MAX),
                json!(i64::MIN),
                json!(1e300),
                json!(1u64 << 40),
            ] {
                model.refuses(&[(key, Some(bad))], "Config", key);
            }
            model.refuses(&[(key, Some(Value::Null))], "Config", key);
        }
        for key in ["head_dim", "num_key_value_heads", "max_position_embeddings"] {
            for bad in [json!(0), json!(-1), json!(2.5), json!("8"), json!(u64::MAX), json!(vec![1; 1000])] {
                model.refuses(&[(key, Some(bad))], "Config", key);
            }
        }
        for bad in [json!(0), json!(-1e-5), json!("small"), json!(null), json!([])] {
            if !bad.is_null() {
                model.refuses(&[("rms_norm_eps", Some(bad.clone()))], "Config", "rms_norm_eps");
                model.refuses(&[("rope_theta", Some(bad))], "Config", "rope_theta");
            }
        }
        model.refuses(&[("rope_theta", Some(json!(1e-300)))], "Config", "finite");
        model.refuses(&[("tie_word_embeddings", Some(json!("no")))], "Config", "true or false");
        let activation = if family == "gemma3_text" { "hidden_activation" } else { "hidden_act" };
        model.refuses(&[(activation, Some(json!("swiglu")))], "Config", "'swiglu'");
    }
    memory_was_bounded();
}

#[test]
fn large_sizes_that_the_weights_do_not_have_end_in_the_tensor_and_not_in_memory() {
    let model = Spoiled::new("llama");
    for (keys, word) in [
        (vec![("vocab_size", 1u64 << 24), ("hidden_size", 1 << 24)], "[16777216, 16777216] is expected"),
        (vec![("vocab_size", 9)], "[9, 8] is expected"),
        (vec![("intermediate_size", 1 << 24)], "16777216"),
        (vec![("num_hidden_layers", 4096)], "model.layers."),
        (vec![("num_attention_heads", 1 << 16), ("head_dim", 1 << 16)], "4294967296"),
        (vec![("num_attention_heads", 1 << 16), ("num_key_value_heads", 1 << 16), ("head_dim", 2)], "131072"),
    ] {
        let keys: Vec<_> = keys.into_iter().map(|(k, v)| (k, Some(json!(v)))).collect();
        model.refuses(&keys, "Tensor", word);
    }
    model.accepts("max_position_embeddings", json!(1u64 << 40));
    memory_was_bounded();
}

#[test]
fn heads_that_do_not_fit_together_are_refused() {
    let model = Spoiled::new("llama");
    let heads = |h: u64, kv: u64, width: Option<u64>| {
        [
            ("num_attention_heads", Some(json!(h))),
            ("num_key_value_heads", Some(json!(kv))),
            ("head_dim", width.map(|w| json!(w))),
        ]
    };
    model.refuses(&heads(4, 3, Some(2)), "Config", "does not divide 4 heads");
    model.refuses(&heads(4, 5, Some(2)), "Config", "1 to 4");
    model.refuses(&heads(3, 1, None), "Config", "3 heads do not divide 8");
    model.refuses(&heads(9, 1, None), "Config", "9 heads do not divide 8");
    model.refuses(&heads(8, 8, None), "Config", "even number");
    for odd in [1, 3, 65_535] {
        model.refuses(&heads(2, 1, Some(odd)), "Config", "even number");
    }
}

#[test]
fn rotary_settings_that_cannot_be_are_refused_in_both_generations_of_keys() {
    let model = Spoiled::new("llama");
    let longrope = |short: &[f64], trained: usize| json!({"rope_type": "longrope", "short_factor": short, "long_factor": [1, 2], "original_max_position_embeddings": trained});
    let llama3 = |low: f64, high: f64| json!({"rope_type": "llama3", "factor": 8, "low_freq_factor": low, "high_freq_factor": high});
    for (setting, word) in [
        (json!({"rope_type": "ntk"}), "default, linear, dynamic, llama3, yarn and longrope"),
        (json!({"type": "longrope", "factor": 2}), "short_factor' is missing"),
        (longrope(&[1.0], 8), "holds 1 values for 2 frequencies"),
        (longrope(&[1.0, -1.0], 8), "above 0"),
        (longrope(&[1.0, 2.0], 0), "original_max_position"),
        (json!({"rope_type": 3}), "not a text"),
        (json!({"rope_type": "linear"}), "factor' is missing"),
        (json!({"rope_type": "linear", "factor": 0}), "at least 1"),
        (json!({"rope_type": "linear", "factor": -8.0}), "at least 1"),
        (json!({"rope_type": "linear", "factor": "8"}), "finite number"),
        (json!({"rope_type": "dynamic", "factor": 0.5}), "at least 1"),
        (json!({"rope_type": "dynamic", "factor": 1e300}), "finite"),
        (json!({"rope_type": "yarn", "factor": 0}), "at least 1"),
        (json!({"rope_type": "yarn", "factor": 4, "original_max_position_embeddings": 0}), "original_max_position"),
        (json!({"rope_type": "yarn", "factor": 4, "original_max_position_embeddings": -4}), "original_max_position"),
        (json!({"rope_type": "yarn", "factor": 4, "beta_fast": 0}), "beta_fast"),
        (json!({"rope_type": "yarn", "factor": 4, "attention_factor": -1}), "attention_factor"),
        (json!({"rope_type": "yarn", "factor": 4, "attention_factor": 1e300}), "finite"),
        (json!({"rope_type": "yarn", "factor": 4, "mscale": -1e300, "mscale_all_dim": 1}), "finite"),
        (llama3(4.0, 4.0), "above low_freq_factor"),
        (llama3(0.0, 4.0), "low_freq_factor"),
        (llama3(1.0, -4.0), "high_freq_factor"),
        (json!({"rope_type": "llama3"}), "factor' is missing"),
        (json!("linear"), "not an object"),
        (json!([1]), "not an object"),
    ] {
        for key in ["rope_scaling", "rope_parameters"] {
            model.refuses(&[(key, Some(setting.clone()))], "Config", word);
        }
    }
    model.accepts("rope_scaling", json!({"rope_type": "dynamic", "factor": 1e6}));
    model.accepts("rope_scaling", json!({"rope_type": "linear", "factor": 1e300}));
    model.accepts("rope_scaling", Value::Null);
}

#[test]
fn windows_and_kinds_of_blocks_that_cannot_be_are_refused() {
    for family in ["mistral", "gemma3_text"] {
        let model = Spoiled::new(family);
        model.refuses(&[("sliding_window", Some(json!(0)))], "Config", "at least 1");
        model.refuses(&[("sliding_window", Some(json!(-3)))], "Config", "sliding_window");
        model.accepts("sliding_window", json!(u64::MAX));
    }
    {
        let model = Spoiled::new("gemma3_text");
        let (full, sliding) = (json!("full_attention"), json!("sliding_attention"));
        model.refuses(&[("layer_types", Some(json!([full])))], "Config", "1 entries for 2 blocks");
        model.refuses(&[("layer_types", Some(json!([])))], "Config", "0 entries for 2 blocks");
        model.refuses(&[("layer_types", Some(json!([full, sliding, full])))], "Config", "3 entries for 2 blocks");
        model.refuses(&[("layer_types", Some(json!([full, "chunked_attention"])))], "Config", "chunked_attention");
        model.refuses(&[("layer_types", Some(json!([full, 1])))], "Config", "layer_types");
        model.refuses(&[("layer_types", Some(json!("full_attention")))], "Config", "not a list");
        model.accepts("layer_types", json!([full, sliding]));
    }
    let qwen = Spoiled::new("qwen2");
    let sliding = json!(["full_attention", "sliding_attention"]);
    qwen.refuses(&[("layer_types", Some(sliding))], "Config", "no sliding_window is in use");
    qwen.refuses(
        &[("use_sliding_window", Some(json!(true))), ("sliding_window", Some(json!(0)))],
        "Config",
        "at least 1",
    );
    let smol = Spoiled::new("smollm3");
    smol.refuses(&[("no_rope_layers", Some(json!([1])))], "Config", "1 entries for 2 blocks");
    smol.refuses(&[("no_rope_layers", Some(json!([1, 2])))], "Config", "0 and 1");
    smol.accepts("no_rope_layers", json!([0, 0]));
    smol.accepts("no_rope_layer_interval", json!(0));
    let gemma = Spoiled::new("gemma3_text");
    gemma.refuses(&[("attn_logit_softcapping", Some(json!(5.0)))], "Config", "only null");
    for key in ["final_logit_softcapping", "query_pre_attn_scalar"] {
        gemma.refuses(&[(key, Some(json!(0)))], "Config", "above 0");
        gemma.refuses(&[(key, Some(json!(-5.0)))], "Config", "above 0");
    }
    gemma.refuses(&[("use_bidirectional_attention", Some(json!(true)))], "Config", "only false");
    gemma.accepts("sliding_window_pattern", json!(0));
}

#[test]
fn a_configuration_that_the_weights_contradict_ends_in_the_tensor() {
    for family in ["llama", "qwen2"] {
        let folder = TempDir::new().unwrap();
        let mut config = random::config(family, TINY);
        config["tie_word_embeddings"] = json!(true);
        random::write_folder(folder.path(), &config, &random::tensors(&config, 3));
        use_model(folder.path(), &options(0)).unwrap();
        config["tie_word_embeddings"] = json!(false);
        std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        let error = use_model(folder.path(), &options(0)).unwrap_err();
        is_about("untied", &error, "Tensor", "'lm_head.weight' is missing");
    }
    let model = Spoiled::new("llama");
    model.refuses(&[("attention_bias", Some(json!(true)))], "Tensor", "_proj.bias' is missing");
    model.refuses(&[("mlp_bias", Some(json!(true)))], "Tensor", "_proj.bias' is missing");
    model.refuses(&[("num_hidden_layers", Some(json!(3)))], "Tensor", "model.layers.2.");
    model.refuses(&[("intermediate_size", Some(json!(16)))], "Tensor", "[16, 8]");
    model.refuses(&[("head_dim", Some(json!(6)))], "Tensor", "[12, 8]");
    model.refuses(&[("model_type", Some(json!("qwen2")))], "Tensor", "bias' is missing");
    // Fewer blocks than the weights have, and an unembedding that is not asked for, are a model.
    model.accepts("num_hidden_layers", json!(1));
    model.accepts("tie_word_embeddings", json!(true));
}

/// Every value of a configuration replaced by every strange one.
#[test]
fn any_value_in_any_key_is_used_or_refused() {
    let strange = [
        json!(null),
        json!(true),
        json!(0),
        json!(1),
        json!(3),
        json!(-1),
        json!(0.5),
        json!(1e-320),
        json!(1e308),
        json!(u64::MAX),
        json!(u32::MAX),
        json!(1u64 << 24),
        json!(""),
        json!("sliding_attention"),
        json!([]),
        json!([0, 0]),
        json!([null, null]),
        json!({}),
        json!({"rope_type": "yarn", "factor": 1e308, "original_max_position_embeddings": 1}),
        json!({"rope_type": "dynamic", "factor": 1, "original_max_position_embeddings": 1u64 << 40}),
        json!({"rope_type": "llama3", "factor": 1, "high_freq_factor": 1e308}),
        json!({"sliding_attention": {"rope_theta": 1e308}, "full_attention": {"rope_type": "linear", "factor": 1}}),
    ];
    let keys = [
        "vocab_size",
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "head_dim",
        "max_position_embeddings",
        "rms_norm_eps",
        "tie_word_embeddings",
        "rope_theta",
        "rope_scaling",
        "rope_parameters",
        "rope_local_base_freq",
        "sliding_window",
        "sliding_window_pattern",
        "use_sliding_window",
        "max_window_layers",
        "layer_types",
        "no_rope_layers",
        "no_rope_layer_interval",
        "attention_bias",
        "mlp_bias",
        "hidden_act",
        "query_pre_attn_scalar",
        "attn_logit_softcapping",
        "final_logit_softcapping",
    ];
    let mut tally = Tally::default();
    let mut numbers = Numbers(5);
    for family in ["llama", "mistral", "qwen2", "smollm3", "gemma3_text"] {
        let model = Spoiled::new(family);
        for key in keys {
            for value in &strange {
                let mut config = model.config.clone();
                config[key] = value.clone();
                // Every second time, another key as well.
                if numbers.below(2) == 0 {
                    config[keys[numbers.below(keys.len())]] = strange[numbers.below(strange.len())].clone();
                }
                tally.attempt(|| format!("{family}: {config}"), || model.open(&config));
            }
        }
    }
    assert!(tally.accepted > 300, "{}", tally.accepted);
    tally.settle("strange values");
}
