//! Which figures a card and a store have.

pub(crate) mod card;
mod choices;
pub(crate) mod over_models;

use steercheck_eval::across::Cell;
use steercheck_eval::record::{Setting, Value};
use steercheck_stats::Estimate;

/// A name that is an anchor and a file: lower case, digits, hyphens.
pub(crate) fn anchor(parts: &[&str]) -> String {
    let text = parts.join("-").to_lowercase();
    let mut out = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c);
        } else if !out.ends_with('-') {
            out.push('-');
        }
    }
    out.trim_matches('-').to_string()
}

/// A card's own anchor; cards of one name under other counts are told apart by their number.
pub(crate) fn card_id(cell: &Cell, index: usize) -> String {
    let subject = &cell.card.measured.subject;
    anchor(&["card", &index.to_string(), &subject.model, &subject.method, &subject.task])
}

/// A share with its interval, in per cent.
fn percent(e: &Estimate) -> (f64, [f64; 2]) {
    (100.0 * e.point, [100.0 * e.low, 100.0 * e.high])
}

/// A setting's place on an axis of numbers.
fn count(setting: &Setting, axis: &str) -> Option<f64> {
    match setting.0.get(axis)? {
        Value::Count(n) => Some(*n as f64),
        Value::Number(x) => Some(*x),
        Value::Text(_) => None,
    }
}

/// Items of some cells: `40`, or `40 to 60` where they differ.
fn items_of<'c>(cells: impl IntoIterator<Item = &'c Cell>) -> String {
    crate::range(cells.into_iter().map(|cell| cell.card.measured.n))
}
