//! `steercheck check`: the main job.

use std::time::Instant;

use crate::arguments::CheckOptions;
use crate::error::CliError;
use crate::examine::{Examined, examine};
use crate::models::print;
use crate::progress::line;
use crate::report::of_store;
use crate::{explain, report};

/// Runs the command.
pub(crate) fn run(options: &CheckOptions) -> Result<(), CliError> {
    if options.explain {
        return explain::run(options);
    }
    let started = Instant::now();
    let Examined { records, not_run, summary } = examine(options)?;
    if options.json {
        for n in &not_run {
            line(&format!("not run: {}", n.reason));
        }
        let lines: Vec<String> = records.iter().map(|r| r.to_json().trim_end().to_string()).collect();
        return print(&format!("[{}]\n", lines.join(",\n")));
    }
    let whole = of_store::report_of(&records)?;
    // Standard output holds results or nothing: what fails half-way leaves no beginning of a report.
    let report = report::Finished {
        summary,
        records: &records,
        cards: &of_store::judged(&whole),
        cells: whole.cells(),
        not_run: &not_run,
        out: &options.out,
        page: of_store::write_page(&whole, &options.out)?,
        elapsed: started.elapsed(),
    };
    print(&report::written(&report, options.format)?)
}
