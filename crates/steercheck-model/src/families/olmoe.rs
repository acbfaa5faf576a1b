//! `OLMoE`: experts in every block, norms over all queries and all keys. Muennighoff et al. 2024.

use super::{Family, gguf_common, hf_common, names};
use crate::config::Config;
use crate::error::Result;
use crate::gguf::Gguf;
use crate::rope::RotaryPairs;
use crate::spec::{DecoderSpec, ExpertWeights, Experts, QkNorm};

pub(super) const FAMILY: Family = Family {
    model_types: &["olmoe"],
    architectures: &["olmoe"],
    from_config,
    from_gguf: Some(from_gguf),
    names: names::LLAMA,
};

fn from_config(config: Config<'_>) -> Result<DecoderSpec> {
    let defaults = hf_common::Defaults {
        family: "olmoe",
        eps: 1e-5,
        max_positions: 4096,
        head_dim: hf_common::HeadDim::Width,
        ..hf_common::LLAMA_DEFAULTS
    };
    let mut spec = hf_common::llama_shaped(config, &defaults)?;
    spec.biases = hf_common::attention_biases(config)?;
    spec.qkv_clip = config.cap("clip_qkv", None)?;
    spec.qk_norm = QkNorm::Whole(spec.norms.spec);
    let (count, used) = hf_common::expert_counts(config, &["num_local_experts", "num_experts"], (64, 8))?;
    let weights = hf_common::expert_weights(config)?;
    let experts = Experts { count, used, inner: spec.intermediate_size, weights, shared: None };
    for block in &mut spec.blocks {
        block.experts = Some(experts);
    }
    Ok(spec)
}

fn from_gguf(gguf: &Gguf) -> Result<DecoderSpec> {
    let mut spec = gguf_common::expert_shaped(gguf, "olmoe", RotaryPairs::Halves, ExpertWeights::Probabilities)?;
    spec.qk_norm = QkNorm::Whole(spec.norms.spec);
    spec.qkv_clip = gguf_common::cap(gguf, "olmoe.attention.clamp_kqv", None)?;
    Ok(spec)
}
