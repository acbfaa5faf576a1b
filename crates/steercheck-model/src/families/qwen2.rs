//! Qwen 2 and 2.5: llama with biases on q, k and v, and a window on the later blocks where it is switched on. Yang et al. 2024.

use super::{Family, gguf_common, hf_common, names};
use crate::config::Config;
use crate::error::Result;
use crate::gguf::Gguf;
use crate::rope::RotaryPairs;
use crate::spec::{Biases, DecoderSpec};

pub(super) const FAMILY: Family = Family {
    model_types: &["qwen2"],
    architectures: &["qwen2"],
    from_config,
    from_gguf: Some(from_gguf),
    names: names::LLAMA,
};

fn from_config(config: Config<'_>) -> Result<DecoderSpec> {
    let defaults =
        hf_common::Defaults { family: "qwen2", max_positions: 32_768, kv_heads: Some(32), ..hf_common::LLAMA_DEFAULTS };
    let mut spec = hf_common::llama_shaped(config, &defaults)?;
    spec.biases = Biases { qkv: true, output: false, mlp: false };
    later_windows(config, &mut spec)?;
    Ok(spec)
}

/// The window as Qwen 2 and 3 switch it on: from block `max_window_layers` (counted from 0) on.
pub(super) fn later_windows(config: Config<'_>, spec: &mut DecoderSpec) -> Result<()> {
    let first = config.int("max_window_layers")?.unwrap_or(28);
    hf_common::windows(config, spec, switched_window(config)?, |i| i >= first)
}

/// `sliding_window` where `use_sliding_window` is true.
pub(super) fn switched_window(config: Config<'_>) -> Result<Option<usize>> {
    if !config.bool("use_sliding_window", false)? {
        return Ok(None);
    }
    if config.states("sliding_window") { config.int("sliding_window") } else { Ok(Some(4096)) }
}

fn from_gguf(gguf: &Gguf) -> Result<DecoderSpec> {
    gguf_common::llama_shaped(gguf, "qwen2", RotaryPairs::Halves)
}
