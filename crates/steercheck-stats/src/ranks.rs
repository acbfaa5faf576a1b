use crate::normal::two_sided_quantile;
use crate::{Error, Estimate, Method, check};

/// Spearman's rank correlation of `x` and `y` (both `[n]`, paired by index) with average ranks for ties, and an
/// interval by Fisher's transformation: tanh(artanh r ± z·√((1 + r²/2)/(n − 3))).
///
/// D. G. Bonett and T. A. Wright, "Sample size requirements for estimating Pearson, Kendall and Spearman correlations",
/// Psychometrika 65 (2000), 23–28. Deviation: for the end on the inner side |r| is taken as at most 1 − 6/(n³ − n),
/// half-way to the next possible value; a perfect correlation of few items would otherwise have an interval of no
/// width.
///
/// # Errors
///
/// [`Error::TooFew`] for n < 4, [`Error::Lengths`], [`Error::NotFinite`], [`Error::Constant`], [`Error::Level`].
pub fn spearman(x: &[f64], y: &[f64], level: f64) -> Result<Estimate, Error> {
    let n = check_pairs(x, y, 4)? as f64;
    let r = correlation(&average_ranks(x), &average_ranks(y)).ok_or(Error::Constant)?;
    let error = ((1.0 + r * r / 2.0) / (n - 3.0)).sqrt();
    fisher(r, 1.0 - 6.0 / (n * n * n - n), error, x.len(), level)
}

/// Kendall's rank correlation tau-b of `x` and `y` (both `[n]`, paired by index), with an interval by Fisher's
/// transformation: tanh(artanh τ ± z·√(0.437/(n − 4))).
///
/// τ = (concordant − discordant pairs) / √((pairs not tied in x)·(pairs not tied in y)): M. G. Kendall, "The treatment
/// of ties in ranking problems", Biometrika 33 (1945), 239–251. Variance: E. C. Fieller, H. O. Hartley and E. S.
/// Pearson, "Tests for rank correlation coefficients I", Biometrika 44 (1957), 470–481, as in Bonett and Wright (2000),
/// good for |τ| < 0.8 and few ties. Deviation: for the inner end |τ| is taken as at most 1 − 2/(n² − n), as for
/// [`spearman`]. Takes n² steps.
///
/// # Errors
///
/// [`Error::TooFew`] for n < 5, [`Error::Lengths`], [`Error::NotFinite`], [`Error::Constant`], [`Error::Level`].
pub fn kendall(x: &[f64], y: &[f64], level: f64) -> Result<Estimate, Error> {
    let n = check_pairs(x, y, 5)?;
    let (mut surplus, mut untied_x, mut untied_y) = (0_i64, 0_i64, 0_i64);
    for i in 0..n {
        for j in 0..i {
            let (a, b) = (sign(x[i], x[j]), sign(y[i], y[j]));
            surplus += a * b;
            untied_x += a * a;
            untied_y += b * b;
        }
    }
    if untied_x == 0 || untied_y == 0 {
        return Err(Error::Constant);
    }
    let tau = (surplus as f64 / ((untied_x as f64).sqrt() * (untied_y as f64).sqrt())).clamp(-1.0, 1.0);
    let items = n as f64;
    fisher(tau, 1.0 - 2.0 / (items * items - items), (0.437 / (items - 4.0)).sqrt(), n, level)
}

/// Interval of a correlation `r` whose transformed value has the standard error `error`. The transformed value is at
/// most that of `most` in size, and the interval contains `r`.
fn fisher(r: f64, most: f64, error: f64, n: usize, level: f64) -> Result<Estimate, Error> {
    let reach = two_sided_quantile(level)? * error;
    let centre = r.clamp(-most, most).atanh();
    let low = (centre - reach).tanh().min(r);
    let high = (centre + reach).tanh().max(r);
    Ok(Estimate { point: r, low, high, level, n, method: Method::FisherZ })
}

fn check_pairs(x: &[f64], y: &[f64], needed: usize) -> Result<usize, Error> {
    check::same_length(x.len(), y.len())?;
    check::observations(x)?;
    check::observations(y)?;
    if x.len() < needed { Err(Error::TooFew { needed, given: x.len() }) } else { Ok(x.len()) }
}

/// −1, 0 or 1 as `a` is below, at or above `b`.
fn sign(a: f64, b: f64) -> i64 {
    i64::from(a > b) - i64::from(a < b)
}

/// Ranks from 1; equal values share the mean of the ranks they take up.
fn average_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[i].partial_cmp(&values[j]).unwrap_or(std::cmp::Ordering::Equal));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for tied in order.chunk_by(|&i, &j| sign(values[i], values[j]) == 0) {
        let rank = before as f64 + (tied.len() + 1) as f64 / 2.0;
        for &i in tied {
            ranks[i] = rank;
        }
        before += tied.len();
    }
    ranks
}

/// Pearson's correlation, or `None` where one variable is constant.
fn correlation(x: &[f64], y: &[f64]) -> Option<f64> {
    let n = x.len() as f64;
    let (mean_x, mean_y) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        let (x, y) = (x - mean_x, y - mean_y);
        xx += x * x;
        yy += y * y;
        xy += x * y;
    }
    // The root of the product is exact where both are equal, so that a perfect correlation is exactly 1.
    (xx > 0.0 && yy > 0.0).then(|| (xy / (xx * yy).sqrt()).clamp(-1.0, 1.0))
}
