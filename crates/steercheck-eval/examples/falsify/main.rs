//! Whether the instrument can be fooled: verdicts over simulated cells whose truth is known, and over real runs in which each placebo
//! is presented as the method. Prints markdown; fails if more than 1 % of any kind of null is called reliable or partial.
//!
//!     cargo run --release -p steercheck-eval --example falsify -- [MODEL.gguf [SEEDS [FAMILIES [tv|fv [PLACEBO]]]]]

mod real;
mod simulate;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;

use real::Method;
use simulate::{Count, EFFECTS, NULLS, SCORED_EFFECTS, SCORED_NULLS, Size, Truth};
use steercheck_eval::card::{LEVEL, Verdict};
use steercheck_stats::wilson;

/// Nulls of a kind that may be called reliable or partial.
const MOST: f64 = 0.01;
/// `quick` and `standard`, alone and with the four tasks of a default check.
const SIZES: [Size; 4] = [
    Size { items: 48, seeds: 1, family: 1 },
    Size { items: 48, seeds: 1, family: 4 },
    Size { items: 100, seeds: 3, family: 1 },
    Size { items: 100, seeds: 3, family: 4 },
];

/// Sets of questions: `quick`, and as many as show ten points.
const SCORED_SIZES: [Size; 3] = [
    Size { items: 120, seeds: 1, family: 1 },
    Size { items: 400, seeds: 1, family: 1 },
    Size { items: 817, seeds: 1, family: 1 },
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments.next().map(PathBuf::from);
    let seeds = arguments.next().map_or(Ok(10), |s| s.parse())?;
    let families: usize = arguments.next().map_or(Ok(2000), |s| s.parse())?;
    let methods = match arguments.next().as_deref() {
        Some("tv") => vec![Method::TaskVector],
        Some("fv") => vec![Method::FunctionVector],
        _ => vec![Method::TaskVector, Method::FunctionVector],
    };
    let only = arguments.next();
    let mut worst: f64 = 0.0;
    if families > 0 {
        println!("### Simulated nulls: cells called reliable or partial\n");
        worst = simulated(&NULLS, &SIZES, families);
        println!();
        worst = worst.max(simulated(&SCORED_NULLS, &SCORED_SIZES, families));
        println!("\n### Power: simulated gains of 20 points called reliable or partial\n");
        simulated(&EFFECTS, &SIZES, families.div_ceil(4));
        println!();
        simulated(&SCORED_EFFECTS, &SCORED_SIZES, families.div_ceil(4));
    }
    if let Some(model) = model {
        println!("\n### Placebos presented as the method on a real model\n");
        worst = worst.max(presented(&model, &methods, seeds, only.as_deref())?);
    }
    if worst > MOST {
        return Err(format!("{:.2} % of one kind of null is called reliable or partial", 100.0 * worst).into());
    }
    Ok(())
}

fn share(k: usize, n: usize) -> String {
    let e =
        wilson(k, n, LEVEL).map(|e| format!("{:.2} % [{:.2}, {:.2}]", 100.0 * e.point, 100.0 * e.low, 100.0 * e.high));
    format!("{k} of {n}: {}", e.unwrap_or_else(|_| "–".into()))
}

/// Prints a table of truths by sizes; returns the largest share.
fn simulated(truths: &[Truth], sizes: &[Size], families: usize) -> f64 {
    let head: Vec<String> = sizes
        .iter()
        .map(|s| {
            format!(
                "{} items, {} seed{}, {} cell{} a family",
                s.items,
                s.seeds,
                plural(s.seeds),
                s.family,
                plural(s.family)
            )
        })
        .collect();
    println!("| truth | {} |\n| --- |{}", head.join(" | "), " --- |".repeat(sizes.len()));
    let mut worst: f64 = 0.0;
    for truth in truths {
        let counts: Vec<Count> = sizes.iter().map(|size| simulate::run(truth, *size, families)).collect();
        worst = counts.iter().map(|c| c.positive as f64 / c.cells as f64).fold(worst, f64::max);
        let text = |c: &Count| format!("{}, {} untestable", share(c.positive, c.cells), c.untestable);
        println!("| {} | {} |", truth.name, counts.iter().map(text).collect::<Vec<_>>().join(" | "));
    }
    worst
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

/// Prints verdicts by placebo; returns the share of positive ones among those that could be.
fn presented(
    model: &std::path::Path,
    methods: &[Method],
    seeds: u64,
    only: Option<&str>,
) -> Result<f64, Box<dyn Error>> {
    let runs = real::run(model, methods, seeds, only)?;
    let mut verdicts: BTreeMap<(&str, &str), BTreeMap<&str, usize>> = BTreeMap::new();
    let (mut positive, mut cells) = (0, 0);
    for real::Run { method, presented, seed, cards } in &runs {
        let name = (method.name(), presented.placebo().unwrap_or("method"));
        for card in cards {
            let Some(verdict) = card.verdict else { continue };
            *verdicts.entry(name).or_default().entry(verdict.text()).or_default() += 1;
            cells += 1;
            if verdict.is_positive() {
                positive += 1;
                println!("* {}, {}, seed {seed}, {}: {}", name.0, name.1, card.measured.subject.task, card.reason);
            }
        }
    }
    let columns = [
        Verdict::Reliable,
        Verdict::Partial,
        Verdict::NoEffect,
        Verdict::Inconclusive,
        Verdict::Harmful,
        Verdict::Untestable,
    ]
    .map(Verdict::text);
    println!(
        "| method | presented | cells | {} |\n| --- | --- | --- |{}",
        columns.join(" | "),
        " --- |".repeat(columns.len())
    );
    for ((method, name), counts) in &verdicts {
        let row = columns.map(|c| counts.get(c).copied().unwrap_or(0).to_string());
        println!("| {method} | {name} | {} | {} |", counts.values().sum::<usize>(), row.join(" | "));
    }
    let testable: usize = verdicts.values().flatten().filter(|(v, _)| **v != "untestable").map(|(_, n)| n).sum();
    println!(
        "\nreliable or partial: {}; of those that were testable: {}",
        share(positive, cells),
        share(positive, testable.max(1))
    );
    Ok(positive as f64 / testable.max(1) as f64)
}
