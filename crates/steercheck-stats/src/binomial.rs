use statrs::function::factorial::ln_binomial;

/// Exact two-sided `McNemar` test: the p-value of `only_a` against `only_b` discordant pairs under equal chances.
///
/// Twice the smaller tail of the binomial distribution with `only_a + only_b` trials and probability ½, at most 1;
/// pairs on which the arms agree carry no information about the difference. 1 without discordant pairs.
///
/// Q. `McNemar`, "Note on the sampling error of the difference between correlated proportions or percentages",
/// Psychometrika 12 (1947), 153–157; exact form: A. Agresti, *Categorical Data Analysis*, section on matched pairs.
pub fn mcnemar(only_a: usize, only_b: usize) -> f64 {
    two_sided_half(only_a, only_b)
}

/// Exact two-sided sign test: the p-value of `plus` against `minus` signs, where each is as likely as the other.
///
/// Made for the question in how many models a method helps. Ties (models without a difference) are left out before
/// counting: they belong into neither argument, and their number must be reported beside the p-value. 1 without any
/// sign.
///
/// W. J. Conover, *Practical Nonparametric Statistics* (3rd edition, 1999), section 3.4.
pub fn sign_test(plus: usize, minus: usize) -> f64 {
    two_sided_half(plus, minus)
}

/// min(1, 2·P(X ≤ min(a, b))) for X binomial with a + b trials and probability ½.
fn two_sided_half(a: usize, b: usize) -> f64 {
    let n = a.saturating_add(b) as u64;
    let smaller = a.min(b) as u64;
    if a == b {
        return 1.0;
    }
    // Downwards from the largest term each is the one above times k / (n − k + 1) < 1, so that nothing cancels; what is
    // left is negligible once a term is below the last bit of the sum.
    let (mut term, mut sum) = (1.0_f64, 1.0_f64);
    for k in (1..=smaller).rev() {
        term *= k as f64 / (n - k + 1) as f64;
        sum += term;
        if term < f64::EPSILON * sum / 16.0 {
            break;
        }
    }
    let largest = (ln_binomial(n, smaller) - n as f64 * std::f64::consts::LN_2).exp();
    (2.0 * largest * sum).clamp(f64::MIN_POSITIVE, 1.0)
}
