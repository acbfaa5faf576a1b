//! How fast a model runs here, measured in a few seconds: what the hours of a plan are made of.

use std::time::Instant;

use candle_core::{DType, Tensor};
use steercheck_model::{FinalNorm, HeadKind, Model, ModelError, Reads, Tokenizer};
use steercheck_steer::dola::{Config, Measure, Readout};

use super::dola;
use crate::cell::Planned;
use crate::error::EvalError;
use crate::scoring::grid::{ALPHAS, buckets, grid, layers};
use crate::scoring::{Asked, QuestionSet};
use crate::side_effects::TEXT;

/// Tokens of a prompt that is timed: those of a question with a few examples, most of which prompts share.
const TOKENS: usize = 16;
/// Prompts at most, and rows that are read.
const MOST: usize = 128;
/// A measurement that takes so long is long enough.
const ENOUGH: f64 = 0.4;

/// Seconds per unit of [`Planned`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Per row × block.
    pub work: f64,
    /// Per row that is unembedded and read.
    pub reading: f64,
    /// Per token × premature layer; none where no questions were given.
    pub contrast: Option<f64>,
}

impl Rates {
    /// Times passes of growing numbers of prompts, readings of their rows, and the grid of `DoLa` on the first question of a set.
    pub fn measure(model: &Model, tokenizer: &Tokenizer, set: Option<&QuestionSet>) -> Result<Self, EvalError> {
        let work = of_work(model, tokenizer)?;
        let reading = of_reading(model)?;
        let contrast = set.map(|set| of_contrast(model, tokenizer, set, work)).transpose()?;
        Ok(Self { work, reading, contrast })
    }

    /// What some work will take.
    pub fn seconds(&self, planned: &Planned) -> f64 {
        self.work * planned.work as f64
            + self.reading * planned.readings as f64
            + self.contrast.unwrap_or(0.0) * planned.contrasts as f64
    }
}

fn of_work(model: &Model, tokenizer: &Tokenizer) -> Result<f64, EvalError> {
    let ids = tokenizer.encode(TEXT)?;
    let mut n = 4;
    loop {
        // Windows that begin at different tokens share nothing.
        let window = |i: usize| ids.iter().cycle().skip(3 * i).take(TOKENS).copied().collect::<Vec<u32>>();
        let prompts: Vec<Vec<u32>> = (0..n).map(window).collect();
        let rows = (model.distinct_tokens(&prompts.iter().collect::<Vec<_>>()) * model.spec.depth()) as f64;
        let started = Instant::now();
        model.trace(&prompts, &Reads::LAST_RESIDUALS)?;
        let seconds = started.elapsed().as_secs_f64();
        if seconds >= ENOUGH || n >= MOST {
            return Ok(seconds / rows.max(1.0));
        }
        n *= 4;
    }
}

fn of_reading(model: &Model) -> Result<f64, EvalError> {
    let rows = |n: usize| Tensor::ones((n, model.spec.hidden_size), DType::F32, model.device());
    let mut n = 4;
    loop {
        let residuals = rows(n).map_err(ModelError::Engine)?;
        let started = Instant::now();
        model.read(&residuals, FinalNorm::Apply, HeadKind::Full, &vec![vec![0]; n])?;
        let seconds = started.elapsed().as_secs_f64();
        if seconds >= ENOUGH || n >= MOST {
            return Ok(seconds / n as f64);
        }
        n *= 4;
    }
}

fn of_contrast(model: &Model, tokenizer: &Tokenizer, set: &QuestionSet, work: f64) -> Result<f64, EvalError> {
    let asked = Asked::new(tokenizer, set)?.some(&[0]);
    let spec = &model.spec;
    let points = grid(&buckets(spec.depth(), model.info.parameters), &ALPHAS, Measure::Paper);
    let configs: Vec<&Config> = points.iter().map(|p| &p.config).collect();
    let readout = Readout { norm: FinalNorm::Skip, mature: HeadKind::Full, premature: HeadKind::Full };
    let texts: Vec<Vec<u32>> = asked
        .questions()
        .iter()
        .flat_map(|q| q.answers.iter().map(|a| [&q.prompt[..], &a[..a.len() - 1]].concat()))
        .collect();
    let passed = (model.distinct_tokens(&texts.iter().collect::<Vec<_>>()) * spec.depth()) as f64;
    let started = Instant::now();
    dola::run(model, &asked, &configs, readout)?;
    let seconds = started.elapsed().as_secs_f64() - passed * work;
    let compared = asked.scored_tokens() as f64 * layers(configs.iter().copied()).len() as f64;
    Ok(seconds.max(0.0) / compared.max(1.0))
}
