//! Items run in several variants over their prefixes: unsteered, steered, with placebos, at parts of the strength; and the arms and
//! doses made of them.

use steercheck_model::{Edit, FinalNorm, HeadKind, Prefix, Reading, Receipt, Row};
use steercheck_steer::reading::read_rows;

use super::answer::{self, Later};
use super::{Posed, Subject};
use crate::error::EvalError;
use crate::prompt::Candidates;
use crate::record::{Arm, Dose, Outcome};
use crate::task::Task;

pub(super) use crate::side_effects::PARTS;

/// One item's prompt and what it is scored against.
#[derive(Clone, Copy)]
pub(super) struct Scored<'a> {
    pub(super) posed: &'a Posed,
    pub(super) candidates: &'a Candidates,
}

/// What was read of one arm, one entry per item; `receipts` is empty for arms without edits.
pub(super) struct Read {
    pub(super) readings: Vec<Reading>,
    /// Each candidate's later tokens, `[items][candidates]`.
    pub(super) later: Vec<Vec<Later>>,
    pub(super) receipts: Vec<Vec<Receipt>>,
}

/// What was read of every item in every variant.
pub(super) struct Variants {
    count: usize,
    readings: Vec<Reading>,
    receipts: Vec<Vec<Receipt>>,
    /// `[items][variants][candidates]`.
    later: Vec<Vec<Vec<Later>>>,
}

/// Runs every variant of every item: rows of one batch, so that they differ by their edits alone. `edits` is
/// `[items][variants]`, an empty list being the unsteered model, whose row `unsteered` makes.
pub(super) fn run<'a>(
    subject: &Subject<'_>,
    items: &[Scored<'_>],
    prefixes: &'a [Prefix],
    edits: &[Vec<Vec<Edit>>],
    unsteered: impl Fn(&'a Prefix) -> Row<'a>,
) -> Result<Variants, EvalError> {
    let (mut rows, mut asked) = (Vec::new(), Vec::new());
    for ((prefix, variants), item) in prefixes.iter().zip(edits).zip(items) {
        for edits in variants {
            rows.push(if edits.is_empty() { unsteered(prefix) } else { Row::edited(prefix, edits.clone()) });
            asked.push(answer::first_tokens(item.candidates));
        }
    }
    let (readings, receipts) = read_rows(subject.model, &rows, &asked)?;
    let candidates: Vec<&Candidates> = items.iter().map(|i| i.candidates).collect();
    let later = answer::later_tokens(subject.model, &candidates, edits)?;
    Ok(Variants { count: edits.first().map_or(0, Vec::len), readings, receipts, later })
}

impl Variants {
    /// Variant k of every item.
    pub(super) fn read(&self, k: usize) -> Read {
        Read {
            readings: self.readings.iter().skip(k).step_by(self.count).cloned().collect(),
            later: self.later.iter().map(|variants| variants[k].clone()).collect(),
            receipts: self.receipts.iter().skip(k).step_by(self.count).cloned().collect(),
        }
    }

    /// The first variants as arms of these names.
    pub(super) fn arms(
        &self,
        subject: &Subject<'_>,
        task: &Task,
        items: &[Scored<'_>],
        names: &[&str],
    ) -> Result<Vec<Arm>, EvalError> {
        names.iter().enumerate().map(|(k, name)| arm(subject, task, name, items, &self.read(k))).collect()
    }

    /// The answers' probabilities and hits by strength, where the variants from `first` on are [`PARTS`] of it.
    pub(super) fn dose(
        &self,
        subject: &Subject<'_>,
        task: &Task,
        items: &[Scored<'_>],
        [unsteered, steered]: [&Arm; 2],
        first: usize,
    ) -> Result<Dose, EvalError> {
        let part = |k| arm(subject, task, "part", items, &self.read(k));
        let parts = (first..self.count).map(part).collect::<Result<Vec<Arm>, _>>()?;
        let arms: Vec<&Arm> = [unsteered].into_iter().chain(&parts).chain([steered]).collect();
        let hits = arms.iter().map(|arm| arm.hits).collect();
        let of_item = |i: usize| arms.iter().map(|arm| arm.outcomes[i].answer_log_prob).collect();
        let answer_log_probs = (0..items.len()).map(of_item).collect();
        let shares = [0.0].into_iter().chain(PARTS.map(f64::from)).chain([1.0]).collect();
        Ok(Dose { shares, answer_log_probs, hits })
    }
}

/// An error if strength 0 changed anything, bit for bit.
pub(super) fn check_zero(task: &Task, unsteered: &Arm, zero: &Arm) -> Result<(), EvalError> {
    let differs = |(a, b): (&Outcome, &Outcome)| !a.same_answer(b);
    match unsteered.outcomes.iter().zip(&zero.outcomes).position(differs) {
        Some(item) => Err(EvalError::ZeroChanged { task: task.name.clone(), item }),
        None => Ok(()),
    }
}

/// An arm of prompts that nothing is done to and that are needed once: each is run to the top and read.
pub(super) fn unsteered_arm(
    subject: &Subject<'_>,
    task: &Task,
    name: &str,
    items: &[Scored<'_>],
) -> Result<Arm, EvalError> {
    let prompts: Vec<Vec<u32>> = items.iter().map(|i| i.candidates.prompt.clone()).collect();
    let asked: Vec<Vec<u32>> = items.iter().map(|i| answer::first_tokens(i.candidates)).collect();
    let top = subject.model.last_residual(&prompts)?;
    let readings = subject.model.read(&top, FinalNorm::Apply, HeadKind::Full, &asked)?;
    let candidates: Vec<&Candidates> = items.iter().map(|i| i.candidates).collect();
    let later = answer::later_tokens_unsteered(subject.model, &candidates)?;
    arm(subject, task, name, items, &Read { readings, later, receipts: Vec::new() })
}

/// Scores what was read of one arm.
pub(super) fn arm(
    subject: &Subject<'_>,
    task: &Task,
    name: &str,
    items: &[Scored<'_>],
    read: &Read,
) -> Result<Arm, EvalError> {
    let none = Vec::new();
    let outcomes = items
        .iter()
        .enumerate()
        .map(|(i, item)| {
            let receipts = read.receipts.get(i).unwrap_or(&none);
            subject.outcome(task, &read.readings[i], &item.posed.pair.answer, &read.later[i], receipts)
        })
        .collect::<Result<Vec<Outcome>, _>>()?;
    Ok(Arm::new(name, outcomes))
}
