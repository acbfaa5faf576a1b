//! The `DoLa` cell (methods.md §1): every configuration of the grid scores every answer from one pass; the configuration is chosen on the
//! other folds and reported on the held-out one, beside the model itself, a random layer, a static one, and a bonus for length.

mod choose;
mod scores;

use std::collections::BTreeMap;
use std::time::Instant;

use steercheck_model::{FinalNorm, HeadKind, Model, ModelError};
use steercheck_steer::dola::{Measure, Readout};

use super::clock::Clock;
use super::{Finished, Subject};
use crate::error::EvalError;
use crate::protocol::{Placebos, Profile, Protocol};
use crate::record::{
    About, Arm, Chosen, Counts, Fold, ItemRecord, Items, MethodPlan, ModelPlan, Plan, Point, Record, Results, TaskInfo,
    TokenizerInfo, Value,
};
use crate::sample;
use crate::scoring::grid::{ALPHAS, Bucket, GridPoint, buckets, grid};
use crate::scoring::{Asked, Kind, QuestionSet};
use choose::{Chooser, Chosen as ChosenPoints, FOLDS, published};
use scores::{Judge, Table};

/// The arms in the order of records and tables. The second is what the protocol calls the method; `random-layer` is its placebo, the last
/// three are controls.
const ARMS: [&str; 6] = ["baseline", "steered", "random-layer", "static-layer", "length-constant", "unmasked"];
/// Those of a protocol without placebos.
const ARMS_ALONE: [&str; 2] = ["baseline", "steered"];
/// Questions of the profile `quick`.
const QUICK: usize = 120;
/// Questions are drawn, and folds made, the same way for every seed.
const SPLIT_SEED: u64 = 0;
/// Counted up when the results change.
const VERSION: u32 = 1;

/// How a cell is run.
#[derive(Debug, Clone)]
pub struct DolaOptions {
    /// The protocol.
    pub protocol: Protocol,
    /// `quick` takes some of the questions.
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
    prepared_seconds: f64,
}

impl DolaCell {
    /// Tokenises the questions and lays out the grid. An error if a question with an answer does not fit the model's context, or the model
    /// is too shallow for the buckets.
    pub fn prepare(subject: &Subject<'_>, set: &QuestionSet, options: &DolaOptions) -> Result<Self, EvalError> {
        let started = Instant::now();
        let DolaOptions { protocol, profile, seed, norm } = options;
        let (model, tokenizer) = (subject.model, subject.tokenizer);
        let items = set.questions.len();
        let set = some(set, profile);
        let asked = Asked::new(tokenizer, &set)?;
        let (tokens, context) = (asked.longest(), model.spec.max_positions);
        if tokens > context && !model.spec.stretches() {
            return Err(EvalError::TooLong { task: set.name, method: "DoLa", tokens, context });
        }
        let buckets = buckets(model.spec.depth(), model.info.parameters);
        let points = grid(&buckets, &ALPHAS, Measure::Paper);
        let study = protocol.name == Protocol::STUDY.name;
        // As published: the unembedding matrix alone in the contrast, the model's own logits in the baseline.
        let head = if study { HeadKind::Weight } else { HeadKind::Full };
        let placebos = protocol.placebos == Placebos::All;
        let n = set.questions.len();
        let plan = Plan {
            method: method(options, study),
            model: ModelPlan::of(model),
            tokenizer: TokenizerInfo::of(tokenizer),
            task: set.hash(),
            protocol: protocol.clone(),
            counts: Counts { dev: 0, test: n, baseline: 0 },
            grid: axes(&buckets),
            arms: if placebos { &ARMS[..] } else { &ARMS_ALONE[..] }.iter().map(ToString::to_string).collect(),
            seed: *seed,
            split_seed: SPLIT_SEED,
            side_effects: None,
        };
        let matching = match set.kind {
            Kind::MultipleChoice => "mc1",
            Kind::Completion => "completion",
        };
        let about = About {
            program: About::program(),
            model: model.info.clone(),
            task: TaskInfo {
                name: set.name.clone(),
                items,
                usable: n,
                leading_space: true,
                matching: matching.into(),
                notes: set.notes.clone(),
            },
            wrong_task: None,
            profile: profile.name.to_string(),
        };
        Ok(Self {
            plan,
            about,
            asked,
            buckets,
            points,
            readout: Readout { norm: *norm, mature: head, premature: head },
            prepared_seconds: started.elapsed().as_secs_f64(),
            set,
        })
    }

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
        }
        clock.lap("choice and arms");
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
                conformance: None,
                chosen: Chosen { setting: setting(chosen.overall), dev_hits: None },
                grid: self
                    .points
                    .iter()
                    .zip(&hits)
                    .map(|(p, hits)| Point { setting: p.setting.clone(), dev: 0, test: count(hits) })
                    .collect(),
                folds: chosen.folds.iter().map(fold).collect(),
                layer_use: table.layer_use(&self.buckets),
                arms,
                dose: None,
                side_effects: None,
                items: Items { dev: Vec::new(), test: self.items(), baseline: Vec::new() },
                shots: Vec::new(),
                heads: None,
                read_out: Vec::new(),
                artefacts: BTreeMap::new(),
            },
            timings: clock.finish(),
        };
        Ok(Finished { record, artefacts: Vec::new() })
    }

    /// The set's name.
    pub fn task_name(&self) -> &str {
        &self.set.name
    }

    /// Work ahead in rows × blocks, as [`Model::watch`] counts it.
    pub fn planned_work(&self, model: &Model) -> u64 {
        let tokens = |c: &crate::prompt::Candidates| {
            let texts: Vec<Vec<u32>> = c.answers.iter().map(|a| [&c.prompt[..], &a[..a.len() - 1]].concat()).collect();
            model.distinct_tokens(&texts.iter().collect::<Vec<_>>()) as u64
        };
        let shared = self.asked.common() as u64;
        let own: u64 = self.asked.questions().iter().map(|c| tokens(c).saturating_sub(shared)).sum();
        (own + shared) * model.spec.depth() as u64
    }

    /// About how often the weights of all blocks are gone through.
    pub fn passes(&self) -> f64 {
        1.0 + self.asked.batches().len() as f64
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

/// The questions of a profile: `quick` draws some.
fn some(set: &QuestionSet, profile: &Profile) -> QuestionSet {
    let n = set.questions.len();
    if profile.name != Profile::QUICK.name || n <= QUICK {
        return set.clone();
    }
    let order = sample::permutation(n, &mut sample::stream(SPLIT_SEED, "questions", 0));
    let mut taken: Vec<usize> = order.into_iter().take(QUICK).collect();
    taken.sort_unstable();
    QuestionSet { questions: taken.into_iter().map(|i| set.questions[i].clone()).collect(), ..set.clone() }
}

fn method(options: &DolaOptions, study: bool) -> MethodPlan {
    let text = |name: &str, text: &str| (name.to_string(), Value::Text(text.to_string()));
    let norm = match options.norm {
        FinalNorm::Apply => "final",
        FinalNorm::Skip => "none",
    };
    let mut all = BTreeMap::from([
        text("divergence", "paper"),
        text("norm", norm),
        text("heads", if study { "weight" } else { "full" }),
        text("choice", if study { "on the reported items: bucket at alpha 0.1, then alpha" } else { "folds" }),
    ]);
    if study {
        all.extend([text("mc2", "halved")]);
    } else {
        all.insert("folds".into(), Value::Count(FOLDS));
    }
    MethodPlan { name: "dola".into(), version: VERSION, options: all }
}

fn axes(buckets: &[Bucket]) -> BTreeMap<String, Vec<Value>> {
    let text = |text: &str| Value::Text(text.to_owned());
    BTreeMap::from([
        ("alpha".to_string(), ALPHAS.iter().copied().map(Value::Number).collect()),
        ("bucket".to_string(), buckets.iter().map(|b| text(&b.name)).collect()),
        ("post-softmax".to_string(), ["yes", "no"].map(text).to_vec()),
    ])
}

/// What a table that does not fit the grid is.
fn missing() -> EvalError {
    ModelError::Plan("a layer of the grid was not scored".into()).into()
}
