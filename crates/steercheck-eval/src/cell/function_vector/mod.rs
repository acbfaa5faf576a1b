//! The function-vector cell (methods.md §2): make the vector, choose where, how strong and of how many heads it is on dev, report that on
//! test beside zero-shot, few-shot and placebos.

mod arms;
mod cost;
mod draws;
mod extract;
mod grid;
mod options;
mod prepare;
mod published_split;
mod universal;

use std::collections::BTreeMap;
use std::sync::Arc;

use steercheck_model::{Edit, ModelError, Positions};
use steercheck_steer::function_vector::{
    self, FunctionVector, HeadMeans, HeadSite, ProjectionBias, ReadPosition, Scale,
};

use super::clock::Clock;
use super::variants::{self, Scored};
use super::{Finished, Posed, Presented, Subject};
use crate::error::EvalError;
use crate::head_map::HeadMap;
use crate::prompt::{Candidates, Pair};
use crate::protocol::Placebos;
use crate::record::{
    About, Arm, Artefact, Chosen, ItemRecord, Items, Plan, Point, ReadOut, Record, Results, Shots, Value,
};
use crate::side_effects::{Acts, Unsteered};
use crate::task::Task;
use arms::OtherMeans;
use draws::Shown;
use extract::{Extracted, Sources};
use grid::Place;
use universal::Other;

pub use options::{Choices, FunctionVectorOptions, Heads, Pool, ReadAt, Selection, Split};

/// Demonstrations of the few-shot arm.
const FEW: usize = 5;
/// Tokens of the vector's read-out.
const READ_OUT: usize = 10;
/// Items are split the same way for every seed.
const SPLIT_SEED: u64 = 0;
/// Counted up when the results change.
const VERSION: u32 = 2;

/// The arms of a protocol with placebos, in the order of records and tables. The last two ask with demonstrations that have each
/// other's answers; the vector acts there as it does on zero-shot prompts.
const ARMS: [&str; 10] = [
    "zero-shot",
    "few-shot",
    "steered",
    "zero",
    "random-direction",
    "random-heads",
    "shuffled-labels",
    "wrong-task",
    "shuffled-prompt",
    "shuffled-prompt-steered",
];
/// Those of one without.
const ARMS_ALONE: [&str; 5] = ["zero-shot", "few-shot", "steered", "shuffled-prompt", "shuffled-prompt-steered"];

/// One item with everything that is asked about it.
struct Asked {
    posed: Posed,
    zero_shot: Candidates,
    demonstrations: Vec<Pair>,
    few_shot: Candidates,
    /// Behind ten demonstrations with each other's answers; asked of test items alone.
    shuffled: Option<Candidates>,
    /// By the profile's numbers of demonstrations; asked of test items alone.
    shots: Vec<Candidates>,
}

/// The prompts that vectors are made of.
struct Prompts {
    means: Vec<Shown>,
    effects: Vec<Shown>,
    /// Of the `shuffled-labels` placebo and the `wrong-task` placebo; empty without placebos.
    shuffled: Vec<Shown>,
    wrong: Vec<Shown>,
    /// Of what is presented as the method where that is another vector; empty elsewhere.
    presented: Vec<Shown>,
}

/// A prepared cell.
pub struct FunctionVectorCell {
    plan: Plan,
    about: About,
    task: Task,
    presented: Presented,
    position: ReadPosition,
    bias: ProjectionBias,
    scale: Scale,
    counts: Vec<usize>,
    places: Vec<Place>,
    shots: Vec<usize>,
    prompts: Prompts,
    /// Other tasks, whose effects choose the heads, too; none where the task's own choose them.
    others: Vec<Other>,
    dev: Vec<Asked>,
    test: Vec<Asked>,
    /// Whether the items that choose the setting are those that are reported.
    chosen_on_test: bool,
    prepared_seconds: f64,
}

/// The vectors of a cell, one per number of heads.
struct Vectors {
    method: Vec<FunctionVector>,
    /// What is run as the method.
    run: Vec<Arc<[f32]>>,
    other: OtherMeans,
}

impl FunctionVectorCell {
    /// Runs the cell.
    pub fn run(&self, subject: &Subject<'_>, unsteered: Option<&Unsteered>) -> Result<Finished, EvalError> {
        let mut clock = Clock::new(self.prepared_seconds);
        let (means, effects) = (&self.prompts.means, &self.prompts.effects);
        let sources = Sources { means, effects, position: self.position, bias: self.bias };
        let extracted = sources.extract(subject)?;
        clock.lap("effects of heads");
        let (ranking, of_others) = self.ranking(subject, &extracted)?;
        if !of_others.is_empty() {
            clock.lap("effects on other tasks");
        }
        let (vectors, mut artefacts) = self.vectors(subject, &extracted, &ranking)?;
        let heads = HeadMap::of(&extracted.effects, subject.model.spec.heads);
        let heads = heads.map_err(|e| ModelError::Plan(format!("the effects of heads cannot be weighed: {e}")))?;
        clock.lap("vectors");

        let dev = if self.chosen_on_test { &self.test } else { &self.dev };
        let dev_prefixes = subject.model.prefill(&zero_shot(dev))?;
        let dev_hits = self.hits(subject, dev, &dev_prefixes, &vectors.run)?;
        let most = dev_hits.iter().copied().max().unwrap_or(0);
        let chosen = self.places[dev_hits.iter().position(|h| *h == most).unwrap_or(0)];
        clock.lap("dev grid");

        let (prefixes, test_hits) = if self.chosen_on_test {
            (dev_prefixes, dev_hits.clone())
        } else {
            drop(dev_prefixes);
            let prefixes = subject.model.prefill(&zero_shot(&self.test))?;
            let hits = self.hits(subject, &self.test, &prefixes, &vectors.run)?;
            (prefixes, hits)
        };
        clock.lap("test grid");

        let steered = self.test_arms(subject, &extracted, &vectors, &prefixes, chosen)?;
        let mut arms = steered.arms;
        arms.push(self.few_shot(subject)?);
        arms.extend(self.shuffled_prompts(subject, &vectors, chosen)?);
        arms.sort_by_key(|a| ARMS.iter().position(|n| *n == a.name));
        clock.lap("test arms");
        let shots = self.shots(subject)?;
        clock.lap("numbers of demonstrations");

        let injection = chosen.injection(&vectors.run);
        let side_effects = subject.side_effects(self.acts().is_some(), unsteered, |_, position| {
            vec![Edit { positions: Positions::At(vec![position]), ..injection.edit() }]
        })?;
        clock.lap("side effects");

        let vector = Artefact {
            kind: "function-vector".into(),
            determinants: BTreeMap::from([("cell".to_string(), Value::Text(self.plan.key()))]),
            tensors: BTreeMap::from([(
                "vector".to_string(),
                (vec![injection.vector.len()], injection.vector.to_vec()),
            )]),
        };
        let point = |(place, (dev, test)): (&Place, (usize, usize))| Point { setting: place.setting(), dev, test };
        let record = Record {
            plan: self.plan.clone(),
            about: self.about.clone(),
            results: Results {
                chosen: Chosen { setting: chosen.setting(), dev_hits: Some(most) },
                grid: self.places.iter().zip(dev_hits.into_iter().zip(test_hits)).map(point).collect(),
                arms,
                dose: steered.dose,
                side_effects,
                items: Items {
                    dev: dev.iter().map(Asked::record).collect(),
                    test: self.test.iter().map(Asked::record).collect(),
                    baseline: Vec::new(),
                },
                shots,
                heads: Some(heads),
                read_out: read_out(subject, &injection.vector)?,
                artefacts: [("effects".to_string(), extracted.artefact.key()), ("vector".to_string(), vector.key())]
                    .into_iter()
                    .chain(of_others.iter().map(|(name, artefact)| (name.clone(), artefact.key())))
                    .collect(),
                ..Results::default()
            },
            timings: clock.finish(),
        };
        artefacts.extend([extracted.artefact, vector].into_iter().chain(of_others.into_values()));
        Ok(Finished { record, artefacts })
    }

    /// The vector acts at the last token alone.
    pub fn acts(&self) -> Option<Acts> {
        self.plan.side_effects.as_ref().map(|_| Acts::AtLast)
    }

    /// What determines it.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The task's name.
    pub fn task_name(&self) -> &str {
        &self.about.task.name
    }

    fn has_placebos(&self) -> bool {
        self.plan.protocol.placebos == Placebos::All
    }

    /// The vectors of the method and of what is presented as it, and what is kept of the latter's prompts and the placebos'.
    fn vectors(
        &self,
        subject: &Subject<'_>,
        extracted: &Extracted,
        ranking: &[HeadSite],
    ) -> Result<(Vectors, Vec<Artefact>), EvalError> {
        let method = function_vector::vectors(subject.model, &extracted.means, ranking, &self.counts, self.bias)?;
        let mut artefacts = Vec::new();
        let mut read = |shown: &[Shown]| -> Result<Option<HeadMeans>, EvalError> {
            if shown.is_empty() {
                return Ok(None);
            }
            let (means, artefact) = extract::other_means(subject, shown, self.position)?;
            artefacts.push(artefact);
            Ok(Some(means))
        };
        let p = &self.prompts;
        let other = OtherMeans { shuffled: read(&p.shuffled)?, wrong: read(&p.wrong)?, presented: read(&p.presented)? };
        let run = method.iter().enumerate();
        let run = run.map(|(i, vector)| self.presented_as(subject, extracted, &other, vector, i));
        let run = run.collect::<Result<_, _>>()?;
        Ok((Vectors { method, run, other }, artefacts))
    }

    /// The few-shot arm.
    fn few_shot(&self, subject: &Subject<'_>) -> Result<Arm, EvalError> {
        let items: Vec<Scored<'_>> =
            self.test.iter().map(|a| Scored { posed: &a.posed, candidates: &a.few_shot }).collect();
        variants::unsteered_arm(subject, &self.task, "few-shot", &items)
    }

    /// Hits by number of demonstrations.
    fn shots(&self, subject: &Subject<'_>) -> Result<Vec<Shots>, EvalError> {
        let mut out = Vec::with_capacity(self.shots.len());
        for (k, demonstrations) in self.shots.iter().enumerate() {
            let items: Vec<Scored<'_>> =
                self.test.iter().map(|a| Scored { posed: &a.posed, candidates: &a.shots[k] }).collect();
            let arm = variants::unsteered_arm(subject, &self.task, "shots", &items)?;
            out.push(Shots { demonstrations: *demonstrations, hits: arm.hits });
        }
        Ok(out)
    }
}

impl Asked {
    fn record(&self) -> ItemRecord {
        ItemRecord {
            input: self.posed.pair.input.clone(),
            answer: self.posed.pair.answer.clone(),
            answer_ids: self.zero_shot.answers[0].clone(),
            boundary_merged: self.zero_shot.boundary_merged,
            choices: self.posed.choices.clone(),
            demonstrations: self.demonstrations.clone(),
            dummies: Vec::new(),
        }
    }
}

fn zero_shot(items: &[Asked]) -> Vec<Vec<u32>> {
    items.iter().map(|a| a.zero_shot.prompt.clone()).collect()
}

/// The tokens that the vector makes most probable, as if it were a residual.
fn read_out(subject: &Subject<'_>, vector: &Arc<[f32]>) -> Result<Vec<ReadOut>, EvalError> {
    let one =
        |(token, log_prob): (u32, f64)| Ok(ReadOut { token, text: subject.tokenizer.decode(&[token])?, log_prob });
    function_vector::read_out(subject.model, vector, READ_OUT)?.into_iter().map(one).collect()
}

fn position_text(position: ReadPosition) -> &'static str {
    match position {
        ReadPosition::Last => "last",
        ReadPosition::Penultimate => "penultimate",
    }
}

fn bias_text(bias: ProjectionBias) -> &'static str {
    match bias {
        ProjectionBias::Kept => "kept",
        ProjectionBias::AsPublished => "as-published",
    }
}
