use serde::{Deserialize, Serialize};

use crate::{Bootstrap, Error, Estimate, check, mean, wilson};

/// Slope of the least-squares line of `values` over `doses` (both `[doses]`), in units of value per unit of dose.
///
/// Σ (dose − mean dose)·(value − mean value) / Σ (dose − mean dose)². What is below the rounding of the sums is 0, so
/// that a flat response has neither sign.
///
/// # Errors
///
/// [`Error::NoObservations`], [`Error::NotFinite`], [`Error::Lengths`], [`Error::Constant`] where all doses are equal,
/// [`Error::Undefined`] where the sums of squares overflow.
pub fn slope(doses: &[f64], values: &[f64]) -> Result<f64, Error> {
    check::same_length(doses.len(), values.len())?;
    check::observations(doses)?;
    check::observations(values)?;
    let n = doses.len() as f64;
    // From the first value on: a constant response then has exact zeros.
    let (dose, value) = (doses[0], values[0]);
    let mean_dose = doses.iter().map(|d| d - dose).sum::<f64>() / n;
    let mean_value = values.iter().map(|v| v - value).sum::<f64>() / n;
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (d, v) in doses.iter().zip(values) {
        let (x, y) = (d - dose - mean_dose, v - value - mean_value);
        xx += x * x;
        yy += y * y;
        xy += x * y;
    }
    if xx == 0.0 {
        return Err(Error::Constant);
    }
    let rounding = 1e-14 * n * xx.sqrt() * yy.sqrt();
    let slope = if xy.abs() <= rounding { 0.0 } else { xy / xx };
    if slope.is_finite() { Ok(slope) } else { Err(Error::Undefined) }
}

/// How items respond to the dose of a steering vector.
///
/// D. Tan et al., "Analyzing the Generalization and Reliability of Steering Vectors" (2024, arXiv 2407.12404): the
/// steerability of an item is the slope of its score (there: the difference of the logits of two answers) over the
/// multiplier of the vector; items with a negative slope are anti-steerable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Steerability {
    /// Slope of every item, in the order given.
    pub slopes: Vec<f64>,
    /// Mean slope, `BCa` interval over items.
    pub mean: Estimate,
    /// Share of items with a slope below 0, Wilson interval.
    pub anti_steerable: Estimate,
}

/// Per-item slopes over `doses` (`[doses]`), their mean and the share below 0; `values` is `[items][doses]`.
///
/// # Errors
///
/// Those of [`slope`] for any item, and those of [`mean`](crate::mean()).
pub fn steerability(doses: &[f64], values: &[Vec<f64>], bootstrap: &Bootstrap) -> Result<Steerability, Error> {
    let slopes = values.iter().map(|item| slope(doses, item)).collect::<Result<Vec<_>, _>>()?;
    let mean = mean(&slopes, None, bootstrap)?;
    let negative = slopes.iter().filter(|s| **s < 0.0).count();
    let anti_steerable = wilson(negative, slopes.len(), bootstrap.level)?;
    Ok(Steerability { slopes, mean, anti_steerable })
}
