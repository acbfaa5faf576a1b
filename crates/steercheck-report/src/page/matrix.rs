//! Verdicts of models × tasks, method by method.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};
use steercheck_eval::across::Cell;

use super::points;
use crate::{Report, figures, method_name};

/// Lists to choose from; they need JavaScript and are shown by it.
pub(super) fn filters(report: &Report<'_>) -> Markup {
    let subjects = || report.cells.iter().map(|cell| &cell.card.measured.subject);
    let lists: [(&str, BTreeSet<String>); 4] = [
        ("model", subjects().map(|s| s.model.clone()).collect()),
        ("family", report.cells.iter().map(|cell| cell.family.clone()).collect()),
        ("method", subjects().map(|s| s.method.clone()).collect()),
        ("task", subjects().map(|s| s.task.clone()).collect()),
    ];
    html! {
        form class="filters" hidden aria-label="Show only" {
            @for (name, values) in &lists {
                label { (name) " "
                    select data-filter=(name) {
                        option value="" { "all" }
                        @for value in values { option value=(value) { (if *name == "method" { method_name(value) } else { value.as_str() }) } }
                    }
                }
            }
            output aria-live="polite" {}
        }
    }
}

/// A table per method.
pub(super) fn tables(report: &Report<'_>) -> Markup {
    let mut methods: Vec<&str> = report.cells.iter().map(|cell| cell.card.measured.subject.method.as_str()).collect();
    methods.dedup();
    let mut seen = BTreeSet::new();
    methods.retain(|method| seen.insert(*method));
    html! { @for method in methods { (of_method(report, method)) } }
}

/// A model's cells by task, with their numbers.
type Row<'a> = BTreeMap<&'a str, Vec<(usize, &'a Cell)>>;

fn of_method(report: &Report<'_>, method: &str) -> Markup {
    let mine: Vec<(usize, &Cell)> =
        report.cells.iter().enumerate().filter(|(_, cell)| cell.card.measured.subject.method == method).collect();
    let tasks: BTreeSet<&str> = mine.iter().map(|(_, cell)| cell.card.measured.subject.task.as_str()).collect();
    // Models of a family stand together, small ones first.
    let mut models: BTreeMap<(&str, u64, &str), Row<'_>> = BTreeMap::new();
    for (i, cell) in &mine {
        let subject = &cell.card.measured.subject;
        let row = models.entry((&cell.family, cell.parameters, &subject.model)).or_default();
        row.entry(&subject.task).or_default().push((*i, cell));
    }
    html! {
        div class="wide" tabindex="0" role="group" aria-label=(method_name(method)) {
            table class="verdicts" {
                caption { (method_name(method)) ": verdict, gain in points with its 95 % interval, n" }
                thead { tr { th scope="col" { "model" } @for task in &tasks { th scope="col" { (task) } } } }
                tbody {
                    @for ((family, _, model), row) in &models {
                        tr data-model=(model) data-family=(family) data-method=(method) {
                            th scope="row" { (model) }
                            @for task in &tasks {
                                td data-task=(task) {
                                    @for (i, cell) in row.get(task).into_iter().flatten() { (verdict(*i, cell)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A verdict that opens its card.
fn verdict(i: usize, cell: &Cell) -> Markup {
    let m = &cell.card.measured;
    let (word, class) =
        cell.card.verdict.map_or(("not judged", "none".to_string()), |v| (v.text(), v.text().replace(' ', "-")));
    let presented = m.subject.presented.as_ref();
    html! {
        a class={ "verdict " (class) } href={ "#" (figures::card_id(cell, i)) } {
            b { (word) } " " span { (points(&m.effect)) } " " small { "n = " (m.n)
                @if let Some(placebo) = presented { ", in its place: " (placebo) } }
        }
    }
}
