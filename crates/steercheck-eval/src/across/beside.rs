//! What was measured beside what was published.

use serde::Serialize;
use steercheck_stats::{Estimate, wilson};

use super::{Cell, Way};
use crate::card::LEVEL;
use crate::published::{function_vectors, task_vectors, truthful_qa};
use crate::record::Setting;

/// A figure that was published and measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Beside {
    /// The model, as the study names it.
    pub model: String,
    /// The method.
    pub method: String,
    /// The task, as here.
    pub task: String,
    /// Which figure.
    pub figure: &'static str,
    /// The published one, a share.
    pub published: f64,
    /// Items behind it.
    pub published_n: usize,
    /// The measured one.
    pub measured: Estimate,
    /// Measured minus published.
    pub difference: f64,
    /// Whether the published one lies inside the measured one's interval.
    pub inside: bool,
}

/// Names that a data set goes by: the study's files of task vectors, ours, and the files' own.
const TASKS: [(&str, &[&str]); 9] = [
    ("knowledge_country_capital", &["country-capital", "country_capital"]),
    ("linguistic_antonyms", &["antonym", "antonyms"]),
    ("linguistic_present_simple_past_simple", &["present-past", "present_simple_past_simple"]),
    ("translation_en_es", &["english-spanish", "en_es"]),
    ("translation_en_fr", &["english-french", "en_fr"]),
    ("translation_en_it", &["english-italian", "en_it"]),
    ("translation_es_en", &["spanish-english", "es_en"]),
    ("translation_fr_en", &["french-english", "fr_en"]),
    ("translation_it_en", &["italian-english", "it_en"]),
];

/// Every figure of the cells that was published, too. `published_name` is what the study calls a model; none of others.
pub fn beside(cells: &[Cell], published_name: &dyn Fn(&str) -> Option<String>) -> Vec<Beside> {
    cells
        .iter()
        .filter_map(|cell| Some((cell, published_name(&cell.card.measured.subject.model)?)))
        .flat_map(of_cell)
        .collect()
}

/// Figure, published share, its items, measured.
type Figure = (&'static str, Option<f64>, usize, Option<Estimate>);

fn of_cell((cell, model): (&Cell, String)) -> Vec<Beside> {
    let subject = &cell.card.measured.subject;
    let figures: Vec<Figure> = match subject.method.as_str() {
        "function-vector" => of_function_vectors(cell, &model),
        "task-vector" => of_task_vectors(cell, &model),
        "dola" => of_contrast(cell, &model),
        _ => Vec::new(),
    };
    let row = |(figure, published, published_n, measured): Figure| {
        let (published, measured) = (published?, measured?);
        Some(Beside {
            model: model.clone(),
            method: subject.method.clone(),
            task: subject.task.clone(),
            figure,
            published,
            published_n,
            measured,
            difference: measured.point - published,
            inside: measured.low <= published && published <= measured.high,
        })
    };
    figures.into_iter().filter_map(row).collect()
}

fn five_shot(cell: &Cell) -> Option<Estimate> {
    let (share, n) = cell.five_shot?;
    wilson((share * n as f64).round() as usize, n, LEVEL).ok()
}

/// The best accuracy of the grid's settings on the reported items, as published figures are chosen.
fn best(cell: &Cell, takes: impl Fn(&Setting) -> bool) -> Option<Estimate> {
    let n = cell.card.measured.n;
    let shares = cell.grid.iter().filter(|(setting, _)| takes(setting)).map(|(_, share)| *share);
    wilson((shares.reduce(f64::max)? * n as f64).round() as usize, n, LEVEL).ok()
}

fn of_function_vectors(cell: &Cell, model: &str) -> Vec<Figure> {
    let task = &cell.card.measured.subject.task;
    let Some(row) = function_vectors().into_iter().find(|row| row.model == model && row.task == *task) else {
        return Vec::new();
    };
    let share = |hits: usize| Some(hits as f64 / row.n.max(1) as f64);
    let is_default = |setting: &Setting| Way::FunctionVectorsDefault.takes("function-vector", setting);
    vec![
        ("unsteered", share(row.zero_shot), row.n, Some(cell.card.measured.zero_shot)),
        ("five-shot", share(row.five_shot), row.n, five_shot(cell)),
        ("best at λ = 1", share(row.default), row.n, best(cell, is_default)),
        ("best of the grid", share(row.search), row.n, best(cell, |_| true)),
    ]
}

fn of_task_vectors(cell: &Cell, model: &str) -> Vec<Figure> {
    let task = cell.card.measured.subject.task.as_str();
    let called =
        |name: &str| TASKS.iter().any(|(theirs, ours)| *theirs == name && (*theirs == task || ours.contains(&task)));
    let Some(row) = task_vectors().into_iter().find(|row| row.model == model && called(&row.task)) else {
        return Vec::new();
    };
    let m = &cell.card.measured;
    let on_test = m.subject.protocol != "study";
    let peak = row.curve().into_iter().reduce(f64::max);
    vec![
        ("unsteered", row.zero_shot, 100, Some(m.zero_shot)),
        ("five-shot", row.five_shot, 50, five_shot(cell)),
        ("best of the dev curve", peak, 50, m.optimism.as_ref().map(|o| o.dev)),
        ("test at the choice of dev", row.test, 50, on_test.then_some(m.steered)),
    ]
}

fn of_contrast(cell: &Cell, model: &str) -> Vec<Figure> {
    let m = &cell.card.measured;
    if m.subject.task != "truthfulqa" {
        return Vec::new();
    }
    let rows = truthful_qa();
    let best_of = |method: &str| {
        let mine = rows.iter().filter(|row| row.model == model && row.variant == "softmax" && row.method == method);
        mine.map(|row| row.mc1).reduce(f64::max)
    };
    vec![
        ("MC1, unsteered", best_of("baseline"), 817, Some(m.zero_shot)),
        ("MC1, best of the grid", best_of("dola"), 817, best(cell, |_| true)),
    ]
}

#[cfg(test)]
mod tests {
    use super::beside;
    use crate::across::cells;
    use crate::across::sample::of_model;

    #[test]
    fn a_published_figure_stands_beside_the_measured_one() {
        let record = of_model("llama2-7b", 7_000_000_000, true, "country-capital", [4, 30, 20]);
        let rows = beside(&cells(&[record]).unwrap(), &|model| Some(model.to_string()));
        let figures: Vec<&str> = rows.iter().map(|row| row.figure).collect();
        assert!(figures.contains(&"unsteered") && figures.contains(&"test at the choice of dev"), "{figures:?}");
        for row in &rows {
            assert!((row.difference - (row.measured.point - row.published)).abs() < 1e-12);
            assert_eq!(row.inside, row.measured.low <= row.published && row.published <= row.measured.high);
        }
        let unsteered = &rows[0];
        assert!((unsteered.measured.point - 0.1).abs() < 1e-12 && unsteered.published_n == 100);
    }

    #[test]
    fn models_that_the_study_does_not_know_are_left_out() {
        let record = of_model("mine", 1, false, "country-capital", [4, 30, 20]);
        assert!(beside(&cells(&[record]).unwrap(), &|_| None).is_empty());
    }
}
