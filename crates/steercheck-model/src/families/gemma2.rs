//! Gemma 2: norms around attention and MLP, soft-caps on scores and logits, a window in every other block. Gemma Team 2024.

use super::{Family, gemma, gguf_common, hf_common, names};
use crate::config::Config;
use crate::error::Result;
use crate::gguf::Gguf;
use crate::rope::RotaryPairs;
use crate::spec::{Activation, DecoderSpec, NormPlace, Tying};

pub(super) const FAMILY: Family = Family {
    model_types: &["gemma2"],
    architectures: &["gemma2"],
    from_config,
    from_gguf: Some(from_gguf),
    names: names::GEMMA,
};

fn from_config(config: Config<'_>) -> Result<DecoderSpec> {
    let defaults = hf_common::Defaults {
        family: "gemma2",
        max_positions: 8192,
        tying: Tying::Tied,
        activation_key: "hidden_activation",
        activation: "gelu_pytorch_tanh",
        head_dim: hf_common::HeadDim::KeyOr(256),
        kv_heads: Some(4),
        ..hf_common::LLAMA_DEFAULTS
    };
    let mut spec = hf_common::llama_shaped(config, &defaults)?;
    spec.biases = hf_common::attention_biases(config)?;
    let scalar = config.positive("query_pre_attn_scalar", 256.0)?;
    hf_common::scale_scores(&mut spec, scalar.powf(-0.5) as f32);
    spec.attention_soft_cap = config.cap("attn_logit_softcapping", Some(50.0))?;
    spec.head.soft_cap = config.cap("final_logit_softcapping", Some(30.0))?;
    let window = if config.states("sliding_window") { config.int("sliding_window")? } else { Some(4096) };
    hf_common::windows(config, &mut spec, window, |i| i.is_multiple_of(2))?;
    spec.norms.place = NormPlace::Around;
    gemma::shape(&mut spec, 1.0);
    Ok(spec)
}

fn from_gguf(gguf: &Gguf) -> Result<DecoderSpec> {
    let mut spec = gguf_common::llama_shaped(gguf, "gemma2", RotaryPairs::Halves)?;
    spec.mlp.activation = Activation::GeluTanh;
    // 27B alone scales by the width per head of the residual stream; llama.cpp knows it by its 46 blocks.
    if spec.depth() == 46 {
        let scale = hf_common::scale(spec.hidden_size / spec.heads);
        hf_common::scale_scores(&mut spec, scale);
    }
    spec.attention_soft_cap = gguf_common::cap(gguf, "gemma2.attn_logit_softcapping", Some(50.0))?;
    spec.head.soft_cap = gguf_common::cap(gguf, "gemma2.final_logit_softcapping", Some(30.0))?;
    let window = gguf.int("gemma2.attention.sliding_window")?.unwrap_or(4096);
    gguf_common::windows(gguf, &mut spec, Some(window), 2)?;
    spec.norms.place = NormPlace::Around;
    gemma::shape(&mut spec, 0.0);
    Ok(spec)
}
