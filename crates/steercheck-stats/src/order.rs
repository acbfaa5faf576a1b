use crate::bootstrap::{Bootstrap, Replicates};
use crate::{Error, Estimate, check};

/// `BCa` interval of any statistic of one sample: a quantile, [`worst_decile`], a variance.
///
/// `values` is `[n]`; `statistic` gets a resample of the same length in a buffer that it may sort, and n − 1 values for
/// the jackknife. The order of the values has no influence on the result. For functions of means
/// [`bca_of_means`](crate::bca_of_means()) is faster, and takes clusters; sources, deviations and the meaning of
/// [`Method::NoSpread`](crate::Method::NoSpread) (the interval is then only the point) are said there.
///
/// The jackknife is inconsistent for single quantiles (Efron and Tibshirani 1993, section 11.6), which the acceleration
/// inherits: their intervals are only as good as plain bias-corrected ones.
///
/// # Errors
///
/// Those of [`bca_of_means`](crate::bca_of_means()) except for clusters.
pub fn bca(values: &[f64], statistic: impl Fn(&mut [f64]) -> f64, bootstrap: &Bootstrap) -> Result<Estimate, Error> {
    bootstrap.check()?;
    check::observations(values)?;
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let n = sorted.len();
    let scale = sorted[0].abs().max(sorted[n - 1].abs());
    let mut buffer = sorted.clone();
    let point = statistic(&mut buffer);
    let mut draws = bootstrap.draws();
    let resampled = (0..bootstrap.resamples)
        .map(|_| {
            for value in &mut buffer {
                *value = sorted[draws.below(n)];
            }
            statistic(&mut buffer)
        })
        .collect();
    Replicates { point, resampled, scale, n }.bca(bootstrap, || {
        let left_out = |i: usize| {
            buffer.clear();
            buffer.extend_from_slice(&sorted[..i]);
            buffer.extend_from_slice(&sorted[i + 1..]);
            statistic(&mut buffer)
        };
        (0..n).map(left_out).collect()
    })
}

/// Quantile `p` of values in ascending order, interpolated between the order statistics at (n − 1)·p (type 7 of R. J.
/// Hyndman and Y. Fan, "Sample quantiles in statistical packages", The American Statistician 50 (1996), 361–365; the
/// default of R and `NumPy`).
///
/// Made for statistics of [`bca`], so it answers an empty list, and a `p` outside of [0, 1], with NaN, which [`bca`]
/// refuses.
pub fn quantile(sorted: &[f64], p: f64) -> f64 {
    if sorted.is_empty() || !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    let position = (sorted.len() - 1) as f64 * p;
    let below = sorted[position.floor() as usize];
    let above = sorted[position.ceil() as usize];
    // Equal neighbours give their own value exactly, infinities included.
    if below < above { below + position.fract() * (above - below) } else { below }
}

/// Mean of the ⌈n/10⌉ smallest values: how the worst tenth of the items fares (conditional value at risk at 10 %, with
/// the share rounded up to whole items). NaN for an empty list, which [`bca`] refuses.
pub fn worst_decile(values: &[f64]) -> f64 {
    let mut all = values.to_vec();
    let count = all.len().div_ceil(10);
    // Only the smallest need an order, in which they are added whatever the order of the values was.
    if count > 0 {
        all.select_nth_unstable_by(count - 1, f64::total_cmp);
    }
    let worst = &mut all[..count];
    worst.sort_unstable_by(f64::total_cmp);
    worst.iter().sum::<f64>() / worst.len() as f64
}
