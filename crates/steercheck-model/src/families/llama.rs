//! Llama 1, 2, 3, 3.1, 3.2 and everything of that shape (`SmolLM` 1 and 2, `DeepSeek` LLM, Amber, Falcon 3). Touvron et al. 2023.

use super::{Family, gguf_common, hf_common, names};
use crate::config::Config;
use crate::error::Result;
use crate::gguf::Gguf;
use crate::rope::RotaryPairs;
use crate::spec::{DecoderSpec, ExpertWeights};

pub(super) const FAMILY: Family = Family {
    model_types: &["llama"],
    architectures: &["llama"],
    from_config,
    from_gguf: Some(from_gguf),
    names: names::LLAMA,
};

fn from_config(config: Config<'_>) -> Result<DecoderSpec> {
    let mut spec = hf_common::llama_shaped(config, &hf_common::LLAMA_DEFAULTS)?;
    spec.biases = hf_common::llama_biases(config)?;
    Ok(spec)
}

/// llama.cpp's converter reorders the rows of q and k so that rotary pairs are neighbours.
fn from_gguf(gguf: &Gguf) -> Result<DecoderSpec> {
    // Mixtral's files call themselves llama.
    if gguf.int("llama.expert_count")?.unwrap_or(0) > 0 {
        return gguf_common::expert_shaped(gguf, "mixtral", RotaryPairs::Neighbours, ExpertWeights::Renormalised);
    }
    gguf_common::llama_shaped(gguf, "llama", RotaryPairs::Neighbours)
}
