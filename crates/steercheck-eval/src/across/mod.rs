//! What cards amount to over models and tasks: gains with a sign test over models, splits, pairs, and the study's tables of recovery.
//!
//! Pure functions over cells; a cell is a card with what summaries need of its records.

mod beside;
mod by_task;
mod gain;
mod recovery;
mod task_group;

pub use beside::{Beside, beside};
pub use by_task::{ByTask, by_model_and_task, models};
pub use gain::{Gain, Overall, Pair, Split, TaskGain, by_method, by_task, interval, named, pairs, splits};
pub use recovery::{Heat, HeatRow, Recoveries, Way, heat, recoveries, recovery_by_heads};
pub use task_group::task_group;

use std::collections::BTreeMap;

use crate::card::{self, Card, CardError};
use crate::record::{Point, Record, Setting, Shots, Value};

/// A card with what its records say besides.
#[derive(Debug, Clone)]
pub struct Cell {
    /// The card.
    pub card: Card,
    /// The model's family.
    pub family: String,
    /// Its parameters.
    pub parameters: u64,
    /// Its blocks.
    pub blocks: usize,
    /// Whether a BOS token stands before every prompt.
    pub adds_bos: bool,
    /// Accuracy at every setting, on the items that the protocol reports: seeds averaged.
    pub grid: Vec<(Setting, f64)>,
    /// Accuracy with five demonstrations, and the items behind it; none where it was not asked.
    pub five_shot: Option<(f64, usize)>,
    /// Accuracy of the unsteered model by number of demonstrations, ascending; of the first seed.
    pub shots: Vec<(usize, f64)>,
}

impl Cell {
    /// The best accuracy at every residual of the grid, ascending: over the other axes, seen with hindsight. Empty where nothing is chosen by
    /// residual.
    pub fn by_residual(&self) -> Vec<(usize, f64)> {
        best_by(self.grid.iter().filter_map(|(setting, share)| Some((setting.at()?, *share))))
    }

    /// Whether it is the method's own and not a placebo's in its place.
    pub fn is_method(&self) -> bool {
        self.card.measured.subject.presented.is_none()
    }
}

/// The highest share at every place, ascending.
fn best_by(points: impl Iterator<Item = (usize, f64)>) -> Vec<(usize, f64)> {
    let mut best: BTreeMap<usize, f64> = BTreeMap::new();
    for (at, share) in points {
        let most = best.entry(at).or_insert(0.0);
        *most = most.max(share);
    }
    best.into_iter().collect()
}

/// The cells of some records, in the order of their cards.
pub fn cells(records: &[Record]) -> Result<Vec<Cell>, CardError> {
    cells_of(&card::groups(records))
}

/// The cells of records that were grouped by [`card::groups`].
pub fn cells_of(groups: &[Vec<&Record>]) -> Result<Vec<Cell>, CardError> {
    let cell = |(card, group): (Card, &Vec<&Record>)| {
        let first = group[0];
        Cell {
            family: first.about.model.family.clone(),
            parameters: first.about.model.parameters,
            blocks: first.about.model.blocks,
            adds_bos: first.plan.tokenizer.special_tokens.starts_with("BOS"),
            grid: grid(&card, group),
            five_shot: five_shot(&card, first),
            shots: shots(&card, first),
            card,
        }
    };
    Ok(card::cards_of(groups)?.into_iter().zip(groups).map(cell).collect())
}

/// Accuracies by setting over the seeds, which share their grid.
fn grid(card: &Card, group: &[&Record]) -> Vec<(Setting, f64)> {
    let first = group[0];
    let counts = first.plan.counts;
    // What the study plots of task vectors is the curve on dev.
    let on_dev = first.plan.protocol.reported == crate::protocol::Reported::DevPeak
        && card.measured.subject.method == "task-vector";
    let share = |point: &Point| {
        let (hits, n) = if on_dev { (point.dev, counts.dev) } else { (point.test, counts.test) };
        hits as f64 / n.max(1) as f64
    };
    let at = |i: usize| {
        let all: Vec<f64> = group.iter().filter_map(|record| record.results.grid.get(i)).map(share).collect();
        all.iter().sum::<f64>() / all.len().max(1) as f64
    };
    first.results.grid.iter().enumerate().map(|(i, point)| (point.setting.clone(), at(i))).collect()
}

fn five_shot(card: &Card, record: &Record) -> Option<(f64, usize)> {
    let n = record.plan.counts.test;
    let asked = record.results.shots.iter().find(|shots| shots.demonstrations == 5);
    let of_shots = asked.map(|shots| (shots.hits as f64 / n.max(1) as f64, n));
    let five = record.plan.method.options.get("demonstrations") == Some(&Value::Count(5));
    of_shots.or_else(|| card.measured.few_shot.filter(|_| five).map(|few| (few.point, n)))
}

/// What was asked with several numbers of demonstrations, or the two arms without and with them.
fn shots(card: &Card, record: &Record) -> Vec<(usize, f64)> {
    let m = &card.measured;
    let of_shots = |shots: &Shots| (shots.demonstrations, shots.hits as f64 / record.plan.counts.test.max(1) as f64);
    let mut out: BTreeMap<usize, f64> = record.results.shots.iter().map(of_shots).collect();
    if let (Some(few), Some(Value::Count(n))) = (m.few_shot, record.plan.method.options.get("demonstrations")) {
        out.entry(*n).or_insert(few.point);
        out.entry(0).or_insert(m.zero_shot.point);
    }
    out.into_iter().collect()
}

#[cfg(test)]
pub(crate) mod sample {
    use super::{Cell, cells};
    use crate::record::Record;
    use crate::record::sample::with_hits;

    /// A record of a model of this name and size on a task, with so many hits of 40 zero-shot, few-shot and steered.
    pub(crate) fn of_model(model: &str, parameters: u64, bos: bool, task: &str, hits: [usize; 3]) -> Record {
        let [zero, few, steered] = hits;
        let mut record = with_hits(task, 0, 40, [zero, few, steered, zero, zero, zero]);
        record.about.model.name = model.into();
        record.about.model.parameters = parameters;
        record.about.model.family = model.split('-').next().unwrap_or_default().into();
        record.plan.model.weights = blake3::hash(model.as_bytes()).to_hex().to_string();
        record.plan.tokenizer.special_tokens =
            if bos { "BOS <s> (1) before every prompt, no EOS" } else { "no BOS, no EOS" }.into();
        record
    }

    /// Four models on two tasks: the two with BOS are not steered, the others are.
    pub(crate) fn four() -> Vec<Cell> {
        let mut records = Vec::new();
        for (model, parameters, bos, steered) in [
            ("a-1b", 1_000_000_000, true, 2),
            ("a-1b-chat", 1_000_000_000, true, 1),
            ("b-7b", 7_000_000_000, false, 38),
            ("b-7b-chat", 7_000_000_000, false, 30),
        ] {
            for task in ["one", "two"] {
                records.push(of_model(model, parameters, bos, task, [2, 40, steered]));
            }
        }
        cells(&records).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::sample::four;

    #[test]
    fn a_cell_knows_its_model_and_its_grid() {
        let cells = four();
        assert_eq!(cells.len(), 8);
        let last = &cells[7];
        assert_eq!(
            (last.card.measured.subject.model.as_str(), last.parameters, last.adds_bos),
            ("b-7b-chat", 7_000_000_000, false)
        );
        assert!(cells[0].adds_bos);
        // The sample's grid has no hits on test at residual 1, and the arm's at 2.
        let shares: Vec<f64> = last.grid.iter().map(|(_, share)| *share).collect();
        assert_eq!(shares, [0.0, 0.75]);
    }
}
