//! The task-vector cell (methods.md §3): choose a residual on dev, report it on test beside zero-shot, few-shot and placebos.

mod cost;
mod prepare;

pub(crate) use prepare::usable_items;

use std::collections::BTreeMap;
use std::time::Instant;

use steercheck_model::{Edit, FinalNorm, HeadKind, Model, Prefix, Reading, Receipt, Row};
use steercheck_steer::task_vector::{self, TaskVector};

use super::{Subject, answer};
use crate::error::EvalError;
use crate::prompt::{Pair, Question};
use crate::protocol::{Placebos, Profile, Protocol};
use crate::record::{Arm, Chosen, ItemRecord, Items, MethodInfo, Outcome, Record, TaskInfo, TokenizerInfo};
use crate::sample;
use crate::task::Task;

const DEMONSTRATIONS: usize = 5;
const DUMMIES: usize = 2;
/// Items are split the same way for every seed.
const SPLIT_SEED: u64 = 0;

/// One item with everything that is asked about it.
struct Asked {
    pair: Pair,
    zero_shot: Question,
    demonstrations: Vec<Pair>,
    dummies: Vec<String>,
    dummy_prompts: Vec<Vec<u32>>,
    few_shot: Question,
    /// Dummy prompts whose demonstrations have each other's answers.
    shuffled: Vec<Vec<u32>>,
    /// Dummy prompts of another task.
    wrong: Vec<Vec<u32>>,
}

/// A prepared cell.
pub struct TaskVectorCell {
    task: Task,
    info: TaskInfo,
    protocol: Protocol,
    profile: Profile,
    wrong_task: Option<String>,
    seed: u64,
    dev: Vec<Asked>,
    test: Vec<Asked>,
    baseline: Vec<Asked>,
    prepared_seconds: f64,
}

impl TaskVectorCell {
    /// Runs the cell.
    pub fn run(&self, subject: &Subject<'_>) -> Result<Record, EvalError> {
        let mut clock = Clock::new(self.prepared_seconds);
        let depth = subject.model.spec.depth();
        let residuals: Vec<usize> = (1..=depth).collect();
        let prompts: Vec<Vec<u32>> = self.everything().map(|a| a.zero_shot.prompt.clone()).collect();
        let prefixes = subject.model.prefill(&prompts)?;
        let (dev_prefixes, rest) = prefixes.split_at(self.dev.len());
        let (test_prefixes, baseline_prefixes) = rest.split_at(self.test.len());
        clock.lap("prefill");

        let dev_vectors = extract(subject.model, &self.dev, |a| &a.dummy_prompts, None)?;
        clock.lap("dev vectors");
        let dev_curve = self.curve(subject, &self.dev, dev_prefixes, &dev_vectors, &residuals)?;
        // The first residual with the most hits.
        let dev_hits = dev_curve.iter().copied().max().unwrap_or(0);
        let chosen = 1 + dev_curve.iter().position(|h| *h == dev_hits).unwrap_or(0);
        clock.lap("dev curve");

        let dummies: Vec<Vec<Vec<u32>>> = self.test.iter().map(|a| a.dummy_prompts.clone()).collect();
        let few_shot: Vec<Vec<u32>> = self.test.iter().map(|a| a.few_shot.prompt.clone()).collect();
        let extraction = task_vector::extract(subject.model, &dummies, &few_shot, None)?;
        let vectors = extraction.vectors;
        let mut arms = Vec::new();
        if let Some(top) = extraction.further {
            let questions: Vec<&Question> = self.test.iter().map(|a| &a.few_shot).collect();
            let asked: Vec<Vec<u32>> = questions.iter().map(|q| vec![q.answer[0]]).collect();
            let readings = subject.model.read(&top, FinalNorm::Apply, HeadKind::Full, &asked)?;
            let later = answer::later_tokens_unsteered(subject.model, &questions)?;
            arms.push(self.arm(subject, "few-shot", &self.test, &Read { readings, later, receipts: Vec::new() })?);
        }
        clock.lap("test vectors");
        let test_curve = self.curve(subject, &self.test, test_prefixes, &vectors, &residuals)?;
        clock.lap("test curve");
        arms.extend(self.test_arms(subject, test_prefixes, &vectors, chosen)?);
        if !self.baseline.is_empty() {
            let rows: Vec<Row<'_>> = baseline_prefixes.iter().map(|p| Row::baseline(p, depth)).collect();
            let (readings, _) = task_vector::read_rows(subject.model, &rows, &asked_tokens(&self.baseline))?;
            let questions: Vec<&Question> = self.baseline.iter().map(|a| &a.zero_shot).collect();
            let later = answer::later_tokens_unsteered(subject.model, &questions)?;
            arms.retain(|a| a.name != "zero-shot");
            arms.push(self.arm(
                subject,
                "zero-shot",
                &self.baseline,
                &Read { readings, later, receipts: Vec::new() },
            )?);
        }
        clock.lap("test arms");
        arms.sort_by_key(|a| ARM_ORDER.iter().position(|n| *n == a.name).unwrap_or(ARM_ORDER.len()));
        Ok(Record {
            format: "steercheck-record",
            version: 0,
            method: MethodInfo {
                name: "task-vector",
                version: 1,
                template: "example:{x}->{y}",
                demonstrations: DEMONSTRATIONS,
                dummies: DUMMIES,
            },
            model: subject.model.info.clone(),
            tokenizer: TokenizerInfo::of(subject.tokenizer),
            conformance: None,
            task: self.info.clone(),
            protocol: self.protocol.clone(),
            profile: self.profile.clone(),
            wrong_task: self.wrong_task.clone(),
            seed: self.seed,
            split_seed: SPLIT_SEED,
            chosen: Chosen { residual: chosen, dev_hits, dev_n: self.dev.len() },
            dev_curve,
            test_curve,
            arms,
            items: Items {
                dev: self.dev.iter().map(Asked::record).collect(),
                test: self.test.iter().map(Asked::record).collect(),
                baseline: self.baseline.iter().map(Asked::record).collect(),
            },
            timings: clock.finish(),
        })
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
        for (item, readings) in items.iter().zip(&curve.readings) {
            for (hits, reading) in hits.iter_mut().zip(readings) {
                *hits += usize::from(subject.judge(&self.task, reading, &item.pair.answer)?.1);
            }
        }
        Ok(hits)
    }

    /// Zero-shot, steered and placebo arms at the chosen residual: rows of one batch, so that they differ by their edits
    /// alone.
    fn test_arms(
        &self,
        subject: &Subject<'_>,
        prefixes: &[Prefix],
        vectors: &[TaskVector],
        residual: usize,
    ) -> Result<Vec<Arm>, EvalError> {
        let placebos = self.protocol.placebos == Placebos::All;
        let (shuffled, wrong) = if placebos {
            let until = Some(residual);
            (
                extract(subject.model, &self.test, |a| &a.shuffled, until)?,
                extract(subject.model, &self.test, |a| &a.wrong, until)?,
            )
        } else {
            (Vec::new(), Vec::new())
        };
        let mut names = vec!["zero-shot", "steered"];
        if placebos {
            names.extend(["zero", "random-direction", "shuffled-labels", "wrong-task"]);
        }
        // One list of edits per item and arm; none for the unsteered model.
        let mut edits: Vec<Vec<Vec<Edit>>> = Vec::new();
        for (i, (prefix, vector)) in prefixes.iter().zip(vectors).enumerate() {
            let mut arms = vec![vec![], vec![task_vector::injection(vector, residual)?]];
            if placebos {
                let seed = sample::derived_seed(self.seed, "random-direction", i);
                arms.push(vec![task_vector::zero(vector, residual)?]);
                arms.push(vec![task_vector::random_direction(vector, prefix, residual, seed)?]);
                arms.push(vec![task_vector::injection(&shuffled[i], residual)?]);
                arms.push(vec![task_vector::injection(&wrong[i], residual)?]);
            }
            edits.push(arms);
        }
        let mut rows = Vec::new();
        let mut asked = Vec::new();
        for ((prefix, arms), item) in prefixes.iter().zip(&edits).zip(&self.test) {
            for edits in arms {
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
        if placebos {
            let zero = names.iter().position(|n| *n == "zero").unwrap_or(0);
            for (i, arms) in readings.chunks(names.len()).enumerate() {
                if arms[zero] != arms[0] || later[i][zero].to_bits() != later[i][0].to_bits() {
                    return Err(EvalError::ZeroChanged { task: self.info.name.clone(), item: i });
                }
            }
        }
        let every = |k: usize| Read {
            readings: readings.iter().skip(k).step_by(names.len()).cloned().collect(),
            later: later.iter().map(|arms| arms[k]).collect(),
            receipts: receipts.iter().skip(k).step_by(names.len()).cloned().collect(),
        };
        names.iter().enumerate().map(|(k, name)| self.arm(subject, name, &self.test, &every(k))).collect()
    }

    fn arm(&self, subject: &Subject<'_>, name: &str, items: &[Asked], read: &Read) -> Result<Arm, EvalError> {
        let none = Vec::new();
        let outcomes = items
            .iter()
            .enumerate()
            .map(|(i, item)| {
                let receipts = read.receipts.get(i).unwrap_or(&none);
                subject.outcome(&self.task, &read.readings[i], &item.pair.answer, read.later[i], receipts)
            })
            .collect::<Result<Vec<Outcome>, _>>()?;
        Ok(Arm { name: name.to_string(), hits: outcomes.iter().filter(|o| o.hit).count(), outcomes })
    }
}

/// What was read of one arm, one entry per item; `receipts` is empty for arms without edits.
struct Read {
    readings: Vec<Reading>,
    /// Log-probability of the answer's later tokens.
    later: Vec<f64>,
    receipts: Vec<Vec<Receipt>>,
}

/// The order of arms in records and tables.
const ARM_ORDER: [&str; 7] =
    ["zero-shot", "few-shot", "steered", "zero", "random-direction", "shuffled-labels", "wrong-task"];

impl Asked {
    fn record(&self) -> ItemRecord {
        ItemRecord {
            input: self.pair.input.clone(),
            answer: self.pair.answer.clone(),
            answer_ids: self.zero_shot.answer.clone(),
            boundary_merged: self.zero_shot.boundary_merged,
            demonstrations: self.demonstrations.clone(),
            dummies: self.dummies.clone(),
        }
    }
}

fn asked_tokens(items: &[Asked]) -> Vec<Vec<u32>> {
    items.iter().map(|a| vec![a.zero_shot.answer[0]]).collect()
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

/// Wall times of the stages.
struct Clock {
    last: Instant,
    laps: BTreeMap<String, f64>,
}

impl Clock {
    fn new(prepared: f64) -> Self {
        Self { last: Instant::now(), laps: BTreeMap::from([("prepare".to_string(), prepared)]) }
    }

    fn lap(&mut self, name: &str) {
        self.laps.insert(name.to_string(), self.last.elapsed().as_secs_f64());
        self.last = Instant::now();
    }

    fn finish(mut self) -> BTreeMap<String, f64> {
        let total = self.laps.values().sum();
        self.laps.insert("total".to_string(), total);
        self.laps
    }
}
