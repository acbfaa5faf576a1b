//! The fast path of task vectors (shared prefixes, replay) against the naive one (a full pass per prompt and per edit).

use std::path::Path;

use steercheck_model::{EditedPrompt, FinalNorm, HeadKind, LoadOptions, Loaded, Model, Reading, Reads, Row};
use steercheck_steer::reading::read_rows;
use steercheck_steer::task_vector::{self, TaskVector};
use steercheck_testkit::shared;

const FIXTURES: [&str; 4] = ["llama_llama3rope", "mistral_sliding", "gemma3_text", "llama_dynamic"];

/// Items of two dummies over the same demonstrations, and a short query each.
struct Items {
    dummies: Vec<Vec<Vec<u32>>>,
    few_shot: Vec<Vec<u32>>,
    queries: Vec<Vec<u32>>,
    asked: Vec<Vec<u32>>,
}

fn items() -> Items {
    let token = |i: u32, j: u32| (i * 53 + j * 17 + 7) % 150 + 5;
    let query = |i: u32| -> Vec<u32> { vec![3, token(i, 90), 4] };
    let with = |i: u32, last: Vec<u32>| -> Vec<u32> { (0..14).map(|j| token(i, j)).chain(last).collect() };
    Items {
        dummies: (0..4)
            .map(|i| vec![with(i, vec![3, token(i, 70), 4]), with(i, vec![3, token(i, 71), 9, 4])])
            .collect(),
        few_shot: (0..4).map(|i| with(i, query(i))).collect(),
        queries: (0..4).map(query).collect(),
        asked: (0..4).map(|i| vec![token(i, 91)]).collect(),
    }
}

fn open(shared: &Path, name: &str) -> Model {
    Loaded::open(&shared.join("fixtures").join(name), &LoadOptions::default()).expect("a fixture loads").model
}

fn naive_residuals(model: &Model, tokens: &[u32]) -> Vec<Vec<f32>> {
    let prompt = EditedPrompt { tokens: tokens.to_vec(), edits: Vec::new() };
    let trace = model.trace_edited(&[prompt], &Reads::LAST_RESIDUALS).unwrap().remove(0);
    trace.residual.unwrap().squeeze(1).unwrap().to_vec2().unwrap()
}

fn naive_mean(model: &Model, dummies: &[Vec<u32>]) -> Vec<Vec<f32>> {
    let all: Vec<Vec<Vec<f32>>> = dummies.iter().map(|d| naive_residuals(model, d)).collect();
    let mean = |b: usize, i: usize| all.iter().map(|r| f64::from(r[b][i])).sum::<f64>() / all.len() as f64;
    (0..all[0].len()).map(|b| (0..all[0][b].len()).map(|i| mean(b, i) as f32).collect()).collect()
}

fn close(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(x, y)| (x - y).abs() <= 3e-5)
}

fn agree(a: &Reading, b: &Reading) -> bool {
    a.top1 == b.top1
        && (a.top1_log_prob - b.top1_log_prob).abs() < 1e-4
        && a.tokens.iter().zip(&b.tokens).all(|(x, y)| (x.log_prob - y.log_prob).abs() < 1e-4)
}

#[test]
fn vectors_and_every_injection_equal_full_passes() {
    let Some(shared) = shared() else { return };
    for name in FIXTURES {
        let model = open(&shared, name);
        let items = items();
        let got = task_vector::extract(&model, &items.dummies, &items.few_shot, None).unwrap();
        let top = got.further.unwrap();
        for (i, prompt) in items.few_shot.iter().enumerate() {
            let last: Vec<f32> = top.get(i).unwrap().to_vec1().unwrap();
            assert!(close(&last, naive_residuals(&model, prompt).last().unwrap()), "{name} few-shot {i}");
        }
        let depth = model.spec.depth();
        for (dummies, vector) in items.dummies.iter().zip(&got.vectors) {
            for (b, want) in naive_mean(&model, dummies).iter().enumerate() {
                assert!(close(vector.at(b).unwrap(), want), "{name} θ[{b}]");
            }
            assert!(vector.at(depth + 1).is_err());
        }
        let prefixes = model.prefill(&items.queries).unwrap();
        let prefixes: Vec<_> = prefixes.iter().collect();
        let residuals: Vec<usize> = (1..=depth).collect();
        let curve = task_vector::sweep(&model, &prefixes, &got.vectors, &residuals, &items.asked).unwrap();
        for (i, query) in items.queries.iter().enumerate() {
            for (k, b) in residuals.iter().enumerate() {
                let edits = vec![task_vector::injection(&got.vectors[i], *b).unwrap()];
                let prompt = EditedPrompt { tokens: query.clone(), edits };
                let trace = model.trace_edited(&[prompt], &Reads::LAST_RESIDUALS).unwrap().remove(0);
                let top = trace.residual.unwrap().get(depth).unwrap();
                let asked = std::slice::from_ref(&items.asked[i]);
                let want = model.read(&top, FinalNorm::Apply, HeadKind::Full, asked).unwrap().remove(0);
                assert!(agree(&curve.readings[i][k], &want), "{name} item {i} residual {b}");
                assert_eq!((curve.receipts[i][k].fired, trace.receipts[0].fired), (1, 1));
            }
        }
    }
}

#[test]
fn a_pass_that_ends_early_reads_the_same_vectors() {
    let Some(shared) = shared() else { return };
    let model = open(&shared, "gemma3_text");
    let items = items();
    let whole = task_vector::extract(&model, &items.dummies, &[], None).unwrap().vectors;
    let half = task_vector::extract(&model, &items.dummies, &[], Some(2)).unwrap().vectors;
    for (a, b) in whole.iter().zip(&half) {
        assert!((0..=2).all(|r| a.at(r).unwrap() == b.at(r).unwrap()));
        assert!(b.at(3).is_err());
    }
    assert!(task_vector::extract(&model, &items.dummies, &items.few_shot, Some(2)).is_err());
}

#[test]
fn placebos_have_the_size_they_claim() {
    let Some(shared) = shared() else { return };
    let model = open(&shared, "llama_llama3rope");
    let items = items();
    let vectors: Vec<TaskVector> = task_vector::extract(&model, &items.dummies, &[], None).unwrap().vectors;
    let prefixes = model.prefill(&items.queries).unwrap();
    let mut rows = Vec::new();
    for (prefix, vector) in prefixes.iter().zip(&vectors) {
        rows.push(Row::baseline(prefix, 2));
        rows.push(Row::edited(prefix, vec![task_vector::zero(vector, 2).unwrap()]));
        rows.push(Row::edited(prefix, vec![task_vector::injection(vector, 2).unwrap()]));
        rows.push(Row::edited(prefix, vec![task_vector::random_direction(vector, prefix, 2, 11).unwrap()]));
    }
    let asked: Vec<Vec<u32>> = rows.iter().map(|_| vec![5]).collect();
    let (readings, receipts) = read_rows(&model, &rows, &asked).unwrap();
    for (readings, receipts) in readings.chunks(4).zip(receipts.chunks(4)) {
        assert_eq!(readings[0], readings[1], "strength 0 changed something");
        assert!(receipts[1][0].change == 0.0);
        let (method, random) = (receipts[2][0].change, receipts[3][0].change);
        assert!((method - random).abs() < 1e-4 * method, "{method} against {random}");
        assert!(readings[3].top1_log_prob.is_finite() && readings[2] != readings[0]);
    }
}
