//! Mistral 7B and its successors: llama with a sliding window in every block. Jiang et al. 2023. Its GGUF files call
//! themselves llama.

use super::{Family, hf_common};
use crate::config::Config;
use crate::error::Result;
use crate::gguf::Gguf;
use crate::spec::DecoderSpec;

pub(super) const FAMILY: Family =
    Family { model_types: &["mistral"], architectures: &[], from_config, from_gguf, names: hf_common::LLAMA_NAMES };

fn from_config(config: Config<'_>) -> Result<DecoderSpec> {
    let defaults = hf_common::Defaults { family: "mistral", max_positions: 4096 * 32, ..hf_common::LLAMA_DEFAULTS };
    let mut spec = hf_common::llama_shaped(config, &defaults)?;
    // The class's default is a window of 4096; published files without a window say `null`.
    let window = if config.states("sliding_window") { config.int("sliding_window")? } else { Some(4096) };
    hf_common::windows(config, &mut spec, window, |_| true)?;
    Ok(spec)
}

fn from_gguf(gguf: &Gguf) -> Result<DecoderSpec> {
    Err(gguf.problem("general.architecture", "is mistral; llama.cpp's converter writes llama for it"))
}
