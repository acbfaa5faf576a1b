//! Many prompts: how probable every residual makes each answer.

use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use steercheck_model::{FinalNorm, HeadKind, Model, ModelError, ReadAt, Reads};

use super::Look;
use crate::error::EvalError;

/// Prompts that go through the model together.
const TOGETHER: usize = 8;

/// What the residuals at the last token of some prompts say, through the final norm and the whole head; residual 0 first.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LensTable {
    /// Probability of the most probable token: `[items][L + 1]`.
    pub top: Vec<Vec<f32>>,
    /// Whether that token is the one that the model says in the end, likewise.
    pub settled: Vec<Vec<bool>>,
    /// Probability of each answer's first token, the right answer's first: `[items][answers][L + 1]`.
    pub probability: Vec<Vec<Vec<f32>>>,
    /// Tokens that are more probable than it, likewise.
    pub rank: Vec<Vec<Vec<u32>>>,
}

impl LensTable {
    /// Reads every residual at the last token of every prompt.
    pub fn read(model: &Model, looks: &[Look]) -> Result<Self, EvalError> {
        let mut out = Self::default();
        for some in looks.chunks(TOGETHER) {
            let prompts: Vec<Vec<u32>> = some.iter().map(|look| look.prompt.clone()).collect();
            let traces = model.trace(&prompts, &Reads { residual: ReadAt::Last, ..Reads::default() })?;
            for (look, trace) in some.iter().zip(traces) {
                // [L + 1, 1, D]
                let residual = trace.residual.ok_or_else(|| ModelError::Plan("nothing was read".into()))?;
                out.push(model, &residual.squeeze(1).map_err(ModelError::from)?, &look.answers)?;
            }
        }
        Ok(out)
    }

    fn push(&mut self, model: &Model, residual: &Tensor, answers: &[u32]) -> Result<(), EvalError> {
        let asked = vec![answers.to_vec(); model.spec.depth() + 1];
        let readings = model.read(residual, FinalNorm::Apply, HeadKind::Full, &asked)?;
        let last = readings.last().map(|r| r.top1);
        self.top.push(readings.iter().map(|r| r.top1_log_prob.exp() as f32).collect());
        self.settled.push(readings.iter().map(|r| Some(r.top1) == last).collect());
        let each = 0..answers.len();
        self.probability
            .push(each.clone().map(|a| readings.iter().map(|r| r.tokens[a].log_prob.exp() as f32).collect()).collect());
        self.rank.push(each.map(|a| readings.iter().map(|r| r.tokens[a].rank as u32).collect()).collect());
        Ok(())
    }

    /// About how often the weights of all blocks are gone through for so many prompts.
    pub(crate) fn passes(looks: &[Look]) -> f64 {
        looks.len().div_ceil(TOGETHER) as f64
    }

    /// Items.
    pub fn items(&self) -> usize {
        self.top.len()
    }

    /// Whether there is one number per item, answer and residual everywhere, and every probability is one.
    pub fn is_whole(&self) -> bool {
        let (items, residuals) = (self.items(), self.top.first().map_or(0, Vec::len));
        if residuals < 2 || [self.settled.len(), self.probability.len(), self.rank.len()] != [items; 3] {
            return false;
        }
        let row = |i: usize| {
            let (probability, rank) = (&self.probability[i], &self.rank[i]);
            let mut widths = probability.iter().map(Vec::len).chain(rank.iter().map(Vec::len));
            [self.top[i].len(), self.settled[i].len()] == [residuals; 2]
                && !rank.is_empty()
                && rank.len() == probability.len()
                && widths.all(|width| width == residuals)
        };
        // Sums of rounded numbers may be a hair above 1.
        let mut all = self.top.iter().chain(self.probability.iter().flatten()).flatten();
        (0..items).all(row) && all.all(|p| (0.0..=1.00001).contains(p))
    }
}
