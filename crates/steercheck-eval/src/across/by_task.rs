//! Cells laid out as models × tasks.

use std::collections::{BTreeMap, BTreeSet};

use super::Cell;

/// A value for every model and task.
#[derive(Debug, Clone, PartialEq)]
pub struct ByTask<T> {
    /// The models, in rows: families stand together, small ones first.
    pub models: Vec<String>,
    /// The tasks, in columns, by name.
    pub tasks: Vec<String>,
    /// `[models][tasks]`: what the first cell of each pair gives.
    pub values: Vec<Vec<Option<T>>>,
}

/// The models of some cells: families stand together, small ones first.
pub fn models<'c>(cells: &[&'c Cell]) -> Vec<&'c str> {
    let of = |cell: &&'c Cell| (cell.family.as_str(), cell.parameters, cell.card.measured.subject.model.as_str());
    let models: BTreeSet<(&str, u64, &str)> = cells.iter().map(of).collect();
    models.into_iter().map(|(_, _, model)| model).collect()
}

/// What every cell gives, by model and task.
pub fn by_model_and_task<T: Copy>(cells: &[&Cell], value: impl Fn(&Cell) -> Option<T>) -> ByTask<T> {
    let mut found: BTreeMap<(&str, &str), Option<T>> = BTreeMap::new();
    for cell in cells {
        let subject = &cell.card.measured.subject;
        found.entry((&subject.model, &subject.task)).or_insert_with(|| value(cell));
    }
    let models = models(cells);
    let tasks: BTreeSet<&str> = found.keys().map(|(_, task)| *task).collect();
    let row = |model: &&str| tasks.iter().map(|task| found.get(&(*model, *task)).copied().flatten()).collect();
    ByTask {
        values: models.iter().map(row).collect(),
        models: models.into_iter().map(String::from).collect(),
        tasks: tasks.into_iter().map(String::from).collect(),
    }
}
