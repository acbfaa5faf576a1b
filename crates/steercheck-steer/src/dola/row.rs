//! One position: the mature next-token distribution beside a premature one, over the whole vocabulary.

use super::math::{exp, ln_cosh_half, max, sum};

/// A distribution over the vocabulary.
pub(super) struct Mature {
    /// ln p, `[vocab]`.
    log_p: Vec<f32>,
    /// p, `[vocab]`.
    p: Vec<f32>,
    log_sum: f64,
    /// The largest ln p.
    most: f64,
    /// The same as `log_p` has it.
    most_rounded: f32,
}

impl Mature {
    /// Of a row of logits. `None` if one is NaN or infinite.
    pub(super) fn of_logits(logits: &[f32]) -> Option<Self> {
        let n = logits.len();
        if n == 0 || logits.iter().any(|l| !l.is_finite()) {
            return None;
        }
        let top = max(n, |i| logits[i]);
        let mut p: Vec<f32> = logits.iter().map(|l| exp(l - top)).collect();
        let total = sum(n, |i| p[i]);
        let log_sum = f64::from(top) + total.ln();
        let scale = (1.0 / total) as f32;
        for x in &mut p {
            *x *= scale;
        }
        // In two steps, since the sum may be far from what f32 holds exactly.
        let shift = total.ln() as f32;
        let log_p = logits.iter().map(|l| (l - top) - shift).collect();
        Some(Self { log_p, p, log_sum, most: f64::from(top) - log_sum, most_rounded: 0.0 - shift })
    }

    /// ln p of a token, in f64.
    pub(super) fn log_p(&self, logits: &[f32], token: u32) -> f64 {
        f64::from(logits[token as usize]) - self.log_sum
    }

    /// ln p of every token.
    pub(super) fn log_probs(&self) -> &[f32] {
        &self.log_p
    }

    /// The smallest ln p that α does not mask, comparable with [`Mature::log_probs`]: at α = 1 the most probable token stays.
    pub(super) fn threshold(&self, alpha: f64) -> f32 {
        self.most_rounded + alpha.ln() as f32
    }

    /// The largest ln p.
    pub(super) fn most(&self) -> f64 {
        self.most
    }
}

/// A premature layer beside the mature one.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerScores {
    /// ½ (KL(M ‖ P) + KL(M ‖ Q)) in nats, M = (P + Q) / 2. The published code's value is this divided by the vocabulary's size.
    pub paper: f64,
    /// Jensen–Shannon divergence ½ (KL(P ‖ M) + KL(Q ‖ M)) in nats.
    pub jsd: f64,
    /// ln Σ p / q: what a log-softmax of ln p − ln q takes off.
    pub normaliser: f64,
    /// ln q of every token asked for.
    pub log_q: Vec<f64>,
}

/// ln p − ln q of every token, `[vocab]`.
pub(super) fn contrast(mature: &Mature, logits: &[f32]) -> Vec<f32> {
    let top = max(logits.len(), |i| logits[i]);
    let shift = sum(logits.len(), |i| exp(logits[i] - top)).ln() as f32;
    mature.log_p.iter().zip(logits).map(|(log_p, l)| log_p - ((l - top) - shift)).collect()
}

/// Compares a row of premature logits with the mature distribution. `scratch` is `[vocab]`. `None` if a logit is NaN or infinite.
///
/// With d = ln p − ln q and c = ln cosh(d / 2), ln m = (ln p + ln q) / 2 + c, so that the divergences are Σ m c and
/// Σ ((p − q) d / 4 − m c): no logarithm of a vanishing m, and no difference of large numbers.
pub(super) fn compare(mature: &Mature, logits: &[f32], tokens: &[u32], scratch: &mut [f32]) -> Option<LayerScores> {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has what the function is compiled for.
        #[allow(unsafe_code)]
        return unsafe { compare_avx2(mature, logits, tokens, scratch) };
    }
    compare_plain(mature, logits, tokens, scratch)
}

/// The same operations in the same order, in wider registers: the same numbers.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn compare_avx2(mature: &Mature, logits: &[f32], tokens: &[u32], scratch: &mut [f32]) -> Option<LayerScores> {
    compare_plain(mature, logits, tokens, scratch)
}

// Compiled into its callers, for the registers that these may use; so are the loops below it.
#[allow(clippy::inline_always)]
#[inline(always)]
fn compare_plain(mature: &Mature, logits: &[f32], tokens: &[u32], scratch: &mut [f32]) -> Option<LayerScores> {
    let n = logits.len();
    if logits.iter().any(|l| !l.is_finite()) {
        return None;
    }
    let (log_p, p) = (&mature.log_p[..n], &mature.p[..n]);
    let e = &mut scratch[..n];
    let top = max(n, |i| logits[i]);
    for (e, l) in e.iter_mut().zip(logits) {
        *e = exp(l - top);
    }
    let e = &e[..n];
    let total = sum(n, |i| e[i]);
    let (shift, scale) = (total.ln() as f32, (1.0 / total) as f32);
    let d = |i: usize| log_p[i] - ((logits[i] - top) - shift);
    let most = max(n, d);
    let paper = sum(n, |i| 0.5 * (p[i] + e[i] * scale) * ln_cosh_half(d(i)));
    let crossed = sum(n, |i| 0.25 * (p[i] - e[i] * scale) * d(i));
    let ratios = sum(n, |i| exp(d(i) - most));
    let log_sum = f64::from(top) + total.ln();
    Some(LayerScores {
        paper,
        jsd: crossed - paper,
        normaliser: f64::from(most) + ratios.ln(),
        log_q: tokens.iter().map(|t| f64::from(logits[*t as usize]) - log_sum).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::{Mature, compare, compare_plain};

    /// The definitions, in f64 and in the order that they are written in.
    fn naive(mature: &[f32], premature: &[f32]) -> (f64, f64, f64) {
        let log_softmax = |logits: &[f32]| -> Vec<f64> {
            let top = logits.iter().fold(f64::NEG_INFINITY, |m, l| m.max(f64::from(*l)));
            let sum = top + logits.iter().map(|l| (f64::from(*l) - top).exp()).sum::<f64>().ln();
            logits.iter().map(|l| f64::from(*l) - sum).collect()
        };
        let (lp, lq) = (log_softmax(mature), log_softmax(premature));
        let (mut paper, mut jsd, mut most) = (0.0, 0.0, f64::NEG_INFINITY);
        for (a, b) in lp.iter().zip(&lq) {
            let (p, q) = (a.exp(), b.exp());
            let m = 0.5 * (p + q);
            if m > 0.0 {
                paper += 0.5 * m * ((m.ln() - a) + (m.ln() - b));
                jsd += 0.5 * (if p > 0.0 { p * (a - m.ln()) } else { 0.0 });
                jsd += 0.5 * (if q > 0.0 { q * (b - m.ln()) } else { 0.0 });
            }
            most = most.max(a - b);
        }
        let normaliser = most + lp.iter().zip(&lq).map(|(a, b)| (a - b - most).exp()).sum::<f64>().ln();
        (paper, jsd, normaliser)
    }

    fn logits(n: usize, seed: u64, scale: f64) -> Vec<f32> {
        let mut x = seed;
        let mut next = || {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (x >> 11) as f64 / (1u64 << 53) as f64 - 0.5
        };
        (0..n).map(|_| ((next() + next() + next()) * scale) as f32).collect()
    }

    #[test]
    fn comparisons_are_the_definitions_for_close_distant_and_extreme_distributions() {
        for (n, seed) in [(1, 1), (7, 2), (157, 3), (5003, 4)] {
            let mature = logits(n, seed, 12.0);
            let close: Vec<f32> = mature.iter().zip(logits(n, seed + 50, 0.05)).map(|(a, b)| a + b).collect();
            let kinds =
                [("close", close), ("same size", logits(n, seed + 60, 12.0)), ("far", logits(n, seed + 70, 900.0))];
            let p = Mature::of_logits(&mature).unwrap();
            for (what, premature) in kinds {
                let found = compare(&p, &premature, &[0, n as u32 - 1], &mut vec![0.0; n]).unwrap();
                let (paper, jsd, normaliser) = naive(&mature, &premature);
                let near = |a: f64, b: f64| (a - b).abs() <= 1e-4 * b.abs() + 1e-9;
                assert!(near(found.paper, paper), "{what} {n}: paper {} {paper}", found.paper);
                assert!(near(found.jsd, jsd), "{what} {n}: jsd {} {jsd}", found.jsd);
                assert!((found.normaliser - normaliser).abs() < 1e-3, "{what} {n}: {} {normaliser}", found.normaliser);
            }
        }
    }

    #[test]
    fn wider_registers_give_the_same_numbers() {
        for (n, seed, scale) in [(1003, 5, 12.0), (4096, 6, 700.0)] {
            let p = Mature::of_logits(&logits(n, seed, 12.0)).unwrap();
            let premature = logits(n, seed + 1, scale);
            let [mut a, mut b] = [vec![0.0; n], vec![0.0; n]];
            assert_eq!(compare(&p, &premature, &[3], &mut a), compare_plain(&p, &premature, &[3], &mut b));
        }
    }

    #[test]
    fn a_layer_that_says_the_same_does_not_diverge_at_all() {
        let row = logits(333, 9, 10.0);
        let p = Mature::of_logits(&row).unwrap();
        let found = compare(&p, &row, &[5], &mut [0.0; 333]).unwrap();
        assert_eq!((found.paper, found.jsd), (0.0, 0.0));
        assert!((found.log_q[0] - p.log_p(&row, 5)).abs() < 1e-12);
        assert!((found.normaliser - 333f64.ln()).abs() < 1e-6);
    }

    #[test]
    fn what_is_not_finite_is_refused() {
        assert!(Mature::of_logits(&[0.0, f32::NAN]).is_none() && Mature::of_logits(&[]).is_none());
        let p = Mature::of_logits(&[0.0, 1.0]).unwrap();
        assert!(compare(&p, &[0.0, f32::INFINITY], &[0], &mut [0.0; 2]).is_none());
    }
}
