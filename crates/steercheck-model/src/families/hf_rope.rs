//! Rotary settings of Hugging Face configurations, in both generations of keys: `rope_parameters` (transformers 5), or
//! `rope_theta`, `rope_scaling` and a partial factor beside them. Semantics as in transformers' `modeling_rope_utils`.

use crate::config::Config;
use crate::error::Result;
use crate::files::plain;
use crate::rope::{RotaryPairs, RotaryScaling, RotarySpec};

/// Most positions: beyond any model's, and exact as a float.
pub(super) const MOST_POSITIONS: usize = 1 << 40;

/// What a family's class says of rotary positions.
#[derive(Clone, Copy)]
pub(super) struct Rope {
    /// Key of the base outside of `rope_parameters`.
    pub(super) theta_key: &'static str,
    /// Base where the configuration states none.
    pub(super) theta: f64,
    /// Key of the share of a head's dimensions that is rotated.
    pub(super) partial_key: &'static str,
    /// That share where the configuration states none; `None` where the class rotates whole heads only.
    pub(super) partial: Option<f64>,
    /// Which dimensions form a pair.
    pub(super) pairs: RotaryPairs,
    /// `original_max_position_embeddings` where the class has a default for it.
    pub(super) trained: Option<usize>,
    /// Which kinds of scaling the class takes.
    pub(super) kinds: Kinds,
    /// Whether the settings are all blocks' or differ between those with a window and those without.
    pub(super) settings: Settings,
}

/// Which kinds of scaling a class takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kinds {
    /// Every kind.
    All,
    /// `LongRoPE`, also under its older names su and yarn.
    LongRope,
}

/// For which blocks rotary settings hold.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Settings {
    /// One for all.
    Common,
    /// One for blocks with a window, one for the others; the family reads them itself.
    ByKind,
}

/// Whole heads, base 10000.
pub(super) const PLAIN: Rope = Rope {
    theta_key: "rope_theta",
    theta: 10_000.0,
    partial_key: "partial_rotary_factor",
    partial: None,
    pairs: RotaryPairs::Halves,
    trained: None,
    kinds: Kinds::All,
    settings: Settings::Common,
};

/// The rotary settings of a configuration whose blocks all have the same.
pub(super) fn rotary(config: Config<'_>, class: &Rope, head_dim: usize, max_positions: usize) -> Result<RotarySpec> {
    let settings = match config.object("rope_scaling")? {
        Some(old) => Some(old),
        None => config.object("rope_parameters")?,
    };
    let by_kind = ["full_attention", "sliding_attention"].into_iter().find(|k| settings.is_some_and(|c| c.states(k)));
    let settings = match (by_kind, class.settings) {
        (None, _) => settings,
        (Some(_), Settings::ByKind) => None,
        (Some(kind), Settings::Common) => {
            let problem = "is set; for this family only one setting for all blocks is implemented";
            return Err(config.problem(&format!("rope_parameters.{kind}"), problem));
        }
    };
    let theta = config.positive(class.theta_key, class.theta)?;
    let theta = match settings {
        Some(c) => c.positive("rope_theta", theta)?,
        None => theta,
    };
    let mut share = class.partial.unwrap_or(1.0);
    for (c, key) in [(Some(config), class.partial_key), (settings, "partial_rotary_factor")] {
        let Some(c) = c else { continue };
        let Some(f) = c.float(key)? else { continue };
        if class.partial.is_none() && (f - 1.0).abs() > 0.0 {
            return Err(c.problem(key, format!("is {f}; for this family only 1 is implemented")));
        }
        if f <= 0.0 || f > 1.0 {
            return Err(c.problem(key, format!("is {f}; above 0 and at most 1 is possible")));
        }
        share = f;
    }
    let dims = (head_dim as f64 * share) as usize;
    let scaling = match settings {
        None => RotaryScaling::None,
        Some(c) => scaling(config, c, class, max_positions)?,
    };
    Ok(RotarySpec { theta, dims, pairs: class.pairs, scaling })
}

/// The scaling that an object with `rope_type` (or the older `type`) describes.
pub(super) fn scaling(config: Config<'_>, c: Config<'_>, class: &Rope, max_positions: usize) -> Result<RotaryScaling> {
    let kind = match c.text("rope_type")? {
        Some(kind) => Some(kind),
        None => c.text("type")?,
    };
    let factor = |least: f64| -> Result<f64> {
        match c.float("factor")? {
            None => Err(c.problem("factor", "is missing and has no default")),
            Some(f) if f >= least => Ok(f),
            Some(f) => Err(c.problem("factor", format!("is {f}; it must be at least {least}"))),
        }
    };
    let key = "original_max_position_embeddings";
    let trained = || -> Result<usize> {
        match (config.get(key), c.get(key), class.trained) {
            (Some(_), _, _) => config.size(key, MOST_POSITIONS),
            (None, Some(_), None) => c.size(key, MOST_POSITIONS),
            (None, _, Some(default)) => Ok(default),
            (None, None, None) => Ok(max_positions),
        }
    };
    let stretch = || -> Result<f64> {
        match c.float("factor")? {
            Some(_) => factor(1.0),
            None => Ok(max_positions as f64 / trained()? as f64),
        }
    };
    let kind = match (kind, class.kinds) {
        (Some("su" | "yarn"), Kinds::LongRope) => Some("longrope"),
        (Some(other), Kinds::LongRope) if !["default", "longrope"].contains(&other) => {
            let problem = format!("is '{}'; for this family default and longrope are implemented", plain(other));
            return Err(c.problem("rope_type", problem));
        }
        (kind, _) => kind,
    };
    Ok(match kind {
        None | Some("default") => RotaryScaling::None,
        Some("linear") => RotaryScaling::Linear { factor: factor(1.0)? },
        // Of this one transformers takes the configuration's own length as the trained one.
        Some("dynamic") => RotaryScaling::Dynamic { factor: factor(1.0)?, trained: max_positions },
        Some("llama3") => {
            let (low, high) = (c.positive("low_freq_factor", 1.0)?, c.positive("high_freq_factor", 4.0)?);
            if high <= low {
                return Err(
                    c.problem("high_freq_factor", format!("is {high}; it must be above low_freq_factor ({low})"))
                );
            }
            RotaryScaling::Llama3 { factor: factor(1.0)?, low, high, trained: trained()? }
        }
        Some("yarn") => {
            let factor = stretch()?;
            let truncate = c.bool("truncate", true)?;
            if class.settings == Settings::ByKind && !truncate {
                return Err(c.problem("truncate", "is false; for this family only true is implemented"));
            }
            let default = RotaryScaling::yarn_attention_factor(factor, c.float("mscale")?, c.float("mscale_all_dim")?);
            RotaryScaling::Yarn {
                factor,
                trained: trained()?,
                beta_fast: c.positive("beta_fast", 32.0)?,
                beta_slow: c.positive("beta_slow", 1.0)?,
                attention_factor: c.positive("attention_factor", default)?,
                truncate,
            }
        }
        Some("longrope") => {
            let trained = trained()?;
            let factor = stretch()?;
            let default = if factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / (trained as f64).ln()).sqrt() };
            RotaryScaling::LongRope {
                short: divisors(c, "short_factor")?,
                long: divisors(c, "long_factor")?,
                trained,
                attention_factor: c.positive("attention_factor", default)?,
            }
        }
        Some(other) => {
            return Err(c.problem(
                "rope_type",
                format!("is '{}'; implemented are default, linear, dynamic, llama3, yarn and longrope", plain(other)),
            ));
        }
    })
}

/// One divisor for each frequency.
fn divisors(c: Config<'_>, key: &'static str) -> Result<Vec<f32>> {
    let list = c.list(key)?.ok_or_else(|| c.problem(key, "is missing and has no default"))?;
    list.iter()
        .map(|v| v.as_f64().filter(|f| f.is_finite() && *f > 0.0).map(|f| f as f32))
        .collect::<Option<Vec<f32>>>()
        .ok_or_else(|| c.problem(key, "holds something else than numbers above 0"))
}
