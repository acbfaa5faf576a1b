//! Falcon 7B, 40B, 180B and RW: parallel or sequential, one key/value head, some or as many as query heads, rotary positions
//! or linear biases. Almazrouei et al. 2023. Falcon 3 is llama-shaped.

use super::hf_common::{self, MOST, MOST_BLOCKS, MOST_HEADS, Sizes};
use super::{Family, bloom, gguf_common, hf_rope, names};
use crate::config::Config;
use crate::error::Result;
use crate::gguf::Gguf;
use crate::rope::RotaryPairs;
use crate::slots::{Names, Piece};
use crate::spec::{
    Activation, Affine, Alibi, AlibiRounding, Arrangement, Biases, DecoderSpec, Gating, Mlp, NormKind, Tying,
};

pub(super) const FAMILY: Family = Family {
    model_types: &["falcon"],
    architectures: &["falcon"],
    from_config,
    from_gguf: Some(from_gguf),
    names: Names {
        embedding: "word_embeddings",
        piece: |piece, spec| names::or(names::grouped(piece, "self_attention.query_key_value"), stem(piece, spec)),
        ..names::GPT
    },
};

fn stem(piece: Piece, spec: &DecoderSpec) -> &'static str {
    match (piece, spec.arrangement) {
        (Piece::AttentionNorm, Arrangement::ParallelOwnNorms) => "ln_attn",
        (Piece::MlpNorm, Arrangement::ParallelOwnNorms) => "ln_mlp",
        _ => bloom::stem(piece),
    }
}

fn from_config(config: Config<'_>) -> Result<DecoderSpec> {
    let hidden = hf_common::size(config, &["n_embed", "hidden_size"], MOST)?;
    let heads = hf_common::size(config, &["num_attention_heads"], MOST_HEADS)?;
    let sizes = Sizes {
        vocab: config.size("vocab_size", MOST)?,
        hidden,
        inner: hf_common::size_or(config, &["ffn_hidden_size"], MOST, 4 * hidden)?,
        blocks: hf_common::size(config, &["num_hidden_layers"], MOST_BLOCKS)?,
        heads,
        head_dim: hf_common::head_dim(config, "num_attention_heads", hidden, heads)?,
        positions: hf_common::positions(config, &["max_position_embeddings"], 2048)?,
    };
    let norm = hf_common::norm(NormKind::Layer, Affine::ScaleAndBias, config.positive("layer_norm_epsilon", 1e-5)?);
    let activation = hf_common::activation(config, "activation", "gelu")?;
    let mut spec = hf_common::decoder("falcon", &sizes, norm, Mlp { activation, gating: Gating::Plain });
    let biased = config.bool("bias", false)?;
    spec.biases = Biases { qkv: biased, output: biased, mlp: biased };
    spec.head.tying = hf_common::tying(config, Tying::Tied)?;
    let new = config.bool("new_decoder_architecture", false)?;
    let kv_heads = hf_common::size_or(config, &["num_kv_heads"], heads, heads)?;
    spec.kv_heads = match (new, config.bool("multi_query", true)?) {
        (true, _) => kv_heads,
        (false, true) => 1,
        (false, false) if kv_heads == heads => heads,
        (false, false) => {
            let problem = format!("is {kv_heads}; without new_decoder_architecture only 1 or {heads} is possible");
            return Err(config.problem("num_kv_heads", problem));
        }
    };
    spec.arrangement = arrangement(config, new)?;
    if config.bool("alibi", false)? {
        let scale = hf_common::scale(sizes.head_dim);
        spec.alibi = Some(Alibi { scale, rounding: AlibiRounding::Bf16, ..Alibi::press(heads) });
    } else {
        hf_common::rotate(&mut spec, hf_rope::rotary(config, &hf_rope::PLAIN, sizes.head_dim, sizes.positions)?);
    }
    Ok(spec)
}

fn arrangement(config: Config<'_>, new: bool) -> Result<Arrangement> {
    let key = "num_ln_in_parallel_attn";
    let norms = config.int(key)?;
    let parallel = config.bool("parallel_attn", true)?;
    match (parallel, new, norms) {
        (false, false, _) => Ok(Arrangement::Sequential),
        (true, true, None | Some(2)) => Ok(Arrangement::ParallelOwnNorms),
        (true, true, Some(1)) | (true, false, None | Some(1)) => Ok(Arrangement::ParallelSharedNorm),
        (false, true, _) => {
            Err(config
                .problem("parallel_attn", "is false; new_decoder_architecture is only defined with parallel_attn"))
        }
        (true, _, Some(n)) => {
            let most = if new { "1 and 2 are" } else { "without new_decoder_architecture only 1 is" };
            Err(config.problem(key, format!("is {n}; {most} implemented")))
        }
    }
}

fn from_gguf(gguf: &Gguf) -> Result<DecoderSpec> {
    let mut spec = gguf_common::gpt_shaped(gguf, "falcon")?;
    gguf_common::sizes_by_rule(gguf, &mut spec);
    spec.mlp.activation = Activation::GeluErf;
    gguf_common::rotate(gguf, &mut spec, RotaryPairs::Halves)?;
    // llama.cpp's Falcon is always parallel; the 40B shape is known by its second norm.
    spec.arrangement = if gguf.tensors.contains_key("blk.0.attn_norm_2.weight") {
        Arrangement::ParallelOwnNorms
    } else {
        Arrangement::ParallelSharedNorm
    };
    Ok(spec)
}
