//! How often the 95 % intervals of a paired difference hold the true one, and how often the paired tests err, as
//! markdown tables: `cargo run --release -p steercheck-stats --example coverage` (two minutes of one core).
//!
//! With one seed per item the probabilities are exact, by enumeration of all outcomes; with three seeds they are
//! simulated.

#[path = "../tests/coverage/outcomes.rs"]
mod outcomes;

use outcomes::{EXTREME, REALISTIC, Scenario, arms, draw, holds, limits_of_all, uniform};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use steercheck_stats::{Bootstrap, Estimate, holm, mcnemar_power, paired_difference, paired_score, sign_flip};

const REPLICATES: usize = 4000;
/// Fewer than the default, for time: the Monte Carlo error of an end is small against its sampling error all the same.
const SIMULATED: Bootstrap = Bootstrap { resamples: 2000, seed: 0, level: 0.95 };
/// Correlation of an item's outcomes between seeds.
const SETTLED: f64 = 0.6;

fn main() {
    one_seed();
    three_seeds();
    clusters();
    sizes();
}

fn scenarios() -> impl Iterator<Item = &'static Scenario> {
    REALISTIC.iter().chain(&EXTREME)
}

fn bca(a: &[f64], b: &[f64], bootstrap: &Bootstrap) -> Estimate {
    paired_difference(a, b, None, bootstrap).unwrap()
}

fn score(a: &[f64], b: &[f64]) -> Estimate {
    paired_score(a, b, None, 0.95).unwrap()
}

/// Exact coverage with one outcome of 0 or 1 per item and arm.
fn one_seed() {
    println!("Coverage in %, one seed, exact (BCa: 10000 resamples)\n");
    println!(
        "| before → after | n | pairs that differ | BCa | Newcombe | score |\n| --- | --- | --- | --- | --- | --- |"
    );
    for n in [48, 50, 100] {
        let resampled = limits_of_all(n, |a, b| bca(a, b, &Bootstrap::default()));
        let scored = limits_of_all(n, score);
        for scenario in scenarios() {
            println!(
                "| {} | {n} | {:.1} | {:.1} | {:.1} | {:.1} |",
                scenario.name,
                n as f64 * scenario.discordant(),
                100.0 * scenario.covered(n, &resampled),
                100.0 * scenario.covered_by_newcombe(n),
                100.0 * scenario.covered(n, &scored),
            );
        }
    }
}

/// Simulated coverage with outcomes averaged over three seeds.
fn three_seeds() {
    println!(
        "\nCoverage in %, three seeds averaged, {REPLICATES} replicates (BCa: {} resamples)\n",
        SIMULATED.resamples
    );
    println!("| before → after | n | items that differ | BCa | its width | score | its width |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for n in [48, 100] {
        for scenario in scenarios() {
            let law = scenario.over_three_seeds(SETTLED);
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let (mut covered, mut width) = ([0.0; 2], [0.0; 2]);
            for _ in 0..REPLICATES {
                let (a, b) = arms(&draw(&mut rng, &law, n));
                for (i, estimate) in [bca(&a, &b, &SIMULATED), score(&a, &b)].iter().enumerate() {
                    covered[i] += f64::from(u8::from(holds(estimate, scenario.gain()))) / REPLICATES as f64;
                    width[i] += (estimate.high - estimate.low) / REPLICATES as f64;
                }
            }
            println!(
                "| {} | {n} | {:.1} | {:.1} | {:.3} | {:.1} | {:.3} |",
                scenario.name,
                n as f64 * (1.0 - law[3]),
                100.0 * covered[0],
                width[0],
                100.0 * covered[1],
                width[1],
            );
        }
    }
}

/// Simulated coverage where one to four items share a question, and with it most of their outcomes.
fn clusters() {
    println!("\nCoverage in %, one to four items per question, {REPLICATES} replicates\n");
    println!(
        "| before → after | questions | BCa | score | score, questions ignored |\n| --- | --- | --- | --- | --- |"
    );
    for (questions, scenario) in [40, 100].iter().flat_map(|n| REALISTIC.iter().map(move |s| (*n, s))) {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut covered = [0_usize; 3];
        for _ in 0..REPLICATES {
            let (mut differences, mut ids) = (Vec::new(), Vec::new());
            for question in 0..questions {
                let shared = draw_pair(&mut rng, scenario);
                for _ in 0..=(4.0 * uniform(&mut rng)) as usize {
                    let settled = uniform(&mut rng) < SETTLED;
                    differences.push(if settled { shared } else { draw_pair(&mut rng, scenario) });
                    ids.push(question);
                }
            }
            let (a, b) = arms(&differences);
            let clusters = Some(ids.as_slice());
            let estimates = [
                paired_difference(&a, &b, clusters, &SIMULATED),
                paired_score(&a, &b, clusters, 0.95),
                paired_score(&a, &b, None, 0.95),
            ];
            for (covered, estimate) in covered.iter_mut().zip(estimates) {
                *covered += usize::from(holds(&estimate.unwrap(), scenario.gain()));
            }
        }
        let [resampled, scored, ignored] = covered.map(|c| 100.0 * c as f64 / REPLICATES as f64);
        println!("| {} | {questions} | {resampled:.1} | {scored:.1} | {ignored:.1} |", scenario.name);
    }
}

/// Difference of an item's outcomes, in thirds.
fn draw_pair(rng: &mut ChaCha8Rng, scenario: &Scenario) -> i64 {
    let [_, only_a, only_b, _] = scenario.cells();
    let at = uniform(rng);
    3 * (i64::from(at < only_a) - i64::from((only_a..only_a + only_b).contains(&at)))
}

/// How often arms without a difference are told apart at 5 %, alone and in any of four cells after Holm.
fn sizes() {
    println!("\nFalse positives in %, tests at 5 % (sign flip: three seeds, {} replicates)\n", 4 * REPLICATES);
    println!("| arms | n | McNemar, exact | any of four after Holm, exact | sign flip | any of four after Holm |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for n in [48, 100] {
        for scenario in scenarios().filter(|s| s.gain() == 0.0) {
            let size = |alpha| mcnemar_power(0.0, scenario.discordant(), n, alpha).unwrap();
            let law = scenario.over_three_seeds(SETTLED);
            let mut rng = ChaCha8Rng::seed_from_u64(2);
            let (mut alone, mut family) = (0, 0);
            for _ in 0..REPLICATES {
                let cells: Vec<f64> = (0..4).map(|_| sign_flip(&draw(&mut rng, &law, n)).unwrap()).collect();
                alone += cells.iter().filter(|p| **p <= 0.05).count();
                family += usize::from(holm(&cells).unwrap().iter().any(|p| *p <= 0.05));
            }
            println!(
                "| {} | {n} | {:.1} | {:.1} | {:.1} | {:.1} |",
                scenario.name,
                100.0 * size(0.05),
                // Holm rejects any of four if and only if the smallest p-value is at most a quarter of the level.
                100.0 * (1.0 - (1.0 - size(0.05 / 4.0)).powi(4)),
                25.0 * alone as f64 / REPLICATES as f64,
                100.0 * family as f64 / REPLICATES as f64,
            );
        }
    }
}
