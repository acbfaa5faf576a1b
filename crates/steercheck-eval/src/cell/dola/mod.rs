//! The `DoLa` cell (methods.md §1): every configuration of the grid scores every answer from one pass; the configuration is chosen on the
//! other folds and reported on the held-out one, beside the model itself, a random layer, a static one, and a bonus for length.

mod choose;
mod prepare;
mod scores;

use steercheck_model::{FinalNorm, Model, ModelError};
use steercheck_steer::dola::Readout;

use super::clock::Clock;
use super::{Finished, Planned, Subject, lens};
use crate::error::EvalError;
use crate::lens::{LensTable, Look};
use crate::protocol::{Placebos, Profile, Protocol};
use crate::record::{About, Arm, Chosen, Fold, ItemRecord, Items, Plan, Point, Record, Results};
use crate::scoring::grid::{ALPHAS, Bucket, GridPoint, layers};
use crate::scoring::{Asked, QuestionSet};
use choose::{Chooser, Chosen as ChosenPoints, published};
use scores::{Judge, Table};

/// The arms in the order of records and tables. The second is what the protocol calls the method; `random-layer` is its placebo, the
/// others are controls.
const ARMS: [&str; 8] = [
    "baseline",
    "steered",
    "random-layer",
    "static-layer",
    "length-constant",
    "unmasked",
    "baseline-without-period",
    "without-period",
];
/// Those of a protocol without placebos.
const ARMS_ALONE: [&str; 2] = ["baseline", "steered"];
/// Questions are drawn, and folds made, the same way for every seed.
const SPLIT_SEED: u64 = 0;
/// Counted up when the results change.
const VERSION: u32 = 2;

/// How a cell is run.
#[derive(Debug, Clone)]
pub struct DolaOptions {
    /// The protocol.
    pub protocol: Protocol,
    /// How many of the questions are asked.
    pub profile: Profile,
    /// Seed of the random layers.
    pub seed: u64,
    /// Whether premature residuals go through the final norm.
    pub norm: FinalNorm,
}

/// A prepared cell.
pub struct DolaCell {
    plan: Plan,
    about: About,
    set: QuestionSet,
    asked: Asked,
    buckets: Vec<Bucket>,
    points: Vec<GridPoint>,
    readout: Readout,
    /// Whether each answer of each question ends in a token that is only a period.
    periods: Vec<Vec<bool>>,
    /// The questions as the lens asks them; empty where it does not.
    looks: Vec<Look>,
    prepared_seconds: f64,
}

impl DolaCell {
    /// Runs the cell.
    pub fn run(&self, subject: &Subject<'_>) -> Result<Finished, EvalError> {
        let mut clock = Clock::new(self.prepared_seconds);
        let table = Table::read(self, subject.model)?;
        clock.lap("scores");
        let judge = Judge { kind: self.set.kind, halving: self.is_study() };
        let by_point = table.judged(&self.set, judge)?;
        let hits: Vec<Vec<bool>> = by_point.iter().map(|items| items.iter().map(|i| i.hit).collect()).collect();
        let n = self.set.questions.len();
        let chooser = Chooser::new(n);
        let chosen = if self.is_study() {
            ChosenPoints::all(published(&hits, &ALPHAS, self.buckets.len()), n)
        } else {
            chooser.choose(&hits)
        };
        let baseline = table.baseline(&self.set, judge)?;
        let steered = chosen.pick(&by_point);
        let mut arms = vec![Arm::scored("baseline", baseline), Arm::scored("steered", steered)];
        if self.plan.protocol.placebos == Placebos::All {
            arms.push(Arm::scored("random-layer", chosen.pick(&table.random(&self.set, judge)?)));
            for (name, control) in
                [("static-layer", table.fixed(&self.set, judge)?), ("length-constant", table.longer(&self.set, judge)?)]
            {
                let hits: Vec<Vec<bool>> = control.iter().map(|items| items.iter().map(|i| i.hit).collect()).collect();
                arms.push(Arm::scored(name, chooser.choose(&hits).pick(&control)));
            }
            arms.push(Arm::scored("unmasked", chosen.pick(&table.unmasked(&self.set, judge)?)));
            arms.push(Arm::scored("baseline-without-period", table.baseline_without_period(&self.set, judge)?));
            arms.push(Arm::scored("without-period", chosen.pick(&table.without_period(&self.set, judge)?)));
        }
        clock.lap("choice and arms");
        let lens = if self.looks.is_empty() { None } else { Some(LensTable::read(subject.model, &self.looks)?) };
        clock.lap("lens");
        let count = |hits: &[bool]| hits.iter().filter(|h| **h).count();
        let setting = |point: usize| self.points[point].setting.clone();
        let fold = |(items, point, hits): &(Vec<usize>, usize, usize)| Fold {
            items: items.clone(),
            setting: setting(*point),
            hits: *hits,
        };
        let record = Record {
            plan: self.plan.clone(),
            about: self.about.clone(),
            results: Results {
                chosen: Chosen { setting: setting(chosen.overall), dev_hits: None },
                grid: self
                    .points
                    .iter()
                    .zip(&hits)
                    .map(|(p, hits)| Point { setting: p.setting.clone(), dev: 0, test: count(hits) })
                    .collect(),
                folds: chosen.folds.iter().map(fold).collect(),
                layer_use: table.layer_use(&self.buckets),
                masks: table.masks(&self.points, &ALPHAS),
                boundary: Some(table.boundary()),
                lens,
                arms,
                items: Items { dev: Vec::new(), test: self.items(), baseline: Vec::new() },
                ..Results::default()
            },
            timings: clock.finish(),
        };
        Ok(Finished { record, artefacts: Vec::new() })
    }

    /// What determines it.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The set's name.
    pub fn task_name(&self) -> &str {
        &self.set.name
    }

    /// Work ahead.
    pub fn planned(&self, model: &Model) -> Planned {
        let depth = model.spec.depth() as u64;
        let tokens = |c: &crate::prompt::Candidates| {
            let texts: Vec<Vec<u32>> = c.answers.iter().map(|a| [&c.prompt[..], &a[..a.len() - 1]].concat()).collect();
            model.distinct_tokens(&texts.iter().collect::<Vec<_>>()) as u64
        };
        let shared = self.asked.common() as u64;
        let own: u64 = self.asked.questions().iter().map(|c| tokens(c).saturating_sub(shared)).sum();
        let looked = lens::work(model, &self.looks);
        Planned {
            prompts: (self.asked.questions().iter().map(|c| c.answers.len()).sum::<usize>() + self.looks.len()) as u64,
            rows: 0,
            patched: 0,
            work: (own + shared) * depth + looked,
            readings: self.looks.len() as u64 * (depth + 1),
            contrasts: self.asked.scored_tokens() * layers(self.points.iter().map(|p| &p.config)).len() as u64,
        }
    }

    /// About how often the weights of all blocks are gone through.
    pub fn passes(&self) -> f64 {
        1.0 + self.asked.batches().len() as f64 + LensTable::passes(&self.looks)
    }

    fn is_study(&self) -> bool {
        self.plan.protocol.name == Protocol::STUDY.name
    }

    fn items(&self) -> Vec<ItemRecord> {
        let one = |(question, candidates): (&crate::scoring::Question, &crate::prompt::Candidates)| ItemRecord {
            input: question.title.clone(),
            answer: question.answers.first().map(|a| a.text.clone()).unwrap_or_default(),
            answer_ids: candidates.answers[0].clone(),
            boundary_merged: candidates.boundary_merged,
            choices: question.answers.iter().skip(1).map(|a| a.text.clone()).collect(),
            demonstrations: Vec::new(),
            dummies: Vec::new(),
        };
        self.set.questions.iter().zip(self.asked.questions()).map(one).collect()
    }
}

/// What a table that does not fit the grid is.
fn missing() -> EvalError {
    ModelError::Plan("a layer of the grid was not scored".into()).into()
}
