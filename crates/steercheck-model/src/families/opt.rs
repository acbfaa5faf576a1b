//! OPT: learned positions shifted by 2; the 350M model with norms after the sums and an embedding narrower than the stream.
//! Zhang et al. 2022. llama.cpp's converter does not write it.

use super::hf_common::{self, MOST, MOST_BLOCKS, MOST_HEADS, Sizes};
use super::{Family, names};
use crate::config::Config;
use crate::error::Result;
use crate::slots::{Names, Piece, whole};
use crate::spec::{Affine, Biases, DecoderSpec, Gating, LearnedPositions, Mlp, NormKind, NormPlace, Tying};

pub(super) const FAMILY: Family = Family {
    model_types: &["opt"],
    architectures: &[],
    from_config,
    from_gguf: None,
    names: Names {
        root: "model.decoder.",
        final_norm: "final_layer_norm",
        piece: |piece, _| vec![whole(stem(piece))],
        ..names::LLAMA
    },
};

/// Rows of the position table before the first position's.
const OFFSET: usize = 2;

fn stem(piece: Piece) -> &'static str {
    match piece {
        Piece::AttentionNorm => "self_attn_layer_norm",
        Piece::Output => "self_attn.out_proj",
        Piece::MlpNorm => "final_layer_norm",
        Piece::Up => "fc1",
        Piece::Down => "fc2",
        other => names::llama_stem(other),
    }
}

fn from_config(config: Config<'_>) -> Result<DecoderSpec> {
    let hidden = config.size("hidden_size", MOST)?;
    let heads = config.size("num_attention_heads", MOST_HEADS)?;
    let sizes = Sizes {
        vocab: config.size("vocab_size", MOST)?,
        hidden,
        inner: config.size("ffn_dim", MOST)?,
        blocks: config.size("num_hidden_layers", MOST_BLOCKS)?,
        heads,
        head_dim: hf_common::head_dim(config, "num_attention_heads", hidden, heads)?,
        positions: hf_common::positions(config, &["max_position_embeddings"], 2048)?,
    };
    let affine = if config.bool("layer_norm_elementwise_affine", true)? { Affine::ScaleAndBias } else { Affine::None };
    let norm = hf_common::norm(NormKind::Layer, affine, 1e-5);
    let activation = hf_common::activation(config, "activation_function", "relu")?;
    let mut spec = hf_common::decoder("opt", &sizes, norm, Mlp { activation, gating: Gating::Plain });
    let biased = config.bool("enable_bias", true)?;
    spec.biases = Biases { qkv: biased, output: biased, mlp: biased };
    spec.embedding.width = hf_common::size_or(config, &["word_embed_proj_dim"], MOST, hidden)?;
    spec.embedding.positions = Some(LearnedPositions { rows: sizes.positions + OFFSET, offset: OFFSET });
    spec.head.tying = hf_common::tying(config, Tying::Tied)?;
    let before = config.bool("do_layer_norm_before", true)?;
    if !before {
        spec.norms.place = NormPlace::AfterSum;
    }
    if !before || config.bool("_remove_final_layer_norm", false)? {
        spec.head.norm = None;
    }
    Ok(spec)
}
