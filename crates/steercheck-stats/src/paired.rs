use crate::bootstrap::Bootstrap;
use crate::means::units;
use crate::{Error, Estimate, Method, check, mean, wilson};

/// Mean of `a[i] − b[i]` with a `BCa` interval, for values in [0, 1] (outcomes, or shares of outcomes over seeds).
///
/// `a`, `b` and `clusters` are `[n]`, paired by index; the rest is said at [`bca_of_means`](crate::bca_of_means()).
/// Where few items differ the bootstrap falls short of its level (`docs/coverage.md`):
/// [`paired_score`](crate::paired_score()) is recommended instead.
///
/// Where no cluster's difference deviates from the others (two arms that agree on every item; a gain on every item),
/// resampling says nothing, and the interval is what m clusters without a deviation leave open ([`Method::NoSpread`]):
/// with w the upper Wilson limit of 0 in m, a share of up to w of all clusters may deviate from the common difference
/// d, each by at most 1 + d downwards and 1 − d upwards, so that the interval is [d − w·(1 + d), d + w·(1 − d)]. It
/// lies within [−1, 1]. Adding w itself on both sides would be the same at d = 0, too narrow below a gain on every item
/// (where a deviating item may be a loss as well as a tie), and would claim more than 1 above it.
///
/// # Errors
///
/// Those of [`bca_of_means`](crate::bca_of_means()), and [`Error::OutOfRange`].
pub fn paired_difference(
    a: &[f64],
    b: &[f64],
    clusters: Option<&[usize]>,
    bootstrap: &Bootstrap,
) -> Result<Estimate, Error> {
    let differences = differences(a, b)?;
    let estimate = mean(&differences, clusters, bootstrap)?;
    if estimate.method != Method::NoSpread {
        return Ok(estimate);
    }
    let d = estimate.point;
    let deviating = wilson(0, units(a.len(), clusters), bootstrap.level)?.high;
    Ok(Estimate { low: d - deviating * (1.0 + d), high: d + deviating * (1.0 - d), ..estimate })
}

/// `a[i] − b[i]` for values in [0, 1]. Equal shares that were rounded differently (0.1 + 0.2 and 0.3) differ by nothing.
pub(crate) fn differences(a: &[f64], b: &[f64]) -> Result<Vec<f64>, Error> {
    const ROUNDING: f64 = 1e-12;
    check::same_length(a.len(), b.len())?;
    check::within(a, 0.0, 1.0)?;
    check::within(b, 0.0, 1.0)?;
    let difference = |(a, b): (&f64, &f64)| if (a - b).abs() < ROUNDING { 0.0 } else { a - b };
    Ok(a.iter().zip(b).map(difference).collect())
}
