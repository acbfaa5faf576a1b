//! Gains over models: the mean with its interval over models, and the sign test.

use std::collections::BTreeMap;

use serde::Serialize;
use steercheck_stats::{Bootstrap, Estimate, mean, sign_test};

use super::Cell;
use crate::card::{LEVEL, Verdict};

/// What steering gains over some models. The unit is the model: its cells are averaged first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Gain {
    /// Models.
    pub models: usize,
    /// Their cells.
    pub cells: usize,
    /// Mean gain, steered minus unsteered.
    pub mean: f64,
    /// The same with its interval over models (`BCa`); none of a single model.
    pub interval: Option<Estimate>,
    /// Models that gain.
    pub better: usize,
    /// Models that lose. The rest do neither.
    pub worse: usize,
    /// Two-sided p of the sign test over models.
    pub p: f64,
}

impl Gain {
    /// Of some cells; none of none.
    pub fn of(cells: &[&Cell]) -> Option<Self> {
        let mut models: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for cell in cells {
            let measured = &cell.card.measured;
            models.entry(&measured.subject.model_key).or_default().push(measured.effect.point);
        }
        let means: Vec<f64> = models.values().map(|gains| gains.iter().sum::<f64>() / gains.len() as f64).collect();
        if means.is_empty() {
            return None;
        }
        // A mean of hits that cancel is zero up to rounding.
        let (better, worse) =
            (means.iter().filter(|m| **m > 1e-12).count(), means.iter().filter(|m| **m < -1e-12).count());
        Some(Self {
            models: means.len(),
            cells: cells.len(),
            mean: means.iter().sum::<f64>() / means.len() as f64,
            interval: interval(&means),
            better,
            worse,
            p: sign_test(better, worse),
        })
    }
}

/// A method over all its models and tasks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Overall {
    /// The method, with the placebo that was presented as it.
    pub method: String,
    /// Its gain.
    pub gain: Gain,
    /// Cells by verdict; those that are not judged are missing.
    pub verdicts: BTreeMap<Verdict, usize>,
}

/// A method on one task over its models.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskGain {
    /// The method.
    pub method: String,
    /// The task.
    pub task: String,
    /// Its gain.
    pub gain: Gain,
}

/// A method on the models of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Split {
    /// The method.
    pub method: String,
    /// What models are split by: `family`, `size`, `BOS`, `tuning`.
    pub by: &'static str,
    /// The kind.
    pub kind: String,
    /// Its gain.
    pub gain: Gain,
    /// Cells with few-shot hits, and those of them that recover 90 % of the few-shot accuracy.
    pub recovered: Option<[usize; 2]>,
}

/// A model and the one that it was tuned from, on the tasks that both were tried on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pair {
    /// The method.
    pub method: String,
    /// The model that was pre-trained only.
    pub base: String,
    /// The tuned one.
    pub tuned: String,
    /// Tasks that both have.
    pub tasks: usize,
    /// Mean gains, base and tuned.
    pub gains: [f64; 2],
    /// The same with their intervals over tasks; none of a single task.
    pub intervals: [Option<Estimate>; 2],
    /// Tasks on which the tuned one gains more, and less.
    pub better: usize,
    /// Less.
    pub worse: usize,
}

/// A cell's method, with the placebo that was presented as it.
pub(super) fn method_of(cell: &Cell) -> String {
    let subject = &cell.card.measured.subject;
    match &subject.presented {
        Some(presented) => format!("{}: {presented}", subject.method),
        None => subject.method.clone(),
    }
}

/// Such a method for people, with what `words` calls the method itself.
pub fn named(method: &str, words: impl Fn(&str) -> &str) -> String {
    match method.split_once(": ") {
        Some((method, placebo)) => format!("{}: {placebo}", words(method)),
        None => words(method).to_string(),
    }
}

/// Cells by a key, in the order of the first of each.
fn grouped<'c, K: PartialEq>(cells: &[&'c Cell], key: impl Fn(&Cell) -> K) -> Vec<(K, Vec<&'c Cell>)> {
    let mut out: Vec<(K, Vec<&Cell>)> = Vec::new();
    for cell in cells {
        let key = key(cell);
        match out.iter_mut().find(|(k, _)| *k == key) {
            Some((_, group)) => group.push(cell),
            None => out.push((key, vec![cell])),
        }
    }
    out
}

/// Every method.
pub fn by_method(cells: &[Cell]) -> Vec<Overall> {
    let of = |(method, cells): (String, Vec<&Cell>)| {
        let mut verdicts = BTreeMap::new();
        for verdict in cells.iter().filter_map(|cell| cell.card.verdict) {
            *verdicts.entry(verdict).or_default() += 1;
        }
        Some(Overall { method, gain: Gain::of(&cells)?, verdicts })
    };
    grouped(&cells.iter().collect::<Vec<_>>(), method_of).into_iter().filter_map(of).collect()
}

/// Every method on every task.
pub fn by_task(cells: &[Cell]) -> Vec<TaskGain> {
    let key = |cell: &Cell| (method_of(cell), cell.card.measured.subject.task.clone());
    let of = |((method, task), cells): ((String, String), Vec<&Cell>)| {
        Some(TaskGain { method, task, gain: Gain::of(&cells)? })
    };
    let mut out: Vec<TaskGain> = grouped(&cells.iter().collect::<Vec<_>>(), key).into_iter().filter_map(of).collect();
    out.sort_by(|a, b| (&a.method, &a.task).cmp(&(&b.method, &b.task)));
    out
}

/// What models are split by, and a model's kind; none where it is not known.
type By<'a> = (&'static str, Box<dyn Fn(&Cell) -> Option<String> + 'a>);

/// Models by family, size, BOS and, where `is_tuned` knows it, tuning. A split with one kind only says nothing and is left out.
pub fn splits(cells: &[Cell], is_tuned: &dyn Fn(&str) -> Option<bool>) -> Vec<Split> {
    let tuning = |cell: &Cell| {
        is_tuned(&cell.card.measured.subject.model)
            .map(|tuned| if tuned { "tuned" } else { "pre-trained only" }.to_string())
    };
    let all: [By<'_>; 4] = [
        ("family", Box::new(|cell| Some(cell.family.clone()))),
        ("size", Box::new(|cell| Some(size(cell.parameters).to_string()))),
        ("BOS", Box::new(|cell| Some(if cell.adds_bos { "adds BOS" } else { "no BOS" }.to_string()))),
        ("tuning", Box::new(tuning)),
    ];
    let mut out = Vec::new();
    for (method, of_method) in grouped(&cells.iter().collect::<Vec<_>>(), method_of) {
        for (by, kind) in &all {
            let mut kinds = grouped(&of_method, kind);
            kinds.retain(|(kind, _)| kind.is_some());
            kinds.sort_by_key(|kind| order(by, kind));
            if kinds.len() < 2 {
                continue;
            }
            for (kind, cells) in kinds {
                let (Some(kind), Some(gain)) = (kind, Gain::of(&cells)) else { continue };
                out.push(Split { method: method.clone(), by, kind, gain, recovered: recovered(&cells) });
            }
        }
    }
    out
}

/// Sizes ascend, other kinds stand in the order of their names.
fn order(by: &str, (kind, cells): &(Option<String>, Vec<&Cell>)) -> (u64, Option<String>) {
    let least = cells.iter().map(|cell| cell.parameters).min().unwrap_or(0);
    (if by == "size" { least } else { 0 }, kind.clone())
}

/// A class of sizes.
fn size(parameters: u64) -> &'static str {
    match parameters {
        0..1_000_000_000 => "below 1 B",
        1_000_000_000..5_000_000_000 => "1 to 5 B",
        5_000_000_000..10_000_000_000 => "5 to 10 B",
        10_000_000_000..30_000_000_000 => "10 to 30 B",
        _ => "30 B and more",
    }
}

fn recovered(cells: &[&Cell]) -> Option<[usize; 2]> {
    let shares: Vec<f64> =
        cells.iter().filter_map(|cell| cell.card.measured.recovery.of_accuracy.map(|share| share.point)).collect();
    (!shares.is_empty()).then(|| [shares.len(), shares.iter().filter(|share| **share >= 0.9 - 1e-9).count()])
}

/// Models beside those that they were tuned from, where both are there.
pub fn pairs(cells: &[Cell], tuned_from: &dyn Fn(&str) -> Option<String>) -> Vec<Pair> {
    let mut out = Vec::new();
    for (method, of_method) in grouped(&cells.iter().collect::<Vec<_>>(), method_of) {
        let models = grouped(&of_method, |cell| cell.card.measured.subject.model.clone());
        for (tuned, mine) in &models {
            let Some(base) = tuned_from(tuned) else { continue };
            let Some((_, theirs)) = models.iter().find(|(model, _)| *model == base) else { continue };
            let both: Vec<[f64; 2]> = mine.iter().filter_map(|cell| Some([on(theirs, cell)?, effect(cell)])).collect();
            if both.is_empty() {
                continue;
            }
            let mean = |i: usize| both.iter().map(|gains| gains[i]).sum::<f64>() / both.len() as f64;
            let better = both.iter().filter(|[base, tuned]| tuned > base).count();
            let worse = both.iter().filter(|[base, tuned]| tuned < base).count();
            let gains = [mean(0), mean(1)];
            let over_tasks = |i: usize| interval(&both.iter().map(|gains| gains[i]).collect::<Vec<_>>());
            out.push(Pair {
                method: method.clone(),
                base,
                tuned: tuned.clone(),
                tasks: both.len(),
                gains,
                intervals: [over_tasks(0), over_tasks(1)],
                better,
                worse,
            });
        }
    }
    out
}

/// The mean of some values with its interval (`BCa`); none of a single one.
pub fn interval(values: &[f64]) -> Option<Estimate> {
    let bootstrap = Bootstrap { level: LEVEL, ..Bootstrap::default() };
    if values.len() > 1 { mean(values, None, &bootstrap).ok() } else { None }
}

fn effect(cell: &Cell) -> f64 {
    cell.card.measured.effect.point
}

/// The gain on the task of another cell.
fn on(cells: &[&Cell], other: &Cell) -> Option<f64> {
    let task = &other.card.measured.subject.task;
    cells.iter().find(|cell| cell.card.measured.subject.task == *task).map(|cell| effect(cell))
}

#[cfg(test)]
mod tests {
    use super::{by_method, by_task, pairs, splits};
    use crate::across::sample::four;
    use crate::card::Verdict;

    #[test]
    fn gains_are_counted_by_model_and_tested_by_their_signs() {
        let cells = four();
        let overall = by_method(&cells);
        assert_eq!(overall.len(), 1);
        let gain = &overall[0].gain;
        // a-1b gains nothing, its tuned version loses an item, the others gain 36 and 28 of 40.
        assert_eq!((gain.models, gain.cells, gain.better, gain.worse), (4, 8, 2, 1));
        assert!((gain.mean - (0.0 - 1.0 + 36.0 + 28.0) / 40.0 / 4.0).abs() < 1e-12);
        assert!((gain.p - 1.0).abs() < 1e-12);
        let interval = gain.interval.unwrap();
        assert!(interval.low < gain.mean && gain.mean < interval.high && interval.n == 4);
        assert_eq!(overall[0].verdicts[&Verdict::Reliable], 4);
        let tasks = by_task(&cells);
        assert_eq!(
            tasks.iter().map(|t| (t.task.as_str(), t.gain.models)).collect::<Vec<_>>(),
            [("one", 4), ("two", 4)]
        );
    }

    #[test]
    fn models_are_split_by_what_they_are() {
        let cells = four();
        let all = splits(&cells, &|model| Some(model.ends_with("chat")));
        let names: Vec<(&str, &str, usize)> = all.iter().map(|s| (s.by, s.kind.as_str(), s.gain.models)).collect();
        let want = [
            ("family", "a", 2),
            ("family", "b", 2),
            ("size", "1 to 5 B", 2),
            ("size", "5 to 10 B", 2),
            ("BOS", "adds BOS", 2),
            ("BOS", "no BOS", 2),
            ("tuning", "pre-trained only", 2),
            ("tuning", "tuned", 2),
        ];
        assert_eq!(names, want);
        // 38 of 40 is above 90 %, 30 of 40 is not.
        assert_eq!(all[5].recovered, Some([4, 2]));
        assert_eq!(all[4].recovered, Some([4, 0]));
        assert_eq!(splits(&cells, &|_| None).len(), 6);
    }

    #[test]
    fn a_pair_is_compared_on_the_tasks_of_both() {
        let from = |model: &str| model.strip_suffix("-chat").map(str::to_string);
        let pairs = pairs(&four(), &from);
        assert_eq!(pairs.len(), 2);
        let second = &pairs[1];
        assert_eq!((second.base.as_str(), second.tuned.as_str(), second.tasks), ("b-7b", "b-7b-chat", 2));
        assert_eq!((second.better, second.worse), (0, 2));
        assert!((second.gains[0] - 0.9).abs() < 1e-12 && (second.gains[1] - 0.7).abs() < 1e-12);
    }
}
