//! `InternLM` 2: llama with queries, keys and values in one tensor by key/value head, under names of its own. Cai et al. 2024.
//! transformers has no class for it; this follows the code that comes with the checkpoints.

use super::{Family, gguf_common, hf_common, names};
use crate::config::Config;
use crate::error::Result;
use crate::gguf::Gguf;
use crate::rope::RotaryPairs;
use crate::slots::{Names, Piece};
use crate::spec::{Biases, DecoderSpec};

pub(super) const FAMILY: Family = Family {
    model_types: &["internlm2"],
    architectures: &["internlm2"],
    from_config,
    from_gguf: Some(from_gguf),
    names: Names {
        embedding: "tok_embeddings",
        head: "output",
        piece: |piece, _| names::or(names::grouped(piece, "attention.wqkv"), stem(piece)),
        ..names::LLAMA
    },
};

fn stem(piece: Piece) -> &'static str {
    match piece {
        Piece::AttentionNorm => "attention_norm",
        Piece::Output => "attention.wo",
        Piece::MlpNorm => "ffn_norm",
        Piece::Gate => "feed_forward.w1",
        Piece::Down => "feed_forward.w2",
        Piece::Up => "feed_forward.w3",
        other => names::llama_stem(other),
    }
}

fn from_config(config: Config<'_>) -> Result<DecoderSpec> {
    let defaults =
        hf_common::Defaults { family: "internlm2", head_dim: hf_common::HeadDim::Width, ..hf_common::LLAMA_DEFAULTS };
    let mut spec = hf_common::llama_shaped(config, &defaults)?;
    let biased = config.bool("bias", true)?;
    spec.biases = Biases { qkv: biased, output: biased, mlp: false };
    Ok(spec)
}

/// llama.cpp's converter splits the fused tensor and reorders q and k so that rotary pairs are neighbours.
fn from_gguf(gguf: &Gguf) -> Result<DecoderSpec> {
    gguf_common::llama_shaped(gguf, "internlm2", RotaryPairs::Neighbours)
}
