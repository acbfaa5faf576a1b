//! Qwen 3: llama with norms on each head's query and key. Yang et al. 2025.

use super::{Family, gguf_common, hf_common, names, qwen2};
use crate::config::Config;
use crate::error::Result;
use crate::gguf::Gguf;
use crate::rope::RotaryPairs;
use crate::spec::{DecoderSpec, QkNorm};

pub(super) const FAMILY: Family = Family {
    model_types: &["qwen3"],
    architectures: &["qwen3"],
    from_config,
    from_gguf: Some(from_gguf),
    names: names::LLAMA,
};

fn from_config(config: Config<'_>) -> Result<DecoderSpec> {
    let defaults = hf_common::Defaults {
        family: "qwen3",
        max_positions: 32_768,
        head_dim: hf_common::HeadDim::KeyOr(128),
        kv_heads: Some(32),
        ..hf_common::LLAMA_DEFAULTS
    };
    let mut spec = hf_common::llama_shaped(config, &defaults)?;
    spec.biases = hf_common::attention_biases(config)?;
    spec.qk_norm = QkNorm::PerHead(spec.norms.spec);
    qwen2::later_windows(config, &mut spec)?;
    Ok(spec)
}

fn from_gguf(gguf: &Gguf) -> Result<DecoderSpec> {
    let mut spec = gguf_common::llama_shaped(gguf, "qwen3", RotaryPairs::Halves)?;
    spec.qk_norm = QkNorm::PerHead(spec.norms.spec);
    Ok(spec)
}
