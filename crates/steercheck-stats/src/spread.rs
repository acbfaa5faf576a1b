use serde::{Deserialize, Serialize};

use crate::{Error, check};

/// How far repetitions of one figure (one per seed) lie apart. No interval: a handful of seeds has none worth printing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// Smallest value.
    pub least: f64,
    /// Largest value.
    pub most: f64,
    /// Standard deviation with n − 1 in the denominator; 0 for one value.
    pub sd: f64,
    /// Number of values.
    pub n: usize,
}

/// Range and standard deviation of `values` (`[n]`).
///
/// # Errors
///
/// [`Error::NoObservations`], [`Error::NotFinite`], [`Error::Undefined`] where the squares overflow.
pub fn spread(values: &[f64]) -> Result<Spread, Error> {
    check::observations(values)?;
    let n = values.len();
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // From the smallest on: equal values then have a deviation of exactly 0.
    let mean = values.iter().map(|v| v - least).sum::<f64>() / n as f64;
    let squares: f64 = values.iter().map(|v| (v - least - mean).powi(2)).sum();
    let sd = if n > 1 { (squares / (n - 1) as f64).sqrt() } else { 0.0 };
    if sd.is_finite() { Ok(Spread { least, most, sd, n }) } else { Err(Error::Undefined) }
}
