//! `OLMo` 2: norms on the outputs of attention and MLP, and over all queries and all keys. Team `OLMo` 2024.

use super::{Family, gguf_common, hf_common, names};
use crate::config::Config;
use crate::error::Result;
use crate::gguf::Gguf;
use crate::rope::RotaryPairs;
use crate::spec::{DecoderSpec, NormPlace, QkNorm};

pub(super) const FAMILY: Family = Family {
    model_types: &["olmo2"],
    architectures: &["olmo2"],
    from_config,
    from_gguf: Some(from_gguf),
    names: names::LLAMA,
};

fn shape(spec: &mut DecoderSpec) {
    spec.norms.place = NormPlace::After;
    spec.qk_norm = QkNorm::Whole(spec.norms.spec);
}

fn from_config(config: Config<'_>) -> Result<DecoderSpec> {
    let defaults = hf_common::Defaults { family: "olmo2", eps: 1e-5, ..hf_common::LLAMA_DEFAULTS };
    let mut spec = hf_common::llama_shaped(config, &defaults)?;
    spec.biases = hf_common::attention_biases(config)?;
    shape(&mut spec);
    Ok(spec)
}

fn from_gguf(gguf: &Gguf) -> Result<DecoderSpec> {
    let mut spec = gguf_common::llama_shaped(gguf, "olmo2", RotaryPairs::Halves)?;
    shape(&mut spec);
    Ok(spec)
}
