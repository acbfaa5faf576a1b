//! Phi 3 and 4: llama with fused projections and two sets of rotary divisors for short and long prompts. Abdin et al. 2024.

use super::{Family, gguf_common, hf_common, hf_rope, names};
use crate::config::Config;
use crate::error::Result;
use crate::gguf::Gguf;
use crate::rope::RotaryPairs;
use crate::slots::Names;
use crate::spec::DecoderSpec;

pub(super) const FAMILY: Family = Family {
    model_types: &["phi3"],
    architectures: &["phi3"],
    from_config,
    from_gguf: Some(from_gguf),
    names: Names {
        piece: |piece, _| {
            let fused = names::sequential(piece, "self_attn.qkv_proj").or(names::gate_up(piece, "mlp.gate_up_proj"));
            names::or(fused, names::llama_stem(piece))
        },
        ..names::LLAMA
    },
};

fn from_config(config: Config<'_>) -> Result<DecoderSpec> {
    let defaults = hf_common::Defaults {
        family: "phi3",
        eps: 1e-5,
        rope: hf_rope::Rope {
            partial: Some(1.0),
            trained: Some(4096),
            kinds: hf_rope::Kinds::LongRope,
            ..hf_rope::PLAIN
        },
        max_positions: 4096,
        ..hf_common::LLAMA_DEFAULTS
    };
    let mut spec = hf_common::llama_shaped(config, &defaults)?;
    hf_common::one_window(config, &mut spec, config.int("sliding_window")?)?;
    Ok(spec)
}

fn from_gguf(gguf: &Gguf) -> Result<DecoderSpec> {
    let mut spec = gguf_common::llama_shaped(gguf, "phi3", RotaryPairs::Halves)?;
    let window = gguf.int("phi3.attention.sliding_window")?.filter(|w| *w > 0);
    for block in &mut spec.blocks {
        block.window = window;
    }
    Ok(spec)
}
