//! Cells: one model, one method, one task, one seed. A cell is prepared first, so that what it costs is known and what it
//! cannot do is said before anything runs.

mod task_vector;

pub use task_vector::TaskVectorCell;

use steercheck_model::{Model, ModelError, Reading, Receipt, Tokenizer};

use crate::error::EvalError;
use crate::record::Outcome;
use crate::task::Task;

/// What is examined.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The model.
    pub model: &'a Model,
    /// Its tokenizer.
    pub tokenizer: &'a Tokenizer,
}

impl Subject<'_> {
    /// Scores one reading: the most probable token's text against the answer.
    fn outcome(
        &self,
        task: &Task,
        reading: &Reading,
        answer: &str,
        receipts: &[Receipt],
    ) -> Result<Outcome, EvalError> {
        let text = self.tokenizer.decode(&[reading.top1])?;
        let text = text.split('\n').next().unwrap_or_default().trim().to_string();
        let first = reading.tokens.first().ok_or_else(|| ModelError::Plan("no answer token was read".into()))?;
        Ok(Outcome {
            token: reading.top1,
            hit: task.matching.accepts(&text, answer),
            text,
            rank: first.rank,
            log_prob: first.log_prob,
            receipts: receipts.to_vec(),
        })
    }
}
