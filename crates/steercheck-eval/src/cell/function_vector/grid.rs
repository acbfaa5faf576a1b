//! The settings of a cell, and hits at each.

use std::sync::Arc;

use steercheck_model::{ModelError, Prefix};
use steercheck_steer::function_vector::{Injection, sweep};

use super::{Asked, FunctionVectorCell};
use crate::cell::Subject;
use crate::cell::answer::{self, Later};
use crate::error::EvalError;
use crate::prompt::Candidates;
use crate::record::{Setting, Value};

/// Rows that later tokens are scored in at once, where items have choices.
const ROWS: usize = 4096;

/// One point of the grid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    /// Index into the numbers of heads.
    pub(super) vector: usize,
    pub(super) heads: usize,
    pub(super) strength: f64,
    pub(super) residual: usize,
}

impl Place {
    pub(super) fn setting(&self) -> Setting {
        Setting::residual(self.residual)
            .with("heads", Value::Count(self.heads))
            .with("strength", Value::Number(self.strength))
    }

    pub(super) fn injection(&self, vectors: &[Arc<[f32]>]) -> Injection {
        Injection { vector: vectors[self.vector].clone(), strength: self.strength as f32, residual: self.residual }
    }
}

impl FunctionVectorCell {
    /// Hits of every place of the grid.
    pub(super) fn hits(
        &self,
        subject: &Subject<'_>,
        items: &[Asked],
        prefixes: &[Prefix],
        vectors: &[Arc<[f32]>],
    ) -> Result<Vec<usize>, EvalError> {
        let injections: Vec<Injection> = self.places.iter().map(|p| p.injection(vectors)).collect();
        let later = self.later(subject, items, &injections)?;
        let asked: Vec<Vec<u32>> = items.iter().map(|a| answer::first_tokens(&a.zero_shot)).collect();
        let mut hits = vec![0; injections.len()];
        let mut failed = None;
        sweep(subject.model, prefixes, &injections, &asked, |swept| {
            let item = &items[swept.item];
            let none = vec![Later::NONE; item.zero_shot.answers.len()];
            let later = later.as_ref().map_or(&none, |l| &l[swept.item][swept.setting]);
            match subject.is_hit(&self.task, &swept.reading, &item.posed.pair.answer, later) {
                Ok(hit) => hits[swept.setting] += usize::from(hit),
                Err(e) => failed = Some(e),
            }
            let fired = swept.receipts.iter().all(|r| r.fired == r.planned);
            if fired { Ok(()) } else { Err(ModelError::Plan("an edit of the grid did not fire".into())) }
        })?;
        failed.map_or(Ok(hits), Err)
    }

    /// What later tokens of each candidate add at each place, `[items][places][candidates]`. Only choices are told apart by them.
    fn later(
        &self,
        subject: &Subject<'_>,
        items: &[Asked],
        injections: &[Injection],
    ) -> Result<Option<Vec<Vec<Vec<Later>>>>, EvalError> {
        if !self.task.has_choices() {
            return Ok(None);
        }
        let candidates: Vec<&Candidates> = items.iter().map(|a| &a.zero_shot).collect();
        let tokens = |c: &&Candidates| c.answers.iter().map(|a| a.len() - 1).sum::<usize>();
        let places: usize = candidates.iter().map(tokens).sum();
        let mut out: Vec<Vec<Vec<Later>>> = vec![Vec::new(); items.len()];
        for part in injections.chunks((ROWS / places.max(1)).max(1)) {
            let edits: Vec<_> = part.iter().map(|i| vec![i.edit()]).collect();
            let later = answer::later_tokens(subject.model, &candidates, &vec![edits; items.len()])?;
            out.iter_mut().zip(later).for_each(|(all, part)| all.extend(part));
        }
        Ok(Some(out))
    }
}
