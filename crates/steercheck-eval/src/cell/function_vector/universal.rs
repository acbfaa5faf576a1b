//! Heads that serve all tasks: those with the largest effects averaged over tasks (Todd et al. 2023, §2.3).

use std::collections::{BTreeMap, BTreeSet};

use steercheck_steer::function_vector::{HeadSite, ranked};

use super::FunctionVectorCell;
use super::draws::{Draws, Labels, Shown};
use super::extract::{Extracted, Sources};
use crate::cell::Subject;
use crate::cell::posed::{Usable, usable};
use crate::error::EvalError;
use crate::prompt::Template;
use crate::protocol::Protocol;
use crate::record::Artefact;
use crate::task::{self, Task};

/// The tasks that Todd et al. look at first.
const TASKS: [&str; 6] =
    ["antonym", "capitalise", "country-capital", "english-french", "present-past", "singular-plural"];

/// Another task's prompts.
pub(super) struct Other {
    pub(super) name: String,
    /// Hash of its data.
    pub(super) hash: String,
    pub(super) means: Vec<Shown>,
    pub(super) effects: Vec<Shown>,
}

/// Prompts of every task of [`TASKS`] that shares no pair with this one: by the data and not by the name, so that no test item's
/// answer is in them.
pub(super) fn others(
    subject: &Subject<'_>,
    task: &Task,
    protocol: &Protocol,
    seed: u64,
) -> Result<Vec<Other>, EvalError> {
    let pairs: BTreeSet<(&str, &str)> = task.items.iter().map(|i| (i.input.as_str(), i.answer.as_str())).collect();
    let mut out = Vec::new();
    for name in TASKS {
        let other = task::builtin(name)?;
        if other.items.iter().any(|i| pairs.contains(&(i.input.as_str(), i.answer.as_str()))) {
            continue;
        }
        let hash = other.hash();
        let Usable { items, .. } = usable(subject, &Task { single_token: false, ..other }, protocol.single_token)?;
        let all: Vec<usize> = (0..items.len()).collect();
        let template = Template::QuestionAnswer;
        let draws = Draws { subject, template, items: &items, train: &all, queries: &all, seed };
        let means = draws.shown("means", Labels::True)?;
        let effects = draws.shown("effects", Labels::Permuted)?;
        out.push(Other { name: name.into(), hash, means, effects });
    }
    Ok(out)
}

impl FunctionVectorCell {
    /// Heads in the order in which they are taken, and what was kept of other tasks' prompts, by name.
    pub(super) fn ranking(
        &self,
        subject: &Subject<'_>,
        extracted: &Extracted,
    ) -> Result<(Vec<HeadSite>, BTreeMap<String, Artefact>), EvalError> {
        let mut sums = extracted.effects.means(self.scale);
        let mut artefacts = BTreeMap::new();
        for other in &self.others {
            let (means, effects) = (&other.means, &other.effects);
            let sources = Sources { means, effects, position: self.position, bias: self.bias };
            let of_other = sources.extract(subject)?;
            sums.iter_mut().zip(of_other.effects.means(self.scale)).for_each(|(sum, mean)| *sum += mean);
            artefacts.insert(format!("effects-{}", other.name), of_other.artefact);
        }
        Ok((ranked(&sums, subject.model.spec.heads), artefacts))
    }
}
