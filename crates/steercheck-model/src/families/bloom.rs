//! BLOOM: linear biases instead of positions, a norm on the embeddings. `BigScience` 2022.

use super::hf_common::{self, MOST, MOST_BLOCKS, MOST_HEADS, Sizes};
use super::{Family, gguf_common, names};
use crate::config::Config;
use crate::error::Result;
use crate::gguf::Gguf;
use crate::slots::{Names, Piece};
use crate::spec::{Activation, Affine, Alibi, Biases, DecoderSpec, Gating, Mlp, NormKind, NormPlace, Tying};

pub(super) const FAMILY: Family = Family {
    model_types: &["bloom"],
    architectures: &["bloom"],
    from_config,
    from_gguf: Some(from_gguf),
    names: Names {
        embedding: "word_embeddings",
        embedding_norm: "word_embeddings_layernorm",
        piece: |piece, _| names::or(names::grouped(piece, "self_attention.query_key_value"), stem(piece)),
        ..names::GPT
    },
};

/// Names of BLOOM and Falcon.
pub(super) fn stem(piece: Piece) -> &'static str {
    match piece {
        Piece::Output => "self_attention.dense",
        Piece::Up => "mlp.dense_h_to_4h",
        Piece::Down => "mlp.dense_4h_to_h",
        other => names::llama_stem(other),
    }
}

fn from_config(config: Config<'_>) -> Result<DecoderSpec> {
    let hidden = hf_common::size(config, &["n_embed", "hidden_size"], MOST)?;
    let heads = hf_common::size(config, &["num_attention_heads", "n_head"], MOST_HEADS)?;
    let sizes = Sizes {
        vocab: config.size("vocab_size", MOST)?,
        hidden,
        inner: 4 * hidden,
        blocks: hf_common::size(config, &["num_hidden_layers", "n_layer"], MOST_BLOCKS)?,
        heads,
        head_dim: hf_common::head_dim(config, "n_head", hidden, heads)?,
        positions: hf_common::positions(config, &["seq_length"], 2048)?,
    };
    let norm = hf_common::norm(NormKind::Layer, Affine::ScaleAndBias, config.positive("layer_norm_epsilon", 1e-5)?);
    let mlp = Mlp { activation: Activation::GeluTanh, gating: Gating::Plain };
    let mut spec = hf_common::decoder("bloom", &sizes, norm, mlp);
    spec.biases = Biases { qkv: true, output: true, mlp: true };
    spec.embedding.norm = Some(norm);
    spec.alibi = Some(Alibi::press(heads));
    spec.head.tying = hf_common::tying(config, Tying::Tied)?;
    // With both, transformers leaves out the biases of the output projections.
    if config.bool("slow_but_exact", false)? && config.int("pretraining_tp")?.unwrap_or(1) > 1 {
        return Err(config.problem("slow_but_exact", "is true with pretraining_tp above 1; only false is implemented"));
    }
    if config.bool("apply_residual_connection_post_layernorm", false)? {
        spec.norms.place = NormPlace::Stream;
    }
    Ok(spec)
}

fn from_gguf(gguf: &Gguf) -> Result<DecoderSpec> {
    let mut spec = gguf_common::gpt_shaped(gguf, "bloom")?;
    spec.embedding.norm = Some(spec.norms.spec);
    spec.alibi = Some(Alibi::press(spec.heads));
    // The converter writes the width where the configuration states no length.
    if spec.max_positions == spec.hidden_size {
        spec.max_positions = 2048;
    }
    Ok(spec)
}
