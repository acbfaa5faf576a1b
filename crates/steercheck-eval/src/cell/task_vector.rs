//! The task-vector cell (methods.md §3): choose a residual on dev, report it on test beside zero-shot, few-shot and placebos.

use std::collections::BTreeMap;
use std::time::Instant;

use steercheck_model::{FinalNorm, HeadKind, Model, ModelError, Prefix, Reading, Receipt, Row};
use steercheck_steer::task_vector::{self, TaskVector};

use super::Subject;
use crate::error::EvalError;
use crate::prompt::{self, AnswerIds, Pair};
use crate::protocol::{Baseline, Placebos, Profile, Protocol, SingleToken};
use crate::record::{Arm, Chosen, ItemRecord, Items, MethodInfo, Outcome, Record, TaskInfo, TokenizerInfo};
use crate::sample;
use crate::task::{self, Task};

const DEMONSTRATIONS: usize = 5;
const DUMMIES: usize = 2;
/// The variant with a leading space is taken if it keeps at least this share of what the other keeps.
const SPACE_SHARE: f64 = 0.7;
/// Items are split the same way for every seed.
const SPLIT_SEED: u64 = 0;
/// The task whose vectors are the `wrong-task` placebo, and the one that stands in for that task itself.
const WRONG_TASKS: [&str; 2] = ["antonym", "country-capital"];

/// One item with everything that is asked about it.
struct Asked {
    pair: Pair,
    answer: AnswerIds,
    zero_shot: Vec<u32>,
    demonstrations: Vec<Pair>,
    dummies: Vec<String>,
    dummy_prompts: Vec<Vec<u32>>,
    few_shot: Vec<u32>,
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
    seed: u64,
    dev: Vec<Asked>,
    test: Vec<Asked>,
    baseline: Vec<Asked>,
    prepared_seconds: f64,
}

/// Items after the single-token rule, their answers in the variant that was taken.
struct Usable {
    pairs: Vec<Pair>,
    leading_space: bool,
}

fn usable(subject: &Subject<'_>, task: &Task, rule: SingleToken) -> Result<Usable, EvalError> {
    let variant = |space: bool| -> Result<Vec<Pair>, EvalError> {
        let mut out = Vec::new();
        for item in &task.items {
            let answer = if space { format!(" {}", item.answer) } else { item.answer.clone() };
            let keep = match rule {
                _ if !task.single_token => true,
                SingleToken::AfterExclamationMark => subject.tokenizer.encode_plain(&format!("!{answer}"))?.len() == 2,
                SingleToken::InContext => {
                    let query = prompt::task_vector_prompt(&[], &item.input);
                    let ids = prompt::answer_ids(subject.tokenizer, &query, &answer)?;
                    ids.ids.len() == 1 && !ids.boundary_merged
                }
            };
            if keep {
                out.push(Pair { input: item.input.clone(), answer });
            }
        }
        Ok(out)
    };
    let (with, without) = (variant(true)?, variant(false)?);
    let leading_space = with.len() as f64 >= SPACE_SHARE * without.len() as f64;
    Ok(Usable { pairs: if leading_space { with } else { without }, leading_space })
}

/// Demonstrations and dummies for one query, drawn from a pool.
struct Drawn {
    demonstrations: Vec<Pair>,
    dummies: Vec<String>,
}

fn draw(pairs: &[Pair], pool: &[usize], seed: u64, purpose: &str, index: usize) -> Drawn {
    let picked = sample::draw(pool, DEMONSTRATIONS + DUMMIES, &mut sample::stream(seed, purpose, index));
    let (demonstrations, dummies) = picked.split_at(DEMONSTRATIONS.min(picked.len()));
    Drawn {
        demonstrations: demonstrations.iter().map(|i| pairs[*i].clone()).collect(),
        dummies: dummies.iter().map(|i| pairs[*i].input.clone()).collect(),
    }
}

impl Drawn {
    fn prompts(&self, subject: &Subject<'_>) -> Result<Vec<Vec<u32>>, ModelError> {
        let one = |d: &String| subject.tokenizer.encode(&prompt::task_vector_prompt(&self.demonstrations, d));
        self.dummies.iter().map(one).collect()
    }

    /// The same inputs, each with another one's answer: a cyclic shift, so that none keeps its own.
    fn shuffled(&self, seed: u64, index: usize) -> Self {
        let n = self.demonstrations.len();
        let by = 1 + sample::derived_seed(seed, "shift", index) as usize % (n - 1);
        let demonstrations = (0..n)
            .map(|i| Pair {
                input: self.demonstrations[i].input.clone(),
                answer: self.demonstrations[(i + by) % n].answer.clone(),
            })
            .collect();
        Self { demonstrations, dummies: self.dummies.clone() }
    }
}

impl TaskVectorCell {
    /// Splits the items, draws demonstrations, tokenises every prompt. An error if the task has too few items.
    pub fn prepare(
        subject: &Subject<'_>,
        task: &Task,
        protocol: &Protocol,
        profile: &Profile,
        seed: u64,
    ) -> Result<Self, EvalError> {
        let started = Instant::now();
        let Usable { pairs, leading_space } = usable(subject, task, protocol.single_token)?;
        let rest = DEMONSTRATIONS + DUMMIES + 1;
        let needed = profile.dev + profile.test + rest;
        if pairs.len() < needed {
            return Err(EvalError::TooFewItems {
                task: task.name.clone(),
                usable: pairs.len(),
                items: task.items.len(),
                needed,
                dev: profile.dev,
                test: profile.test,
                rest,
            });
        }
        let order = sample::permutation(pairs.len(), &mut sample::stream(SPLIT_SEED, "split", 0));
        let (dev, later) = order.split_at(profile.dev);
        let (test, train) = later.split_at(profile.test);
        let wrong_name = WRONG_TASKS.iter().find(|n| **n != task.name).copied().unwrap_or(WRONG_TASKS[0]);
        let wrong = task::builtin(wrong_name)?;
        let wrong = usable(subject, &Task { single_token: false, ..wrong }, protocol.single_token)?.pairs;
        let wrong_pool: Vec<usize> = (0..wrong.len()).collect();
        let asked = |index: usize, purpose: &str| -> Result<Asked, EvalError> {
            let pair = pairs[index].clone();
            let drawn = draw(&pairs, train, seed, purpose, index);
            let query = prompt::task_vector_prompt(&[], &pair.input);
            let few_shot = prompt::task_vector_prompt(&drawn.demonstrations, &pair.input);
            let placebos = protocol.placebos == Placebos::All && purpose == "test";
            let (shuffled, wrong) = if placebos {
                let wrong = draw(&wrong, &wrong_pool, seed, "wrong-task", index);
                (drawn.shuffled(seed, index).prompts(subject)?, wrong.prompts(subject)?)
            } else {
                (Vec::new(), Vec::new())
            };
            Ok(Asked {
                answer: prompt::answer_ids(subject.tokenizer, &query, &pair.answer)?,
                zero_shot: subject.tokenizer.encode(&query)?,
                dummy_prompts: drawn.prompts(subject)?,
                few_shot: subject.tokenizer.encode(&few_shot)?,
                demonstrations: drawn.demonstrations,
                dummies: drawn.dummies,
                pair,
                shuffled,
                wrong,
            })
        };
        let all = |indices: &[usize], purpose: &str| -> Result<Vec<Asked>, EvalError> {
            let out = indices.iter().map(|i| asked(*i, purpose)).collect::<Result<Vec<_>, _>>()?;
            match out.iter().find(|a| a.answer.ids.is_empty()) {
                None => Ok(out),
                Some(a) => Err(ModelError::Tokenizer(format!("the answer '{}' has no tokens", a.pair.answer)).into()),
            }
        };
        let other = match protocol.baseline {
            Baseline::TestItems => &[],
            Baseline::OtherItems(n) => &train[..n.min(train.len())],
        };
        Ok(Self {
            info: TaskInfo {
                name: task.name.clone(),
                hash: task.hash(),
                items: task.items.len(),
                usable: pairs.len(),
                leading_space,
                matching: task.matching.name(),
                notes: task.notes.clone(),
            },
            task: task.clone(),
            protocol: protocol.clone(),
            profile: profile.clone(),
            seed,
            dev: all(dev, "dev")?,
            test: all(test, "test")?,
            baseline: all(other, "baseline")?,
            prepared_seconds: started.elapsed().as_secs_f64(),
        })
    }

    /// The task's name.
    pub fn task_name(&self) -> &str {
        &self.info.name
    }

    /// Work ahead in rows × blocks, as [`Model::watch`] counts it; divided by L these are tokens.
    pub fn planned_work(&self, model: &Model) -> u64 {
        let depth = model.spec.depth() as u64;
        let tokens = |prompts: Vec<&Vec<u32>>| model.distinct_tokens(&prompts) as u64;
        let whole = tokens(self.dev.iter().flat_map(|a| &a.dummy_prompts).collect())
            + tokens(self.test.iter().flat_map(|a| a.dummy_prompts.iter().chain([&a.few_shot])).collect())
            + tokens(self.everything().map(|a| &a.zero_shot).collect());
        // Placebos stop at the chosen residual, which is not known yet: half-way is a fair guess.
        let half = tokens(self.test.iter().flat_map(|a| &a.shuffled).collect())
            + tokens(self.test.iter().flat_map(|a| &a.wrong).collect())
            + (self.arms_per_item() * self.test.len()) as u64;
        let swept = (self.dev.len() + self.test.len()) as u64 * depth * depth.saturating_sub(1) / 2;
        whole * depth + half * depth / 2 + swept
    }

    fn arms_per_item(&self) -> usize {
        if self.protocol.placebos == Placebos::All { 6 } else { 2 }
    }

    fn everything(&self) -> impl Iterator<Item = &Asked> {
        self.dev.iter().chain(&self.test).chain(&self.baseline)
    }

    /// Runs the cell.
    pub fn run(&self, subject: &Subject<'_>) -> Result<Record, EvalError> {
        let mut clock = Clock::new(self.prepared_seconds);
        let depth = subject.model.spec.depth();
        let residuals: Vec<usize> = (1..=depth).collect();
        let prompts: Vec<Vec<u32>> = self.everything().map(|a| a.zero_shot.clone()).collect();
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
        let few_shot: Vec<Vec<u32>> = self.test.iter().map(|a| a.few_shot.clone()).collect();
        let extraction = task_vector::extract(subject.model, &dummies, &few_shot, None)?;
        let vectors = extraction.vectors;
        let mut arms = Vec::new();
        if let Some(top) = extraction.further {
            let readings = subject.model.read(&top, FinalNorm::Apply, HeadKind::Full, &asked_tokens(&self.test))?;
            arms.push(self.arm(subject, "few-shot", &self.test, &readings, &[])?);
        }
        clock.lap("test vectors");
        let test_curve = self.curve(subject, &self.test, test_prefixes, &vectors, &residuals)?;
        clock.lap("test curve");
        arms.extend(self.test_arms(subject, test_prefixes, &vectors, chosen)?);
        if !self.baseline.is_empty() {
            let rows: Vec<Row<'_>> = baseline_prefixes.iter().map(|p| Row::baseline(p, depth)).collect();
            let (readings, _) = task_vector::read_rows(subject.model, &rows, &asked_tokens(&self.baseline))?;
            arms.retain(|a| a.name != "zero-shot");
            arms.push(self.arm(subject, "zero-shot", &self.baseline, &readings, &[])?);
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
            tokenizer: TokenizerInfo {
                hash: subject.tokenizer.hash().to_string(),
                special_tokens: subject.tokenizer.policy(),
            },
            task: self.info.clone(),
            protocol: self.protocol.clone(),
            profile: self.profile.clone(),
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
                *hits += usize::from(subject.outcome(&self.task, reading, &item.pair.answer, &[])?.hit);
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
        let mut rows = Vec::new();
        let mut asked = Vec::new();
        for (i, (prefix, vector)) in prefixes.iter().zip(vectors).enumerate() {
            rows.push(Row::baseline(prefix, residual));
            let mut edits = vec![task_vector::injection(vector, residual)?];
            if placebos {
                let seed = sample::derived_seed(self.seed, "random-direction", i);
                edits.push(task_vector::zero(vector, residual)?);
                edits.push(task_vector::random_direction(vector, prefix, residual, seed)?);
                edits.push(task_vector::injection(&shuffled[i], residual)?);
                edits.push(task_vector::injection(&wrong[i], residual)?);
            }
            rows.extend(edits.into_iter().map(|e| Row::edited(prefix, vec![e])));
            asked.extend(std::iter::repeat_n(vec![self.test[i].answer.ids[0]], names.len()));
        }
        let (readings, receipts) = task_vector::read_rows(subject.model, &rows, &asked)?;
        if placebos {
            let zero = names.iter().position(|n| *n == "zero").unwrap_or(0);
            for (i, arms) in readings.chunks(names.len()).enumerate() {
                if arms[zero] != arms[0] {
                    return Err(EvalError::ZeroChanged { task: self.info.name.clone(), item: i });
                }
            }
        }
        let every = |k: usize| -> (Vec<Reading>, Vec<Vec<Receipt>>) {
            let readings = readings.iter().skip(k).step_by(names.len()).cloned().collect();
            (readings, receipts.iter().skip(k).step_by(names.len()).cloned().collect())
        };
        names
            .iter()
            .enumerate()
            .map(|(k, name)| {
                let (readings, receipts) = every(k);
                self.arm(subject, name, &self.test, &readings, &receipts)
            })
            .collect()
    }

    fn arm(
        &self,
        subject: &Subject<'_>,
        name: &str,
        items: &[Asked],
        readings: &[Reading],
        receipts: &[Vec<Receipt>],
    ) -> Result<Arm, EvalError> {
        let none = Vec::new();
        let outcomes = items
            .iter()
            .zip(readings)
            .enumerate()
            .map(|(i, (item, reading))| {
                subject.outcome(&self.task, reading, &item.pair.answer, receipts.get(i).unwrap_or(&none))
            })
            .collect::<Result<Vec<Outcome>, _>>()?;
        Ok(Arm { name: name.to_string(), hits: outcomes.iter().filter(|o| o.hit).count(), outcomes })
    }
}

/// The order of arms in records and tables.
const ARM_ORDER: [&str; 7] =
    ["zero-shot", "few-shot", "steered", "zero", "random-direction", "shuffled-labels", "wrong-task"];

impl Asked {
    fn record(&self) -> ItemRecord {
        ItemRecord {
            input: self.pair.input.clone(),
            answer: self.pair.answer.clone(),
            answer_ids: self.answer.ids.clone(),
            boundary_merged: self.answer.boundary_merged,
            demonstrations: self.demonstrations.clone(),
            dummies: self.dummies.clone(),
        }
    }
}

fn asked_tokens(items: &[Asked]) -> Vec<Vec<u32>> {
    items.iter().map(|a| vec![a.answer.ids[0]]).collect()
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
