//! Cells: one model, one method, one task, one seed. A cell is prepared first, so that what it costs is known and what it
//! cannot do is said before anything runs.

mod answer;
mod clock;
mod dola;
mod function_vector;
mod lens;
mod planned;
mod posed;
mod task_vector;
mod variants;
mod vector;
mod wrong_task;

use std::path::Path;

use answer::Later;
pub use dola::{DolaCell, DolaOptions};
pub use function_vector::{Choices, FunctionVectorCell, FunctionVectorOptions, Heads, Pool, ReadAt, Selection, Split};
pub use lens::{LensAsked, LensCell, LensOptions};
pub use planned::Planned;
use posed::Posed;
pub(crate) use posed::usable_items;
pub use task_vector::{Options as TaskVectorOptions, TaskVectorCell};
pub use vector::{VectorCell, VectorOptions};

use steercheck_model::{Edit, Model, ModelError, Reading, Receipt, Tokenizer};

use crate::error::EvalError;
use crate::record::{Artefact, Outcome, Plan, Record};
use crate::side_effects::{self, Acts, NeutralText, SideEffects, Unsteered};
use crate::task::{Match, Task};

/// What is run as the method. Anything but the method itself serves to test the verdict: none of these should be found to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Presented {
    /// The method.
    #[default]
    Method,
    /// The residual moved as far as the method moves it, in random directions.
    RandomDirection,
    /// Function vectors of other heads, drawn apart from those of the placebo arm.
    RandomHeads,
    /// Vectors of demonstrations with each other's answers, drawn apart from those of the placebo arm.
    ShuffledLabels,
    /// Vectors of another task, drawn apart from those of the placebo arm.
    WrongTask,
}

impl Presented {
    /// The placebo's name; none for the method.
    pub fn placebo(self) -> Option<&'static str> {
        match self {
            Self::Method => None,
            Self::RandomDirection => Some("random-direction"),
            Self::RandomHeads => Some("random-heads"),
            Self::ShuffledLabels => Some("shuffled-labels"),
            Self::WrongTask => Some("wrong-task"),
        }
    }
}

/// A prepared cell of any method.
pub enum Cell {
    /// `DoLa`.
    Dola(Box<DolaCell>),
    /// Function vectors.
    FunctionVector(Box<FunctionVectorCell>),
    /// Task vectors.
    TaskVector(Box<TaskVectorCell>),
    /// A vector that the user brings.
    Vector(Box<VectorCell>),
}

impl Cell {
    /// Runs it. `unsteered` is the model on the neutral text; needed where side effects are measured.
    pub fn run(&self, subject: &Subject<'_>, unsteered: Option<&Unsteered>) -> Result<Finished, EvalError> {
        match self {
            Self::Dola(cell) => cell.run(subject),
            Self::FunctionVector(cell) => cell.run(subject, unsteered),
            Self::TaskVector(cell) => cell.run(subject, unsteered),
            Self::Vector(cell) => cell.run(subject, unsteered),
        }
    }

    /// What determines it.
    pub fn plan(&self) -> &Plan {
        match self {
            Self::Dola(cell) => cell.plan(),
            Self::FunctionVector(cell) => cell.plan(),
            Self::TaskVector(cell) => cell.plan(),
            Self::Vector(cell) => cell.plan(),
        }
    }

    /// Where the steering acts on neutral text; none where side effects are not measured.
    pub fn acts(&self) -> Option<Acts> {
        match self {
            Self::Dola(_) => None,
            Self::FunctionVector(cell) => cell.acts(),
            Self::TaskVector(cell) => cell.acts(),
            Self::Vector(cell) => cell.acts(),
        }
    }

    /// The task's name.
    pub fn task_name(&self) -> &str {
        match self {
            Self::Dola(cell) => cell.task_name(),
            Self::FunctionVector(cell) => cell.task_name(),
            Self::TaskVector(cell) => cell.task_name(),
            Self::Vector(cell) => cell.task_name(),
        }
    }

    /// The method, for people.
    pub fn method(&self) -> &'static str {
        match self {
            Self::Dola(_) => "DoLa",
            Self::FunctionVector(_) => "function vectors",
            Self::TaskVector(_) => "task vectors",
            Self::Vector(_) => "given vector",
        }
    }

    /// What is run on what, for people.
    pub fn title(&self) -> String {
        format!("{}, {}", self.method(), self.task_name())
    }

    /// Work ahead.
    pub fn planned(&self, model: &Model) -> Planned {
        match self {
            Self::Dola(cell) => cell.planned(model),
            Self::FunctionVector(cell) => cell.planned(model),
            Self::TaskVector(cell) => cell.planned(model),
            Self::Vector(cell) => cell.planned(model),
        }
    }

    /// About how often the weights of all blocks are gone through, each time once for all rows together: what a model that
    /// does not fit in memory is read again for.
    pub fn passes(&self) -> f64 {
        match self {
            Self::Dola(cell) => cell.passes(),
            Self::FunctionVector(cell) => cell.passes(),
            Self::TaskVector(cell) => cell.passes(),
            Self::Vector(cell) => cell.passes(),
        }
    }
}

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
    /// The text to measure side effects on; none to leave them out.
    pub neutral: Option<&'a NeutralText>,
    /// The folder whose artefacts are taken instead of being made again; none to make all of them.
    pub kept: Option<&'a Path>,
}

impl Subject<'_> {
    /// Measures side effects where the plan asks for them.
    fn side_effects(
        &self,
        planned: bool,
        unsteered: Option<&Unsteered>,
        edits: impl Fn(usize, usize) -> Vec<Edit>,
    ) -> Result<Option<SideEffects>, EvalError> {
        if !planned {
            return Ok(None);
        }
        let (Some(text), Some(unsteered)) = (self.neutral, unsteered) else {
            return Err(
                ModelError::Plan("side effects were planned, and the unsteered model was not run".into()).into()
            );
        };
        side_effects::measure(self.model, text, unsteered, edits).map(Some)
    }

    /// The text of the most probable token, cut at the first line break and stripped.
    fn said(&self, reading: &Reading) -> Result<String, EvalError> {
        let text = self.tokenizer.decode(&[reading.top1])?;
        Ok(text.split('\n').next().unwrap_or_default().trim().to_string())
    }

    /// Whether a reading is right: by the text of the most probable token or, for an item with choices, by the probability of the
    /// whole answer beside every other choice's. `later` is what each candidate's further tokens are.
    fn is_hit(&self, task: &Task, reading: &Reading, answer: &str, later: &[Later]) -> Result<bool, EvalError> {
        match &totals(reading, later)?[..] {
            [_] if task.matching == Match::FirstToken => Ok(reading.top1 == reading.tokens[0].token),
            [_] => Ok(task.matching.accepts(&self.said(reading)?, answer)),
            [right, others @ ..] => Ok(others.iter().all(|other| right > other)),
            [] => Ok(false),
        }
    }

    /// Scores one reading of the candidates' first tokens.
    fn outcome(
        &self,
        task: &Task,
        reading: &Reading,
        answer: &str,
        later: &[Later],
        receipts: &[Receipt],
    ) -> Result<Outcome, EvalError> {
        let totals = totals(reading, later)?;
        let first = reading.tokens.first().ok_or_else(|| ModelError::Plan("no answer token was read".into()))?;
        Ok(Outcome {
            token: reading.top1,
            text: self.said(reading)?,
            hit: self.is_hit(task, reading, answer, later)?,
            rank: first.rank,
            log_prob: first.log_prob,
            answer_log_prob: totals[0],
            completed: first.token == reading.top1 && later[0].greedy,
            choices: totals[1..].to_vec(),
            receipts: receipts.to_vec(),
        })
    }
}

/// Log-probability of each whole candidate, the right one's first.
fn totals(reading: &Reading, later: &[Later]) -> Result<Vec<f64>, EvalError> {
    if reading.tokens.len() != later.len() || later.is_empty() {
        return Err(ModelError::Plan("an answer was read without its later tokens".into()).into());
    }
    Ok(reading.tokens.iter().zip(later).map(|(first, later)| first.log_prob + later.log_prob).collect())
}
