//! A Hugging Face model as llama.cpp's `convert_hf_to_gguf.py` writes it: names by gguf-py's `tensor_mapping.py`, keys by
//! its `constants.py`, q and k of llama reordered by `LlamaModel.permute`, Gemma's norm weights raised by 1.

use std::f64::consts::PI;

use candle_core::{Device, Tensor};
use serde_json::Value;

use super::gguf_writer::{Kind, Meta, Writer};
use super::random::Tensors;

/// Rows reordered so that the two halves of a head alternate: rotary pairs become neighbours.
fn permute(tensor: &Tensor, heads: usize) -> Tensor {
    let shape = tensor.dims().to_vec();
    let inner: usize = shape[1..].iter().product();
    let by_half = tensor.reshape((heads, 2, shape[0] / heads / 2, inner)).unwrap();
    by_half.transpose(1, 2).unwrap().contiguous().unwrap().reshape(shape).unwrap()
}

fn block_name(piece: &str, gemma: bool) -> &'static str {
    match piece {
        "input_layernorm" => "attn_norm",
        "self_attn.q_proj" => "attn_q",
        "self_attn.k_proj" => "attn_k",
        "self_attn.v_proj" => "attn_v",
        "self_attn.o_proj" => "attn_output",
        "self_attn.q_norm" => "attn_q_norm",
        "self_attn.k_norm" => "attn_k_norm",
        "post_attention_layernorm" if gemma => "post_attention_norm",
        "post_attention_layernorm" | "pre_feedforward_layernorm" => "ffn_norm",
        "post_feedforward_layernorm" => "post_ffw_norm",
        "mlp.gate_proj" => "ffn_gate",
        "mlp.up_proj" => "ffn_up",
        "mlp.down_proj" => "ffn_down",
        other => panic!("no GGUF name for {other}"),
    }
}

fn gguf_name(name: &str, gemma: bool) -> String {
    let (stem, part) = name.rsplit_once('.').unwrap();
    let stem = match stem {
        "model.embed_tokens" => "token_embd".to_string(),
        "model.norm" => "output_norm".to_string(),
        "lm_head" => "output".to_string(),
        block => {
            let rest = block.strip_prefix("model.layers.").unwrap();
            let (number, piece) = rest.split_once('.').unwrap();
            format!("blk.{number}.{}", block_name(piece, gemma))
        }
    };
    format!("{stem}.{part}")
}

/// Divisors of the frequencies for llama 3's scaling, as the converter computes them for `rope_freqs.weight`.
fn llama3_factors(scaling: &Value, theta: f64, dims: usize) -> Tensor {
    let of = |key: &str| scaling[key].as_f64().unwrap();
    let (factor, low, high) = (of("factor"), of("low_freq_factor"), of("high_freq_factor"));
    let trained = of("original_max_position_embeddings");
    let factors: Vec<f32> = (0..dims / 2)
        .map(|i| {
            let wavelength = 2.0 * PI * theta.powf(2.0 * i as f64 / dims as f64);
            let smooth = (trained / wavelength - low) / (high - low);
            let divisor = if wavelength < trained / high {
                1.0
            } else if wavelength > trained / low {
                factor
            } else {
                1.0 / ((1.0 - smooth) / factor + smooth)
            };
            divisor as f32
        })
        .collect();
    Tensor::new(factors, &Device::Cpu).unwrap()
}

fn scaling(out: &mut Writer, arch: &str, config: &Value, theta: f64, dims: usize) {
    let scaling = &config["rope_scaling"];
    let key = |k: &str| format!("{arch}.rope.scaling.{k}");
    let kind = scaling["rope_type"].as_str().or(scaling["type"].as_str());
    let factor = Meta::F32(scaling["factor"].as_f64().unwrap_or(0.0) as f32);
    match kind {
        None => {}
        Some("linear") => {
            out.meta(&key("type"), Meta::text("linear"));
            out.meta(&key("factor"), factor);
        }
        Some("yarn") => {
            let trained = scaling["original_max_position_embeddings"].as_u64().unwrap();
            out.meta(&key("type"), Meta::text("yarn"));
            out.meta(&key("factor"), factor);
            out.meta(&key("original_context_length"), Meta::U32(trained as u32));
            for (from, to) in [
                ("attention_factor", "yarn_attn_factor"),
                ("beta_fast", "yarn_beta_fast"),
                ("beta_slow", "yarn_beta_slow"),
            ] {
                if let Some(value) = scaling[from].as_f64() {
                    out.meta(&key(to), Meta::F32(value as f32));
                }
            }
        }
        Some("llama3") => out.tensor("rope_freqs.weight", &llama3_factors(scaling, theta, dims), Kind::F32),
        Some(other) => panic!("{other} is not converted"),
    }
}

/// The GGUF file of a model. Matrices are written as `kind`, vectors as f32.
pub(crate) fn convert(config: &Value, tensors: &Tensors, kind: Kind) -> Writer {
    let family = config["model_type"].as_str().unwrap();
    let gemma = family == "gemma3_text";
    let arch = if gemma { "gemma3" } else { family };
    let int = |key: &str| config[key].as_u64().unwrap() as usize;
    let (heads, kv_heads, hidden) = (int("num_attention_heads"), int("num_key_value_heads"), int("hidden_size"));
    let head_dim = config["head_dim"].as_u64().map_or(hidden / heads, |d| d as usize);
    let theta = config["rope_theta"].as_f64().unwrap_or(10_000.0);
    let mut out = Writer::new();
    out.meta("general.architecture", Meta::text(arch));
    out.meta("general.name", Meta::text("a small model"));
    out.meta("general.file_type", Meta::U32(0));
    out.meta("general.quantization_version", Meta::U32(2));
    for (key, value) in [
        ("context_length", int("max_position_embeddings")),
        ("embedding_length", hidden),
        ("feed_forward_length", int("intermediate_size")),
        ("block_count", int("num_hidden_layers")),
        ("attention.head_count", heads),
        ("attention.head_count_kv", kv_heads),
        ("vocab_size", int("vocab_size")),
        ("rope.dimension_count", head_dim),
    ] {
        out.meta(&format!("{arch}.{key}"), Meta::U32(value as u32));
    }
    if config["head_dim"].is_u64() {
        out.meta(&format!("{arch}.attention.key_length"), Meta::U32(head_dim as u32));
        out.meta(&format!("{arch}.attention.value_length"), Meta::U32(head_dim as u32));
    }
    let eps = config["rms_norm_eps"].as_f64().unwrap() as f32;
    out.meta(&format!("{arch}.attention.layer_norm_rms_epsilon"), Meta::F32(eps));
    out.meta(&format!("{arch}.rope.freq_base"), Meta::F32(theta as f32));
    scaling(&mut out, arch, config, theta, head_dim);
    if gemma {
        out.meta("gemma3.attention.sliding_window", Meta::U32(int("sliding_window") as u32));
    }
    for (name, tensor) in tensors {
        let mut tensor = tensor.clone();
        if arch == "llama" || arch == "smollm3" {
            for (piece, heads) in [("q_proj.", heads), ("k_proj.", kv_heads)] {
                if name.contains(piece) {
                    tensor = permute(&tensor, heads);
                }
            }
        }
        if gemma && name.ends_with("norm.weight") {
            tensor = (tensor + 1.0).unwrap();
        }
        // llama.cpp scales Gemma's scores by the head's width; any other scale is only possible within the norm.
        if gemma && name.ends_with("q_norm.weight") {
            let scalar = config["query_pre_attn_scalar"].as_f64().unwrap();
            tensor = (tensor * (head_dim as f64 / scalar).sqrt()).unwrap();
        }
        let kind = if tensor.dims().len() > 1 { kind } else { Kind::F32 };
        out.tensor(&gguf_name(name, gemma), &tensor, kind);
    }
    out
}
