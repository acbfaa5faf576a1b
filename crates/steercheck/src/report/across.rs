//! Summaries over models and tasks as tables.

use steercheck_eval::across::{Cell, Gain, Heat, Overall, Pair, Recoveries, Split, TaskGain, named};
use steercheck_eval::card::Verdict;
use steercheck_eval::published::RECOVERIES;

use super::cards::{method_name, points};
use crate::tables::{Flush, Table, TableOf};

use Flush::{Left, Right};

const SIGNS: &str = "Gains: steered minus unsteered, in points, every model's tasks averaged first, with 95 % intervals over models. p: sign test over the \
                     models that gain and that lose.";

/// Every method over all models and tasks.
pub(super) fn overall(all: &[Overall]) -> Table {
    let verdicts = [
        Verdict::Reliable,
        Verdict::Partial,
        Verdict::NoEffect,
        Verdict::Inconclusive,
        Verdict::Harmful,
        Verdict::Untestable,
        Verdict::Invalid,
    ];
    let row = |o: &Overall| {
        let mut row = vec![named(&o.method, method_name)];
        row.extend(of_gain(&o.gain));
        row.extend(verdicts.iter().map(|v| o.verdicts.get(v).copied().unwrap_or(0).to_string()));
        row
    };
    let mut head = vec![("method", Left)];
    head.extend(GAIN);
    head.extend(verdicts.iter().map(|v| (v.text(), Right)));
    Table {
        title: "Methods over models and tasks, cells by verdict".into(),
        head,
        rows: all.iter().map(row).collect(),
        note: SIGNS.into(),
    }
}

/// Columns of a gain.
const GAIN: [(&str, Flush); 6] =
    [("models", Right), ("cells", Right), ("gain", Right), ("models\nbetter", Right), ("worse", Right), ("p", Right)];

fn of_gain(gain: &Gain) -> [String; 6] {
    let alone = || format!("{:+.0}", 100.0 * gain.mean);
    [
        gain.models.to_string(),
        gain.cells.to_string(),
        gain.interval.as_ref().map_or_else(alone, points),
        gain.better.to_string(),
        gain.worse.to_string(),
        if gain.models > 1 { p(gain.p) } else { "–".into() },
    ]
}

fn p(p: f64) -> String {
    if p < 0.001 { "<0.001".into() } else { format!("{p:.3}") }
}

/// Every method on every task.
pub(super) fn by_task(all: &[TaskGain]) -> Table {
    let row =
        |t: &TaskGain| [named(&t.method, method_name), t.task.clone()].into_iter().chain(of_gain(&t.gain)).collect();
    let mut head = vec![("method", Left), ("task", Left)];
    head.extend(GAIN);
    Table { title: "Tasks over models".into(), head, rows: all.iter().map(row).collect(), note: String::new() }
}

/// Models by kind.
pub(super) fn splits(all: &[Split]) -> Option<Table> {
    let row = |s: &Split| {
        let recovered = s.recovered.map_or_else(|| "–".into(), |[n, most]| format!("{most} of {n}"));
        let mut row = vec![named(&s.method, method_name), s.by.to_string(), s.kind.clone()];
        row.extend(of_gain(&s.gain));
        row.push(recovered);
        row
    };
    let mut head = vec![("method", Left), ("by", Left), ("", Left)];
    head.extend(GAIN);
    head.push(("recover\n≥ 90 %", Right));
    (!all.is_empty()).then(|| Table {
        title: "Models by what they are".into(),
        head,
        rows: all.iter().map(row).collect(),
        note: "≥ 90 %: cells that recover at least so much of the few-shot accuracy. Kinds are confounded: families differ in \
               tokenizer, size and training."
            .into(),
    })
}

/// Tuned models beside the ones that they were tuned from.
pub(super) fn pairs(all: &[Pair]) -> Option<Table> {
    let row = |pair: &Pair| {
        let mut row =
            vec![named(&pair.method, method_name), pair.base.clone(), pair.tuned.clone(), pair.tasks.to_string()];
        row.extend(pair.gains.map(|gain| format!("{:+.0}", 100.0 * gain)));
        row.extend([pair.better.to_string(), pair.worse.to_string()]);
        row
    };
    let head = vec![
        ("method", Left),
        ("pre-trained", Left),
        ("tuned", Left),
        ("tasks", Right),
        ("gain", Right),
        ("gain,\ntuned", Right),
        ("tasks\nbetter", Right),
        ("worse", Right),
    ];
    (!all.is_empty()).then(|| Table {
        title: "Tuned models beside those they were tuned from, on the tasks of both: mean gains in points".into(),
        head,
        rows: all.iter().map(row).collect(),
        note: String::new(),
    })
}

/// Cells that recover at least so much.
pub(super) fn recoveries(all: &[Recoveries]) -> Option<Table> {
    let mut rows = Vec::new();
    for of in all {
        for (what, found) in of.counted() {
            let mut row = vec![of.way.text().to_string(), what.to_string(), found.cells.to_string()];
            row.extend(found.told());
            rows.push(row);
        }
    }
    let mut head = vec![("", Left), ("setting", Left), ("cells", Right)];
    head.extend(["≥ 50 %", "≥ 75 %", "≥ 90 %", "≥ 100 %"].map(|text| (text, Right)));
    debug_assert_eq!(head.len(), 3 + RECOVERIES.len());
    (!rows.is_empty()).then(|| Table {
        title: "Cells that recover at least so much of the few-shot accuracy".into(),
        head,
        rows,
        note: "Best on the reported items, as the published tables count, is chosen with hindsight.".into(),
    })
}

/// Models × tasks, as the study draws them: `peak / average`.
pub(super) fn heat(map: &Heat) -> TableOf<'_> {
    let percent = |share: Option<f64>| share.map_or_else(|| "–".into(), |x| format!("{:.0}", 100.0 * x));
    let row = |row: &steercheck_eval::across::HeatRow| {
        let cells = row
            .peak
            .iter()
            .zip(&row.average)
            .map(|(peak, average)| format!("{} / {}", percent(*peak), percent(*average)));
        std::iter::once(row.model.clone()).chain(cells).collect()
    };
    let tasks = map.tasks.iter().map(|task| (task.as_str(), Right));
    TableOf {
        title: format!(
            "{}: per cent of the few-shot accuracy recovered, at the best setting / on average over the settings",
            map.way.text()
        ),
        head: std::iter::once(("model", Left)).chain(tasks).collect(),
        rows: map.rows.iter().map(row).collect(),
        note: String::new(),
    }
}

/// Accuracy by residual as a line of blocks, cell by cell.
pub(crate) fn curves(cells: &[Cell]) -> Option<Table> {
    let row = |cell: &Cell| {
        let curve = cell.by_residual();
        let m = &cell.card.measured;
        let (at, most) = curve.iter().copied().reduce(|a, b| if b.1 > a.1 { b } else { a })?;
        let shares: Vec<f64> = curve.iter().map(|(_, share)| *share).collect();
        // Few-shot, where it is higher, shows how far the method comes.
        let top = m.few_shot.map_or(most, |few| few.point.max(most));
        let mut row = vec![m.subject.model.clone(), method_name(&m.subject.method).to_string(), m.subject.task.clone()];
        row.extend([sparkline(&shares, top), format!("{:.0}", 100.0 * most), at.to_string(), m.n.to_string()]);
        (curve.len() > 1).then_some(row)
    };
    let rows: Vec<Vec<String>> = cells.iter().filter_map(row).collect();
    let head = vec![
        ("model", Left),
        ("method", Left),
        ("task", Left),
        ("from the embeddings to the top", Left),
        ("most,\nper cent", Right),
        ("at", Right),
        ("n", Right),
    ];
    (!rows.is_empty()).then(|| Table {
        title: "Accuracy by the residual that is steered, at the best of the other settings".into(),
        head,
        rows,
        note: "seen with hindsight; a full block is the few-shot accuracy or, where it is higher, the curve's own most"
            .into(),
    })
}

/// A block of an eighth to eight eighths of the height for every value.
fn sparkline(values: &[f64], top: f64) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let block = |value: &f64| BLOCKS[((value / top.max(1e-9)).clamp(0.0, 1.0) * 7.0).round() as usize];
    values.iter().map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::sparkline;

    #[test]
    fn a_curve_is_a_line_of_blocks() {
        assert_eq!(sparkline(&[0.0, 0.25, 0.5, 1.0, 2.0], 1.0), "▁▃▅██");
        assert_eq!(sparkline(&[0.0, 0.0], 0.0), "▁▁");
    }
}
