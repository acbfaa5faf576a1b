use crate::{Error, check};

/// Gini coefficient of non-negative values: how concentrated a total is. 0 where all are equal, (n − 1)/n where one has
/// all.
///
/// G = Σᵢ (2i − n − 1)·x₍ᵢ₎ / (n·Σᵢ x₍ᵢ₎) over the ascending values x₍₁₎ ≤ … ≤ x₍ₙ₎: half of the relative mean absolute
/// difference over all n² pairs, without the factor n/(n − 1). C. Damgaard and J. Weiner, "Describing inequality in
/// plant size or fecundity", Ecology 81 (2000), 1139–1142.
///
/// # Errors
///
/// [`Error::NoObservations`], [`Error::NotFinite`], [`Error::OutOfRange`] for a negative value, [`Error::ZeroTotal`]
/// where all are 0.
pub fn gini(values: &[f64]) -> Result<f64, Error> {
    check::within(values, 0.0, f64::MAX)?;
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    // Relative to the largest value, so that no sum overflows.
    let most = sorted[sorted.len() - 1];
    if most == 0.0 {
        return Err(Error::ZeroTotal);
    }
    let n = sorted.len() as f64;
    let (mut total, mut weighted) = (0.0, 0.0);
    for (i, value) in sorted.iter().enumerate() {
        let share = value / most;
        total += share;
        weighted += (2.0 * (i + 1) as f64 - n - 1.0) * share;
    }
    Ok((weighted / (n * total)).clamp(0.0, 1.0))
}
