//! Figures over the scores of one question's answers: methods.md §1.

/// Multiple choice over true and false answers. Scores are log-probabilities or sums of contrasts, in nats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MultipleChoice {
    /// Whether the best answer scores above every false one, strictly.
    pub mc1: bool,
    /// Whether the best answer's score equals the largest of a false one's: not counted as right.
    pub tied: bool,
    /// Share of the true answers in the probability of all.
    pub mc2: f64,
    /// The same as the published code computes it: sums that underflow are halved in their logarithms until they do not, each side for itself.
    pub mc2_halved: f64,
    /// Share of the true answers that score above every false one.
    pub mc3: f64,
}

impl MultipleChoice {
    /// From the answers' scores and whether each is true, the best first. `None` unless there are true and false ones and as many
    /// scores, none of them NaN.
    pub fn of(scores: &[f64], truth: &[bool]) -> Option<Self> {
        if scores.len() != truth.len() || scores.iter().any(|s| s.is_nan()) || truth.first() != Some(&true) {
            return None;
        }
        let of = |wanted: bool| -> Vec<f64> {
            scores.iter().zip(truth).filter(|(_, t)| **t == wanted).map(|(s, _)| *s).collect()
        };
        let (right, wrong) = (of(true), of(false));
        let most = wrong.iter().copied().reduce(f64::max)?;
        let above = right.iter().filter(|s| **s > most).count();
        let (log_right, log_wrong) = (log_sum_exp(&right), log_sum_exp(&wrong));
        Some(Self {
            mc1: scores[0] > most,
            tied: (scores[0] - most).abs() <= 0.0,
            mc2: share(log_right, log_wrong),
            mc2_halved: {
                let (right, wrong) = (halved(right.clone()), halved(wrong));
                right / (right + wrong)
            },
            mc3: above as f64 / right.len() as f64,
        })
    }
}

/// e^a / (e^a + e^b).
fn share(a: f64, b: f64) -> f64 {
    if a == f64::NEG_INFINITY { 0.0 } else { 1.0 / (1.0 + (b - a).exp()) }
}

fn log_sum_exp(values: &[f64]) -> f64 {
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY { most } else { most + values.iter().map(|x| (x - most).exp()).sum::<f64>().ln() }
}

/// Σ e^x, all x halved until that is not 0.
fn halved(mut values: Vec<f64>) -> f64 {
    loop {
        let sum: f64 = values.iter().map(|x| x.exp()).sum();
        // An infinite score stays infinite.
        if sum > 0.0 || values.iter().all(|x| *x == f64::NEG_INFINITY) {
            return sum;
        }
        for x in &mut values {
            *x /= 2.0;
        }
    }
}

/// A factual completion against others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completions {
    /// Whether it scores above every other, strictly.
    pub strict: bool,
    /// Whether another scores the same and none higher; the published code counts these as right.
    pub tied: bool,
}

impl Completions {
    /// From scores, the factual one's first. `None` unless there are others, and none is NaN.
    pub fn of(scores: &[f64]) -> Option<Self> {
        let (first, others) = scores.split_first()?;
        if scores.iter().any(|s| s.is_nan()) {
            return None;
        }
        let most = others.iter().copied().reduce(f64::max)?;
        Some(Self { strict: *first > most, tied: (*first - most).abs() <= 0.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::{Completions, MultipleChoice};

    /// The definitions, written once more and without log-sum-exp.
    fn naive(scores: &[f64], truth: &[bool]) -> (bool, f64, f64) {
        let mut false_scores = Vec::new();
        let mut true_scores = Vec::new();
        for i in 0..scores.len() {
            if truth[i] { true_scores.push(scores[i]) } else { false_scores.push(scores[i]) }
        }
        let mut mc1 = true;
        for s in &false_scores {
            if *s >= scores[0] {
                mc1 = false;
            }
        }
        let mut wins = 0;
        for t in &true_scores {
            if false_scores.iter().all(|f| t > f) {
                wins += 1;
            }
        }
        let sum = |list: &[f64]| list.iter().map(|x| x.exp()).sum::<f64>();
        let (t, f) = (sum(&true_scores), sum(&false_scores));
        (mc1, t / (t + f), f64::from(wins) / true_scores.len() as f64)
    }

    #[test]
    fn they_are_the_definitions_on_random_scores_and_ties() {
        let mut x = 7u64;
        let mut next = |n: u64| {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (x >> 33) % n
        };
        for round in 0..2000 {
            let n = 2 + next(8) as usize;
            let mut truth: Vec<bool> = (0..n).map(|_| next(2) == 0).collect();
            truth[0] = true;
            truth[n - 1] = false;
            // Few different values, so that ties are common.
            let scores: Vec<f64> = (0..n).map(|_| -(next(6) as f64) * 1.5).collect();
            let found = MultipleChoice::of(&scores, &truth).unwrap();
            let (mc1, mc2, mc3) = naive(&scores, &truth);
            assert_eq!((found.mc1, found.mc3), (mc1, mc3), "round {round}: {scores:?} {truth:?}");
            assert!((found.mc2 - mc2).abs() < 1e-12 && (found.mc2_halved - mc2).abs() < 1e-12, "{round}");
            assert!(!(found.mc1 && found.tied));
        }
    }

    #[test]
    fn underflow_is_exact_or_halved() {
        // e^-1000 is 0 in f64: log-sum-exp keeps the ratio, the published way halves both sides until neither is 0.
        let found = MultipleChoice::of(&[-1000.0, -1001.0], &[true, false]).unwrap();
        assert!((found.mc2 - 1.0 / (1.0 + (-1.0f64).exp())).abs() < 1e-12);
        let halved = 1.0 / (1.0 + (-0.5f64).exp());
        assert!((found.mc2_halved - halved).abs() < 1e-12, "{found:?}");
        // One side alone is halved.
        let found = MultipleChoice::of(&[-1000.0, -3.0], &[true, false]).unwrap();
        let right = (-500.0f64).exp();
        assert!((found.mc2_halved - right / (right + (-3.0f64).exp())).abs() < 1e-12);
        assert!(found.mc2 < 1e-300);
    }

    #[test]
    fn all_masked_answers_tie_and_are_wrong() {
        let found = MultipleChoice::of(&[-4000.0, -3000.0, -3000.0], &[true, true, false]).unwrap();
        assert!(!found.mc1 && !found.tied && found.mc3.abs() < f64::EPSILON, "{found:?}");
        assert!((found.mc2 - 0.5).abs() < 1e-12);
        let tied = MultipleChoice::of(&[-3000.0, -3000.0], &[true, false]).unwrap();
        assert!(!tied.mc1 && tied.tied);
        let infinite = MultipleChoice::of(&[f64::NEG_INFINITY, -1.0], &[true, false]).unwrap();
        assert!(infinite.mc2.abs() < f64::EPSILON && infinite.mc2_halved.abs() < f64::EPSILON);
    }

    #[test]
    fn what_cannot_be_judged_is_refused() {
        assert_eq!(MultipleChoice::of(&[-1.0, f64::NAN], &[true, false]), None);
        assert_eq!(MultipleChoice::of(&[-1.0, -2.0], &[true, true]), None);
        assert_eq!(MultipleChoice::of(&[-1.0], &[true, false]), None);
        assert_eq!(Completions::of(&[-1.0]), None);
        assert_eq!(Completions::of(&[f64::NAN, -1.0]), None);
    }

    #[test]
    fn completions_win_tie_or_lose() {
        let of = |scores: &[f64]| Completions::of(scores).map(|c| (c.strict, c.tied));
        assert_eq!(of(&[-1.0, -2.0, -1.5]), Some((true, false)));
        assert_eq!(of(&[-1.0, -2.0, -1.0]), Some((false, true)));
        assert_eq!(of(&[-3.0, -2.0, -3.0]), Some((false, false)));
    }
}
