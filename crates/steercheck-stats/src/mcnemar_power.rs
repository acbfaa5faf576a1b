use statrs::function::factorial::ln_factorial;

use crate::{Error, check, mcnemar};

/// Steps beyond which [`mcnemar_power`] refuses: about ten thousand pairs.
const MOST_STEPS: f64 = 1e8;

/// Power of the exact `McNemar` test at `alpha` for `n` pairs: the probability that [`mcnemar`] gives a p-value of at
/// most `alpha`, over all outcomes of the trinomial distribution of the pairs.
///
/// `discordant` = P(only a) + P(only b), `gain` = P(only a) − P(only b). Unconditional: the number of discordant pairs
/// is random, as it is when a study is planned. With a gain of 0 it is the size of the test, below `alpha` since the
/// test is exact and discrete. S. W. Duffy, "Asymptotic and exact power for the `McNemar` test and its analogue with R
/// controls per case", Biometrics 40 (1984), 1005–1015.
///
/// # Errors
///
/// [`Error::Gain`] unless |`gain`| ≤ `discordant` ≤ 1, [`Error::Alpha`], [`Error::NoObservations`] for `n` = 0,
/// [`Error::TooLarge`] for more than ten thousand pairs (where the normal approximation of [`power`](crate::power()) is
/// good).
pub fn mcnemar_power(gain: f64, discordant: f64, n: usize, alpha: f64) -> Result<f64, Error> {
    check::alpha(alpha)?;
    if !((0.0..=1.0).contains(&discordant) && gain.abs() <= discordant) {
        return Err(Error::Gain { gain, discordant });
    }
    if n == 0 {
        return Err(Error::NoObservations);
    }
    let steps = (n as f64) * (n as f64);
    if steps > MOST_STEPS {
        return Err(Error::TooLarge { steps, most: MOST_STEPS });
    }
    if discordant == 0.0 {
        return Ok(0.0); // There is never a discordant pair, and the p-value is always 1.
    }
    let only_a = (0.5 * (1.0 + gain / discordant)).clamp(0.0, 1.0);
    let mut power = 0.0;
    // The largest smaller count that is still significant grows with the number of discordant pairs, by at most 1 each.
    let mut critical = None;
    for pairs in 0..=n {
        let next = critical.map_or(0, |c| c + 1);
        if 2 * next < pairs && mcnemar(next, pairs - next) <= alpha {
            critical = Some(next);
        }
        let Some(critical) = critical else { continue };
        let rejected: f64 =
            (0..=critical).map(|k| binomial(k, pairs, only_a) + binomial(pairs - k, pairs, only_a)).sum();
        power += binomial(pairs, n, discordant) * rejected;
    }
    Ok(power.min(1.0))
}

/// P(X = `k`) for X binomial with `n` trials and probability `p`.
fn binomial(k: usize, n: usize, p: f64) -> f64 {
    let (k, n) = (k as u64, n as u64);
    // 0·ln 0 is 0 here: an impossible outcome that does not occur.
    let times_ln = |count: u64, p: f64| if count == 0 { 0.0 } else { count as f64 * p.ln() };
    let choices = ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k);
    (choices + times_ln(k, p) + times_ln(n - k, 1.0 - p)).exp()
}
