//! `OLMo` 1: norms without weights, queries, keys and values clamped where the configuration says so. Groeneveld et al. 2024.

use super::{Family, gguf_common, hf_common, names};
use crate::config::Config;
use crate::error::Result;
use crate::gguf::Gguf;
use crate::rope::RotaryPairs;
use crate::spec::{Affine, DecoderSpec, NormKind, NormSpec};

pub(super) const FAMILY: Family = Family {
    model_types: &["olmo"],
    architectures: &["olmo"],
    from_config,
    from_gguf: Some(from_gguf),
    names: names::LLAMA,
};

fn from_config(config: Config<'_>) -> Result<DecoderSpec> {
    let defaults = hf_common::Defaults {
        family: "olmo",
        norm_kind: NormKind::Layer,
        norm_affine: Affine::None,
        // Fixed in the class: no configuration states this key.
        eps_key: "",
        eps: 1e-5,
        ..hf_common::LLAMA_DEFAULTS
    };
    let mut spec = hf_common::llama_shaped(config, &defaults)?;
    spec.biases = hf_common::attention_biases(config)?;
    spec.qkv_clip = config.cap("clip_qkv", None)?;
    Ok(spec)
}

/// llama.cpp's converter reorders the rows of q and k so that rotary pairs are neighbours.
fn from_gguf(gguf: &Gguf) -> Result<DecoderSpec> {
    let mut spec = gguf_common::llama_shaped(gguf, "olmo", RotaryPairs::Neighbours)?;
    let norm = NormSpec { affine: Affine::None, ..spec.norms.spec };
    (spec.norms.spec, spec.head.norm) = (norm, Some(norm));
    spec.qkv_clip = gguf_common::cap(gguf, "olmo.attention.clamp_kqv", None)?;
    Ok(spec)
}
