//! GPT-NeoX and Pythia: attention and MLP in parallel, queries, keys and values in one tensor by head, rotary positions on a
//! share of each head. Black et al. 2022, Biderman et al. 2023.

use super::hf_common::{self, MOST, MOST_BLOCKS, MOST_HEADS, Sizes};
use super::{Family, gguf_common, hf_rope, names};
use crate::config::Config;
use crate::error::Result;
use crate::gguf::Gguf;
use crate::rope::RotaryPairs;
use crate::slots::{Names, Piece};
use crate::spec::{Activation, Affine, Arrangement, Biases, DecoderSpec, Gating, Mlp, NormKind, Tying};

pub(super) const FAMILY: Family = Family {
    model_types: &["gpt_neox"],
    architectures: &["gptneox"],
    from_config,
    from_gguf: Some(from_gguf),
    names: Names {
        root: "gpt_neox.",
        embedding: "embed_in",
        final_norm: "final_layer_norm",
        head: "embed_out",
        piece: |piece, _| names::or(names::grouped(piece, "attention.query_key_value"), stem(piece)),
        ..names::LLAMA
    },
};

const ROPE: hf_rope::Rope =
    hf_rope::Rope { theta_key: "rotary_emb_base", partial_key: "rotary_pct", partial: Some(0.25), ..hf_rope::PLAIN };

fn stem(piece: Piece) -> &'static str {
    match piece {
        Piece::Output => "attention.dense",
        Piece::Up => "mlp.dense_h_to_4h",
        Piece::Down => "mlp.dense_4h_to_h",
        other => names::llama_stem(other),
    }
}

fn from_config(config: Config<'_>) -> Result<DecoderSpec> {
    let hidden = config.size("hidden_size", MOST)?;
    let heads = config.size("num_attention_heads", MOST_HEADS)?;
    let sizes = Sizes {
        vocab: config.size("vocab_size", MOST)?,
        hidden,
        inner: config.size("intermediate_size", MOST)?,
        blocks: config.size("num_hidden_layers", MOST_BLOCKS)?,
        heads,
        head_dim: hf_common::head_dim(config, "num_attention_heads", hidden, heads)?,
        positions: hf_common::positions(config, &["max_position_embeddings"], 2048)?,
    };
    let norm = hf_common::norm(NormKind::Layer, Affine::ScaleAndBias, config.positive("layer_norm_eps", 1e-5)?);
    let activation = hf_common::activation(config, "hidden_act", "gelu")?;
    let mut spec = hf_common::decoder("gpt_neox", &sizes, norm, Mlp { activation, gating: Gating::Plain });
    if config.bool("use_parallel_residual", true)? {
        spec.arrangement = Arrangement::ParallelOwnNorms;
    }
    let attention = config.bool("attention_bias", true)?;
    spec.biases = Biases { qkv: attention, output: attention, mlp: true };
    spec.head.tying = hf_common::tying(config, Tying::Untied)?;
    hf_common::rotate(&mut spec, hf_rope::rotary(config, &ROPE, sizes.head_dim, sizes.positions)?);
    Ok(spec)
}

fn from_gguf(gguf: &Gguf) -> Result<DecoderSpec> {
    let mut spec = gguf_common::gpt_shaped(gguf, "gpt_neox")?;
    spec.mlp.activation = Activation::GeluErf;
    gguf_common::rotate(gguf, &mut spec, RotaryPairs::Halves)?;
    if gguf.bool("gptneox.use_parallel_residual")?.unwrap_or(true) {
        spec.arrangement = Arrangement::ParallelOwnNorms;
    }
    Ok(spec)
}
