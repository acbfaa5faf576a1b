//! `SmolLM3`: llama in which every fourth block has no rotary positions. Hugging Face 2025.

use super::{Family, gguf_common, hf_common, hf_rope, names};
use crate::config::Config;
use crate::error::Result;
use crate::gguf::Gguf;
use crate::rope::RotaryPairs;
use crate::spec::{DecoderSpec, Tying};

pub(super) const FAMILY: Family = Family {
    model_types: &["smollm3"],
    architectures: &["smollm3"],
    from_config,
    from_gguf: Some(from_gguf),
    names: names::LLAMA,
};

fn from_config(config: Config<'_>) -> Result<DecoderSpec> {
    let defaults = hf_common::Defaults {
        family: "smollm3",
        rope: hf_rope::Rope { theta: 2_000_000.0, ..hf_rope::PLAIN },
        max_positions: 32_768,
        tying: Tying::Tied,
        kv_heads: Some(4),
        ..hf_common::LLAMA_DEFAULTS
    };
    let mut spec = hf_common::llama_shaped(config, &defaults)?;
    spec.biases = hf_common::llama_biases(config)?;
    // 1 where rotary positions are used, whatever the key's name suggests.
    let every = config.int("no_rope_layer_interval")?.unwrap_or(4).max(1);
    let listed = config.list("no_rope_layers")?;
    if let Some(listed) = listed
        && listed.len() != spec.depth()
    {
        let problem = format!("has {} entries for {} blocks", listed.len(), spec.depth());
        return Err(config.problem("no_rope_layers", problem));
    }
    for (i, block) in spec.blocks.iter_mut().enumerate() {
        let rotates = match listed.map(|l| l[i].as_i64()) {
            None => !(i + 1).is_multiple_of(every),
            Some(Some(0)) => false,
            Some(Some(1)) => true,
            Some(_) => return Err(config.problem("no_rope_layers", "holds something else than 0 and 1")),
        };
        block.rotary = rotates.then_some(0);
    }
    // `use_sliding_window` decides where `layer_types` does not.
    let used = config.bool("use_sliding_window", false)? || config.get("layer_types").is_some();
    let window = if used { config.int("sliding_window")? } else { None };
    let rotates: Vec<bool> = spec.blocks.iter().map(|b| b.rotary.is_some()).collect();
    hf_common::windows(config, &mut spec, window, |i| !rotates[i])?;
    Ok(spec)
}

/// The GGUF file says nothing of the blocks without positions: every fourth, as llama.cpp fixes it.
fn from_gguf(gguf: &Gguf) -> Result<DecoderSpec> {
    let mut spec = gguf_common::llama_shaped(gguf, "smollm3", RotaryPairs::Neighbours)?;
    for (i, block) in spec.blocks.iter_mut().enumerate() {
        block.rotary = (!(i + 1).is_multiple_of(4)).then_some(0);
    }
    Ok(spec)
}
