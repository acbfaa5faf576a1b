//! What stands in records, row by row.

use std::sync::Arc;

use super::{Frame, Kind, Value};
use crate::record;
use crate::record::{Arm, ItemRecord, Record, Setting};

use Kind::{Count, Flag, Number, Text};

/// What every row of a cell says of it.
const CELL: [(&str, Kind); 10] = [
    ("cell", Text),
    ("model", Text),
    ("family", Text),
    ("parameters", Count),
    ("method", Text),
    ("presented", Text),
    ("task", Text),
    ("protocol", Text),
    ("profile", Text),
    ("seed", Count),
];

/// The axes that settings have.
const AXES: [(&str, Kind); 6] = [
    ("setting", Text),
    ("residual", Count),
    ("strength", Number),
    ("heads", Count),
    ("bucket", Text),
    ("alpha", Number),
];

fn with(name: &'static str, more: &[&[(&'static str, Kind)]]) -> Frame {
    let head = CELL.iter().chain(more.iter().copied().flatten()).copied().collect();
    Frame::new(name, head)
}

/// A cell's values, whose texts are shared by its rows.
fn of_cell(record: &Record) -> Vec<Value> {
    let (plan, about) = (&record.plan, &record.about);
    vec![
        record.key().into(),
        (&about.model.name).into(),
        (&about.model.family).into(),
        about.model.parameters.into(),
        (&plan.method.name).into(),
        plan.method.options.get("presented").map(ToString::to_string).into(),
        (&about.task.name).into(),
        plan.protocol.name.as_ref().into(),
        (&about.profile).into(),
        plan.seed.into(),
    ]
}

fn of_setting(setting: Option<&Setting>) -> Vec<Value> {
    let Some(setting) = setting else { return vec![Value::None; AXES.len()] };
    let axis = |name: &str, kind: Kind| match (setting.0.get(name), kind) {
        (Some(record::Value::Count(n)), Count) => (*n).into(),
        (Some(record::Value::Count(n)), Number) => (*n as f64).into(),
        (Some(record::Value::Number(x)), Number) => (*x).into(),
        (Some(record::Value::Text(text)), Text) => text.into(),
        _ => Value::None,
    };
    let mut out = vec![setting.to_string().into()];
    out.extend(AXES[1..].iter().map(|(name, kind)| axis(name, *kind)));
    out
}

/// One row per cell: what was run, and how it went.
pub fn cells(records: &[Record]) -> Frame {
    let more = [
        ("version", Count),
        ("weights", Text),
        ("special_tokens", Text),
        ("blocks", Count),
        ("dev", Count),
        ("test", Count),
        ("dev_hits", Count),
        ("program", Text),
        ("seconds", Number),
    ];
    let mut out = with("cells", &[&more, &AXES]);
    for record in records {
        let (plan, about, chosen) = (&record.plan, &record.about, &record.results.chosen);
        let mut row = of_cell(record);
        row.extend([
            Value::from(u64::from(plan.method.version)),
            (&plan.model.weights).into(),
            (&plan.tokenizer.special_tokens).into(),
            about.model.blocks.into(),
            plan.counts.dev.into(),
            plan.counts.test.into(),
            chosen.dev_hits.into(),
            (&about.program).into(),
            record.timings.get("total").copied().into(),
        ]);
        row.extend(of_setting((!chosen.setting.0.is_empty()).then_some(&chosen.setting)));
        out.push(row);
    }
    out
}

/// One row per item × arm, with the arm's setting: what the model said, and whether that was right.
pub fn items(records: &[Record]) -> Frame {
    let more = [
        ("arm", Text),
        ("part", Text),
        ("item", Count),
        ("input", Text),
        ("answer", Text),
        ("hit", Flag),
        ("text", Text),
        ("rank", Count),
        ("log_prob", Number),
        ("answer_log_prob", Number),
        ("completed", Flag),
        ("change", Number),
        ("score", Number),
        ("tied", Flag),
        ("masked", Count),
        ("mc2", Number),
        ("mc3", Number),
    ];
    let mut out = with("items", &[&more, &AXES]);
    for record in records {
        let cell = of_cell(record);
        let items = &record.results.items;
        let texts = |items: &[ItemRecord]| -> Vec<[Arc<str>; 2]> {
            items.iter().map(|item| [item.input.as_str().into(), item.answer.as_str().into()]).collect()
        };
        let (test, baseline) = (texts(&items.test), texts(&items.baseline));
        let folds = by_item(record);
        let chosen = of_setting(Some(&record.results.chosen.setting));
        let none = of_setting(None);
        for arm in &record.results.arms {
            let other = arm.name == "zero-shot" && !baseline.is_empty();
            let (part, asked) = if other { ("baseline", &baseline) } else { ("test", &test) };
            let (name, part): (Arc<str>, Arc<str>) = (arm.name.as_str().into(), part.into());
            for (i, [input, answer]) in asked.iter().enumerate() {
                let mut row = cell.clone();
                row.extend([Value::from(&name), (&part).into(), i.into(), input.into(), answer.into()]);
                row.extend(of_item(arm, i));
                let setting = match folds.get(i) {
                    _ if !is_steered(arm) => &none,
                    Some(of_fold) => of_fold,
                    None => &chosen,
                };
                row.extend(setting.iter().cloned());
                out.push(row);
            }
        }
    }
    out
}

/// Whether an arm runs at the chosen setting: the method, and placebos that edit as it does.
fn is_steered(arm: &Arm) -> bool {
    arm.name == "steered" || arm.outcomes.iter().any(|o| !o.receipts.is_empty())
}

/// The setting of each item where folds chose their own.
fn by_item(record: &Record) -> Vec<Vec<Value>> {
    let mut of: Vec<(usize, &Setting)> =
        record.results.folds.iter().flat_map(|fold| fold.items.iter().map(|i| (*i, &fold.setting))).collect();
    of.sort_by_key(|(item, _)| *item);
    of.into_iter().map(|(_, setting)| of_setting(Some(setting))).collect()
}

/// What an arm made of an item, whether its answers are generated or scored.
fn of_item(arm: &Arm, item: usize) -> Vec<Value> {
    if let Some(o) = arm.outcomes.get(item) {
        let moved: Vec<f64> = o.receipts.iter().filter(|r| r.before > 0.0).map(|r| r.change / r.before).collect();
        let change = (!moved.is_empty()).then(|| moved.iter().sum::<f64>() / moved.len() as f64);
        let mut out = vec![o.hit.into(), (&o.text).into(), o.rank.into(), o.log_prob.into()];
        out.extend([Value::from(o.answer_log_prob), o.completed.into(), change.into()]);
        out.extend(vec![Value::None; 5]);
        return out;
    }
    let Some(o) = arm.scored.get(item) else { return vec![Value::None; 12] };
    let mut out = vec![o.hit.into()];
    out.extend(vec![Value::None; 6]);
    let masked = o.masked.iter().sum::<usize>();
    out.extend([Value::from(o.scores.first().copied()), o.tied.into(), masked.into(), o.mc2.into(), o.mc3.into()]);
    out
}

/// One row per setting of every grid.
pub fn settings(records: &[Record]) -> Frame {
    let more = [("dev_hits", Count), ("dev", Count), ("test_hits", Count), ("test", Count), ("chosen", Flag)];
    let mut out = with("settings", &[&more, &AXES]);
    for record in records {
        let (cell, counts, chosen) = (of_cell(record), record.plan.counts, &record.results.chosen.setting);
        // A method that chooses by folds has no dev items.
        let has_dev = counts.dev > 0;
        for point in &record.results.grid {
            let mut row = cell.clone();
            row.extend([
                Value::from(has_dev.then_some(point.dev)),
                has_dev.then_some(counts.dev).into(),
                point.test.into(),
                counts.test.into(),
                (point.setting == *chosen).into(),
            ]);
            row.extend(of_setting(Some(&point.setting)));
            out.push(row);
        }
    }
    out
}

/// One row per item × share of the full strength.
pub fn doses(records: &[Record]) -> Frame {
    let mut out = with("doses", &[&[("item", Count), ("share", Number), ("answer_log_prob", Number)]]);
    for record in records {
        let cell = of_cell(record);
        let Some(dose) = &record.results.dose else { continue };
        for (i, item) in dose.answer_log_probs.iter().enumerate() {
            for (share, log_prob) in dose.shares.iter().zip(item) {
                let mut row = cell.clone();
                row.extend([Value::from(i), (*share).into(), (*log_prob).into()]);
                out.push(row);
            }
        }
    }
    out
}

/// One row per head of cells whose method has heads: its effect on the answer's probability, with its interval.
pub fn heads(records: &[Record]) -> Frame {
    let more =
        [("block", Count), ("head", Count), ("effect", Number), ("low", Number), ("high", Number), ("p_holm", Number)];
    let mut out = with("heads", &[&more]);
    for record in records {
        let cell = of_cell(record);
        let Some(map) = &record.results.heads else { continue };
        for (block, effects) in map.mean.iter().enumerate() {
            for (head, effect) in effects.iter().enumerate() {
                let at = |table: &Vec<Vec<f64>>| Value::from(table[block][head]);
                let mut row = cell.clone();
                // Blocks are counted as everywhere: the first is 1.
                row.extend([Value::from(block + 1), head.into(), (*effect).into()]);
                row.extend([at(&map.low), at(&map.high), at(&map.p_holm)]);
                out.push(row);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{cells, doses, items, settings};
    use crate::export::Value;
    use crate::record::sample::with_hits;

    #[test]
    fn an_arm_has_a_row_per_item_with_its_setting() {
        let records = [with_hits("one", 0, 6, [1, 5, 3, 1, 0, 2]), with_hits("one", 1, 6, [1, 5, 4, 1, 0, 2])];
        let frame = items(&records);
        assert_eq!(frame.rows.len(), 2 * 7 * 6);
        let at = |name: &str| frame.head.iter().position(|(column, _)| *column == name).unwrap();
        let hits = |arm: &str, seed: i64| {
            let of = |row: &&Vec<Value>| row[at("arm")] == arm.into() && row[at("seed")] == Value::Count(seed);
            frame.rows.iter().filter(of).filter(|row| row[at("hit")] == true.into()).count()
        };
        assert_eq!((hits("zero-shot", 0), hits("steered", 0), hits("steered", 1)), (1, 3, 4));
        let settings_of =
            |arm: &str| frame.rows.iter().find(|row| row[at("arm")] == arm.into()).unwrap()[at("residual")].clone();
        assert_eq!(settings_of("steered"), Value::Count(2));
        assert_eq!(settings_of("few-shot"), Value::None);
    }

    #[test]
    fn cells_settings_and_doses_are_tables_of_their_own() {
        let records = [with_hits("one", 0, 6, [1, 5, 3, 1, 0, 2])];
        assert_eq!((cells(&records).rows.len(), settings(&records).rows.len()), (1, 2));
        assert_eq!(doses(&records).rows.len(), 2 * 6);
        let grid = settings(&records);
        let chosen = grid.head.iter().position(|(column, _)| *column == "chosen").unwrap();
        assert_eq!(grid.rows.iter().map(|row| row[chosen].clone()).collect::<Vec<_>>(), [false.into(), true.into()]);
    }
}
