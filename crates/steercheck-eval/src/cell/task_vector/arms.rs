//! The arms on the test items at the chosen residual: the unsteered model, the method, its placebos, and parts of its strength.

use steercheck_model::{Edit, Prefix, Reading, Receipt, Row};
use steercheck_steer::task_vector::{self, TaskVector};

use super::{Asked, TaskVectorCell, extract};
use crate::cell::{Subject, answer};
use crate::error::EvalError;
use crate::prompt::Question;
use crate::protocol::Placebos;
use crate::record::{Arm, Dose, Outcome};
use crate::sample;

/// Shares of the way to θ between the unsteered model and the method.
const PARTS: [f32; 3] = [0.25, 0.5, 0.75];

/// What was read of one arm, one entry per item; `receipts` is empty for arms without edits.
pub(super) struct Read {
    pub(super) readings: Vec<Reading>,
    /// Log-probability of the answer's later tokens.
    pub(super) later: Vec<f64>,
    pub(super) receipts: Vec<Vec<Receipt>>,
}

/// The arms and, in a protocol with placebos, the answers' probabilities by strength.
pub(super) struct Steered {
    pub(super) arms: Vec<Arm>,
    pub(super) dose: Option<Dose>,
}

impl TaskVectorCell {
    /// Zero-shot, steered and placebo arms at the chosen residual: rows of one batch, so that they differ by their edits
    /// alone.
    pub(super) fn test_arms(
        &self,
        subject: &Subject<'_>,
        prefixes: &[Prefix],
        vectors: &[TaskVector],
        residual: usize,
    ) -> Result<Steered, EvalError> {
        let placebos = self.plan.protocol.placebos == Placebos::All;
        let edits = self.edits(subject, prefixes, vectors, residual)?;
        let mut names = vec!["zero-shot", "steered"];
        if placebos {
            names.extend(["zero", "random-direction", "shuffled-labels", "wrong-task"]);
        }
        // Parts of the strength follow the arms.
        let variants = edits.first().map_or(names.len(), Vec::len);
        let mut rows = Vec::new();
        let mut asked = Vec::new();
        for ((prefix, variants), item) in prefixes.iter().zip(&edits).zip(&self.test) {
            for edits in variants {
                rows.push(if edits.is_empty() {
                    Row::baseline(prefix, residual)
                } else {
                    Row::edited(prefix, edits.clone())
                });
                asked.push(vec![item.zero_shot.answer[0]]);
            }
        }
        let (readings, receipts) = task_vector::read_rows(subject.model, &rows, &asked)?;
        let questions: Vec<&Question> = self.test.iter().map(|a| &a.zero_shot).collect();
        let later = answer::later_tokens(subject.model, &questions, &edits)?;
        let every = |k: usize| Read {
            readings: readings.iter().skip(k).step_by(variants).cloned().collect(),
            later: later.iter().map(|variants| variants[k]).collect(),
            receipts: receipts.iter().skip(k).step_by(variants).cloned().collect(),
        };
        let arms = names
            .iter()
            .enumerate()
            .map(|(k, name)| self.arm(subject, name, &self.test, &every(k)))
            .collect::<Result<Vec<Arm>, _>>()?;
        if !placebos {
            return Ok(Steered { arms, dose: None });
        }
        let (zero_shot, steered, zero) = (&arms[0], &arms[1], &arms[2]);
        let differs = |(a, b): (&Outcome, &Outcome)| !a.same_answer(b);
        if let Some(item) = zero_shot.outcomes.iter().zip(&zero.outcomes).position(differs) {
            return Err(EvalError::ZeroChanged { task: self.about.task.name.clone(), item });
        }
        let parts: Vec<Vec<f64>> = (names.len()..variants)
            .map(|k| {
                let read = every(k);
                let first = |r: &Reading| r.tokens.first().map_or(f64::NAN, |t| t.log_prob);
                read.readings.iter().zip(&read.later).map(|(r, later)| first(r) + later).collect()
            })
            .collect();
        let answer_log_probs = (0..self.test.len())
            .map(|i| {
                let between = parts.iter().map(|part| part[i]);
                let (none, full) = (zero_shot.outcomes[i].answer_log_prob, steered.outcomes[i].answer_log_prob);
                [none].into_iter().chain(between).chain([full]).collect()
            })
            .collect();
        let shares = [0.0].into_iter().chain(PARTS.map(f64::from)).chain([1.0]).collect();
        Ok(Steered { arms, dose: Some(Dose { shares, answer_log_probs }) })
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
        if self.plan.protocol.placebos == Placebos::None {
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

    /// Scores what was read.
    pub(super) fn arm(
        &self,
        subject: &Subject<'_>,
        name: &str,
        items: &[Asked],
        read: &Read,
    ) -> Result<Arm, EvalError> {
        let none = Vec::new();
        let outcomes = items
            .iter()
            .enumerate()
            .map(|(i, item)| {
                let receipts = read.receipts.get(i).unwrap_or(&none);
                subject.outcome(&self.task, &read.readings[i], &item.pair.answer, read.later[i], receipts)
            })
            .collect::<Result<Vec<Outcome>, _>>()?;
        Ok(Arm::new(name, outcomes))
    }

    /// Variants of every test item: arms with an edit or without, and parts of the strength.
    pub(super) fn variants(&self) -> usize {
        if self.plan.protocol.placebos == Placebos::All { 6 + PARTS.len() } else { 2 }
    }
}
