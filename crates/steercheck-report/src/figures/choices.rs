//! Which settings are best, and what one cell gives under several protocols.

use std::collections::{BTreeMap, BTreeSet};

use steercheck_eval::Record;
use steercheck_eval::across::{ByTask, Cell, by_model_and_task};

use super::over_models::{Drawn, of_method};
use super::{anchor, count, items_of};
use crate::figure::{Heat, Plot, Shades};
use crate::{Report, method_name};

/// Best residual, strength and number of heads of every model and task.
pub(super) fn best_settings(cells: &[Cell]) -> Vec<Drawn> {
    let axes = [
        ("task-vector", "residual", "residual", "% of the depth"),
        ("function-vector", "residual", "residual", "% of the depth"),
        ("function-vector", "strength", "strength λ", "λ"),
        ("function-vector", "heads", "number of heads", "heads"),
    ];
    let mut out = Vec::new();
    for (method, axis, words, unit) in axes {
        let mine: Vec<&Cell> = of_method(cells, method).into_iter().filter(|cell| cell.grid.len() > 1).collect();
        let best = |cell: &Cell| {
            // The first of the best, as choices are made everywhere.
            let most = cell.grid.iter().map(|(_, share)| *share).reduce(f64::max)?;
            let (setting, _) = cell.grid.iter().find(|(_, share)| *share >= most)?;
            let at = count(setting, axis)?;
            Some(if axis == "residual" { 100.0 * at / cell.blocks.max(1) as f64 } else { at })
        };
        let ByTask { models: rows, tasks: columns, values } = by_model_and_task(&mine, best);
        let found = values.iter().flatten().flatten().copied();
        let Some(most) = found.reduce(f64::max) else { continue };
        let top = if axis == "residual" { 100.0 } else { most };
        let heat = Heat {
            x: "task".into(),
            y: "model".into(),
            unit: unit.into(),
            columns,
            rows,
            values,
            shades: Shades::Rising([0.0, top]),
        };
        let caption = format!(
            "The setting with the most right answers on the reported items, n = {} per cell, the first on ties: seen with hindsight, and as \
             uncertain as the accuracies that it is read from.",
            items_of(mine.iter().copied())
        );
        out.push(Drawn {
            id: anchor(&["best", method, axis]),
            title: format!("Best {words}: {}", method_name(method)),
            caption,
            plot: Plot::Heat(heat),
        });
    }
    out
}

/// Cells of one model, method and task that differ by their protocol or by a choice, each with what it differs in.
pub(super) struct Several<'a> {
    pub(super) cells: Vec<(&'a Cell, String)>,
}

/// All of them.
pub(super) fn several<'a>(report: &'a Report<'_>) -> Vec<Several<'a>> {
    let mut places: BTreeMap<(&str, &str, &str), Vec<usize>> = BTreeMap::new();
    for (i, cell) in report.cells.iter().enumerate() {
        let subject = &cell.card.measured.subject;
        if cell.is_method() && subject.method != "vector" {
            places.entry((&subject.model, &subject.method, &subject.task)).or_default().push(i);
        }
    }
    let mut out = Vec::new();
    for at in places.into_values().filter(|at| at.len() > 1) {
        let told: Vec<BTreeMap<String, String>> = at.iter().map(|i| choices(report.groups[*i][0])).collect();
        let names: BTreeSet<&String> = told.iter().flat_map(BTreeMap::keys).collect();
        let differing: Vec<&String> =
            names.into_iter().filter(|name| told.iter().any(|t| t.get(*name) != told[0].get(*name))).collect();
        let words = |choice: &BTreeMap<String, String>| {
            let one = |name: &&String| Some(format!("{name} {}", choice.get(*name)?));
            differing.iter().filter_map(one).collect::<Vec<_>>().join(", ")
        };
        let mut cells: Vec<(&Cell, String)> =
            at.iter().zip(&told).map(|(i, choice)| (&report.cells[*i], words(choice))).collect();
        // What the protocol itself says comes first.
        cells.sort_by_key(|(_, words)| (words.contains("study"), words.len(), words.clone()));
        if !differing.is_empty() {
            out.push(Several { cells });
        }
    }
    out
}

/// What a record's results depend on, by name.
fn choices(record: &Record) -> BTreeMap<String, String> {
    let plan = &record.plan;
    let mut out: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in &plan.method.options {
        let text = value.to_string();
        // Hashes tell a reader nothing.
        if text.len() < 40 {
            out.insert(name.clone(), text);
        }
    }
    out.insert("protocol".into(), plan.protocol.name.to_string());
    let bos = if plan.tokenizer.special_tokens.starts_with("BOS") { "with BOS" } else { "without BOS" };
    out.insert("prompts".into(), bos.into());
    out.insert("test items".into(), plan.counts.test.to_string());
    out
}
