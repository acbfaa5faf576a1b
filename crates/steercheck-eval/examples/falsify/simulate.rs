//! Cells made of coin flips whose truth is known: nulls, in which no verdict may be positive, and effects of 20 points.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use steercheck_eval::card::{Card, Evidence, Measured, Subject, Verdict, judge};
use steercheck_eval::record::Setting;

/// What is true of a cell: the mean probability of a right answer in each arm.
pub(crate) struct Truth {
    pub(crate) name: &'static str,
    method: &'static str,
    rates: &'static [(&'static str, f64)],
}

/// Cells in which the method is worth nothing: like the unsteered model, or like a placebo.
pub(crate) const NULLS: [Truth; 4] = [
    taught("steering does nothing", &arms([0.08, 0.85, 0.08, 0.08, 0.08, 0.08])),
    taught("steering does nothing where half is right anyway", &arms([0.50, 0.85, 0.50, 0.50, 0.50, 0.50])),
    taught("steering does what shuffled labels do", &arms([0.04, 0.85, 0.55, 0.02, 0.55, 0.01])),
    taught("steering does what every placebo does", &arms([0.10, 0.85, 0.30, 0.30, 0.30, 0.30])),
];

/// Cells in which the method gains 20 points over the unsteered model and over every placebo.
pub(crate) const EFFECTS: [Truth; 2] = [
    taught("steering gains 20 points, zero-shot 5 %", &arms([0.05, 0.40, 0.25, 0.05, 0.05, 0.05])),
    taught("steering gains 20 points, zero-shot 40 %", &arms([0.40, 0.78, 0.60, 0.40, 0.40, 0.40])),
];

/// The same for questions whose answers are scored, which have one placebo and no examples.
pub(crate) const SCORED_NULLS: [Truth; 2] = [
    scored("contrasting does nothing", &[("zero-shot", 0.30), ("steered", 0.30), ("random-layer", 0.30)]),
    scored("contrasting does what random layers do", &[("zero-shot", 0.25), ("steered", 0.40), ("random-layer", 0.40)]),
];

/// Questions of which the method gains 20 points.
pub(crate) const SCORED_EFFECTS: [Truth; 1] =
    [scored("contrasting gains 20 points", &[("zero-shot", 0.25), ("steered", 0.45), ("random-layer", 0.25)])];

const fn taught(name: &'static str, rates: &'static [(&'static str, f64)]) -> Truth {
    Truth { name, method: "task-vector", rates }
}

const fn scored(name: &'static str, rates: &'static [(&'static str, f64)]) -> Truth {
    Truth { name, method: "dola", rates }
}

const fn arms(rates: [f64; 6]) -> [(&'static str, f64); 6] {
    [
        ("zero-shot", rates[0]),
        ("few-shot", rates[1]),
        ("steered", rates[2]),
        ("random-direction", rates[3]),
        ("shuffled-labels", rates[4]),
        ("wrong-task", rates[5]),
    ]
}

/// Sizes of a cell and of its family.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) items: usize,
    pub(crate) seeds: usize,
    /// Cells that are judged together.
    pub(crate) family: usize,
}

/// How many of so many cells got a positive verdict, and how many were called untestable or invalid.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Count {
    pub(crate) cells: usize,
    pub(crate) positive: usize,
    pub(crate) untestable: usize,
}

/// Judges `families` families of cells of one truth.
pub(crate) fn run(truth: &Truth, size: Size, families: usize) -> Count {
    let cards: Vec<Vec<Card>> = (0..families).into_par_iter().map(|f| family(truth, size, f as u64)).collect();
    let cards: Vec<Card> = cards.into_iter().flatten().collect();
    Count {
        cells: cards.len(),
        positive: cards.iter().filter(|c| c.verdict.is_some_and(Verdict::is_positive)).count(),
        untestable: cards
            .iter()
            .filter(|c| matches!(c.verdict, None | Some(Verdict::Untestable | Verdict::Invalid)))
            .count(),
    }
}

fn family(truth: &Truth, size: Size, number: u64) -> Vec<Card> {
    let cell = |task: usize| {
        let mut rng = ChaCha8Rng::seed_from_u64(number * 1000 + task as u64);
        Measured::of(&evidence(truth, size, task, &mut rng)).expect("simulated outcomes can be measured")
    };
    judge((0..size.family).map(cell).collect()).expect("simulated cells can be judged")
}

/// Outcomes of one cell. Items differ in difficulty, the same in every arm, so that arms are paired as real ones are.
fn evidence(truth: &Truth, size: Size, task: usize, rng: &mut ChaCha8Rng) -> Evidence {
    let difficulty: Vec<f64> = (0..size.items).map(|_| 2.0 * normal(rng)).collect();
    let mut hits = BTreeMap::new();
    for (arm, rate) in truth.rates {
        let shift = shift_for(*rate, &difficulty);
        // Without steering nothing depends on the seed.
        let fixed: Vec<bool> = difficulty.iter().map(|d| rng.random::<f64>() < logistic(shift + d)).collect();
        let seeds = (0..size.seeds).map(|_| {
            if *arm == "zero-shot" {
                fixed.clone()
            } else {
                difficulty.iter().map(|d| rng.random::<f64>() < logistic(shift + d)).collect()
            }
        });
        hits.insert((*arm).to_string(), seeds.collect::<Vec<Vec<bool>>>());
    }
    Evidence {
        subject: Subject {
            model: "simulated".into(),
            model_key: "simulated".into(),
            method: truth.method.into(),
            presented: None,
            task: format!("task {task}"),
            protocol: "rigorous".into(),
            profile: "simulated".into(),
        },
        seeds: (0..size.seeds as u64).collect(),
        settings: vec![Setting::residual(1); size.seeds],
        n: size.items,
        completed: hits.clone(),
        paired: true,
        scoring: None,
        hits,
        answer_log_probs: Some([vec![-1.0; size.items], vec![-1.0; size.items]]),
        dose: None,
        choices: Vec::new(),
        side_effects: Vec::new(),
        heads: Vec::new(),
        relative_norms: Vec::new(),
        read_out: Vec::new(),
        invalid: None,
    }
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The shift at which these items are right at this rate on average, by bisection.
fn shift_for(rate: f64, difficulty: &[f64]) -> f64 {
    let mean = |shift: f64| difficulty.iter().map(|d| logistic(shift + d)).sum::<f64>() / difficulty.len() as f64;
    let (mut low, mut high) = (-20.0, 20.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if mean(middle) < rate { low = middle } else { high = middle }
    }
    low
}

/// Box and Muller 1958.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
    (-2.0 * u.ln()).sqrt() * (2.0 * std::f64::consts::PI * v).cos()
}
