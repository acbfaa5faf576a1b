//! The families. One file each: configuration to [`DecoderSpec`], tensor names to slots. No code outside this folder knows
//! a family's name.

mod bloom;
mod cohere;
mod falcon;
mod gemma;
mod gemma2;
mod gemma3;
mod gguf_common;
mod glm;
mod gpt2;
mod gpt_neo;
mod gpt_neox;
mod gptj;
mod granite;
mod hf_common;
mod hf_rope;
mod internlm2;
mod llama;
mod mistral;
mod mixtral;
mod mpt;
mod names;
mod olmo;
mod olmo2;
mod olmoe;
mod opt;
mod others;
mod phi;
mod phi3;
mod qwen2;
mod qwen2_moe;
mod qwen3;
mod smollm3;
mod stablelm;
mod starcoder2;

use serde_json::Value;

use crate::config::Config;
use crate::error::{ModelError, Result, nearest};
use crate::files::plain;
use crate::gguf::Gguf;
use crate::slots::Names;
use crate::spec::DecoderSpec;
use crate::weights::Weights;
pub(crate) use names::CANONICAL;

/// Everything that is known of a family.
pub(crate) struct Family {
    /// `model_type` values of config.json.
    model_types: &'static [&'static str],
    /// `general.architecture` values of GGUF files.
    architectures: &'static [&'static str],
    from_config: fn(Config<'_>) -> Result<DecoderSpec>,
    /// `None` where llama.cpp's converter writes no architecture of this name.
    from_gguf: Option<fn(&Gguf) -> Result<DecoderSpec>>,
    names: Names,
}

const FAMILIES: &[Family] = &[
    llama::FAMILY,
    mistral::FAMILY,
    mixtral::FAMILY,
    qwen2::FAMILY,
    qwen3::FAMILY,
    qwen2_moe::FAMILY,
    gemma::FAMILY,
    gemma2::FAMILY,
    gemma3::FAMILY,
    olmo::FAMILY,
    olmo2::FAMILY,
    olmoe::FAMILY,
    gpt_neox::FAMILY,
    gptj::FAMILY,
    gpt2::FAMILY,
    gpt_neo::FAMILY,
    opt::FAMILY,
    bloom::FAMILY,
    falcon::FAMILY,
    phi::FAMILY,
    phi3::FAMILY,
    stablelm::FAMILY,
    mpt::FAMILY,
    starcoder2::FAMILY,
    granite::FAMILY,
    cohere::FAMILY,
    internlm2::FAMILY,
    glm::FAMILY,
    smollm3::FAMILY,
];

fn unknown(name: &str, known: impl Fn(&Family) -> &'static [&'static str]) -> ModelError {
    if let Some(kind) = others::kind(name) {
        return ModelError::NotADecoder { name: plain(name), kind };
    }
    let all: Vec<&str> = FAMILIES.iter().flat_map(|f| known(f).iter().copied()).collect();
    ModelError::UnknownArchitecture { name: plain(name), hint: nearest(name, &all) }
}

/// Spec and tensor names for a parsed `config.json`.
pub(crate) fn from_config(json: &Value) -> Result<(DecoderSpec, Names)> {
    let config = Config::new(json);
    if !json.is_object() {
        return Err(config.problem("model_type", "is missing: the file does not hold an object"));
    }
    let name =
        config.text("model_type")?.ok_or_else(|| config.problem("model_type", "is missing and has no default"))?;
    let family =
        FAMILIES.iter().find(|f| f.model_types.contains(&name)).ok_or_else(|| unknown(name, |f| f.model_types))?;
    // What transformers reads in every family, and nothing here implements.
    config.only("is_causal", &true.into())?;
    config.only("use_bidirectional_attention", &false.into())?;
    for key in ["per_layer_config", "quantization_config"] {
        if config.get(key).is_some() {
            return Err(config.problem(key, "is set; only null is implemented"));
        }
    }
    let spec = (family.from_config)(config)?;
    check(&spec, "config.json")?;
    Ok((spec, family.names))
}

/// Spec and tensor names for a GGUF file.
pub(crate) fn from_gguf(gguf: &Gguf, weights: &Weights) -> Result<(DecoderSpec, Names)> {
    let (key, split) = ("general.architecture", "split.count");
    // Before the architecture, which only the first of several files states.
    if let Some(parts) = gguf.int(split)?.filter(|parts| *parts > 1) {
        let problem = format!("is {parts}: one of several files is not read; join them with llama-gguf-split --merge");
        return Err(gguf.problem(split, problem));
    }
    let name = gguf.text(key)?.ok_or_else(|| gguf.problem(key, "is missing and has no default"))?;
    let read = FAMILIES
        .iter()
        .find(|f| f.architectures.contains(&name))
        .and_then(|f| f.from_gguf)
        .ok_or_else(|| unknown(name, |f| f.architectures))?;
    let mut spec = read(gguf)?;
    gguf_common::divisors(gguf, weights, &mut spec)?;
    check(&spec, gguf.file())?;
    Ok((spec, gguf_common::names(gguf)))
}

/// Tensors that are read with the spec and go into no slot.
pub(crate) const READ_WITH_SPEC: [&str; 3] =
    ["rope_freqs.weight", "rope_factors_short.weight", "rope_factors_long.weight"];

/// Conditions that every spec must meet before a tensor is looked at.
pub(crate) fn check(spec: &DecoderSpec, source_name: &str) -> Result<()> {
    let bad = |key: &str, problem: String| {
        Err(ModelError::Config { source_name: source_name.to_string(), key: key.to_string(), problem })
    };
    if !spec.heads.is_multiple_of(spec.kv_heads) {
        return bad("num_key_value_heads", format!("is {}, which does not divide {} heads", spec.kv_heads, spec.heads));
    }
    for rotary in &spec.rotary {
        if rotary.dims == 0 || rotary.dims > spec.head_dim || !rotary.dims.is_multiple_of(2) {
            let most = spec.head_dim / 2 * 2;
            return bad(
                "head_dim",
                format!("gives {} rotated dimensions; an even number up to {most} is possible", rotary.dims),
            );
        }
        // At both ends, since some scalings depend on the length.
        let sound = [1, spec.max_positions].into_iter().all(|length| {
            let (frequencies, factor) = rotary.frequencies(length);
            factor.is_finite() && factor > 0.0 && frequencies.iter().all(|f| f.is_finite())
        });
        if !sound {
            return bad(
                "rope_theta",
                format!("({}) and the scaling of it give frequencies that are not finite", rotary.theta),
            );
        }
        for (key, by) in rotary.scaling.divisors() {
            if by.len() != rotary.dims / 2 || by.iter().any(|f| !f.is_finite() || *f <= 0.0) {
                return bad(key, format!("holds {} values for {} frequencies", by.len(), rotary.dims / 2));
            }
        }
    }
    Ok(())
}
