//! What it comes to, in plain words.

use std::collections::BTreeSet;

use steercheck_eval::card::Verdict;

use crate::{Report, method_name, range};

/// One paragraph from the cards.
pub(super) fn sentence(report: &Report<'_>) -> String {
    let cells = &report.cells;
    let subjects = || cells.iter().map(|cell| &cell.card.measured.subject);
    let models: BTreeSet<&str> = subjects().map(|s| s.model.as_str()).collect();
    let tasks: BTreeSet<&str> = subjects().map(|s| s.task.as_str()).collect();
    let methods: Vec<&str> = report.summaries.methods.iter().map(|m| method_name(&m.method)).collect();
    let judged = cells.iter().filter(|cell| cell.card.verdict.is_some()).count();
    let count =
        |wanted: &[Verdict]| cells.iter().filter(|c| c.card.verdict.is_some_and(|v| wanted.contains(&v))).count();
    let (reliable, partial) = (count(&[Verdict::Reliable]), count(&[Verdict::Partial]));
    let (none, harmful) = (count(&[Verdict::NoEffect]), count(&[Verdict::Harmful]));
    let open = count(&[Verdict::Inconclusive, Verdict::Untestable, Verdict::Invalid]);
    let on = format!("{} on {} and {}", methods.join(", "), plural(models.len(), "model"), plural(tasks.len(), "task"));
    if judged == 0 {
        return format!("{on}: measured under a protocol without placebos, which gives no verdicts.");
    }
    let mut parts = vec![format!("works reliably in {reliable} of {}", plural(judged, "cell"))];
    let mut add = |n: usize, words: &str| {
        if n > 0 {
            parts.push(format!("{words} in {n}"));
        }
    };
    add(partial, "helps in part");
    add(none, "has no effect of its own");
    add(harmful, "does harm");
    add(open, "cannot be told");
    format!("{on}: steering {}.", parts.join(", "))
}

/// What limits it.
pub(super) fn caveats(report: &Report<'_>) -> String {
    let measured = || report.cells.iter().map(|cell| &cell.card.measured);
    let items = range(measured().map(|m| m.n));
    let seeds = range(measured().map(|m| m.seeds.len()));
    let least: Vec<f64> = report.cells.iter().filter_map(|cell| cell.card.minimum_detectable_effect).collect();
    let typical = {
        let mut sorted = least;
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied()
    };
    let detectable = typical.map_or_else(String::new, |gain| {
        format!(" At these sizes a typical cell detects gains of {:.0} points and more at 80 % power.", 100.0 * gain)
    });
    format!(
        "{items} items and {seeds} seed{} per cell; intervals are 95 %; a cell is a model, a method and a task.{detectable} What is true of these models and tasks need \
         not be of others.",
        if seeds == "1" { "" } else { "s" }
    )
}

fn plural(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
