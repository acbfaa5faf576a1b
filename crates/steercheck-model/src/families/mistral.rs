//! Mistral 7B and its successors: llama with a sliding window in every block. Jiang et al. 2023. Its GGUF files call
//! themselves llama.

use super::{Family, hf_common, names};
use crate::config::Config;
use crate::error::Result;
use crate::spec::DecoderSpec;

pub(super) const FAMILY: Family =
    Family { model_types: &["mistral"], architectures: &[], from_config, from_gguf: None, names: names::LLAMA };

/// Defaults of mistral's class.
pub(super) const DEFAULTS: hf_common::Defaults =
    hf_common::Defaults { family: "mistral", max_positions: 4096 * 32, kv_heads: Some(8), ..hf_common::LLAMA_DEFAULTS };

fn from_config(config: Config<'_>) -> Result<DecoderSpec> {
    let mut spec = hf_common::llama_shaped(config, &DEFAULTS)?;
    // The class's default is a window of 4096; published files without a window say `null`.
    let window = if config.states("sliding_window") { config.int("sliding_window")? } else { Some(4096) };
    hf_common::one_window(config, &mut spec, window)?;
    Ok(spec)
}
