use crate::{Error, check, normal};

/// Smallest true effect that a two-sided test at `alpha` of a mean of `n` values with standard deviation `sd` shows
/// with probability `power`, in the unit of `sd`: (z₁₋α⸝₂ + z₁₋β)·sd/√n with β = 1 − `power`, normal approximation.
///
/// J. M. Bland, *An Introduction to Medical Statistics* (4th edition, 2015), chapter 18; H. S. Bloom, "Minimum
/// detectable effects", Evaluation Review 19 (1995), 547–556. For a paired difference `sd` is that of the items'
/// differences.
///
/// # Errors
///
/// [`Error::NoObservations`] for `n` = 0, [`Error::Sd`], [`Error::Alpha`], [`Error::Power`] unless
/// `alpha` < `power` < 1.
pub fn minimum_detectable_effect(sd: f64, n: usize, alpha: f64, power: f64) -> Result<f64, Error> {
    let distance = distance(alpha, power)?;
    check_sd(sd)?;
    if n == 0 {
        return Err(Error::NoObservations);
    }
    Ok(distance * sd / (n as f64).sqrt())
}

/// Items needed to show a true `effect` with probability `power`: the smallest n whose [`minimum_detectable_effect`] is
/// at most |`effect`|, at least 1.
///
/// # Errors
///
/// [`Error::Effect`] for an effect of 0 or not finite, [`Error::Sd`], [`Error::Alpha`], [`Error::Power`].
pub fn items_needed(effect: f64, sd: f64, alpha: f64, power: f64) -> Result<usize, Error> {
    let distance = distance(alpha, power)?;
    check_sd(sd)?;
    if effect == 0.0 || !effect.is_finite() {
        return Err(Error::Effect(effect));
    }
    let needed = (distance * (sd / effect)).powi(2);
    // An effect that n items show exactly must not need n + 1 by the last bit of the square.
    Ok((needed * (1.0 - 1e-12)).ceil().max(1.0) as usize)
}

/// Power of the two-sided test at `alpha` of a mean of `n` values with standard deviation `sd` where the true mean is
/// `effect`: Φ(δ − z) + Φ(−δ − z) with δ = |effect|·√n/sd and z = z₁₋α⸝₂, normal approximation.
///
/// Both tails are counted, so that the power at an effect of 0 is `alpha`; [`minimum_detectable_effect`] follows the
/// usual formula with the one tail that matters there (the other one adds less than 0.0001 at a power of 0.8 and an
/// `alpha` of 0.05).
///
/// # Errors
///
/// [`Error::Effect`] for an effect that is not finite, [`Error::NoObservations`] for `n` = 0, [`Error::Sd`],
/// [`Error::Alpha`].
pub fn power(effect: f64, sd: f64, n: usize, alpha: f64) -> Result<f64, Error> {
    check::alpha(alpha)?;
    check_sd(sd)?;
    if !effect.is_finite() {
        return Err(Error::Effect(effect));
    }
    if n == 0 {
        return Err(Error::NoObservations);
    }
    if effect == 0.0 {
        return Ok(alpha);
    }
    // Without variance every effect shows: the division gives infinity, and Φ of it 1.
    let shift = effect.abs() * (n as f64).sqrt() / sd;
    let z = -normal::quantile(alpha / 2.0);
    Ok((normal::cdf(shift - z) + normal::cdf(-shift - z)).min(1.0))
}

/// z₁₋α⸝₂ + z₁₋β.
fn distance(alpha: f64, power: f64) -> Result<f64, Error> {
    check::alpha(alpha)?;
    if power > alpha && power < 1.0 {
        Ok(normal::quantile(power) - normal::quantile(alpha / 2.0))
    } else {
        Err(Error::Power { power, alpha })
    }
}

fn check_sd(sd: f64) -> Result<(), Error> {
    if sd >= 0.0 && sd.is_finite() { Ok(()) } else { Err(Error::Sd(sd)) }
}
