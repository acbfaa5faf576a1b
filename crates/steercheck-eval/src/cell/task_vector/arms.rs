//! The arms on the test items at the chosen residual: the unsteered model, the method, its placebos, and parts of its strength.

use steercheck_model::{Edit, Prefix, Row};
use steercheck_steer::task_vector::{self, TaskVector};

use super::{TaskVectorCell, extract, scored};
use crate::cell::Subject;
use crate::cell::variants::{self, PARTS};
use crate::error::EvalError;
use crate::protocol::Placebos;
use crate::record::{Arm, Dose};
use crate::sample;

/// The arms and, in a protocol with placebos, the answers' probabilities by strength.
pub(super) struct Steered {
    pub(super) arms: Vec<Arm>,
    pub(super) dose: Option<Dose>,
}

impl TaskVectorCell {
    /// Zero-shot, steered and placebo arms at the chosen residual.
    pub(super) fn test_arms(
        &self,
        subject: &Subject<'_>,
        prefixes: &[Prefix],
        vectors: &[TaskVector],
        residual: usize,
    ) -> Result<Steered, EvalError> {
        let mut names = vec!["zero-shot", "steered"];
        if self.has_placebos() {
            names.extend(["zero", "random-direction", "shuffled-labels", "wrong-task"]);
        }
        let edits = self.edits(subject, prefixes, vectors, residual)?;
        let items = scored(&self.test, |a| &a.zero_shot);
        let run = variants::run(subject, &items, prefixes, &edits, |p| Row::baseline(p, residual))?;
        let arms = run.arms(subject, &self.task, &items, &names)?;
        if !self.has_placebos() {
            return Ok(Steered { arms, dose: None });
        }
        variants::check_zero(&self.task, &arms[0], &arms[2])?;
        let dose = run.dose(subject, &self.task, &items, [&arms[0], &arms[1]], names.len())?;
        Ok(Steered { arms, dose: Some(dose) })
    }

    /// One list of edits per item and variant, the arms first: none for the unsteered model.
    fn edits(
        &self,
        subject: &Subject<'_>,
        prefixes: &[Prefix],
        vectors: &[TaskVector],
        residual: usize,
    ) -> Result<Vec<Vec<Vec<Edit>>>, EvalError> {
        let method = |vector| Ok::<_, EvalError>(vec![vec![], vec![task_vector::injection(vector, residual)?]]);
        if !self.has_placebos() {
            return vectors.iter().map(method).collect();
        }
        let shuffled = extract(subject.model, &self.test, |a| &a.shuffled, Some(residual))?;
        let wrong = extract(subject.model, &self.test, |a| &a.wrong, Some(residual))?;
        let mut out = Vec::with_capacity(vectors.len());
        for (i, (prefix, vector)) in prefixes.iter().zip(vectors).enumerate() {
            let mut variants = method(vector)?;
            let seed = sample::derived_seed(self.plan.seed, "random-direction", i);
            variants.push(vec![task_vector::zero(vector, residual)?]);
            variants.push(vec![task_vector::random_direction(vector, prefix, residual, seed)?]);
            variants.push(vec![task_vector::injection(&shuffled[i], residual)?]);
            variants.push(vec![task_vector::injection(&wrong[i], residual)?]);
            for share in PARTS {
                variants.push(vec![task_vector::partial(vector, prefix, residual, share)?]);
            }
            out.push(variants);
        }
        Ok(out)
    }

    pub(super) fn has_placebos(&self) -> bool {
        self.plan.protocol.placebos == Placebos::All
    }

    /// Variants of every test item: arms with an edit or without, and parts of the strength.
    pub(super) fn variants(&self) -> usize {
        if self.has_placebos() { 6 + PARTS.len() } else { 2 }
    }
}
