use crate::{Error, Estimate, Method, wilson};

/// Interval of the difference of two proportions of the same items, P(a) − P(b), from the four counts of the pairs.
///
/// The distances from each proportion to its own Wilson limits are squared and added, less twice their product times
/// the correlation φ of the outcomes: method 10 of R. G. Newcombe, "Improved confidence intervals for the difference
/// between binomial proportions based on paired data", Statistics in Medicine 17 (1998), 2635–2650. φ is
/// (`both`·`neither` − `only_a`·`only_b`) / √(product of the four margins), a positive numerator lessened by n/2 but
/// not below 0; it is 0 where a margin is. Cut at ±1.
///
/// Other than the bootstrap it does not collapse with few or no discordant pairs, and by the published comparisons and
/// `examples/coverage.rs` it keeps its level there; it is for one outcome of 0 or 1 per item and arm.
///
/// # Errors
///
/// [`Error::NoObservations`], [`Error::Level`].
pub fn newcombe_paired(
    both: usize,
    only_a: usize,
    only_b: usize,
    neither: usize,
    level: f64,
) -> Result<Estimate, Error> {
    let n = [both, only_a, only_b, neither].iter().fold(0_usize, |sum, c| sum.saturating_add(*c));
    let a = wilson(both.saturating_add(only_a), n, level)?;
    let b = wilson(both.saturating_add(only_b), n, level)?;
    let items = n as f64;
    let [both, only_a, only_b, neither] = [both, only_a, only_b, neither].map(|count| count as f64);
    // From the counts: the difference of the two proportions would have another last bit than (only_a − only_b) / n.
    let point = (only_a - only_b) / items;
    let margins = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither);
    let surplus = both * neither - only_a * only_b;
    let corrected = if surplus > 0.0 { (surplus - items / 2.0).max(0.0) } else { surplus };
    let phi = if margins > 0.0 { corrected / margins.sqrt() } else { 0.0 };
    // The law of cosines; a φ of ±1 can leave a rounding error below 0.
    let side = |x: f64, y: f64| (x * x - 2.0 * phi * x * y + y * y).max(0.0).sqrt();
    let below = side(a.point - a.low, b.high - b.point);
    let above = side(a.high - a.point, b.point - b.low);
    Ok(Estimate {
        point,
        low: (point - below).max(-1.0),
        high: (point + above).min(1.0),
        level,
        n,
        method: Method::NewcombePaired,
    })
}
