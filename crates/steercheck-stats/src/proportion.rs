use crate::normal::two_sided_quantile;
use crate::{Error, Estimate, Method};

/// Wilson's score interval of a proportion, without continuity correction.
///
/// With p = successes / n and z the (1 + level) / 2 quantile of the standard normal distribution, the interval is (p +
/// z²/2n ± z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n). It lies within [0, 1], contains p, and is exactly 0 at the lower end
/// without successes and exactly 1 at the upper end without failures.
///
/// E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the American
/// Statistical Association 22 (1927), 209–212. Method 3 of R. G. Newcombe, "Two-sided confidence intervals for the
/// single proportion: comparison of seven methods", Statistics in Medicine 17 (1998), 857–872.
///
/// # Errors
///
/// [`Error::NoObservations`] for `n` = 0, [`Error::TooManySuccesses`], and [`Error::Level`] unless 0 < `level` < 1.
pub fn wilson(successes: usize, n: usize, level: f64) -> Result<Estimate, Error> {
    if n == 0 {
        return Err(Error::NoObservations);
    }
    if successes > n {
        return Err(Error::TooManySuccesses { successes, n });
    }
    let z = two_sided_quantile(level)?;
    let trials = n as f64;
    let point = successes as f64 / trials;
    let shrink = 1.0 + z * z / trials;
    let centre = (point + z * z / (2.0 * trials)) / shrink;
    let half = z * (point * (1.0 - point) / trials + z * z / (4.0 * trials * trials)).sqrt() / shrink;
    // Rounding must not move an end off its exact value or past the point.
    let low = if successes == 0 { 0.0 } else { (centre - half).clamp(0.0, point) };
    let high = if successes == n { 1.0 } else { (centre + half).clamp(point, 1.0) };
    Ok(Estimate { point, low, high, level, n, method: Method::Wilson })
}
