//! What can go wrong in an evaluation.

use std::path::PathBuf;

use steercheck_model::ModelError;
use thiserror::Error;

use crate::record::RecordError;
use crate::task::TaskError;

/// What went wrong. Every text says what to do next.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EvalError {
    /// The model or the engine.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A record or an artefact.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Prompts that the model's context does not hold.
    #[error(
        "the {method} prompts of '{task}' take up to {tokens} tokens, and the model's context has {context}; use a task with shorter inputs, \
         another method or another model"
    )]
    TooLong {
        /// The task.
        task: String,
        /// The method.
        method: &'static str,
        /// Tokens of the longest prompt with its answer.
        tokens: usize,
        /// Tokens that the model can see.
        context: usize,
    },
    /// A set whose answers have no beginnings that tell them apart.
    #[error(
        "the lens tells answers apart by their letters or first words, which the completions of '{task}' do not have; give questions with \
         true and false answers, or a task"
    )]
    NoLens {
        /// The set.
        task: String,
    },
    /// A study file.
    #[error(transparent)]
    Study(#[from] crate::study::StudyError),
    /// A task of another kind than a method has.
    #[error(
        "'{task}' is nothing that {method} can be tried on; DoLa scores sets of questions, the other methods take tasks"
    )]
    NotOfMethod {
        /// The task.
        task: String,
        /// The method.
        method: &'static str,
    },
    /// A task's data.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// A set of questions.
    #[error(transparent)]
    Scoring(#[from] crate::scoring::ScoringError),
    /// Too few items for the sizes asked for.
    #[error(
        "task '{task}' has {usable} usable items of {items} for this tokenizer and {needed} are needed ({dev} dev, {test} test, {rest} for prompts); choose a smaller profile or a task with more one-token answers"
    )]
    TooFewItems {
        /// Task.
        task: String,
        /// Items after the single-token rule.
        usable: usize,
        /// Items in the data.
        items: usize,
        /// Items needed.
        needed: usize,
        /// Of them for dev.
        dev: usize,
        /// Of them for test.
        test: usize,
        /// Of them for demonstrations, dummies and other uses.
        rest: usize,
    },
    /// The `zero` placebo changed something: the run is invalid.
    #[error(
        "the placebo of strength 0 changed the answer to item {item} of task '{task}': the run is invalid; please report this with the model's name"
    )]
    ZeroChanged {
        /// Task.
        task: String,
        /// Index of the item.
        item: usize,
    },
    /// Golden tensors that are not those of this model.
    #[error(
        "golden.safetensors cannot be compared with this model: {what}; give the folder that was computed from the same weights"
    )]
    Golden {
        /// The tensor and what is wrong with it.
        what: String,
    },
    /// Side effects cannot be measured on this model.
    #[error("side effects cannot be measured on the neutral text: {what}; leave them out for this model")]
    NeutralText {
        /// What does not fit.
        what: String,
    },
    /// A record could not be written.
    #[error("cannot write {}: {reason}; free some space or choose another folder", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        reason: String,
    },
}
