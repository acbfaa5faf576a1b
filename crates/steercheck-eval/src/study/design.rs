//! What is asked of a model: methods, each with its tasks, under one protocol. From it come the cells.

use std::borrow::Cow;

use steercheck_model::FinalNorm;

use super::Source;
use crate::cell::{
    Cell, Choices, DolaCell, DolaOptions, FunctionVectorCell, FunctionVectorOptions, Presented, Subject,
    TaskVectorCell, TaskVectorOptions,
};
use crate::error::EvalError;
use crate::protocol::{Profile, Protocol};

/// A method with its options.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// Task vectors.
    TaskVector,
    /// Function vectors.
    FunctionVector(Choices),
    /// `DoLa`, with or without the final norm before premature heads.
    Dola(FinalNorm),
}

impl Method {
    /// Its name for people.
    pub fn text(&self) -> &'static str {
        match self {
            Self::TaskVector => "task vectors",
            Self::FunctionVector(_) => "function vectors",
            Self::Dola(_) => "DoLa",
        }
    }
}

/// A method, and what it is tried on.
#[derive(Debug, Clone)]
pub struct Part {
    /// The method.
    pub method: Method,
    /// Tasks of a method that makes vectors, sets of questions of `DoLa`.
    pub sources: Vec<Source>,
}

/// What is asked of every model.
#[derive(Debug, Clone)]
pub struct Design {
    /// The protocol.
    pub protocol: Protocol,
    /// Item counts and grids.
    pub profile: Profile,
    /// Seeds of demonstrations, vectors and placebos.
    pub seeds: Vec<u64>,
    /// The methods.
    pub parts: Vec<Part>,
}

/// A task that cannot be run on this model by a method.
#[derive(Debug)]
pub struct NotRun {
    /// The task.
    pub task: String,
    /// The method.
    pub method: &'static str,
    /// Why.
    pub reason: EvalError,
}

/// One cell of a design, before there is a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Which part.
    pub part: usize,
    /// Which of its sources.
    pub source: usize,
    /// The seed.
    pub seed: u64,
}

/// What a design comes to on one model.
#[derive(Default)]
pub struct Prepared {
    /// The cells of every method, task and seed.
    pub cells: Vec<Cell>,
    /// What cannot be run: too few items for this tokenizer, prompts beyond this model's context.
    pub not_run: Vec<NotRun>,
}

impl Design {
    /// Every cell, method by method, task by task, seed by seed. Nothing but random layers depends on a seed of `DoLa`: it has one.
    pub fn wanted(&self) -> Vec<Wanted> {
        let mut out = Vec::new();
        for (part, asked) in self.parts.iter().enumerate() {
            let seeds = if matches!(asked.method, Method::Dola(_)) { &self.seeds[..1] } else { &self.seeds[..] };
            for source in 0..asked.sources.len() {
                out.extend(seeds.iter().map(|seed| Wanted { part, source, seed: *seed }));
            }
        }
        out
    }

    /// Prepares every cell.
    pub fn prepare(&self, subject: &Subject<'_>) -> Result<Prepared, EvalError> {
        self.prepare_some(subject, &self.wanted())
    }

    /// Prepares some cells. Errors are those of which no other task is free.
    pub fn prepare_some(&self, subject: &Subject<'_>, wanted: &[Wanted]) -> Result<Prepared, EvalError> {
        let mut out = Prepared::default();
        for Wanted { part, source, seed } in wanted {
            let Part { method, sources } = &self.parts[*part];
            let source = &sources[*source];
            let (task, method_text) = (source.name(), method.text());
            // What one seed has too few items for, all have.
            if out.not_run.iter().any(|n| n.task == task && n.method == method_text) {
                continue;
            }
            match self.cell(subject, *method, source, *seed) {
                Ok(cell) => out.cells.push(cell),
                Err(reason @ (EvalError::TooFewItems { .. } | EvalError::TooLong { .. })) => {
                    out.not_run.push(NotRun { task: task.to_string(), method: method_text, reason });
                }
                Err(e) => return Err(e),
            }
        }
        Ok(out)
    }

    fn cell(&self, subject: &Subject<'_>, method: Method, source: &Source, seed: u64) -> Result<Cell, EvalError> {
        let (protocol, profile) = (self.protocol.clone(), self.profile.clone());
        let presented = Presented::Method;
        Ok(match (method, source) {
            (Method::TaskVector, Source::Task(task)) => {
                let options = TaskVectorOptions { protocol, profile, seed, presented };
                Cell::TaskVector(Box::new(TaskVectorCell::prepare(subject, task, &options)?))
            }
            (Method::FunctionVector(choices), Source::Task(task)) => {
                let options = FunctionVectorOptions { protocol, choices, profile, seed, presented };
                Cell::FunctionVector(Box::new(FunctionVectorCell::prepare(subject, task, &options)?))
            }
            (Method::Dola(norm), Source::Set(set)) => {
                let options = DolaOptions { protocol, profile, seed, norm };
                Cell::Dola(Box::new(DolaCell::prepare(subject, set, &options)?))
            }
            (method, source) => {
                return Err(EvalError::NotOfMethod { task: source.name().to_string(), method: method.text() });
            }
        })
    }
}

/// A profile with other numbers is nobody's but the file's.
pub(super) fn custom(profile: &mut Profile) {
    profile.name = Cow::Borrowed("custom");
}
