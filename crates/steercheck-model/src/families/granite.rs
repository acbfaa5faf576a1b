//! Granite 3: llama with multipliers on embeddings, residual additions, scores and logits. IBM 2024.

use super::{Family, gguf_common, hf_common, names};
use crate::config::Config;
use crate::error::Result;
use crate::gguf::Gguf;
use crate::rope::RotaryPairs;
use crate::spec::DecoderSpec;

pub(super) const FAMILY: Family = Family {
    model_types: &["granite"],
    architectures: &["granite"],
    from_config,
    from_gguf: Some(from_gguf),
    names: names::LLAMA,
};

fn from_config(config: Config<'_>) -> Result<DecoderSpec> {
    let defaults = hf_common::Defaults { family: "granite", ..hf_common::LLAMA_DEFAULTS };
    let mut spec = hf_common::llama_shaped(config, &defaults)?;
    spec.biases = hf_common::llama_biases(config)?;
    spec.embedding.multiplier = config.positive("embedding_multiplier", 1.0)? as f32;
    spec.residual_multiplier = config.positive("residual_multiplier", 1.0)? as f32;
    spec.head.logit_multiplier = (1.0 / config.positive("logits_scaling", 1.0)?) as f32;
    let scale = config.positive("attention_multiplier", 1.0)? as f32;
    hf_common::scale_scores(&mut spec, scale);
    Ok(spec)
}

/// llama.cpp's converter reorders the rows of q and k so that rotary pairs are neighbours.
fn from_gguf(gguf: &Gguf) -> Result<DecoderSpec> {
    let mut spec = gguf_common::llama_shaped(gguf, "granite", RotaryPairs::Neighbours)?;
    let number = |key: &str| gguf_common::positive(gguf, &format!("granite.{key}"), 1.0);
    spec.embedding.multiplier = number("embedding_scale")? as f32;
    spec.residual_multiplier = number("residual_scale")? as f32;
    spec.head.logit_multiplier = (1.0 / number("logit_scale")?) as f32;
    if let Some(scale) = gguf.float("granite.attention.scale")?.filter(|s| *s > 0.0) {
        hf_common::scale_scores(&mut spec, scale as f32);
    }
    Ok(spec)
}
