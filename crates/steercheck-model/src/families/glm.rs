//! GLM 4: llama with a fused gate and up projection and rotary pairs of neighbours on half of each head. GLM Team 2024.

use super::{Family, gguf_common, hf_common, hf_rope, names};
use crate::config::Config;
use crate::error::Result;
use crate::gguf::Gguf;
use crate::rope::RotaryPairs;
use crate::slots::Names;
use crate::spec::{Biases, DecoderSpec};

pub(super) const FAMILY: Family = Family {
    model_types: &["glm"],
    architectures: &["chatglm"],
    from_config,
    from_gguf: Some(from_gguf),
    names: Names {
        piece: |piece, _| names::or(names::gate_up(piece, "mlp.gate_up_proj"), names::llama_stem(piece)),
        ..names::LLAMA
    },
};

fn from_config(config: Config<'_>) -> Result<DecoderSpec> {
    let defaults = hf_common::Defaults {
        family: "glm",
        eps: 1.5625e-7,
        rope: hf_rope::Rope { partial: Some(0.5), pairs: RotaryPairs::Neighbours, ..hf_rope::PLAIN },
        max_positions: 131_072,
        head_dim: hf_common::HeadDim::KeyOr(128),
        kv_heads: Some(2),
        ..hf_common::LLAMA_DEFAULTS
    };
    let mut spec = hf_common::llama_shaped(config, &defaults)?;
    spec.biases = Biases { qkv: config.bool("attention_bias", true)?, output: false, mlp: false };
    Ok(spec)
}

fn from_gguf(gguf: &Gguf) -> Result<DecoderSpec> {
    let mut spec = gguf_common::llama_shaped(gguf, "chatglm", RotaryPairs::Neighbours)?;
    spec.family = "glm";
    // The converter writes the width where the configuration has no `seq_length`.
    if spec.max_positions == spec.hidden_size {
        spec.max_positions = 131_072;
    }
    Ok(spec)
}
