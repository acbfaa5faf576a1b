//! Published figures beside those that a store's records have measured.

use std::path::Path;

use steercheck_eval::across::{self, Beside};
use steercheck_eval::published::CITATION;

use crate::arguments::PublishedOptions;
use crate::error::CliError;
use crate::models::print;
use crate::report::of_store::{published_name, stored};
use crate::report::percent as estimate;
use crate::tables::Flush::{Left, Right};
use crate::tables::{Format, Table, wrapped};

const NOTE: &str = "inside: whether the published figure lies in the measured one's 95 % interval. Items of one name need not be the same \
                    items, nor their number; the best of a grid is chosen on the items it is reported on, here as there.";

/// Runs the command for a store.
pub(super) fn run(options: &PublishedOptions, store: &Path) -> Result<(), CliError> {
    let cells = across::cells(&stored(store)?)?;
    let wanted = |row: &Beside| {
        options.method.is_none_or(|method| row.method == method.in_records())
            && options.model.as_ref().is_none_or(|model| row.model == *model)
    };
    let rows: Vec<Beside> = across::beside(&cells, &published_name).into_iter().filter(wanted).collect();
    if rows.is_empty() {
        let mut models: Vec<&str> = cells.iter().map(|cell| cell.card.measured.subject.model.as_str()).collect();
        models.dedup();
        let asked = options.model.as_ref().map_or_else(String::new, |model| format!(" for {model}"));
        return Err(CliError::Usage(format!(
            "nothing in {} was published{asked} (its models: {}); `steercheck published` lists what was",
            store.display(),
            models.join(", ")
        )));
    }
    let table = table(&rows);
    print(&match options.format {
        Format::Text => format!("{}\n\n{}\n", table.text(), wrapped(CITATION, 0)),
        Format::Md => format!("{}\n{CITATION}\n", table.markdown()),
        Format::Latex => format!("{}% {CITATION}\n", table.latex()),
        Format::Csv => table.csv(),
        Format::Json => serde_json::to_string_pretty(&rows).map_err(|e| CliError::Output(e.to_string()))? + "\n",
    })
}

fn table(rows: &[Beside]) -> Table {
    let percent = |x: f64| format!("{:.0}", 100.0 * x);
    let row = |r: &Beside| {
        vec![
            r.model.clone(),
            r.method.clone(),
            r.task.clone(),
            r.figure.to_string(),
            percent(r.published),
            r.published_n.to_string(),
            estimate(&r.measured),
            r.measured.n.to_string(),
            format!("{:+.0}", 100.0 * r.difference),
            if r.inside { "yes" } else { "no" }.to_string(),
        ]
    };
    let inside = rows.iter().filter(|row| row.inside).count();
    Table {
        title: format!("Measured beside published, per cent: {inside} of {} published figures inside", rows.len()),
        head: vec![
            ("model", Left),
            ("method", Left),
            ("task", Left),
            ("figure", Left),
            ("published", Right),
            ("n", Right),
            ("measured", Right),
            ("n", Right),
            ("differ-\nence", Right),
            ("inside", Left),
        ],
        rows: rows.iter().map(row).collect(),
        note: NOTE.into(),
    }
}
