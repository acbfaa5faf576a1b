//! Gemma 3 (text): norms around attention and MLP, per-head norms of q and k, five windowed blocks with their own rotary
//! base for each global one, embeddings times √D. Gemma Team 2025.

use super::{Family, gemma, gguf_common, hf_common, hf_rope, names};
use crate::config::Config;
use crate::error::Result;
use crate::gguf::Gguf;
use crate::rope::{RotaryPairs, RotaryScaling, RotarySpec};
use crate::spec::{Activation, DecoderSpec, NormPlace, QkNorm, Tying};

pub(super) const FAMILY: Family = Family {
    model_types: &["gemma3_text"],
    architectures: &["gemma3"],
    from_config,
    from_gguf: Some(from_gguf),
    names: names::GEMMA,
};

/// Index of the rotary kind that windowed blocks use; 0 is that of the global ones.
const LOCAL: usize = 1;
/// Local rotary base and layer pattern, which GGUF files leave out.
const LOCAL_THETA: f64 = 10_000.0;
const PATTERN: usize = 6;
/// Rotary positions of the global blocks.
const GLOBAL: hf_rope::Rope =
    hf_rope::Rope { theta: 1_000_000.0, settings: hf_rope::Settings::ByKind, ..hf_rope::PLAIN };

fn shape(mut spec: DecoderSpec, weight_offset: f32) -> DecoderSpec {
    gemma::shape(&mut spec, weight_offset);
    spec.norms.place = NormPlace::Around;
    spec.qk_norm = QkNorm::PerHead(spec.norms.spec);
    for block in &mut spec.blocks {
        block.rotary = Some(if block.window.is_some() { LOCAL } else { 0 });
    }
    spec
}

fn from_config(config: Config<'_>) -> Result<DecoderSpec> {
    // This class alone passes over the older name of the key.
    if let Some(c) = config.object("rope_scaling")?.filter(|c| c.get("type").is_some() && c.get("rope_type").is_none())
    {
        return Err(c.problem("type", "is set without rope_type, which transformers ignores here; name it rope_type"));
    }
    let defaults = hf_common::Defaults {
        family: "gemma3",
        rope: GLOBAL,
        max_positions: 131_072,
        tying: Tying::Tied,
        activation_key: "hidden_activation",
        activation: "gelu_pytorch_tanh",
        head_dim: hf_common::HeadDim::KeyOr(256),
        kv_heads: Some(4),
        ..hf_common::LLAMA_DEFAULTS
    };
    let mut spec = hf_common::llama_shaped(config, &defaults)?;
    let bias = config.bool("attention_bias", false)?;
    (spec.biases.qkv, spec.biases.output) = (bias, bias);
    let scalar = config.positive("query_pre_attn_scalar", 256.0)?;
    hf_common::scale_scores(&mut spec, scalar.powf(-0.5) as f32);
    // transformers never hands this one to its attention; no published model sets it.
    if config.get("attn_logit_softcapping").is_some() {
        return Err(config.problem("attn_logit_softcapping", "is set; for this family only null is implemented"));
    }
    spec.head.soft_cap = config.cap("final_logit_softcapping", None)?;
    let pattern = match config.int("sliding_window_pattern")? {
        Some(p) => p,
        None => config.int("_sliding_window_pattern")?.unwrap_or(PATTERN),
    };
    let window = config.int("sliding_window")?.unwrap_or(4096);
    hf_common::windows(config, &mut spec, Some(window), |i| pattern == 0 || !(i + 1).is_multiple_of(pattern))?;
    let local = local_rotary(config, &mut spec)?;
    spec.rotary.push(local);
    Ok(shape(spec, 1.0))
}

/// Rotary settings per kind of block: `rope_parameters.{full,sliding}_attention`, or `rope_theta`, `rope_scaling` (global
/// blocks only) and `rope_local_base_freq`.
fn local_rotary(config: Config<'_>, spec: &mut DecoderSpec) -> Result<RotarySpec> {
    let plain = |theta: f64, scaling: RotaryScaling| RotarySpec {
        theta,
        dims: spec.head_dim,
        pairs: RotaryPairs::Halves,
        scaling,
    };
    let old = plain(config.positive("rope_local_base_freq", LOCAL_THETA)?, RotaryScaling::None);
    let Some(new) = config.object("rope_parameters")? else {
        return Ok(old);
    };
    let read = |key: &'static str, theta: f64| -> Result<Option<RotarySpec>> {
        let Some(c) = new.object(key)? else { return Ok(None) };
        let scaling = hf_rope::scaling(config, c, &GLOBAL, spec.max_positions)?;
        Ok(Some(plain(c.positive("rope_theta", theta)?, scaling)))
    };
    let (global, local) = (read("full_attention", 1_000_000.0)?, read("sliding_attention", old.theta)?);
    if let Some(global) = global {
        spec.rotary[0] = global;
    }
    Ok(local.unwrap_or(old))
}

fn from_gguf(gguf: &Gguf) -> Result<DecoderSpec> {
    let mut spec = gguf_common::llama_shaped(gguf, "gemma3", RotaryPairs::Halves)?;
    spec.mlp.activation = Activation::GeluTanh;
    // 27B alone scales by the width per head of the residual stream; llama.cpp knows it by its 62 blocks.
    if spec.depth() == 62 {
        let scale = hf_common::scale(spec.hidden_size / spec.heads);
        hf_common::scale_scores(&mut spec, scale);
    }
    spec.head.soft_cap = gguf_common::cap(gguf, "gemma3.final_logit_softcapping", None)?;
    // The converter leaves the window out where every block is global.
    let window = gguf.int("gemma3.attention.sliding_window")?;
    gguf_common::windows(gguf, &mut spec, window, PATTERN)?;
    let theta = gguf.float("gemma3.rope.freq_base_swa")?.filter(|t| *t > 0.0).unwrap_or(LOCAL_THETA);
    spec.rotary.push(RotarySpec {
        theta,
        dims: spec.head_dim,
        pairs: RotaryPairs::Halves,
        scaling: RotaryScaling::None,
    });
    // The converter has added the 1 to the norm weights.
    Ok(shape(spec, 0.0))
}
