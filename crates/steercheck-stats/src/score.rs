//! Score intervals for means of bounded values: Wilson's and Tango's, for any values between two bounds and for
//! clusters.

use crate::means::{Group, groups};
use crate::normal::two_sided_quantile;
use crate::paired::differences;
use crate::{Error, Estimate, Method, check};

/// Mean of `a[i] − b[i]` with a score interval, for values in [0, 1] (outcomes, or shares of outcomes over seeds).
///
/// `a`, `b` and `clusters` are `[n]`, paired by index; equal ids in `clusters` mark rows that share a question, and
/// clusters are then the independent units, although the estimate's `n` counts rows. No resampling, no seed.
///
/// For one outcome of 0 or 1 per item it is the interval of T. Tango, "Equivalence test and confidence interval for the
/// difference in proportions for the paired-sample design", Statistics in Medicine 17 (1998), 891–908: the differences
/// δ with m·(d − δ)² ≤ z²·V(δ), where d is the observed difference, m the number of items, and V(δ) the variance of an
/// item's difference under the most likely distribution with mean δ. Deviation, so that outcomes averaged over seeds
/// have an interval too: the most likely distribution is taken among those on the observed values and the two bounds
/// ±1, which for outcomes of 0 or 1 are all that can have weight. (Weights on the observed values under a constraint on the
/// mean: A. B. Owen, *Empirical Likelihood* (2001), chapter 2.) For clusters the unit is the cluster, as in a ratio
/// estimate.
///
/// Since the bounds keep some weight although no item is there, the interval does not collapse where few or no items
/// differ, and needs no case of its own there: with all differences equal it is the one of
/// [`paired_difference`](crate::paired_difference()) without spread. In `examples/coverage.rs` it keeps its level where
/// the bootstrap does not.
///
/// # Errors
///
/// [`Error::NoObservations`], [`Error::NotFinite`], [`Error::OutOfRange`], [`Error::Lengths`], [`Error::Level`].
pub fn paired_score(a: &[f64], b: &[f64], clusters: Option<&[usize]>, level: f64) -> Result<Estimate, Error> {
    let differences = differences(a, b)?;
    score(&differences, clusters, level, -1.0, 1.0, Method::PairedScore)
}

/// Mean of `values` in [0, 1] with a score interval: an accuracy whose outcomes are averaged over seeds, or clustered.
///
/// For outcomes of 0 or 1 without clusters it is [`wilson`](crate::wilson()); for other values the deviation said at
/// [`paired_score`]. `values` and `clusters` are `[n]`.
///
/// # Errors
///
/// Those of [`paired_score`].
pub fn share(values: &[f64], clusters: Option<&[usize]>, level: f64) -> Result<Estimate, Error> {
    check::within(values, 0.0, 1.0)?;
    score(values, clusters, level, 0.0, 1.0, Method::Score)
}

fn score(
    values: &[f64],
    clusters: Option<&[usize]>,
    level: f64,
    least: f64,
    most: f64,
    method: Method,
) -> Result<Estimate, Error> {
    let z = two_sided_quantile(level)?;
    // Distances from the bounds: both ends are then the same question, and swapping the arms mirrors the interval
    // exactly.
    let units = |distance: &dyn Fn(f64) -> f64| {
        let rows: Vec<[f64; 1]> = values.iter().map(|&v| [distance(v)]).collect();
        Ok(Units::new(&groups(&rows, clusters)?))
    };
    let point = units(&|v| v)?.mean;
    let low = least + units(&|v| v - least)?.lower_limit(z);
    let high = most - units(&|v| most - v)?.lower_limit(z);
    Ok(Estimate { point, low: low.min(point), high: high.max(point), level, n: values.len(), method })
}

/// The independent units, relative to their mean number of rows: `sum − δ·rows` of a unit is its deviation from a mean
/// of δ.
struct Units {
    /// Equal units once, with their count: outcomes of few seeds take few values.
    kinds: Vec<Kind>,
    count: f64,
    mean: f64,
}

struct Kind {
    sum: f64,
    rows: f64,
    count: f64,
}

impl Units {
    fn new(groups: &[Group<1>]) -> Self {
        let count = groups.len() as f64;
        let total = groups.iter().fold(Group::EMPTY, Group::plus);
        let size = total.rows / count;
        let kinds = groups
            .chunk_by(|a, b| a == b)
            .map(|equal| Kind { sum: equal[0].sum[0] / size, rows: equal[0].rows / size, count: equal.len() as f64 })
            .collect();
        Self { kinds, count, mean: total.means()[0] }
    }

    /// The smallest mean that is compatible with the units, for values of at least 0. Bisection to the last bit.
    fn lower_limit(&self, z: f64) -> f64 {
        let (mut outside, mut inside) = (0.0, self.mean);
        loop {
            let mean = f64::midpoint(outside, inside);
            if mean <= outside || mean >= inside {
                return inside;
            }
            let distance = self.mean - mean;
            if self.count * distance * distance > z * z * self.variance(mean) {
                outside = mean;
            } else {
                inside = mean;
            }
        }
    }

    /// Variance of a unit's deviation under the most likely distribution on the units' values and 0 whose mean is
    /// `mean`, for 0 < `mean` < the observed one.
    ///
    /// By Lagrange a unit with deviation d has the weight 1/(m·(1 + λd)), with λ such that the weighted deviations sum
    /// to 0. A value that no unit has can only take weight where its 1 + λd is 0; the value 0, with the deviation
    /// −`mean`, bounds λ by 1/`mean`, and where the sum is still positive there, it takes what the weights of the units
    /// leave.
    fn variance(&self, mean: f64) -> f64 {
        let deviation = |kind: &Kind| kind.sum - mean * kind.rows;
        let lowest = self.kinds.iter().map(deviation).fold(-mean, f64::min);
        let (mut low, mut high) = (0.0, -1.0 / lowest);
        loop {
            let multiplier = f64::midpoint(low, high);
            if multiplier <= low || multiplier >= high {
                break;
            }
            let sum: f64 = self.kinds.iter().map(|k| k.count * deviation(k) / (1.0 + multiplier * deviation(k))).sum();
            if sum > 0.0 {
                low = multiplier;
            } else {
                high = multiplier;
            }
        }
        let (mut weights, mut variance) = (0.0, 0.0);
        for kind in &self.kinds {
            let deviation = deviation(kind);
            let weight = kind.count / (self.count * (1.0 + low * deviation));
            weights += weight;
            variance += weight * deviation * deviation;
        }
        variance + (1.0 - weights).max(0.0) * mean * mean
    }
}
