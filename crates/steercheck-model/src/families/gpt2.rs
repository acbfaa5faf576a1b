//! GPT-2: learned positions, weights stored as `Conv1D` (input by output), queries, keys and values in one tensor. Radford
//! et al. 2019.

use super::hf_common::{self, MOST, MOST_BLOCKS, MOST_HEADS, Sizes};
use super::{Family, gguf_common, names};
use crate::config::Config;
use crate::error::Result;
use crate::gguf::Gguf;
use crate::slots::{Cut, Names, Orientation, Piece, Place, whole};
use crate::spec::{Affine, Biases, DecoderSpec, Gating, LearnedPositions, Mlp, NormKind, Tying};

pub(super) const FAMILY: Family = Family {
    model_types: &["gpt2"],
    architectures: &["gpt2"],
    from_config,
    from_gguf: Some(from_gguf),
    names: Names { piece: |piece, _| vec![place(piece)], ..names::GPT },
};

fn place(piece: Piece) -> Place {
    let conv = |stem, cut| Place { stem, cut, orientation: Orientation::InOut };
    match piece {
        Piece::AttentionNorm => whole("ln_1"),
        Piece::Query | Piece::Key | Piece::Value => conv("attn.c_attn", Cut::Sequential),
        Piece::Output => conv("attn.c_proj", Cut::Whole),
        Piece::MlpNorm => whole("ln_2"),
        Piece::Up => conv("mlp.c_fc", Cut::Whole),
        Piece::Down => conv("mlp.c_proj", Cut::Whole),
        other => whole(names::llama_stem(other)),
    }
}

fn from_config(config: Config<'_>) -> Result<DecoderSpec> {
    let hidden = hf_common::size(config, &["hidden_size", "n_embd"], MOST)?;
    let heads = hf_common::size(config, &["num_attention_heads", "n_head"], MOST_HEADS)?;
    let sizes = Sizes {
        vocab: config.size("vocab_size", MOST)?,
        hidden,
        inner: hf_common::size_or(config, &["n_inner"], MOST, 4 * hidden)?,
        blocks: hf_common::size(config, &["num_hidden_layers", "n_layer"], MOST_BLOCKS)?,
        heads,
        head_dim: hf_common::head_dim(config, "n_head", hidden, heads)?,
        positions: hf_common::positions(config, &["max_position_embeddings", "n_positions"], 1024)?,
    };
    config.only("add_cross_attention", &false.into())?;
    let norm = hf_common::norm(NormKind::Layer, Affine::ScaleAndBias, config.positive("layer_norm_epsilon", 1e-5)?);
    let activation = hf_common::activation(config, "activation_function", "gelu_new")?;
    let mut spec = hf_common::decoder("gpt2", &sizes, norm, Mlp { activation, gating: Gating::Plain });
    spec.biases = Biases { qkv: true, output: true, mlp: true };
    spec.embedding.positions = Some(LearnedPositions { rows: sizes.positions, offset: 0 });
    spec.head.tying = hf_common::tying(config, Tying::Tied)?;
    let scaled = config.bool("scale_attn_weights", true)?;
    let by_block = config.bool("scale_attn_by_inverse_layer_idx", false)?;
    for (i, block) in spec.blocks.iter_mut().enumerate() {
        let scale = if scaled { block.attention_scale } else { 1.0 };
        block.attention_scale = if by_block { scale / (i + 1) as f32 } else { scale };
    }
    Ok(spec)
}

fn from_gguf(gguf: &Gguf) -> Result<DecoderSpec> {
    let mut spec = gguf_common::gpt_shaped(gguf, "gpt2")?;
    gguf_common::sizes_by_rule(gguf, &mut spec);
    gguf_common::learned_positions(gguf, &mut spec)?;
    Ok(spec)
}
