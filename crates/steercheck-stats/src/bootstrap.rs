//! How a bootstrap is run, its draws, and the `BCa` interval from what it gave.
//!
//! B. Efron, "Better bootstrap confidence intervals", Journal of the American Statistical Association 82 (1987),
//! 171–185; B. Efron and R. J. Tibshirani, *An Introduction to the Bootstrap* (1993), chapter 14, equations 14.9–14.15;
//! T. J. `DiCiccio` and B. Efron, "Bootstrap confidence intervals", Statistical Science 11 (1996), 189–228.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::{Error, Estimate, Method, normal, quantile};

/// How a bootstrap is run. The same settings and observations give the same bits on every machine with the same
/// floating-point library; there are no threads.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    /// Resamples drawn: at least 10 / (1 − `level`), so that five lie beyond either end, and at most 10 million.
    pub resamples: usize,
    /// Seed of the draws (`ChaCha8`).
    pub seed: u64,
    /// Confidence level, strictly between 0 and 1.
    pub level: f64,
}

impl Default for Bootstrap {
    /// 10 000 resamples, seed 0, level 0.95.
    fn default() -> Self {
        Self { resamples: 10_000, seed: 0, level: 0.95 }
    }
}

/// Beyond this only memory is used up: the Monte Carlo error of an end is then below a thousandth of its width.
const MOST_RESAMPLES: usize = 10_000_000;

/// Differences below this share of the range of the statistic are rounding: sums of the same values in another order.
const TIE: f64 = 1e-9;

/// A range below this share of the size of the observations is rounding, and there is no spread.
const NO_SPREAD: f64 = 1e-12;

impl Bootstrap {
    /// Refuses settings from which no interval can be read.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if !(self.level > 0.0 && self.level < 1.0) {
            return Err(Error::Level(self.level));
        }
        let least = (10.0 / (1.0 - self.level)).round() as usize;
        if (least..=MOST_RESAMPLES).contains(&self.resamples) {
            Ok(())
        } else {
            Err(Error::Resamples { given: self.resamples, least, most: MOST_RESAMPLES })
        }
    }

    /// The draws of one bootstrap.
    pub(crate) fn draws(&self) -> Draws {
        Draws(ChaCha8Rng::seed_from_u64(self.seed))
    }
}

/// Indices drawn with replacement.
pub(crate) struct Draws(ChaCha8Rng);

impl Draws {
    /// One of 0..`n`. Multiplying instead of rejecting leaves a bias below n / 2⁶⁴, and a stream that no library's
    /// choice of rejection can change.
    #[inline]
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.0.next_u64()) * n as u128) >> 64) as usize
    }
}

/// What resampling gave.
pub(crate) struct Replicates {
    /// Statistic of the observations.
    pub point: f64,
    /// Statistic of every resample, in any order, not all of them finite.
    pub resampled: Vec<f64>,
    /// Size of the observations, against which rounding is told from spread.
    pub scale: f64,
    /// Observations.
    pub n: usize,
}

impl Replicates {
    /// The `BCa` interval, extended to the point where it would not contain it (which takes a very skewed statistic).
    ///
    /// The bias correction counts resamples equal to the point as half below it: statistics of binary outcomes take few
    /// values, and counting them on one side would shift the interval by up to half the probability of a tie.
    /// `jackknife` gives the statistic with each independent unit left out; it is asked for only where there is spread.
    pub(crate) fn bca(
        mut self,
        bootstrap: &Bootstrap,
        jackknife: impl FnOnce() -> Vec<f64>,
    ) -> Result<Estimate, Error> {
        let Self { point, n, .. } = self;
        if !point.is_finite() {
            return Err(Error::Undefined);
        }
        let resamples = self.resampled.len();
        self.resampled.retain(|t| t.is_finite());
        let undefined = resamples - self.resampled.len();
        if undefined * 100 > resamples {
            return Err(Error::Unstable { undefined, resamples });
        }
        let mut sorted = self.resampled;
        sorted.sort_unstable_by(f64::total_cmp);
        let range = sorted[sorted.len() - 1] - sorted[0];
        if !range.is_finite() {
            return Err(Error::Undefined);
        }
        let estimate = |low: f64, high: f64, method| Estimate {
            point,
            low: low.min(point),
            high: high.max(point),
            level: bootstrap.level,
            n,
            method,
        };
        if range <= NO_SPREAD * self.scale.max(point.abs()) {
            return Ok(estimate(point, point, Method::NoSpread));
        }

        let below = sorted.partition_point(|&t| t < point - TIE * range);
        let not_above = sorted.partition_point(|&t| t <= point + TIE * range);
        let half = 0.5 / sorted.len() as f64;
        // All resamples on one side would put the correction at infinity: half a resample is left on the other side.
        let share = (below + not_above) as f64 * half;
        let bias = normal::quantile(share.clamp(half, 1.0 - half));
        let acceleration = acceleration(&jackknife())?;
        let z = normal::two_sided_quantile(bootstrap.level)?;
        let end = |z: f64| {
            let shifted = bias + z;
            let divisor = 1.0 - acceleration * shifted;
            // Past its pole the transformation is no longer monotone: the end is then the outermost resample.
            let z = if divisor > 0.0 { bias + shifted / divisor } else { shifted * f64::INFINITY };
            quantile(&sorted, normal::cdf(z))
        };
        Ok(estimate(end(-z), end(z), Method::Bca))
    }
}

/// A sixth of the skewness of the jackknife values with the sign turned (Efron and Tibshirani 1993, equation 14.15).
fn acceleration(jackknife: &[f64]) -> Result<f64, Error> {
    let undefined = jackknife.iter().filter(|t| !t.is_finite()).count();
    if undefined > 0 {
        return Err(Error::Unstable { undefined, resamples: jackknife.len() });
    }
    let mean = jackknife.iter().sum::<f64>() / jackknife.len() as f64;
    // Relative to the largest deviation, whose cube could overflow or vanish.
    let largest = jackknife.iter().fold(0.0_f64, |most, t| most.max((mean - t).abs()));
    let (mut squares, mut cubes) = (0.0, 0.0);
    for t in jackknife {
        let deviation = if largest > 0.0 { (mean - t) / largest } else { 0.0 };
        squares += deviation * deviation;
        cubes += deviation * deviation * deviation;
    }
    // Nothing varies when one unit is left out (a median of many equal values): no skewness to correct for.
    Ok(if squares > 0.0 { cubes / (6.0 * squares * squares.sqrt()) } else { 0.0 })
}
