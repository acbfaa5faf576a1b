//! Qwen 1.5 and 2 with experts: Qwen 2 with experts in most blocks and one expert more that every token uses. Yang et al. 2024.

use super::{Family, gguf_common, hf_common, names, qwen2};
use crate::config::Config;
use crate::error::Result;
use crate::gguf::Gguf;
use crate::rope::RotaryPairs;
use crate::spec::{Biases, DecoderSpec, ExpertWeights, Experts};

pub(super) const FAMILY: Family = Family {
    model_types: &["qwen2_moe"],
    architectures: &["qwen2moe"],
    from_config,
    from_gguf: Some(from_gguf),
    names: names::LLAMA,
};

fn from_config(config: Config<'_>) -> Result<DecoderSpec> {
    let defaults = hf_common::Defaults {
        family: "qwen2_moe",
        max_positions: 32_768,
        kv_heads: Some(16),
        ..hf_common::LLAMA_DEFAULTS
    };
    let mut spec = hf_common::llama_shaped(config, &defaults)?;
    spec.biases = Biases { qkv: config.bool("qkv_bias", true)?, output: false, mlp: false };
    let first = config.int("max_window_layers")?.unwrap_or(28);
    hf_common::windows(config, &mut spec, qwen2::switched_window(config)?, |i| i.is_multiple_of(2) && i < first)?;
    let (count, used) = hf_common::expert_counts(config, &["num_experts"], (60, 4))?;
    let experts = Experts {
        count,
        used,
        inner: hf_common::size_or(config, &["moe_intermediate_size"], hf_common::MOST, 1408)?,
        weights: hf_common::expert_weights(config)?,
        shared: Some(hf_common::size_or(config, &["shared_expert_intermediate_size"], hf_common::MOST, 5632)?),
    };
    let step = hf_common::size_or(config, &["decoder_sparse_step"], hf_common::MOST, 1)?;
    let dense = config.list("mlp_only_layers")?.unwrap_or_default();
    if let Some(odd) = dense.iter().find(|v| v.as_u64().is_none()) {
        return Err(config.problem("mlp_only_layers", format!("holds {odd}, which is not a block's number")));
    }
    for (i, block) in spec.blocks.iter_mut().enumerate() {
        let sparse = (i + 1).is_multiple_of(step) && !dense.iter().any(|d| d.as_u64() == Some(i as u64));
        block.experts = sparse.then_some(experts);
    }
    Ok(spec)
}

fn from_gguf(gguf: &Gguf) -> Result<DecoderSpec> {
    gguf_common::expert_shaped(gguf, "qwen2_moe", RotaryPairs::Halves, ExpertWeights::Probabilities)
}
