//! `DoLa`'s whole grid beside one configuration of it, and shared beginnings beside whole passes.

use std::time::Instant;

use serde::Serialize;
use steercheck_model::{EditedPrompt, FinalNorm, HeadKind, Model, ModelError, ReadAt, Reads, Tokenizer};
use steercheck_steer::dola::{Config, Measure, Readout};

use crate::error::EvalError;
use crate::scoring::grid::{ALPHAS, GridPoint, buckets, grid, layers};
use crate::scoring::{Asked, QuestionSet, answer_score};

/// Runs of the fast paths, whose median is told.
const REPEATS: usize = 3;
/// Answers that whole passes are measured on: they are slow.
const NAIVE: usize = 24;

/// How long scoring takes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DolaBench {
    /// The model.
    pub model: String,
    /// Threads that all ways had.
    pub threads: usize,
    /// The set of questions.
    pub set: String,
    /// Questions and their answers.
    pub questions: usize,
    /// Answers.
    pub answers: usize,
    /// Tokens that are scored.
    pub scored_tokens: usize,
    /// Configurations of the grid.
    pub configurations: usize,
    /// The whole grid and the baseline, from one pass.
    pub grid_seconds: f64,
    /// The costliest bucket at one α, with the baseline.
    pub bucket_seconds: f64,
    /// The former by the latter.
    pub grid_ratio: f64,
    /// The grid once more with the final norm before the premature heads: what a further axis costs.
    pub final_norm_seconds: f64,
    /// The baseline alone, beginnings shared.
    pub baseline_seconds: f64,
    /// The baseline by a whole forward pass for every answer, from some of the answers.
    pub naive_seconds: f64,
    /// The latter by the former.
    pub baseline_ratio: f64,
    /// Of an answer's log-probability, between the two, in nats.
    pub largest_difference: f64,
}

/// Measures on the first questions of a set.
pub fn dola(model: &Model, tokenizer: &Tokenizer, set: &QuestionSet, questions: usize) -> Result<DolaBench, EvalError> {
    let places: Vec<usize> = (0..questions.min(set.questions.len())).collect();
    let asked = Asked::new(tokenizer, set)?.some(&places);
    let spec = &model.spec;
    let buckets = buckets(spec.depth(), model.info.parameters);
    let points = grid(&buckets, &ALPHAS, Measure::Paper);
    let costliest = buckets.iter().max_by_key(|b| b.layers.len());
    let single: Vec<GridPoint> =
        costliest.map(|b| grid(std::slice::from_ref(b), &[0.1], Measure::Paper)).unwrap_or_default();
    let readout = Readout { norm: FinalNorm::Skip, mature: HeadKind::Full, premature: HeadKind::Full };
    let timed = |points: &[GridPoint], norm: FinalNorm| -> Result<f64, EvalError> {
        let configs: Vec<&Config> = points.iter().map(|p| &p.config).collect();
        let mut seconds = Vec::with_capacity(REPEATS);
        for _ in 0..REPEATS {
            let started = Instant::now();
            run(model, &asked, &configs, Readout { norm, ..readout })?;
            seconds.push(started.elapsed().as_secs_f64());
        }
        seconds.sort_by(f64::total_cmp);
        Ok(seconds[REPEATS / 2])
    };
    let grid_seconds = timed(&points, FinalNorm::Skip)?;
    let bucket_seconds = timed(&single[..1], FinalNorm::Skip)?;
    let final_norm_seconds = timed(&points, FinalNorm::Apply)?;
    let baseline_seconds = timed(&[], FinalNorm::Skip)?;

    let shared = run(model, &asked, &[], readout)?;
    let all: Vec<(Vec<u32>, &Vec<u32>)> =
        asked.questions().iter().flat_map(|q| q.answers.iter().map(|a| ([&q.prompt[..], a].concat(), a))).collect();
    let step = all.len().div_ceil(NAIVE).max(1);
    let (mut taken, mut measured, mut largest) = (0.0, 0, 0f64);
    for (i, (tokens, answer)) in all.iter().enumerate().step_by(step) {
        let started = Instant::now();
        let total = whole_pass(model, tokens, answer)?;
        taken += started.elapsed().as_secs_f64();
        measured += 1;
        largest = largest.max((total - shared[i]).abs());
    }
    let naive_seconds = taken / f64::from(measured.max(1)) * all.len() as f64;
    Ok(DolaBench {
        model: model.info.name.clone(),
        threads: rayon::current_num_threads(),
        set: set.name.clone(),
        questions: places.len(),
        answers: all.len(),
        scored_tokens: all.iter().map(|(_, answer)| answer.len()).sum(),
        configurations: points.len(),
        grid_seconds,
        bucket_seconds,
        grid_ratio: grid_seconds / bucket_seconds,
        final_norm_seconds,
        baseline_seconds,
        naive_seconds,
        baseline_ratio: naive_seconds / baseline_seconds,
        largest_difference: largest,
    })
}

/// Scores every answer under every configuration; returns the baseline's sums.
pub(super) fn run(model: &Model, asked: &Asked, configs: &[&Config], readout: Readout) -> Result<Vec<f64>, EvalError> {
    let layers = layers(configs.iter().copied());
    let mut sums = Vec::new();
    let mut kept = 0.0;
    asked.score(model, &layers, readout, |question| {
        for answer in 0..question.distinct() {
            sums.push(question.candidate(answer).map(|t| t.base).sum());
            for config in configs {
                let score = answer_score(question.candidate(answer), config);
                kept += score.ok_or_else(|| ModelError::Plan("a layer was not scored".into()))?.kept;
            }
        }
        Ok(())
    })?;
    // The compiler may not leave out what is timed.
    std::hint::black_box(kept);
    Ok(sums)
}

/// The log-probability of an answer behind its prompt, by a pass over all of it.
fn whole_pass(model: &Model, tokens: &[u32], answer: &[u32]) -> Result<f64, EvalError> {
    let first = tokens.len() - answer.len() - 1;
    let prompt = EditedPrompt { tokens: tokens[..tokens.len() - 1].to_vec(), edits: Vec::new() };
    let reads = Reads { top: ReadAt::From(first), ..Reads::default() };
    let trace = model.trace_edited(&[prompt], &reads)?.remove(0);
    let top = trace.top.ok_or_else(|| ModelError::Plan("nothing was read".into()))?;
    let targets: Vec<Vec<u32>> = answer.iter().map(|t| vec![*t]).collect();
    let readings = model.read(&top, FinalNorm::Apply, HeadKind::Full, &targets)?;
    Ok(readings.iter().map(|r| r.tokens[0].log_prob).sum())
}
