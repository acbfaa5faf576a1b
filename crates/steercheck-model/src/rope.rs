//! Rotary positions (Su et al. 2021) and the ways in which checkpoints stretch them. Frequencies are computed in f64 from
//! the formulas that transformers' `modeling_rope_utils` uses, then rounded to f32 once; angles are f32 products, as there.

use std::f64::consts::PI;

use candle_core::{Device, Tensor};
use serde::Serialize;

use crate::error::Result;

/// One kind of rotary positions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RotarySpec {
    /// Base of the frequencies.
    pub theta: f64,
    /// Leading dimensions of a head that are rotated (even, at most the head's width).
    pub dims: usize,
    /// Which dimensions form a pair.
    pub pairs: RotaryPairs,
    /// How frequencies are stretched.
    pub scaling: RotaryScaling,
}

/// Which two dimensions are rotated together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum RotaryPairs {
    /// i and i + dims/2 (GPT-NeoX, Hugging Face llama).
    Halves,
    /// 2i and 2i + 1 (the original, GPT-J; llama.cpp's llama).
    Neighbours,
}

/// How rotary frequencies are stretched to longer contexts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum RotaryScaling {
    /// Not at all.
    None,
    /// Every frequency divided by the factor (Chen et al. 2023).
    Linear {
        /// Stretch.
        factor: f64,
    },
    /// The base grows with the total length beyond `trained` positions ("dynamic NTK").
    Dynamic {
        /// Stretch.
        factor: f64,
        /// Positions that the model was trained on.
        trained: usize,
    },
    /// Llama 3.1: long wavelengths divided by the factor, short ones kept, a ramp between.
    Llama3 {
        /// Stretch of the long wavelengths.
        factor: f64,
        /// `trained / low` is the wavelength above which all is stretched.
        low: f64,
        /// `trained / high` is the wavelength below which nothing is.
        high: f64,
        /// Positions that the model was trained on.
        trained: usize,
    },
    /// `YaRN` (Peng et al. 2023), with its attention factor on cosines and sines.
    Yarn {
        /// Stretch.
        factor: f64,
        /// Positions that the model was trained on.
        trained: usize,
        /// Rotations above which a dimension is kept.
        beta_fast: f64,
        /// Rotations below which a dimension is stretched.
        beta_slow: f64,
        /// Multiplies cosines and sines.
        attention_factor: f64,
        /// Whether the ramp's ends are rounded to whole dimensions.
        truncate: bool,
    },
    /// A divisor for each frequency, as GGUF files carry it.
    Factors(Vec<f32>),
    /// `LongRoPE` (Ding et al. 2024): a divisor for each frequency, of one set for prompts within the trained length and of
    /// another for longer ones.
    LongRope {
        /// Divisors up to `trained` positions.
        short: Vec<f32>,
        /// Divisors beyond.
        long: Vec<f32>,
        /// Positions that the model was trained on.
        trained: usize,
        /// Multiplies cosines and sines.
        attention_factor: f64,
    },
}

impl RotaryScaling {
    /// Whether frequencies change with the total length.
    pub fn depends_on_length(&self) -> bool {
        matches!(self, Self::Dynamic { .. } | Self::LongRope { .. })
    }

    /// Lists that must hold one divisor for each frequency, under the names they have in files.
    pub(crate) fn divisors(&self) -> Vec<(&'static str, &[f32])> {
        match self {
            Self::Factors(by) => vec![("rope_freqs.weight", by)],
            Self::LongRope { short, long, .. } => vec![("short_factor", short), ("long_factor", long)],
            _ => Vec::new(),
        }
    }

    /// Default attention factor of `YaRN`: 0.1·ln(factor)·mscale + 1, as a ratio where `mscale_all_dim` is given too.
    pub fn yarn_attention_factor(factor: f64, mscale: Option<f64>, mscale_all_dim: Option<f64>) -> f64 {
        let get = |m: f64| if factor <= 1.0 { 1.0 } else { 0.1 * m * factor.ln() + 1.0 };
        match (mscale, mscale_all_dim) {
            (Some(a), Some(b)) if a != 0.0 && b != 0.0 => get(a) / get(b),
            _ => get(1.0),
        }
    }
}

impl RotarySpec {
    /// Frequencies `[dims / 2]` in radians per position, and the factor on cosines and sines, for a prompt of `length`
    /// positions in all.
    pub fn frequencies(&self, length: usize) -> (Vec<f32>, f32) {
        let d = self.dims as f64;
        let plain = |theta: f64| (0..self.dims / 2).map(move |i| theta.powf(-(2.0 * i as f64) / d));
        let (freqs, factor): (Vec<f64>, f64) = match &self.scaling {
            RotaryScaling::None => (plain(self.theta).collect(), 1.0),
            RotaryScaling::Linear { factor } => (plain(self.theta).map(|f| f / factor).collect(), 1.0),
            RotaryScaling::Dynamic { factor, trained } => {
                let length = length.max(*trained) as f64;
                let stretch = factor * length / *trained as f64 - (factor - 1.0);
                (plain(self.theta * stretch.powf(d / (d - 2.0))).collect(), 1.0)
            }
            RotaryScaling::Llama3 { factor, low, high, trained } => {
                let trained = *trained as f64;
                let one = |f: f64| {
                    let wavelength = 2.0 * PI / f;
                    if wavelength < trained / high {
                        f
                    } else if wavelength > trained / low {
                        f / factor
                    } else {
                        let smooth = (trained / wavelength - low) / (high - low);
                        (1.0 - smooth) * f / factor + smooth * f
                    }
                };
                (plain(self.theta).map(one).collect(), 1.0)
            }
            RotaryScaling::Yarn { factor, trained, beta_fast, beta_slow, attention_factor, truncate } => {
                let dim_of =
                    |rotations: f64| d * (*trained as f64 / (rotations * 2.0 * PI)).ln() / (2.0 * self.theta.ln());
                let (mut low, mut high) = (dim_of(*beta_fast), dim_of(*beta_slow));
                if *truncate {
                    (low, high) = (low.floor(), high.ceil());
                }
                (low, high) = (low.max(0.0), high.min(d - 1.0));
                if (high - low).abs() < f64::EPSILON {
                    high += 0.001;
                }
                let mixed = plain(self.theta).enumerate().map(|(i, f)| {
                    let ramp = ((i as f64 - low) / (high - low)).clamp(0.0, 1.0);
                    f / factor * ramp + f * (1.0 - ramp)
                });
                (mixed.collect(), *attention_factor)
            }
            RotaryScaling::Factors(by) => (plain(self.theta).zip(by).map(|(f, by)| f / f64::from(*by)).collect(), 1.0),
            RotaryScaling::LongRope { short, long, trained, attention_factor } => {
                let by = if length > *trained { long } else { short };
                (plain(self.theta).zip(by).map(|(f, by)| f / f64::from(*by)).collect(), *attention_factor)
            }
        };
        (freqs.into_iter().map(|f| f as f32).collect(), factor as f32)
    }
}

/// Cosines and sines `[rows, dims / 2]` for rows at the given positions of prompts of the given total lengths.
pub(crate) fn tables(spec: &RotarySpec, places: &[Place], device: &Device) -> Result<(Tensor, Tensor)> {
    let half = spec.dims / 2;
    let (mut cos, mut sin) = (Vec::with_capacity(places.len() * half), Vec::with_capacity(places.len() * half));
    let mut current: Option<(usize, Vec<f32>, f32)> = None;
    for place in places {
        let key = if spec.scaling.depends_on_length() { place.length } else { 0 };
        if current.as_ref().is_none_or(|c| c.0 != key) {
            let (freqs, factor) = spec.frequencies(key);
            current = Some((key, freqs, factor));
        }
        if let Some((_, freqs, factor)) = &current {
            for f in freqs {
                let angle = f64::from(place.position as f32 * f);
                cos.push(angle.cos() as f32 * factor);
                sin.push(angle.sin() as f32 * factor);
            }
        }
    }
    let shape = (places.len(), half);
    Ok((Tensor::from_vec(cos, shape, device)?, Tensor::from_vec(sin, shape, device)?))
}

/// Where a row stands in its prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// 0-based position.
    pub(crate) position: usize,
    /// Total length of the prompt.
    pub(crate) length: usize,
}

/// Rotates `x` `[rows, heads, head_dim]` by tables of [`tables`]; dimensions past `spec.dims` pass through.
pub(crate) fn rotate(spec: &RotarySpec, x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    let (_, _, width) = x.dims3()?;
    let turn = |x: &Tensor| -> Result<Tensor> {
        Ok(match spec.pairs {
            RotaryPairs::Halves => {
                candle_nn::rotary_emb::rope_thd(&x.unsqueeze(0)?.contiguous()?, cos, sin)?.squeeze(0)?
            }
            RotaryPairs::Neighbours => {
                let by_head = x.transpose(0, 1)?.contiguous()?.unsqueeze(0)?;
                candle_nn::rotary_emb::rope_i(&by_head, cos, sin)?.squeeze(0)?.transpose(0, 1)?.contiguous()?
            }
        })
    };
    if spec.dims == width {
        return turn(x);
    }
    let turned = turn(&x.narrow(2, 0, spec.dims)?.contiguous()?)?;
    Ok(Tensor::cat(&[&turned, &x.narrow(2, spec.dims, width - spec.dims)?.contiguous()?], 2)?)
}
