//! Gemma 1: norm weights stored less 1, embeddings times √D, heads wider than the stream's share. Gemma Team 2024.

use super::{Family, gguf_common, hf_common, names};
use crate::config::Config;
use crate::error::Result;
use crate::gguf::Gguf;
use crate::rope::RotaryPairs;
use crate::spec::{Activation, DecoderSpec, NormSpec, Tying};

pub(super) const FAMILY: Family = Family {
    model_types: &["gemma"],
    architectures: &["gemma"],
    from_config,
    from_gguf: Some(from_gguf),
    names: names::LLAMA,
};

/// What the Gemmas share: the offset of norm weights and the multiplier of embeddings.
pub(super) fn shape(spec: &mut DecoderSpec, weight_offset: f32) {
    let norm = NormSpec { weight_offset, ..spec.norms.spec };
    (spec.norms.spec, spec.head.norm) = (norm, Some(norm));
    spec.embedding.multiplier = (spec.hidden_size as f64).sqrt() as f32;
}

fn from_config(config: Config<'_>) -> Result<DecoderSpec> {
    let defaults = hf_common::Defaults {
        family: "gemma",
        max_positions: 8192,
        tying: Tying::Tied,
        activation: "gelu_pytorch_tanh",
        head_dim: hf_common::HeadDim::KeyOr(256),
        kv_heads: Some(16),
        ..hf_common::LLAMA_DEFAULTS
    };
    let mut spec = hf_common::llama_shaped(config, &defaults)?;
    // The first releases say `gelu` and mean the approximation, as transformers notes.
    if spec.mlp.activation == Activation::GeluErf {
        spec.mlp.activation = Activation::GeluTanh;
    }
    spec.biases = hf_common::attention_biases(config)?;
    shape(&mut spec, 1.0);
    Ok(spec)
}

fn from_gguf(gguf: &Gguf) -> Result<DecoderSpec> {
    let mut spec = gguf_common::llama_shaped(gguf, "gemma", RotaryPairs::Halves)?;
    spec.mlp.activation = Activation::GeluTanh;
    // The converter has added the 1 to the norm weights.
    shape(&mut spec, 0.0);
    Ok(spec)
}
