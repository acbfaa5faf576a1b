//! A comparison for people: plain text, never coloured.

use comfy_table::{CellAlignment, Table, presets};

use crate::report::{Comparison, JobComparison, Outcome, QuantityComparison};

/// How the table's lines are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// For files, pipes and logs.
    Ascii,
    /// For terminals.
    Utf8,
}

const HEADER: [&str; 9] =
    ["job", "kind", "quantity", "values", "ties", "largest diff", "of allowed", "allowed", "verdict"];

/// One row per job and quantity, then one line per failure, then the verdict. Ends with a newline.
///
/// `of allowed` is the largest difference as a share of what is allowed at its place, so above 100 % is too much; where
/// that depends on the value, it is not the share of the largest difference.
pub fn render(comparison: &Comparison, lines: Lines) -> String {
    let mut table = Table::new();
    table.load_style(match lines {
        Lines::Ascii => presets::ASCII_MARKDOWN,
        Lines::Utf8 => presets::UTF8_FULL_CONDENSED,
    });
    table.set_header(HEADER);
    for column in 3..7 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for job in &comparison.jobs {
        if job.quantities.is_empty() {
            table.add_row(bare_row(job));
        }
        for quantity in &job.quantities {
            table.add_row(row(job, quantity));
        }
    }
    let mut lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.extend(comparison.failures().map(|failure| format!("BAD {failure}")));
    lines.push(summary(comparison));
    lines.join("\n") + "\n"
}

fn row(job: &JobComparison, quantity: &QuantityComparison) -> [String; 9] {
    [
        job.job.clone(),
        kind(job),
        quantity.quantity.clone(),
        quantity.values.to_string(),
        quantity.ties.to_string(),
        quantity.largest_difference.map_or_else(String::new, difference),
        quantity.largest_share.map_or_else(String::new, percent),
        quantity.allowed.clone(),
        verdict(quantity.outcome).to_owned(),
    ]
}

fn difference(value: f64) -> String {
    if value == 0.0 { "0".to_owned() } else { format!("{value:.1e}") }
}

fn percent(share: f64) -> String {
    match share * 100.0 {
        small if small > 0.0 && small < 0.01 => "< 0.01 %".to_owned(),
        percent => format!("{percent:.2} %"),
    }
}

fn bare_row(job: &JobComparison) -> [String; 9] {
    let mut row: [String; 9] = Default::default();
    row[0].clone_from(&job.job);
    row[1] = kind(job);
    verdict(job.outcome).clone_into(&mut row[8]);
    row
}

fn kind(job: &JobComparison) -> String {
    job.kind.map_or_else(String::new, |kind| kind.to_string())
}

fn verdict(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Agrees => "agrees",
        Outcome::Disagrees => "DISAGREES",
    }
}

fn summary(comparison: &Comparison) -> String {
    let count = |outcome| comparison.jobs.iter().filter(|job| job.outcome == outcome).count();
    let (agree, disagree) = (count(Outcome::Agrees), count(Outcome::Disagrees));
    let values = comparison.values();
    let nothing = if values == 0 { "; nothing was compared, which is not agreement" } else { "" };
    format!("{agree} jobs agree, {disagree} disagree; {values} values compared{nothing}")
}
