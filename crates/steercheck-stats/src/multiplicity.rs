use crate::{Error, check};

/// Holm's adjusted p-values, in the order given: the chance of any false rejection in the family is kept, whatever the
/// dependence.
///
/// With p₍₁₎ ≤ … ≤ p₍ₘ₎ the i-th adjusted value is the maximum over j ≤ i of (m − j + 1)·p₍ⱼ₎, at most 1. S. Holm, "A
/// simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979), 65–70.
///
/// # Errors
///
/// [`Error::NoObservations`] for an empty list, [`Error::Probability`] for an entry that is none.
pub fn holm(p: &[f64]) -> Result<Vec<f64>, Error> {
    let order = ascending(p)?;
    let mut adjusted = vec![0.0; p.len()];
    let mut most = 0.0_f64;
    for (rank, &i) in order.iter().enumerate() {
        most = most.max((p.len() - rank) as f64 * p[i]).min(1.0);
        adjusted[i] = most;
    }
    Ok(adjusted)
}

/// Benjamini and Hochberg's adjusted p-values, in the order given: the expected share of false rejections among all
/// rejections is kept, for independent or positively dependent tests.
///
/// With p₍₁₎ ≤ … ≤ p₍ₘ₎ the i-th adjusted value is the minimum over j ≥ i of m·p₍ⱼ₎/j. Y. Benjamini and Y. Hochberg,
/// "Controlling the false discovery rate: a practical and powerful approach to multiple testing", Journal of the Royal
/// Statistical Society B 57 (1995), 289–300.
///
/// # Errors
///
/// [`Error::NoObservations`] for an empty list, [`Error::Probability`] for an entry that is none.
pub fn benjamini_hochberg(p: &[f64]) -> Result<Vec<f64>, Error> {
    let order = ascending(p)?;
    let mut adjusted = vec![0.0; p.len()];
    let mut least = 1.0_f64;
    for (rank, &i) in order.iter().enumerate().rev() {
        // The factor is at least 1 and rounds to at least 1, so that an adjusted value is never below its p.
        least = least.min(p.len() as f64 / (rank + 1) as f64 * p[i]);
        adjusted[i] = least;
    }
    Ok(adjusted)
}

/// Indices of `p` from the smallest entry to the largest.
fn ascending(p: &[f64]) -> Result<Vec<usize>, Error> {
    if p.is_empty() {
        return Err(Error::NoObservations);
    }
    p.iter().try_for_each(|p| check::probability(*p))?;
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&i, &j| p[i].total_cmp(&p[j]));
    Ok(order)
}
