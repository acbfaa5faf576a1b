//! The families. One file each: configuration to [`DecoderSpec`], tensor names to slots. No code outside this folder knows
//! a family's name.

mod gemma3;
mod gguf_common;
mod hf_common;
mod llama;
mod mistral;
mod qwen2;
mod smollm3;

use serde_json::Value;

use crate::config::Config;
use crate::error::{ModelError, Result, nearest};
use crate::files::plain;
use crate::gguf::Gguf;
use crate::slots::Names;
use crate::spec::DecoderSpec;

/// Everything that is known of a family.
pub(crate) struct Family {
    /// `model_type` values of config.json.
    model_types: &'static [&'static str],
    /// `general.architecture` values of GGUF files.
    architectures: &'static [&'static str],
    from_config: fn(Config<'_>) -> Result<DecoderSpec>,
    from_gguf: fn(&Gguf) -> Result<DecoderSpec>,
    names: Names,
}

const FAMILIES: &[Family] = &[llama::FAMILY, mistral::FAMILY, qwen2::FAMILY, smollm3::FAMILY, gemma3::FAMILY];

fn unknown(name: &str, known: impl Fn(&Family) -> &'static [&'static str]) -> ModelError {
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
    let spec = (family.from_config)(config)?;
    check(&spec, "config.json")?;
    Ok((spec, family.names))
}

/// Spec and tensor names for a GGUF file.
pub(crate) fn from_gguf(gguf: &Gguf) -> Result<(DecoderSpec, Names)> {
    let (key, split) = ("general.architecture", "split.count");
    // Before the architecture, which only the first of several files states.
    if let Some(parts) = gguf.int(split)?.filter(|parts| *parts > 1) {
        let problem = format!("is {parts}: one of several files is not read; join them with llama-gguf-split --merge");
        return Err(gguf.problem(split, problem));
    }
    let name = gguf.text(key)?.ok_or_else(|| gguf.problem(key, "is missing and has no default"))?;
    let family =
        FAMILIES.iter().find(|f| f.architectures.contains(&name)).ok_or_else(|| unknown(name, |f| f.architectures))?;
    let spec = (family.from_gguf)(gguf)?;
    check(&spec, gguf.file())?;
    Ok((spec, gguf_common::NAMES))
}

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
        if let crate::rope::RotaryScaling::Factors(by) = &rotary.scaling
            && (by.len() != rotary.dims / 2 || by.iter().any(|f| !f.is_finite() || *f <= 0.0))
        {
            return bad("rope_freqs.weight", format!("holds {} values for {} frequencies", by.len(), rotary.dims / 2));
        }
    }
    Ok(())
}
