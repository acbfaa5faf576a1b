//! Mean head outputs and effects of a cell's prompts: made, or taken from where an earlier run left them.

use std::collections::BTreeMap;

use steercheck_steer::function_vector::{self, Effects, HeadMeans, ProjectionBias, ReadPosition};

use super::VERSION;
use super::draws::Shown;
use crate::cell::Subject;
use crate::error::EvalError;
use crate::record::{Artefact, ModelPlan, Value};

/// What a function vector is made from.
pub(super) struct Extracted {
    pub(super) means: HeadMeans,
    pub(super) effects: Effects,
    /// What is kept for later runs.
    pub(super) artefact: Artefact,
}

/// Prompts of means and of effects, and how they are read.
pub(super) struct Sources<'a> {
    pub(super) means: &'a [Shown],
    pub(super) effects: &'a [Shown],
    pub(super) position: ReadPosition,
    pub(super) bias: ProjectionBias,
}

impl Sources<'_> {
    /// Means and effects, of this run or an earlier one: nothing but the model, the prompts and how they are read determines them.
    pub(super) fn extract(&self, subject: &Subject<'_>) -> Result<Extracted, EvalError> {
        let spec = &subject.model.spec;
        let shape = vec![self.effects.len(), spec.depth(), spec.heads];
        let mut artefact = Artefact {
            kind: "head-effects".into(),
            determinants: self.determinants(subject),
            tensors: BTreeMap::new(),
        };
        if let Some(kept) = kept(subject, &artefact)? {
            let tensor = |name: &str| kept.tensors.get(name).map(|(_, numbers)| numbers.clone()).unwrap_or_default();
            let wide = |name: &str| tensor(name).into_iter().map(f64::from).collect();
            let means = HeadMeans::new(spec, tensor("means"))?;
            let effects = Effects::new(spec.depth(), spec.heads, wide("clean"), wide("patched"))?;
            return Ok(Extracted { means, effects, artefact: kept });
        }
        let means = HeadMeans::read(subject.model, &prompts(self.means), self.position)?;
        let answers: Vec<u32> = self.effects.iter().map(|s| s.candidates.answers[0][0]).collect();
        let effects = function_vector::effects(subject.model, &means, &prompts(self.effects), &answers, self.bias)?;
        let narrow = |numbers: &[f64]| numbers.iter().map(|x| *x as f32).collect::<Vec<f32>>();
        artefact.tensors = BTreeMap::from([
            ("means".to_string(), (means.shape().to_vec(), means.values().to_vec())),
            ("clean".to_string(), (shape[..1].to_vec(), narrow(effects.clean()))),
            ("patched".to_string(), (shape, narrow(effects.patched()))),
        ]);
        Ok(Extracted { means, effects, artefact })
    }

    fn determinants(&self, subject: &Subject<'_>) -> BTreeMap<String, Value> {
        let text = |name: &str, text: String| (name.to_string(), Value::Text(text));
        let mut all = model(subject);
        all.extend([
            text("means-prompts", hash(self.means)),
            text("effects-prompts", hash(self.effects)),
            text("read-at", super::position_text(self.position).into()),
            text("bias", super::bias_text(self.bias).into()),
        ]);
        all
    }
}

/// Mean head outputs alone, of other prompts: those of placebos. Of the prompts of another task there are the same for many cells.
pub(super) fn other_means(
    subject: &Subject<'_>,
    shown: &[Shown],
    position: ReadPosition,
) -> Result<(HeadMeans, Artefact), EvalError> {
    let mut determinants = model(subject);
    determinants.insert("means-prompts".into(), Value::Text(hash(shown)));
    determinants.insert("read-at".into(), Value::Text(super::position_text(position).into()));
    let mut artefact = Artefact { kind: "head-means".into(), determinants, tensors: BTreeMap::new() };
    if let Some(mut kept) = kept(subject, &artefact)? {
        let numbers = kept.tensors.remove("means").map(|(_, numbers)| numbers).unwrap_or_default();
        let means = HeadMeans::new(&subject.model.spec, numbers)?;
        kept.tensors.insert("means".into(), (means.shape().to_vec(), means.values().to_vec()));
        return Ok((means, kept));
    }
    let means = HeadMeans::read(subject.model, &prompts(shown), position)?;
    artefact.tensors.insert("means".into(), (means.shape().to_vec(), means.values().to_vec()));
    Ok((means, artefact))
}

/// What determines an artefact besides its prompts.
fn model(subject: &Subject<'_>) -> BTreeMap<String, Value> {
    let model = ModelPlan::of(subject.model);
    let text = |name: &str, text: String| (name.to_string(), Value::Text(text));
    BTreeMap::from([
        text("weights", model.weights),
        text("spec", model.spec),
        text("kernels", format!("{:?}", model.kernels).to_lowercase()),
        ("version".to_string(), Value::Count(VERSION as usize)),
    ])
}

/// The artefact as an earlier run left it; none if there is none.
fn kept(subject: &Subject<'_>, wanted: &Artefact) -> Result<Option<Artefact>, EvalError> {
    let Some(folder) = subject.kept else { return Ok(None) };
    let path = Artefact::path(folder, &wanted.key());
    if path.is_file() { Ok(Some(Artefact::read(&path)?)) } else { Ok(None) }
}

pub(super) fn prompts(shown: &[Shown]) -> Vec<Vec<u32>> {
    shown.iter().map(|s| s.candidates.prompt.clone()).collect()
}

/// BLAKE3 of prompts and answers as the model sees them.
fn hash(shown: &[Shown]) -> String {
    let mut hasher = blake3::Hasher::new();
    for list in shown.iter().flat_map(|s| [&s.candidates.prompt, &s.candidates.answers[0]]) {
        hasher.update(&(list.len() as u64).to_le_bytes());
        for token in list {
            hasher.update(&token.to_le_bytes());
        }
    }
    hasher.finalize().to_hex().to_string()
}
