//! Cells: one model, one method, one task, one seed. A cell is prepared first, so that what it costs is known and what it
//! cannot do is said before anything runs.

mod answer;
mod clock;
mod task_vector;

pub use task_vector::{Options as TaskVectorOptions, Presented, TaskVectorCell};
pub(crate) use task_vector::usable_items;

use steercheck_model::{Model, ModelError, Reading, Receipt, Tokenizer};

use crate::error::EvalError;
use crate::record::{Artefact, Outcome, Record};
use crate::task::Task;

/// What a cell that was run leaves: its record and what is kept beside it.
pub struct Finished {
    /// The record.
    pub record: Record,
    /// What the record refers to by key.
    pub artefacts: Vec<Artefact>,
}

/// What is examined.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The model.
    pub model: &'a Model,
    /// Its tokenizer.
    pub tokenizer: &'a Tokenizer,
}

impl Subject<'_> {
    /// The text of the most probable token, cut at the first line break and stripped, and whether it is right.
    fn judge(&self, task: &Task, reading: &Reading, answer: &str) -> Result<(String, bool), EvalError> {
        let text = self.tokenizer.decode(&[reading.top1])?;
        let text = text.split('\n').next().unwrap_or_default().trim().to_string();
        let hit = task.matching.accepts(&text, answer);
        Ok((text, hit))
    }

    /// Scores one reading of the answer's first token; `later` is what its further tokens add to its log-probability.
    fn outcome(
        &self,
        task: &Task,
        reading: &Reading,
        answer: &str,
        later: f64,
        receipts: &[Receipt],
    ) -> Result<Outcome, EvalError> {
        let (text, hit) = self.judge(task, reading, answer)?;
        let first = reading.tokens.first().ok_or_else(|| ModelError::Plan("no answer token was read".into()))?;
        Ok(Outcome {
            token: reading.top1,
            text,
            hit,
            rank: first.rank,
            log_prob: first.log_prob,
            answer_log_prob: first.log_prob + later,
            choices: Vec::new(),
            receipts: receipts.to_vec(),
        })
    }
}
