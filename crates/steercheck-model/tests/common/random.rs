//! Small models with random weights, as Hugging Face folders.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use serde_json::{Value, json};

/// Named tensors in name order.
pub(crate) type Tensors = BTreeMap<String, Tensor>;

/// The `SplitMix64` generator (Steele et al. 2014): what it gives for a seed never changes.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Uniform in -1..1.
    pub(crate) fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    fn tensor(&mut self, shape: &[usize], scale: f32, centre: f32) -> Tensor {
        let count = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|_| centre + scale * self.unit()).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }
}

/// Sizes of a llama.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) vocab: usize,
    pub(crate) hidden: usize,
    pub(crate) inner: usize,
    pub(crate) blocks: usize,
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_dim: usize,
}

impl Sizes {
    /// Divides into ggml's blocks of 32.
    pub(crate) const SMALL: Self =
        Self { vocab: 48, hidden: 64, inner: 96, blocks: 2, heads: 4, kv_heads: 2, head_dim: 16 };
    /// Divides into ggml's super-blocks of 256.
    pub(crate) const WIDE: Self =
        Self { vocab: 40, hidden: 256, inner: 256, blocks: 2, heads: 4, kv_heads: 2, head_dim: 64 };
}

/// `config.json` of a model with these sizes; everything else is the family's default.
pub(crate) fn config(model_type: &str, sizes: Sizes) -> Value {
    json!({
        "model_type": model_type,
        "vocab_size": sizes.vocab,
        "hidden_size": sizes.hidden,
        "intermediate_size": sizes.inner,
        "num_hidden_layers": sizes.blocks,
        "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.kv_heads,
        "head_dim": sizes.head_dim,
        "max_position_embeddings": 64,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": false,
    })
}

/// Random weights for a configuration, with the tensors that its family asks for.
pub(crate) fn tensors(config: &Value, seed: u64) -> Tensors {
    let int = |key: &str| config[key].as_u64().unwrap() as usize;
    let flag = |key: &str| config[key].as_bool().unwrap_or(false);
    let family = config["model_type"].as_str().unwrap();
    let gemma = family == "gemma3_text";
    let (vocab, hidden, inner) = (int("vocab_size"), int("hidden_size"), int("intermediate_size"));
    let width = int("head_dim");
    let (q, kv) = (int("num_attention_heads") * width, int("num_key_value_heads") * width);
    let (qkv_bias, bias) = (family == "qwen2" || flag("attention_bias"), flag("attention_bias"));
    let mut numbers = Numbers(seed);
    let mut out = Tensors::new();
    let mut linear = |name: &str, rows: usize, columns: usize, biased: bool, numbers: &mut Numbers| {
        let scale = 1.7 / (columns as f32).sqrt();
        out.insert(format!("{name}.weight"), numbers.tensor(&[rows, columns], scale, 0.0));
        if biased {
            out.insert(format!("{name}.bias"), numbers.tensor(&[rows], 0.3, 0.0));
        }
    };
    linear("model.embed_tokens", vocab, hidden, false, &mut numbers);
    if !flag("tie_word_embeddings") {
        linear("lm_head", vocab, hidden, false, &mut numbers);
    }
    let mut norms = vec![("model.norm".to_string(), hidden)];
    for i in 0..int("num_hidden_layers") {
        let at = |piece: &str| format!("model.layers.{i}.{piece}");
        linear(&at("self_attn.q_proj"), q, hidden, qkv_bias, &mut numbers);
        linear(&at("self_attn.k_proj"), kv, hidden, qkv_bias, &mut numbers);
        linear(&at("self_attn.v_proj"), kv, hidden, qkv_bias, &mut numbers);
        linear(&at("self_attn.o_proj"), hidden, q, bias, &mut numbers);
        linear(&at("mlp.gate_proj"), inner, hidden, flag("mlp_bias"), &mut numbers);
        linear(&at("mlp.up_proj"), inner, hidden, flag("mlp_bias"), &mut numbers);
        linear(&at("mlp.down_proj"), hidden, inner, flag("mlp_bias"), &mut numbers);
        norms.push((at("input_layernorm"), hidden));
        norms.push((at("post_attention_layernorm"), hidden));
        if gemma {
            norms.push((at("pre_feedforward_layernorm"), hidden));
            norms.push((at("post_feedforward_layernorm"), hidden));
            norms.push((at("self_attn.q_norm"), width));
            norms.push((at("self_attn.k_norm"), width));
        }
    }
    for (name, width) in norms {
        let centre = if gemma { 0.0 } else { 1.0 };
        out.insert(format!("{name}.weight"), numbers.tensor(&[width], 0.3, centre));
    }
    out
}

/// Writes a folder with a configuration and weights.
pub(crate) fn write_folder(folder: &Path, config: &Value, tensors: &Tensors) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let tensors = tensors.iter().map(|(n, t)| (n.clone(), t.clone())).collect();
    candle_core::safetensors::save(&tensors, folder.join("model.safetensors")).unwrap();
}

/// Prompts of these lengths; the last two share their beginning.
pub(crate) fn prompts(vocab: usize, lengths: &[usize], seed: u64) -> Vec<Vec<u32>> {
    let mut numbers = Numbers(seed);
    let mut all: Vec<Vec<u32>> =
        lengths.iter().map(|n| (0..*n).map(|_| numbers.below(vocab) as u32).collect()).collect();
    if let [.., a, b] = all.as_mut_slice() {
        let shared = a.len().min(b.len()) / 2;
        b[..shared].copy_from_slice(&a[..shared]);
    }
    all
}
