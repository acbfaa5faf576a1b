use crate::Error;

/// Steps of the exact distribution beyond which [`sign_flip`] refuses: about a second.
const MOST_STEPS: f64 = 1e9;

/// Exact two-sided paired randomisation test (Fisher–Pitman) of integer differences, one per item.
///
/// Under the null hypothesis each item's difference is as likely as its opposite. The p-value is the share of all 2ⁿ
/// assignments of signs whose sum is at least as far from 0 as the observed one. Differences are counts, such as the
/// sum over seeds of outcomes of 0 or 1 of one arm less that of the other; with one seed (differences −1, 0, 1) the
/// test is [`mcnemar`](crate::mcnemar). Items with a difference of 0 do not matter. Where the exact value is below the
/// smallest normal number, that number is returned, never 0.
///
/// Computed from the distribution of the sum of the positive terms, item by item: n times the sum of the absolute
/// differences (both after division by their greatest common divisor) steps.
///
/// R. A. Fisher, *The Design of Experiments* (1935), section 21; E. J. G. Pitman, "Significance tests which may be
/// applied to samples from any populations", Supplement to the Journal of the Royal Statistical Society 4 (1937),
/// 119–130. The recursion: M. Pagano and D. Tritchler, "On obtaining permutation distributions in polynomial time",
/// Journal of the American Statistical Association 78 (1983), 435–440.
///
/// # Errors
///
/// [`Error::NoObservations`] for an empty list, [`Error::TooLarge`] for more than 10⁹ steps.
pub fn sign_flip(differences: &[i64]) -> Result<f64, Error> {
    if differences.is_empty() {
        return Err(Error::NoObservations);
    }
    let unit = differences.iter().fold(0, |unit, d| gcd(unit, d.unsigned_abs()));
    if unit == 0 {
        return Ok(1.0); // No item differs.
    }
    let mut sizes: Vec<u64> = differences.iter().filter(|d| **d != 0).map(|d| d.unsigned_abs() / unit).collect();
    sizes.sort_unstable(); // Small ones first keep the distribution short for longer, and the order of items has no influence.
    let steps = sizes.len() as f64 * sizes.iter().map(|&size| size as f64).sum::<f64>();
    if steps > MOST_STEPS {
        return Err(Error::TooLarge { steps, most: MOST_STEPS });
    }
    let total = sizes.iter().sum::<u64>() as usize;
    let sum = differences.iter().map(|d| (i128::from(*d)) / i128::from(unit)).sum::<i128>().unsigned_abs() as usize;
    if sum == 0 {
        return Ok(1.0); // Every assignment is at least as far from 0.
    }

    // probability[s]: that the positive terms among the items so far sum to s.
    let mut probability = vec![0.0_f64; total + 1];
    probability[0] = 1.0;
    let mut reached = 0;
    for size in sizes {
        let size = size as usize;
        reached += size;
        for s in (size..=reached).rev() {
            probability[s] = 0.5 * (probability[s] + probability[s - size]);
        }
        for p in &mut probability[..size.min(reached)] {
            *p *= 0.5;
        }
    }
    // A sum of signed terms ≥ the observed one means positive terms of at least (total + sum) / 2; the other tail is
    // its mirror. Smallest terms first.
    let tail: f64 = probability[usize::midpoint(total, sum)..].iter().rev().sum();
    Ok((2.0 * tail).clamp(f64::MIN_POSITIVE, 1.0))
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
