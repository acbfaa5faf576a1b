//! The arms on the test items at the chosen setting: the unsteered model, the method, its placebos, parts of its strength; and what is
//! presented as the method where that is a placebo.

use std::sync::Arc;

use steercheck_model::{Edit, ModelError, Prefix, Row};
use steercheck_steer::function_vector::{self, FunctionVector, HeadMeans, random_heads};
use steercheck_steer::placebo::random_direction;

use super::extract::Extracted;
use super::grid::Place;
use super::{FunctionVectorCell, Vectors};
use crate::cell::variants::{self, PARTS, Scored};
use crate::cell::{Presented, Subject};
use crate::error::EvalError;
use crate::record::{Arm, Dose};
use crate::sample;

/// The placebo of other heads.
const RANDOM_HEADS: &str = "random-heads";
/// Other heads carry something of the task, too, and some sets of them more than others: the method must be better than the best of so many.
pub(super) const RANDOM_DRAWS: usize = 10;

/// Mean head outputs of other prompts than the method's; none where they are not needed.
pub(super) struct OtherMeans {
    pub(super) shuffled: Option<HeadMeans>,
    pub(super) wrong: Option<HeadMeans>,
    pub(super) presented: Option<HeadMeans>,
}

/// The arms and, in a protocol with placebos, the answers' probabilities by strength.
pub(super) struct Steered {
    pub(super) arms: Vec<Arm>,
    pub(super) dose: Option<Dose>,
}

impl FunctionVectorCell {
    /// Zero-shot, steered and placebo arms at the chosen setting.
    pub(super) fn test_arms(
        &self,
        subject: &Subject<'_>,
        extracted: &Extracted,
        vectors: &Vectors,
        prefixes: &[Prefix],
        chosen: Place,
    ) -> Result<Steered, EvalError> {
        let items: Vec<Scored<'_>> =
            self.test.iter().map(|a| Scored { posed: &a.posed, candidates: &a.zero_shot }).collect();
        let mut names = vec!["zero-shot", "steered"];
        let injection = chosen.injection(&vectors.run);
        let mut edits: Vec<Vec<Edit>> = vec![Vec::new(), vec![injection.edit()]];
        if self.has_placebos() {
            names.extend(["zero", "random-direction", "shuffled-labels", "wrong-task"]);
            names.extend([RANDOM_HEADS; RANDOM_DRAWS]);
            edits.push(vec![injection.scaled(0.0).edit()]);
            let method = &vectors.method[chosen.vector];
            let seed = |purpose: &str| sample::derived_seed(self.plan.seed, purpose, 0);
            let placebos = [
                random_twin(&injection.vector, seed("random-direction")),
                self.of_other_prompts(subject, method, vectors.other.shuffled.as_ref())?,
                self.of_other_prompts(subject, method, vectors.other.wrong.as_ref())?,
            ];
            let draw = |i| sample::derived_seed(self.plan.seed, RANDOM_HEADS, i);
            let of_heads = (0..RANDOM_DRAWS).map(|i| self.of_other_heads(subject, extracted, method, draw(i)));
            let of_heads = of_heads.collect::<Result<Vec<_>, _>>()?;
            edits.extend(placebos.into_iter().chain(of_heads).map(|vector| vec![injection.with(vector).edit()]));
            edits.extend(PARTS.map(|share| vec![injection.scaled(share).edit()]));
        }
        // One vector for all items.
        let edits = vec![edits; items.len()];
        let run = variants::run(subject, &items, prefixes, &edits, |p| Row::baseline(p, chosen.residual))?;
        let arms = run.arms(subject, &self.task, &items, &names)?;
        if !self.has_placebos() {
            return Ok(Steered { arms, dose: None });
        }
        variants::check_zero(&self.task, &arms[0], &arms[2])?;
        let dose = run.dose(subject, &self.task, &items, [&arms[0], &arms[1]], names.len())?;
        Ok(Steered { arms: strongest_draw(arms), dose: Some(dose) })
    }

    /// The test items behind demonstrations that have each other's answers, unsteered and steered.
    pub(super) fn shuffled_prompts(
        &self,
        subject: &Subject<'_>,
        vectors: &Vectors,
        chosen: Place,
    ) -> Result<Vec<Arm>, EvalError> {
        let items = self.test.iter().map(|a| Some(Scored { posed: &a.posed, candidates: a.shuffled.as_ref()? }));
        let Some(items) = items.collect::<Option<Vec<Scored<'_>>>>() else { return Ok(Vec::new()) };
        let prompts: Vec<Vec<u32>> = items.iter().map(|i| i.candidates.prompt.clone()).collect();
        let prefixes = subject.model.prefill(&prompts)?;
        let edits = vec![vec![Vec::new(), vec![chosen.injection(&vectors.run).edit()]]; items.len()];
        let run = variants::run(subject, &items, &prefixes, &edits, |p| Row::baseline(p, chosen.residual))?;
        run.arms(subject, &self.task, &items, &["shuffled-prompt", "shuffled-prompt-steered"])
    }

    /// What is run in the place of a vector of the method.
    pub(super) fn presented_as(
        &self,
        subject: &Subject<'_>,
        extracted: &Extracted,
        other: &OtherMeans,
        method: &FunctionVector,
        index: usize,
    ) -> Result<Arc<[f32]>, EvalError> {
        let seed = || sample::derived_seed(self.plan.seed, "presented", index);
        match self.presented {
            Presented::Method => Ok(method.vector.clone()),
            Presented::RandomDirection => Ok(random_twin(&method.vector, seed())),
            Presented::RandomHeads => self.of_other_heads(subject, extracted, method, seed()),
            Presented::ShuffledLabels | Presented::WrongTask => {
                self.of_other_prompts(subject, method, other.presented.as_ref())
            }
        }
    }

    /// The same means of other heads.
    fn of_other_heads(
        &self,
        subject: &Subject<'_>,
        extracted: &Extracted,
        method: &FunctionVector,
        seed: u64,
    ) -> Result<Arc<[f32]>, EvalError> {
        let spec = &subject.model.spec;
        let heads = random_heads(&method.heads, spec.depth(), spec.heads, seed);
        self.sum(subject, &extracted.means, &heads)
    }

    /// The same heads' means over other prompts.
    fn of_other_prompts(
        &self,
        subject: &Subject<'_>,
        method: &FunctionVector,
        means: Option<&HeadMeans>,
    ) -> Result<Arc<[f32]>, EvalError> {
        let means = means.ok_or_else(|| ModelError::Plan("a placebo has no prompts of its own".into()))?;
        self.sum(subject, means, &method.heads)
    }

    fn sum(
        &self,
        subject: &Subject<'_>,
        means: &HeadMeans,
        heads: &[super::HeadSite],
    ) -> Result<Arc<[f32]>, EvalError> {
        let mut made = function_vector::vectors(subject.model, means, heads, &[heads.len()], self.bias)?;
        Ok(made.swap_remove(0).vector)
    }
}

/// Of the draws of random heads the first with the most hits.
fn strongest_draw(arms: Vec<Arm>) -> Vec<Arm> {
    let (mut draws, mut out): (Vec<Arm>, Vec<Arm>) = arms.into_iter().partition(|arm| arm.name == RANDOM_HEADS);
    let most = draws.iter().map(|arm| arm.hits).max();
    if let Some(at) = draws.iter().position(|arm| Some(arm.hits) == most) {
        out.push(draws.swap_remove(at));
    }
    out
}

/// A random direction of the same norm.
fn random_twin(vector: &Arc<[f32]>, seed: u64) -> Arc<[f32]> {
    let norm = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    random_direction(vector.len(), seed).into_iter().map(|x| (f64::from(x) * norm) as f32).collect()
}
