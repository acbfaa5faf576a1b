//! The cell of a vector that the user brings: nothing is chosen, so that every item is reported; the vector stands beside zero-shot and
//! few-shot prompts and beside vectors as long as it that know nothing.

mod prepare;

use steercheck_model::{Edit, Positions, Prefix, Row};
use steercheck_steer::given_vector::{GivenVector, Where};

use super::clock::Clock;
use super::variants::{self, PARTS, Scored};
use super::{Finished, Posed, Subject};
use crate::error::EvalError;
use crate::prompt::{Candidates, Pair};
use crate::record::{About, Arm, Chosen, ItemRecord, Items, Plan, Record, Results, Setting};
use crate::sample;
use crate::side_effects::{Acts, Unsteered};
use crate::task::Task;

pub use prepare::VectorOptions;

/// The arms, in the order of records and tables. A task with too few items for demonstrations has no few-shot arm.
const ARMS: [&str; 6] = ["zero-shot", "few-shot", "steered", "zero", "random-direction", "permuted"];

/// One item with everything that is asked about it.
struct Asked {
    posed: Posed,
    zero_shot: Candidates,
    few_shot: Option<Candidates>,
    demonstrations: Vec<Pair>,
}

/// A prepared cell.
pub struct VectorCell {
    plan: Plan,
    about: About,
    task: Task,
    vector: GivenVector,
    positions: Where,
    setting: Setting,
    test: Vec<Asked>,
    prepared_seconds: f64,
}

impl VectorCell {
    /// Runs the cell.
    pub fn run(&self, subject: &Subject<'_>, unsteered: Option<&Unsteered>) -> Result<Finished, EvalError> {
        let mut clock = Clock::new(self.prepared_seconds);
        let prompts: Vec<Vec<u32>> = self.test.iter().map(|a| a.zero_shot.prompt.clone()).collect();
        let prefixes = subject.model.prefill(&prompts)?;
        clock.lap("prefill");
        let items: Vec<Scored<'_>> =
            self.test.iter().map(|a| Scored { posed: &a.posed, candidates: &a.zero_shot }).collect();
        let edits = vec![self.edits(); self.test.len()];
        let run = variants::run(subject, &items, &prefixes, &edits, |p| self.unsteered(p))?;
        let names = ["zero-shot", "steered", "zero", "random-direction", "permuted"];
        let mut arms = run.arms(subject, &self.task, &items, &names)?;
        variants::check_zero(&self.task, &arms[0], &arms[2])?;
        let dose = run.dose(subject, &self.task, &items, [&arms[0], &arms[1]], names.len())?;
        clock.lap("test arms");
        arms.extend(self.few_shot(subject)?);
        arms.sort_by_key(|a| ARMS.iter().position(|n| *n == a.name));
        clock.lap("few-shot");
        let side_effects = subject.side_effects(self.acts().is_some(), unsteered, |_, position| {
            let mut edits = self.vector.edits(self.positions);
            if self.positions == Where::Last {
                for edit in &mut edits {
                    edit.positions = Positions::At(vec![position]);
                }
            }
            edits
        })?;
        clock.lap("side effects");
        let record = Record {
            plan: self.plan.clone(),
            about: self.about.clone(),
            results: Results {
                chosen: Chosen { setting: self.setting.clone(), dev_hits: None },
                grid: Vec::new(),
                arms,
                dose: Some(dose),
                side_effects,
                items: Items {
                    dev: Vec::new(),
                    test: self.test.iter().map(Asked::record).collect(),
                    baseline: Vec::new(),
                },
                ..Results::default()
            },
            timings: clock.finish(),
        };
        Ok(Finished { record, artefacts: Vec::new() })
    }

    /// The edits of every variant, the same for all items: placebos are drawn once per seed, as the vector is one for all.
    fn edits(&self) -> Vec<Vec<Edit>> {
        let seed = |purpose: &str| sample::derived_seed(self.plan.seed, purpose, 0);
        let full = [
            self.vector.clone(),
            self.vector.zero(),
            self.vector.random_direction(seed("random-direction")),
            self.vector.permuted(seed("permuted")),
        ];
        let parts = PARTS.map(|share| self.vector.scaled(share));
        let edited = full.iter().chain(&parts).map(|v| v.edits(self.positions));
        std::iter::once(Vec::new()).chain(edited).collect()
    }

    /// The unsteered row goes through what the steered rows go through.
    fn unsteered<'a>(&self, prefix: &'a Prefix) -> Row<'a> {
        match self.positions {
            Where::All => Row::baseline_from(prefix, 0),
            Where::Last => Row::baseline(prefix, self.vector.directions.first().map_or(0, |(residual, _)| *residual)),
        }
    }

    fn few_shot(&self, subject: &Subject<'_>) -> Result<Option<Arm>, EvalError> {
        let items = self.test.iter().map(|a| Some(Scored { posed: &a.posed, candidates: a.few_shot.as_ref()? }));
        let Some(items) = items.collect::<Option<Vec<Scored<'_>>>>() else { return Ok(None) };
        variants::unsteered_arm(subject, &self.task, "few-shot", &items).map(Some)
    }

    /// Where the vector is added on neutral text.
    pub fn acts(&self) -> Option<Acts> {
        self.plan.side_effects.as_ref()?;
        Some(match self.positions {
            Where::Last => Acts::AtLast,
            Where::All => Acts::Everywhere,
        })
    }

    /// What determines it.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The task's name.
    pub fn task_name(&self) -> &str {
        &self.about.task.name
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
