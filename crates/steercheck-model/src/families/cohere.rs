//! Command R: attention and MLP in parallel behind one norm without a bias, rotary pairs of neighbours, scaled logits. Cohere
//! 2024.

use super::{Family, gguf_common, hf_common, hf_rope, names};
use crate::config::Config;
use crate::error::Result;
use crate::gguf::Gguf;
use crate::rope::RotaryPairs;
use crate::spec::{Arrangement, DecoderSpec, NormKind, QkNorm, Tying};

pub(super) const FAMILY: Family = Family {
    model_types: &["cohere"],
    architectures: &["command-r"],
    from_config,
    from_gguf: Some(from_gguf),
    names: names::LLAMA,
};

fn from_config(config: Config<'_>) -> Result<DecoderSpec> {
    let defaults = hf_common::Defaults {
        family: "cohere",
        norm_kind: NormKind::Layer,
        eps_key: "layer_norm_eps",
        eps: 1e-5,
        rope: hf_rope::Rope { theta: 500_000.0, pairs: RotaryPairs::Neighbours, ..hf_rope::PLAIN },
        max_positions: 8192,
        tying: Tying::Tied,
        ..hf_common::LLAMA_DEFAULTS
    };
    let mut spec = hf_common::llama_shaped(config, &defaults)?;
    spec.arrangement = Arrangement::ParallelSharedNorm;
    spec.biases = hf_common::attention_biases(config)?;
    spec.head.logit_multiplier = config.positive("logit_scale", 0.0625)? as f32;
    if config.bool("use_qk_norm", false)? {
        spec.qk_norm = QkNorm::EachHead(spec.norms.spec);
    }
    Ok(spec)
}

fn from_gguf(gguf: &Gguf) -> Result<DecoderSpec> {
    let mut spec = gguf_common::llama_shaped(gguf, "command-r", RotaryPairs::Neighbours)?;
    spec.family = "cohere";
    spec.arrangement = Arrangement::ParallelSharedNorm;
    spec.head.logit_multiplier = gguf_common::positive(gguf, "command-r.logit_scale", 1.0)? as f32;
    if gguf.tensors.contains_key("blk.0.attn_q_norm.weight") {
        spec.qk_norm = QkNorm::EachHead(spec.norms.spec);
    }
    Ok(spec)
}
