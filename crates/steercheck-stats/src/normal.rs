//! The standard normal distribution, as the intervals need it.

use statrs::distribution::{ContinuousCDF, Normal};

use crate::Error;

/// P(Z ≤ `z`).
pub(crate) fn cdf(z: f64) -> f64 {
    Normal::standard().cdf(z)
}

/// z with P(Z ≤ z) = `p`, for 0 < `p` < 1.
pub(crate) fn quantile(p: f64) -> f64 {
    Normal::standard().inverse_cdf(p)
}

/// z such that a standard normal variable lies within ±z with probability `level`.
pub(crate) fn two_sided_quantile(level: f64) -> Result<f64, Error> {
    if !(level > 0.0 && level < 1.0) {
        return Err(Error::Level(level));
    }
    // From the lower tail: 1 - (1 - level) / 2 would round to 1 for levels close to 1.
    Ok(-quantile((1.0 - level) / 2.0))
}
