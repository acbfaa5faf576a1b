//! MPT: linear biases, norms without biases, queries, keys and values clamped. `MosaicML` 2023. transformers' class fixes what
//! the original code left open; other settings are refused. One it passes over: its slopes are those of `alibi_bias_max` 8,
//! whatever the configuration states (5.23, 4.57), and so are these. GGUF files state theirs, which llama.cpp follows.

use super::hf_common::{self, MOST, MOST_BLOCKS, MOST_HEADS, Sizes};
use super::{Family, gguf_common, names};
use crate::config::Config;
use crate::error::Result;
use crate::gguf::Gguf;
use crate::slots::{Names, Piece};
use crate::spec::{Activation, Affine, Alibi, DecoderSpec, Gating, Mlp, NormKind, Tying};

pub(super) const FAMILY: Family = Family {
    model_types: &["mpt"],
    architectures: &["mpt"],
    from_config,
    from_gguf: Some(from_gguf),
    names: Names {
        final_norm: "norm_f",
        block: "blocks",
        piece: |piece, _| names::or(names::sequential(piece, "attn.Wqkv"), stem(piece)),
        ..names::GPT
    },
};

/// Exponent of the last slope.
const ALIBI_MAX: f64 = 8.0;

fn stem(piece: Piece) -> &'static str {
    match piece {
        Piece::AttentionNorm => "norm_1",
        Piece::Output => "attn.out_proj",
        Piece::MlpNorm => "norm_2",
        Piece::Up => "ffn.up_proj",
        Piece::Down => "ffn.down_proj",
        other => names::llama_stem(other),
    }
}

fn from_config(config: Config<'_>) -> Result<DecoderSpec> {
    let hidden = hf_common::size(config, &["hidden_size", "d_model"], MOST)?;
    let heads = hf_common::size(config, &["num_attention_heads", "n_heads"], MOST_HEADS)?;
    let sizes = Sizes {
        vocab: config.size("vocab_size", MOST)?,
        hidden,
        inner: 4 * hidden,
        blocks: hf_common::size(config, &["num_hidden_layers", "n_layers"], MOST_BLOCKS)?,
        heads,
        head_dim: hf_common::head_dim(config, "n_heads", hidden, heads)?,
        positions: hf_common::positions(config, &["max_seq_len"], 2048)?,
    };
    config.only("expansion_ratio", &4.into())?;
    config.only("no_bias", &true.into())?;
    if config.get("logit_scale").is_some() {
        return Err(config.problem("logit_scale", "is set; only null is implemented"));
    }
    let norm = hf_common::norm(NormKind::Layer, Affine::Scale, config.positive("layer_norm_epsilon", 1e-5)?);
    let mlp = Mlp { activation: Activation::GeluErf, gating: Gating::Plain };
    let mut spec = hf_common::decoder("mpt", &sizes, norm, mlp);
    spec.head.tying = hf_common::tying(config, Tying::Tied)?;
    if let Some(attention) = config.object("attn_config")? {
        attention.only("alibi", &true.into())?;
        attention.only("attn_type", &"multihead_attention".into())?;
        attention.only("prefix_lm", &false.into())?;
        attention.only("qk_ln", &false.into())?;
        attention.only("rope", &false.into())?;
        if let Some(kv) = attention.int("kv_n_heads")?.filter(|kv| *kv != heads) {
            return Err(attention.problem("kv_n_heads", format!("is {kv}; only {heads} (all heads) is implemented")));
        }
        // 0 stands for none, as in the class.
        spec.qkv_clip = match attention.float("clip_qkv")? {
            Some(0.0) => None,
            _ => attention.cap("clip_qkv", None)?,
        };
        if attention.get("softmax_scale").is_some() {
            hf_common::scale_scores(&mut spec, attention.positive("softmax_scale", 1.0)? as f32);
        }
    }
    spec.alibi = Some(Alibi::mpt(heads, ALIBI_MAX));
    Ok(spec)
}

fn from_gguf(gguf: &Gguf) -> Result<DecoderSpec> {
    let mut spec = gguf_common::gpt_shaped(gguf, "mpt")?;
    gguf_common::sizes_by_rule(gguf, &mut spec);
    spec.mlp.activation = Activation::GeluErf;
    spec.qkv_clip = gguf_common::cap(gguf, "mpt.attention.clamp_kqv", None)?;
    let most = gguf.float("mpt.attention.max_alibi_bias")?.unwrap_or(0.0);
    if most > 0.0 {
        spec.alibi = Some(Alibi::mpt(spec.heads, most));
    }
    Ok(spec)
}
