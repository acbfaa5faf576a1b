//! Summaries over models as tables.

use maud::{Markup, html};
use steercheck_eval::across::{Cell, Gain, named};

use super::{percent, points};
use crate::{Report, method_name};

/// A table: caption, heads, rows. The first cell of a row heads it.
fn table(caption: &str, head: &[&str], rows: &[Vec<String>]) -> Markup {
    html! {
        @if !rows.is_empty() {
            div class="wide" tabindex="0" role="group" aria-label=(caption) {
                table {
                    caption { (caption) }
                    thead { tr { @for name in head { th scope="col" { (name) } } } }
                    tbody {
                        @for row in rows {
                            tr { @for (i, text) in row.iter().enumerate() { @if i == 0 { th scope="row" { (text) } } @else { td { (text) } } } }
                        }
                    }
                }
            }
        }
    }
}

fn of_gain(gain: &Gain) -> Vec<String> {
    let alone = || format!("{:+.0}", 100.0 * gain.mean);
    vec![
        gain.models.to_string(),
        gain.cells.to_string(),
        gain.interval.as_ref().map_or_else(alone, points),
        format!("{} / {}", gain.better, gain.worse),
        if gain.models > 1 { format!("{:.3}", gain.p) } else { "–".into() },
    ]
}

/// `DoLa` on every model.
fn dola(report: &Report<'_>) -> Vec<Vec<String>> {
    let row = |cell: &Cell| {
        let m = &cell.card.measured;
        let chosen = m.settings.first().map(ToString::to_string).unwrap_or_default();
        let mut row = vec![m.subject.task.clone(), m.subject.model.clone(), m.n.to_string()];
        row.extend([percent(&m.zero_shot), percent(&m.steered), points(&m.effect), chosen]);
        row
    };
    report.cells.iter().filter(|cell| cell.card.measured.subject.method == "dola").map(row).collect()
}

/// All of them; those that have nothing to show are left out.
pub(super) fn tables(report: &Report<'_>) -> Markup {
    let all = &report.summaries;
    let name = |method: &str| named(method, method_name);
    let joined = |first: Vec<String>, gain: &Gain| first.into_iter().chain(of_gain(gain)).collect::<Vec<_>>();
    let methods: Vec<_> = all.methods.iter().map(|m| joined(vec![name(&m.method)], &m.gain)).collect();
    let tasks: Vec<_> = all.tasks.iter().map(|t| joined(vec![name(&t.method), t.task.clone()], &t.gain)).collect();
    let split = |s: &steercheck_eval::across::Split| {
        let mut row = joined(vec![name(&s.method), s.by.to_string(), s.kind.clone()], &s.gain);
        row.push(s.recovered.map_or_else(|| "–".into(), |[n, most]| format!("{most} of {n}")));
        row
    };
    let pair = |p: &steercheck_eval::across::Pair| {
        let gain = |i: usize| format!("{:+.0}", 100.0 * p.gains[i]);
        let wins = format!("{} / {}", p.better, p.worse);
        vec![name(&p.method), p.base.clone(), p.tuned.clone(), p.tasks.to_string(), gain(0), gain(1), wins]
    };
    let mut recoveries = Vec::new();
    for of in &all.recoveries {
        for (what, found) in of.counted() {
            let mut row = vec![of.way.text().to_string(), what.to_string(), found.cells.to_string()];
            row.extend(found.told());
            recoveries.push(row);
        }
    }
    let beside = |b: &steercheck_eval::across::Beside| {
        vec![
            b.model.clone(),
            name(&b.method),
            b.task.clone(),
            b.figure.to_string(),
            format!("{:.0} (n = {})", 100.0 * b.published, b.published_n),
            format!("{} (n = {})", percent(&b.measured), b.measured.n),
            format!("{:+.0}", 100.0 * b.difference),
            if b.inside { "yes" } else { "no" }.to_string(),
        ]
    };
    html! {
        (table("Methods over models and tasks: gain in points with its 95 % interval over models, models better / worse, sign test", &["method", "models", "cells", "gain", "better / worse", "p"], &methods))
        (table("Tasks over models", &["method", "task", "models", "cells", "gain", "better / worse", "p"], &tasks))
        (table("Models by what they are", &["method", "by", "kind", "models", "cells", "gain", "better / worse", "p", "recover ≥ 90 %"], &all.splits.iter().map(split).collect::<Vec<_>>()))
        (table("Tuned models beside those they were tuned from: mean gains in points", &["method", "pre-trained", "tuned", "tasks", "gain", "gain, tuned", "better / worse"], &all.pairs.iter().map(pair).collect::<Vec<_>>()))
        (table("Cells that recover at least so much of the few-shot accuracy", &["method", "setting", "cells", "≥ 50 %", "≥ 75 %", "≥ 90 %", "≥ 100 %"], &recoveries))
        (table("DoLa: per cent right of n questions with 95 % intervals, and the bucket, α and log-softmax chosen", &["questions", "model", "n", "unsteered", "DoLa", "gain", "chosen"], &dola(report)))
        (table("Measured beside published, per cent", &["model", "method", "task", "figure", "published", "measured", "difference", "inside"], &all.beside.iter().map(beside).collect::<Vec<_>>()))
    }
}
