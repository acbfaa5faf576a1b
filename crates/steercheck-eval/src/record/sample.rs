//! Small records for tests: whole in themselves, with the hits that a test wants.

use std::collections::BTreeMap;

use steercheck_model::{Kernels, ModelInfo, Precision, Receipt, Site};

use super::{
    About, Arm, Chosen, Counts, Dose, ItemRecord, Items, MethodPlan, ModelPlan, Outcome, Plan, Point, Record, Results,
    Setting, TaskInfo, TokenizerInfo, Value,
};
use crate::protocol::Protocol;

/// Arms in the order of a record, with the hits on each item.
pub(crate) type Hits<'a> = [(&'a str, Vec<bool>)];

/// A record of a task with these outcomes; the answers' log-probabilities are −1 where right and −3 where wrong.
pub(crate) fn record(task: &str, seed: u64, arms: &Hits<'_>) -> Record {
    let n = arms[0].1.len();
    let axes = BTreeMap::from([("residual".to_string(), vec![Value::Count(1), Value::Count(2)])]);
    let plan = Plan {
        method: MethodPlan { name: "task-vector".into(), version: 2, options: BTreeMap::new() },
        model: ModelPlan { weights: "w".repeat(64), spec: "s".repeat(64), kernels: Kernels::Float },
        tokenizer: TokenizerInfo { hash: "t".repeat(64), special_tokens: "no BOS, no EOS".into() },
        task: blake3::hash(task.as_bytes()).to_hex().to_string(),
        protocol: Protocol::RIGOROUS,
        counts: Counts { dev: 4, test: n, baseline: 0 },
        grid: axes,
        arms: arms.iter().map(|(name, _)| (*name).to_string()).collect(),
        seed,
        split_seed: 0,
        side_effects: None,
    };
    let arms: Vec<Arm> = arms.iter().map(|(name, hits)| arm(name, hits)).collect();
    let by = |name: &str| arms.iter().find(|a| a.name == name).map(|a| a.outcomes.clone()).unwrap_or_default();
    let (without, with) = (by("zero-shot"), by("steered"));
    let dose = |(a, b): (&Outcome, &Outcome)| vec![a.answer_log_prob, b.answer_log_prob];
    let item = |i: usize| ItemRecord {
        input: format!("input {i}"),
        answer: format!("answer {i}"),
        answer_ids: vec![i as u32],
        boundary_merged: false,
        choices: Vec::new(),
        demonstrations: Vec::new(),
        dummies: Vec::new(),
    };
    let point = |residual: usize, dev: usize, test: usize| Point { setting: Setting::residual(residual), dev, test };
    let test_hits = arms.iter().find(|a| a.name == "steered").map_or(0, |a| a.hits);
    Record {
        plan,
        about: about(task),
        results: Results {
            chosen: Chosen { setting: Setting::residual(2), dev_hits: Some(3) },
            grid: vec![point(1, 1, 0), point(2, 3, test_hits)],
            dose: Some(Dose {
                shares: vec![0.0, 1.0],
                hits: Vec::new(),
                answer_log_probs: without.iter().zip(&with).map(dose).collect(),
            }),
            arms,
            items: Items { dev: (0..4).map(item).collect(), test: (0..n).map(item).collect(), baseline: Vec::new() },
            ..Results::default()
        },
        timings: BTreeMap::from([("total".to_string(), 1.5)]),
    }
}

fn arm(name: &str, hits: &[bool]) -> Arm {
    let edited = !matches!(name, "zero-shot" | "few-shot");
    let receipt = Receipt { site: Site::Residual(2), planned: 1, fired: 1, change: 4.5, before: 10.0 };
    let outcome = |hit: &bool| Outcome {
        token: u32::from(*hit),
        text: "text".into(),
        hit: *hit,
        rank: usize::from(!*hit),
        log_prob: if *hit { -1.0 } else { -3.0 },
        answer_log_prob: if *hit { -1.0 } else { -3.0 },
        completed: *hit,
        choices: Vec::new(),
        receipts: if edited { vec![receipt.clone()] } else { Vec::new() },
    };
    Arm::new(name, hits.iter().map(outcome).collect())
}

fn about(task: &str) -> About {
    About {
        machine: None,
        program: About::program(),
        model: ModelInfo {
            name: "tiny".into(),
            format: "safetensors".into(),
            family: "llama".into(),
            blocks: 2,
            heads: 2,
            kv_heads: 2,
            head_dim: 4,
            hidden_size: 8,
            vocab_size: 32,
            parameters: 1000,
            stored_types: BTreeMap::new(),
            precision: Precision::Stored,
            kernels: Kernels::Float,
            weights_hash: "w".repeat(64),
            file_bytes: 4000,
            unused_tensors: Vec::new(),
        },
        task: TaskInfo {
            name: task.into(),
            items: 100,
            usable: 90,
            leading_space: true,
            matching: "exact".into(),
            notes: Vec::new(),
        },
        wrong_task: None,
        profile: "quick".into(),
    }
}

/// Hits on the first so many of `n` items.
pub(crate) fn first(hits: usize, n: usize) -> Vec<bool> {
    (0..n).map(|i| i < hits).collect()
}

/// All arms of a task vector's record, with so many hits of `n` each: zero-shot, few-shot, steered and the three placebos.
pub(crate) fn with_hits(task: &str, seed: u64, n: usize, hits: [usize; 6]) -> Record {
    let [zero_shot, few_shot, steered, random, shuffled, wrong] = hits.map(|h| first(h, n));
    let zero = zero_shot.clone();
    let arms = [
        ("zero-shot", zero_shot),
        ("few-shot", few_shot),
        ("steered", steered),
        ("zero", zero),
        ("random-direction", random),
        ("shuffled-labels", shuffled),
        ("wrong-task", wrong),
    ];
    record(task, seed, &arms)
}
