//! What GGUF files share, whatever the family: llama.cpp's keys and tensor names.

use crate::error::{ModelError, Result};
use crate::files::plain;
use crate::gguf::Gguf;
use crate::rope::{RotaryPairs, RotaryScaling, RotarySpec};
use crate::slots::{Names, Piece};
use crate::spec::{
    Activation, Biases, BlockNorms, BlockSpec, DecoderSpec, Gating, HeadSpec, Mlp, NormKind, NormPlace, NormSpec,
    QkNorm, Tying,
};

/// llama.cpp's tensor names (gguf-py's `tensor_mapping.py` lists them).
pub(super) const NAMES: Names =
    Names { embedding: "token_embd", final_norm: "output_norm", head: "output", block: "blk", piece };

fn piece(piece: Piece) -> &'static str {
    match piece {
        Piece::AttentionNorm => "attn_norm",
        Piece::Query => "attn_q",
        Piece::Key => "attn_k",
        Piece::Value => "attn_v",
        Piece::Output => "attn_output",
        Piece::QueryNorm => "attn_q_norm",
        Piece::KeyNorm => "attn_k_norm",
        Piece::AttentionPostNorm => "post_attention_norm",
        Piece::MlpNorm => "ffn_norm",
        Piece::Gate => "ffn_gate",
        Piece::Up => "ffn_up",
        Piece::Down => "ffn_down",
        Piece::MlpPostNorm => "post_ffw_norm",
    }
}

/// Sizes and rotary settings of a llama-shaped file; biases and tying are seen from the tensors that are there.
pub(super) fn llama_shaped(gguf: &Gguf, family: &'static str, pairs: RotaryPairs) -> Result<DecoderSpec> {
    let arch = gguf.text("general.architecture")?.unwrap_or(family).to_string();
    let key = |k: &str| format!("{arch}.{k}");
    let size = |k: &str, most: usize| -> Result<usize> {
        let n = gguf.required_int(&key(k))?;
        if (1..=most).contains(&n) {
            Ok(n)
        } else {
            Err(gguf.problem(&key(k), format!("is {n}; 1 to {most} is possible")))
        }
    };
    let (most, most_heads) = (1 << 24, 1 << 16);
    let hidden_size = size("embedding_length", most)?;
    let heads = size("attention.head_count", most_heads)?;
    let depth = size("block_count", 4096)?;
    let kv_heads = gguf.int(&key("attention.head_count_kv"))?.unwrap_or(heads);
    if kv_heads == 0 || kv_heads > heads {
        let problem = format!("is {kv_heads}; 1 to {heads} (the number of heads) is possible");
        return Err(gguf.problem(&key("attention.head_count_kv"), problem));
    }
    let width_key = key("attention.key_length");
    let head_dim = match gguf.int(&width_key)? {
        Some(_) => size("attention.key_length", most_heads)?,
        None if hidden_size.is_multiple_of(heads) => hidden_size / heads,
        None => {
            return Err(gguf.problem(&width_key, format!("is missing and {heads} heads do not divide {hidden_size}")));
        }
    };
    if let Some(v) = gguf.int(&key("attention.value_length"))?
        && v != head_dim
    {
        return Err(gguf
            .problem(&key("attention.value_length"), format!("is {v}; only key_length ({head_dim}) is implemented")));
    }
    if gguf.int(&key("expert_count"))?.unwrap_or(0) > 0 {
        return Err(gguf.problem(&key("expert_count"), "is above 0: mixtures of experts are not implemented"));
    }
    let eps_key = key("attention.layer_norm_rms_epsilon");
    let eps = gguf
        .float(&eps_key)?
        .filter(|e| *e > 0.0)
        .ok_or_else(|| gguf.problem(&eps_key, "is missing or not above 0"))?;
    let dims = gguf.int(&key("rope.dimension_count"))?.unwrap_or(head_dim);
    if let Some(factors) = gguf.tensors.get("rope_freqs.weight")
        && factors.shape != [dims / 2]
    {
        let problem = format!(
            "has shape {:?} where one divisor for each of {} frequencies is expected; convert the model again",
            factors.shape,
            dims / 2
        );
        return Err(ModelError::Tensor { name: "rope_freqs.weight".into(), problem });
    }
    let vocab_size = match gguf.tensors.get("token_embd.weight") {
        Some(t) if t.shape.len() == 2 && t.shape[0] > 0 => t.shape[0],
        _ => return Err(gguf.problem("token_embd.weight", "is not among the tensors as a matrix")),
    };
    let has = |name: &str| gguf.tensors.contains_key(name);
    Ok(DecoderSpec {
        family,
        vocab_size,
        hidden_size,
        intermediate_size: size("feed_forward_length", most)?,
        heads,
        kv_heads,
        head_dim,
        max_positions: match gguf.int(&key("context_length"))? {
            Some(_) => size("context_length", 1 << 40)?,
            None => 2048,
        },
        embedding_multiplier: 1.0,
        residual_multiplier: 1.0,
        attention_scale: (head_dim as f64).powf(-0.5) as f32,
        attention_soft_cap: None,
        norms: BlockNorms {
            spec: NormSpec { kind: NormKind::Rms, eps: eps as f32, weight_offset: 0.0 },
            place: NormPlace::Before,
        },
        qk_norm: QkNorm::None,
        biases: Biases {
            qkv: has("blk.0.attn_q.bias"),
            output: has("blk.0.attn_output.bias"),
            mlp: has("blk.0.ffn_up.bias"),
        },
        mlp: Mlp { activation: Activation::Silu, gating: Gating::Gated },
        rotary: vec![RotarySpec {
            theta: gguf.float(&key("rope.freq_base"))?.filter(|t| *t > 0.0).unwrap_or(10_000.0),
            dims,
            pairs,
            scaling: scaling(gguf, &arch)?,
        }],
        blocks: vec![BlockSpec { rotary: Some(0), window: None }; depth],
        head: HeadSpec {
            tying: if has("output.weight") { Tying::Untied } else { Tying::Tied },
            logit_multiplier: 1.0,
            soft_cap: None,
        },
    })
}

/// Stretching by metadata. Divisors per frequency (`rope_freqs.weight`) are put in by the loader, which can read tensors.
fn scaling(gguf: &Gguf, arch: &str) -> Result<RotaryScaling> {
    let key = |k: &str| format!("{arch}.rope.scaling.{k}");
    // Converters of 2023 wrote one key for linear scaling; llama.cpp still reads it, and takes no type for linear.
    let factor = match gguf.float(&key("factor"))? {
        Some(f) => Some(f),
        None => gguf.float(&format!("{arch}.rope.scale_linear"))?,
    };
    let factor = factor.filter(|f| *f >= 1.0);
    let Some(kind) = gguf.text(&key("type"))? else {
        return Ok(factor.map_or(RotaryScaling::None, |factor| RotaryScaling::Linear { factor }));
    };
    let missing = || gguf.problem(&key("factor"), "is missing or below 1");
    let positive = |k: &str, default: f64| match gguf.float(&key(k))? {
        None => Ok(default),
        Some(f) if f > 0.0 => Ok(f),
        Some(f) => Err(gguf.problem(&key(k), format!("is {f}; it must be above 0"))),
    };
    let trained = key("original_context_length");
    Ok(match kind {
        "none" => RotaryScaling::None,
        "linear" => RotaryScaling::Linear { factor: factor.ok_or_else(missing)? },
        "yarn" => {
            let factor = factor.ok_or_else(missing)?;
            RotaryScaling::Yarn {
                factor,
                trained: match gguf.int(&trained)? {
                    Some(0) => return Err(gguf.problem(&trained, "is 0; it must be at least 1")),
                    Some(n) => n,
                    None => gguf.required_int(&format!("{arch}.context_length"))?,
                },
                beta_fast: positive("yarn_beta_fast", 32.0)?,
                beta_slow: positive("yarn_beta_slow", 1.0)?,
                // `yarn_attn_factor` is the configuration's attention_factor, which replaces the default;
                // `attn_factor` (`hparams.rope_attn_factor` in llama.cpp) multiplies it.
                attention_factor: positive(
                    "yarn_attn_factor",
                    RotaryScaling::yarn_attention_factor(factor, None, None),
                )? * positive("attn_factor", 1.0)?,
                truncate: true,
            }
        }
        other => {
            return Err(
                gguf.problem(&key("type"), format!("is '{}'; implemented are none, linear and yarn", plain(other)))
            );
        }
    })
}
