//! Qwen 2 and 2.5: llama with biases on q, k and v, and a window on the later blocks where it is switched on. Yang et al. 2024.

use super::{Family, gguf_common, hf_common};
use crate::config::Config;
use crate::error::Result;
use crate::gguf::Gguf;
use crate::rope::RotaryPairs;
use crate::spec::{Biases, DecoderSpec};

pub(super) const FAMILY: Family = Family {
    model_types: &["qwen2"],
    architectures: &["qwen2"],
    from_config,
    from_gguf,
    names: hf_common::LLAMA_NAMES,
};

fn from_config(config: Config<'_>) -> Result<DecoderSpec> {
    let defaults = hf_common::Defaults { family: "qwen2", max_positions: 32_768, ..hf_common::LLAMA_DEFAULTS };
    let mut spec = hf_common::llama_shaped(config, &defaults)?;
    spec.biases = Biases { qkv: true, output: false, mlp: false };
    let window = if config.bool("use_sliding_window", false)? {
        if config.states("sliding_window") { config.int("sliding_window")? } else { Some(4096) }
    } else {
        None
    };
    let first = config.int("max_window_layers")?.unwrap_or(28);
    hf_common::windows(config, &mut spec, window, |i| i >= first)?;
    Ok(spec)
}

fn from_gguf(gguf: &Gguf) -> Result<DecoderSpec> {
    gguf_common::llama_shaped(gguf, "qwen2", RotaryPairs::Halves)
}
