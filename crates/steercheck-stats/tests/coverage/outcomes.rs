//! Outcomes of two arms on the same items, by known laws, so that it can be counted how often an interval holds the
//! truth.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use statrs::function::factorial::ln_factorial;
use steercheck_stats::{Estimate, newcombe_paired};

/// Accuracy of a baseline and of a steered arm, and the correlation of their outcomes on an item.
pub(crate) struct Scenario {
    pub name: &'static str,
    pub before: f64,
    pub after: f64,
    pub correlation: f64,
}

const fn scenario(name: &'static str, before: f64, after: f64, correlation: f64) -> Scenario {
    Scenario { name, before, after, correlation }
}

/// Gains as function vectors, task vectors and DoLa show them, and arms without a difference.
pub(crate) const REALISTIC: [Scenario; 8] = [
    scenario("4 % → 58 %", 0.04, 0.58, 0.1),
    scenario("0 % → 75 %", 0.0, 0.75, 0.0),
    scenario("8 % → 19 %", 0.08, 0.19, 0.4),
    scenario("85 % → 92 %", 0.85, 0.92, 0.5),
    scenario("50 % → 60 %", 0.5, 0.6, 0.6),
    scenario("50 % → 50 %", 0.5, 0.5, 0.5),
    scenario("10 % → 10 %", 0.1, 0.1, 0.5),
    scenario("10 % → 10 %, few differ", 0.1, 0.1, 0.8),
];

/// Arms that hardly differ on any item.
pub(crate) const EXTREME: [Scenario; 3] = [
    scenario("0 % → 4 %", 0.0, 0.04, 0.0),
    scenario("96 % → 98 %", 0.96, 0.98, 0.3),
    scenario("2 % → 2 %", 0.02, 0.02, 0.0),
];

impl Scenario {
    /// Probabilities that both arms, only the steered one, only the baseline, and neither are right.
    pub(crate) fn cells(&self) -> [f64; 4] {
        let (a, b) = (self.after, self.before);
        let both = a * b + self.correlation * (a * (1.0 - a) * b * (1.0 - b)).sqrt();
        let both = both.clamp((a + b - 1.0).max(0.0), a.min(b));
        [both, a - both, b - both, (1.0 - a - b + both).max(0.0)]
    }

    /// The true difference.
    pub(crate) fn gain(&self) -> f64 {
        self.after - self.before
    }

    /// Probability that the arms differ on an item.
    pub(crate) fn discordant(&self) -> f64 {
        let [_, only_a, only_b, _] = self.cells();
        only_a + only_b
    }

    /// Probability of so many pairs that differ in either way.
    fn probability(&self, n: usize, only_a: usize, only_b: usize) -> f64 {
        let [both, plus, minus, neither] = self.cells();
        multinomial(&[only_a, only_b, n - only_a - only_b], &[plus, minus, both + neither])
    }

    /// Probability of an interval to hold the true difference, given its limits for every number of discordant pairs.
    pub(crate) fn covered(&self, n: usize, limits: &[PairLimits]) -> f64 {
        let holds = |l: &&PairLimits| holds(&l.estimate, self.gain());
        limits.iter().filter(holds).map(|l| self.probability(n, l.only_a, l.only_b)).sum()
    }

    /// The same for Newcombe's interval, which depends on how many pairs agree in which way as well.
    pub(crate) fn covered_by_newcombe(&self, n: usize) -> f64 {
        let mut covered = 0.0;
        for (only_a, only_b) in discordant_pairs(n) {
            for both in 0..=n - only_a - only_b {
                let counts = [both, only_a, only_b, n - only_a - only_b - both];
                let probability = multinomial(&counts, &self.cells());
                // What is left out is below 10⁻⁷ in total.
                if probability > 1e-13 {
                    let [both, only_a, only_b, neither] = counts;
                    let estimate = newcombe_paired(both, only_a, only_b, neither, 0.95).unwrap();
                    covered += if holds(&estimate, self.gain()) { probability } else { 0.0 };
                }
            }
        }
        covered
    }

    /// Law of an item's difference summed over three seeds, from −3 to 3. With probability `settled` the outcome of an
    /// item is the same for every seed, else drawn anew for each: `settled` is the correlation of its outcomes between
    /// seeds.
    pub(crate) fn over_three_seeds(&self, settled: f64) -> [f64; 7] {
        let [_, plus, minus, _] = self.cells();
        let once = [minus, 1.0 - plus - minus, plus];
        let mut law = [0.0; 7];
        for (i, p) in once.iter().enumerate() {
            law[3 * i] += settled * p;
            for (j, q) in once.iter().enumerate() {
                for (k, r) in once.iter().enumerate() {
                    law[i + j + k] += (1.0 - settled) * p * q * r;
                }
            }
        }
        law
    }
}

/// An interval for given numbers of discordant pairs.
pub(crate) struct PairLimits {
    pub only_a: usize,
    pub only_b: usize,
    pub estimate: Estimate,
}

/// The interval of every outcome of `n` pairs that some scenario gives with at least 10⁻⁸ (all others together have
/// less than 10⁻⁴), for an interval that depends on the differences alone.
pub(crate) fn limits_of_all(n: usize, interval: impl Fn(&[f64], &[f64]) -> Estimate) -> Vec<PairLimits> {
    let limits = |(only_a, only_b)| {
        let a: Vec<f64> = (0..n).map(|i| f64::from(u8::from(i < only_a))).collect();
        let b: Vec<f64> = (0..n).map(|i| f64::from(u8::from((only_a..only_a + only_b).contains(&i)))).collect();
        PairLimits { only_a, only_b, estimate: interval(&a, &b) }
    };
    let likely = |&(only_a, only_b): &(usize, usize)| {
        REALISTIC.iter().chain(&EXTREME).any(|s| s.probability(n, only_a, only_b) > 1e-8)
    };
    discordant_pairs(n).filter(likely).map(limits).collect()
}

fn discordant_pairs(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..=n).flat_map(move |only_a| (0..=n - only_a).map(move |only_b| (only_a, only_b)))
}

/// A number in [0, 1).
pub(crate) fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Differences of `n` items, drawn from the law of an item's difference over seeds.
pub(crate) fn draw(rng: &mut ChaCha8Rng, law: &[f64; 7], n: usize) -> Vec<i64> {
    let one = |uniform: f64| {
        let mut above = 0.0;
        let index = law.iter().position(|p| {
            above += p;
            uniform < above
        });
        index.map_or(0, |i| i as i64 - 3)
    };
    (0..n).map(|_| one(uniform(rng))).collect()
}

/// Outcomes of two arms, averaged over three seeds, whose differences are those given: intervals depend on these alone.
pub(crate) fn arms(differences: &[i64]) -> (Vec<f64>, Vec<f64>) {
    differences.iter().map(|&d| (d.max(0) as f64 / 3.0, (-d).max(0) as f64 / 3.0)).unzip()
}

/// Whether a closed interval holds the truth; both often lie on the same lattice, hence the allowance for rounding.
pub(crate) fn holds(estimate: &Estimate, truth: f64) -> bool {
    estimate.low <= truth + 1e-9 && truth <= estimate.high + 1e-9
}

fn multinomial(counts: &[usize], probabilities: &[f64]) -> f64 {
    let n: usize = counts.iter().sum();
    let mut logarithm = ln_factorial(n as u64);
    for (&count, p) in counts.iter().zip(probabilities) {
        if count > 0 {
            logarithm += count as f64 * p.ln() - ln_factorial(count as u64);
        }
    }
    logarithm.exp()
}
