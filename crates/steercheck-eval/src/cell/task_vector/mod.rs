//! The task-vector cell (methods.md §3): choose a residual on dev, report it on test beside zero-shot, few-shot and placebos.

mod arms;
mod cost;
mod draws;
mod prepare;

use std::collections::BTreeMap;

use steercheck_model::{Edit, FinalNorm, HeadKind, Model, ModelError, Positions, Prefix, Reading, Row};
use steercheck_steer::reading::read_rows;
use steercheck_steer::task_vector::{self, TaskVector};

use super::answer::{self, Later};
use super::clock::Clock;
use super::variants::{self, Read, Scored};
use super::{Finished, Posed, Presented, Subject};
use crate::error::EvalError;
use crate::prompt::{Candidates, Pair};
use crate::protocol::{Profile, Protocol};
use crate::record::{About, Arm, Artefact, Chosen, ItemRecord, Items, Plan, Point, Record, Results, Setting, Value};
use crate::sample;
use crate::side_effects::{Acts, Unsteered};
use crate::task::Task;

const DEMONSTRATIONS: usize = 5;
const DUMMIES: usize = 2;
/// Items are split the same way for every seed.
const SPLIT_SEED: u64 = 0;
/// Counted up when the results change.
const VERSION: u32 = 2;

/// The arms of a protocol with placebos, in the order of records and tables; one without has the first three.
const ARMS: [&str; 7] =
    ["zero-shot", "few-shot", "steered", "zero", "random-direction", "shuffled-labels", "wrong-task"];

/// One item with everything that is asked about it.
struct Asked {
    posed: Posed,
    zero_shot: Candidates,
    demonstrations: Vec<Pair>,
    dummies: Vec<String>,
    dummy_prompts: Vec<Vec<u32>>,
    few_shot: Candidates,
    /// Dummy prompts whose demonstrations have each other's answers.
    shuffled: Vec<Vec<u32>>,
    /// Dummy prompts of another task.
    wrong: Vec<Vec<u32>>,
}

/// A prepared cell.
pub struct TaskVectorCell {
    plan: Plan,
    about: About,
    task: Task,
    presented: Presented,
    dev: Vec<Asked>,
    test: Vec<Asked>,
    baseline: Vec<Asked>,
    prepared_seconds: f64,
}

/// How a cell is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The protocol.
    pub protocol: Protocol,
    /// Item counts.
    pub profile: Profile,
    /// Seed of demonstrations and vectors.
    pub seed: u64,
    /// What is run as the method.
    pub presented: Presented,
}

impl TaskVectorCell {
    /// Runs the cell.
    pub fn run(&self, subject: &Subject<'_>, unsteered: Option<&Unsteered>) -> Result<Finished, EvalError> {
        let mut clock = Clock::new(self.prepared_seconds);
        let depth = subject.model.spec.depth();
        let residuals: Vec<usize> = (1..=depth).collect();
        let prompts: Vec<Vec<u32>> = self.everything().map(|a| a.zero_shot.prompt.clone()).collect();
        let prefixes = subject.model.prefill(&prompts)?;
        let (dev_prefixes, rest) = prefixes.split_at(self.dev.len());
        let (test_prefixes, baseline_prefixes) = rest.split_at(self.test.len());
        clock.lap("prefill");

        let dev_vectors = extract(subject.model, &self.dev, |a| &a.dummy_prompts, None)?;
        let dev_vectors = self.as_presented(dev_vectors, dev_prefixes, "presented-dev")?;
        clock.lap("dev vectors");
        let dev_curve = self.curve(subject, &self.dev, dev_prefixes, &dev_vectors, &residuals)?;
        // The first residual with the most hits.
        let dev_hits = dev_curve.iter().copied().max().unwrap_or(0);
        let chosen = 1 + dev_curve.iter().position(|h| *h == dev_hits).unwrap_or(0);
        clock.lap("dev curve");

        let (vectors, few_shot) = self.test_vectors(subject)?;
        let vectors = self.as_presented(vectors, test_prefixes, "presented-test")?;
        clock.lap("test vectors");
        let test_curve = self.curve(subject, &self.test, test_prefixes, &vectors, &residuals)?;
        clock.lap("test curve");
        let steered = self.test_arms(subject, test_prefixes, &vectors, chosen)?;
        let mut arms = vec![few_shot];
        arms.extend(steered.arms);
        if !self.baseline.is_empty() {
            arms.retain(|a| a.name != "zero-shot");
            arms.push(self.other_items(subject, baseline_prefixes)?);
        }
        arms.sort_by_key(|a| ARMS.iter().position(|n| *n == a.name));
        clock.lap("test arms");

        let side_effects = subject.side_effects(self.acts().is_some(), unsteered, |window, position| {
            // Each window gets another item's θ.
            let vector = &vectors[window % vectors.len()];
            task_vector::injection(vector, chosen)
                .map(|edit| vec![Edit { positions: Positions::At(vec![position]), ..edit }])
                .unwrap_or_default()
        })?;
        clock.lap("side effects");

        let theta = Artefact {
            kind: "task-vectors".into(),
            determinants: BTreeMap::from([("cell".to_string(), Value::Text(self.plan.key()))]),
            tensors: BTreeMap::from([
                ("theta".to_string(), stacked(&vectors, chosen)?),
                ("move".to_string(), mean_move(&vectors, test_prefixes, chosen)?),
            ]),
        };
        let point = |(residual, (dev, test)): (&usize, (usize, usize))| Point {
            setting: Setting::residual(*residual),
            dev,
            test,
        };
        let record = Record {
            plan: self.plan.clone(),
            about: self.about.clone(),
            results: Results {
                chosen: Chosen { setting: Setting::residual(chosen), dev_hits: Some(dev_hits) },
                grid: residuals.iter().zip(dev_curve.into_iter().zip(test_curve)).map(point).collect(),
                arms,
                dose: steered.dose,
                side_effects,
                items: Items {
                    dev: self.dev.iter().map(Asked::record).collect(),
                    test: self.test.iter().map(Asked::record).collect(),
                    baseline: self.baseline.iter().map(Asked::record).collect(),
                },
                artefacts: BTreeMap::from([("vectors".to_string(), theta.key())]),
                ..Results::default()
            },
            timings: clock.finish(),
        };
        Ok(Finished { record, artefacts: vec![theta] })
    }

    /// θ replaces a residual at the last token alone.
    pub fn acts(&self) -> Option<Acts> {
        self.plan.side_effects.as_ref().map(|_| Acts::AtLast)
    }

    /// The vectors of what is presented as the method.
    fn as_presented(
        &self,
        vectors: Vec<TaskVector>,
        prefixes: &[Prefix],
        purpose: &str,
    ) -> Result<Vec<TaskVector>, EvalError> {
        if self.presented != Presented::RandomDirection {
            return Ok(vectors);
        }
        let twin = |(i, (vector, prefix)): (usize, (&TaskVector, &Prefix))| {
            let seed = sample::derived_seed(self.plan.seed, purpose, i);
            task_vector::random_twin(vector, prefix, |b| sample::derived_seed(seed, "residual", b))
        };
        Ok(vectors.iter().zip(prefixes).enumerate().map(twin).collect::<Result<_, _>>()?)
    }

    /// θ of every test item, and the few-shot arm, whose prompts begin as θ's do and are run with them.
    fn test_vectors(&self, subject: &Subject<'_>) -> Result<(Vec<TaskVector>, Arm), EvalError> {
        let dummies: Vec<Vec<Vec<u32>>> = self.test.iter().map(|a| a.dummy_prompts.clone()).collect();
        let few_shot: Vec<Vec<u32>> = self.test.iter().map(|a| a.few_shot.prompt.clone()).collect();
        let extraction = task_vector::extract(subject.model, &dummies, &few_shot, None)?;
        let top = extraction.further.ok_or_else(|| ModelError::Plan("the few-shot prompts were not read".into()))?;
        let items = scored(&self.test, |a| &a.few_shot);
        let asked: Vec<Vec<u32>> = items.iter().map(|i| answer::first_tokens(i.candidates)).collect();
        let readings = subject.model.read(&top, FinalNorm::Apply, HeadKind::Full, &asked)?;
        let arm = self.unsteered_arm(subject, "few-shot", &items, readings)?;
        Ok((extraction.vectors, arm))
    }

    /// The zero-shot arm of a protocol that asks others than the test items.
    fn other_items(&self, subject: &Subject<'_>, prefixes: &[Prefix]) -> Result<Arm, EvalError> {
        let depth = subject.model.spec.depth();
        let rows: Vec<Row<'_>> = prefixes.iter().map(|p| Row::baseline(p, depth)).collect();
        let (readings, _) = read_rows(subject.model, &rows, &asked_tokens(&self.baseline))?;
        self.unsteered_arm(subject, "zero-shot", &scored(&self.baseline, |a| &a.zero_shot), readings)
    }

    fn unsteered_arm(
        &self,
        subject: &Subject<'_>,
        name: &str,
        items: &[Scored<'_>],
        readings: Vec<Reading>,
    ) -> Result<Arm, EvalError> {
        let candidates: Vec<&Candidates> = items.iter().map(|i| i.candidates).collect();
        let later = answer::later_tokens_unsteered(subject.model, &candidates)?;
        variants::arm(subject, &self.task, name, items, &Read { readings, later, receipts: Vec::new() })
    }

    /// Hits at each residual.
    fn curve(
        &self,
        subject: &Subject<'_>,
        items: &[Asked],
        prefixes: &[Prefix],
        vectors: &[TaskVector],
        residuals: &[usize],
    ) -> Result<Vec<usize>, EvalError> {
        let prefixes: Vec<&Prefix> = prefixes.iter().collect();
        let curve = task_vector::sweep(subject.model, &prefixes, vectors, residuals, &asked_tokens(items))?;
        let mut hits = vec![0; residuals.len()];
        let candidates: Vec<&Candidates> = items.iter().map(|a| &a.zero_shot).collect();
        for (k, (hits, residual)) in hits.iter_mut().zip(residuals).enumerate() {
            let later = self.later_in_curve(subject, &candidates, vectors, *residual)?;
            for ((item, readings), later) in items.iter().zip(&curve.readings).zip(&later) {
                let answer = &item.posed.pair.answer;
                *hits += usize::from(subject.is_hit(&self.task, &readings[k], answer, later)?);
            }
        }
        Ok(hits)
    }

    /// What the later tokens of each item's candidates add with θ at a residual. Only choices are told apart by them: elsewhere they
    /// are not computed.
    fn later_in_curve(
        &self,
        subject: &Subject<'_>,
        items: &[&Candidates],
        vectors: &[TaskVector],
        residual: usize,
    ) -> Result<Vec<Vec<Later>>, EvalError> {
        if !self.task.has_choices() {
            return Ok(items.iter().map(|i| vec![Later::NONE; i.answers.len()]).collect());
        }
        let edits = vectors
            .iter()
            .map(|v| Ok(vec![vec![task_vector::injection(v, residual)?]]))
            .collect::<Result<Vec<_>, EvalError>>()?;
        let later = answer::later_tokens(subject.model, items, &edits)?;
        Ok(later.into_iter().map(|mut variants| variants.remove(0)).collect())
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
            dummies: self.dummies.clone(),
        }
    }
}

fn scored<'a>(items: &'a [Asked], prompt: impl Fn(&'a Asked) -> &'a Candidates) -> Vec<Scored<'a>> {
    items.iter().map(|a| Scored { posed: &a.posed, candidates: prompt(a) }).collect()
}

fn asked_tokens(items: &[Asked]) -> Vec<Vec<u32>> {
    items.iter().map(|a| answer::first_tokens(&a.zero_shot)).collect()
}

fn extract(
    model: &Model,
    items: &[Asked],
    prompts: impl Fn(&Asked) -> &Vec<Vec<u32>>,
    until: Option<usize>,
) -> Result<Vec<TaskVector>, EvalError> {
    let dummies: Vec<Vec<Vec<u32>>> = items.iter().map(|a| prompts(a).clone()).collect();
    Ok(task_vector::extract(model, &dummies, &[], until)?.vectors)
}

/// θ of every item at one residual, `[items, D]`.
fn stacked(vectors: &[TaskVector], residual: usize) -> Result<(Vec<usize>, Vec<f32>), EvalError> {
    let mut numbers = Vec::new();
    for vector in vectors {
        numbers.extend_from_slice(vector.at(residual)?);
    }
    let width = numbers.len() / vectors.len().max(1);
    Ok((vec![vectors.len(), width], numbers))
}

/// The mean over the items of θ minus the residual that it replaces, `[D]`: what a vector for all of them would add.
fn mean_move(
    vectors: &[TaskVector],
    prefixes: &[Prefix],
    residual: usize,
) -> Result<(Vec<usize>, Vec<f32>), EvalError> {
    let mut sum: Vec<f64> = Vec::new();
    for (vector, prefix) in vectors.iter().zip(prefixes) {
        let (theta, here) = (vector.at(residual)?, prefix.residual(residual)?);
        sum.resize(theta.len(), 0.0);
        let moves = theta.iter().zip(&here).map(|(t, h)| f64::from(*t) - f64::from(*h));
        sum.iter_mut().zip(moves).for_each(|(s, m)| *s += m);
    }
    let n = vectors.len().max(1) as f64;
    Ok((vec![sum.len()], sum.into_iter().map(|s| (s / n) as f32).collect()))
}
