//! `steercheck models verify`, and the short form of it that comes before every check.

use std::borrow::Borrow;
use std::path::{Path, PathBuf};

use steercheck_eval::conformance::{self, Check, Extent, Golden, Grade, Summary, Verification, short};
use steercheck_eval::record;
use steercheck_model::{Loaded, Model, ModelError, Tokenizer};

use crate::arguments::VerifyOptions;
use crate::error::CliError;
use crate::models::{self, print};
use crate::progress::line;
use crate::tables::{Flush, WIDTH, plain, wrapped};
use crate::{cost, loading, report};

/// Where the JSON goes unless a file is named.
const OUT: &str = "steercheck-out";

/// Runs the command.
pub(crate) fn run(options: &VerifyOptions) -> Result<(), CliError> {
    if let Some(file) = &options.out {
        if file.is_dir() || file.file_name().is_none() {
            return Err(CliError::Usage(format!("--out {} is a folder; name a file", file.display())));
        }
        record::check_folder(file.parent().unwrap_or(Path::new("")))?;
    } else {
        record::check_folder(Path::new(OUT))?;
    }
    let found = models::find(options.model.as_deref(), options.loading.accept_licence, false)?;
    let memory = loading::memory(&options.loading);
    let Loaded { model, tokenizer, reading } = loading::open(&found, &options.loading, memory)?;
    cost::tell(&model.info, memory, reading, Extent::Full.passes());
    // What the model computes can be compared without a tokenizer, also where a converter left one that cannot be used.
    let tokenizer = tokenizer.map_err(|reason| match reason {
        ModelError::NoTokenizer { what, .. } => what.to_string(),
        unusable => unusable.to_string(),
    });
    let known = tokenizer.as_ref().map_err(String::as_str);
    // Read first: a folder that does not fit is no reason to wait for anything.
    let golden = options.against.as_deref().map(|folder| Golden::read(folder, &model)).transpose()?;
    let mut checks = conformance::run(&model, known, Extent::Full)?;
    if let Some(golden) = golden {
        checks.extend(golden.compare(&model)?);
    }
    let result = Verification::new(&model.info, known.ok(), checks);
    let out = options.out.clone().unwrap_or_else(|| PathBuf::from(OUT).join(result.file_name()));
    result.write(&out)?;
    if options.json {
        let json = serde_json::to_string_pretty(&result).map_err(|e| CliError::Output(e.to_string()))?;
        print(&format!("{json}\n"))?;
    } else {
        print(&text(&result, known.ok(), &out))?;
    }
    match &result.failed()[..] {
        [] => Ok(()),
        failed => Err(CliError::Conformance(format!("{} failed {}", model.info.name, listed(failed)))),
    }
}

/// `2 checks: batch = single, golden logits`.
fn listed<S: Borrow<str>>(failed: &[S]) -> String {
    format!("{}: {}", counted(failed.len()), failed.join(", "))
}

fn counted(n: usize) -> String {
    format!("{n} {}", if n == 1 { "check" } else { "checks" })
}

/// The model, the table, the conclusion.
fn text(result: &Verification, tokenizer: Option<&Tokenizer>, out: &Path) -> String {
    let head = [
        ("check", Flush::Left),
        ("grade", Flush::Left),
        ("largest\ndifference", Flush::Right),
        ("allowed", Flush::Right),
        ("detail", Flush::Left),
    ];
    let columns = |text: fn(&Check) -> &'static str| result.checks.iter().map(|c| text(c).chars().count()).max();
    let names = columns(|c| c.name).unwrap_or_default();
    let grades = columns(|c| c.grade.text()).unwrap_or_default();
    // Differences and what is allowed take 10 and 7 columns, gaps 2 each.
    let rest = WIDTH.saturating_sub(names + grades + 10 + 7 + 4 * 2);
    let rows: Vec<Vec<String>> = result.checks.iter().map(|c| row(c, rest)).collect();
    let summary = report::summary(&result.model, tokenizer);
    let (table, conclusion) = (plain(&head, &rows), wrapped(&conclusion(result), 2));
    format!("{summary}\n{table}\n\n{conclusion}\n\nresult     {}\n", out.display())
}

fn row(check: &Check, width: usize) -> Vec<String> {
    let difference = match (check.difference, check.allowed) {
        (Some(difference), _) => short(difference),
        (None, Some(_)) => "not finite".to_string(),
        (None, None) => String::new(),
    };
    let allowed = check.allowed.map_or_else(String::new, short);
    let grade = check.grade.text().to_string();
    vec![check.name.to_string(), grade, difference, allowed, folded(&check.detail, width)]
}

/// A text in lines of at most so many columns, for a cell of a table.
fn folded(text: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("there is one line to begin with, and none is taken away");
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + 1 + word.chars().count() <= width {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_string());
        }
    }
    lines.join("\n")
}

/// One sentence.
fn conclusion(result: &Verification) -> String {
    let summary = Summary::of(&result.checks);
    let skipped = result.checks.len() - summary.checks;
    let skipped = match (skipped, &result.tokenizer) {
        (0, _) => String::new(),
        (n, Some(_)) => format!(", {n} not applicable"),
        (n, None) => format!(", {n} not applicable (there is no tokenizer that can be used)"),
    };
    let notes = result.checks.iter().filter(|c| c.grade == Grade::Noted).count();
    let notes = if notes == 0 { String::new() } else { format!(", {notes} with a note") };
    let name = &result.model.name;
    if summary.failed.is_empty() {
        format!("{name} is as it should be: {} passed{notes}{skipped}.", counted(summary.checks))
    } else {
        let (failed, names) = (summary.failed.len(), summary.failed.join(", "));
        let of = counted(summary.checks);
        format!("{name} is not as it should be: {failed} of {of} failed ({names}){skipped}. Trust no result of it.")
    }
}

/// The short form: what a record keeps of it, and the line that a report shows. A model that fails is refused unless that is
/// to be passed over.
pub(crate) fn before_a_check(model: &Model, tokenizer: &Tokenizer, force: bool) -> Result<Summary, CliError> {
    let checks = conformance::run(model, Ok(tokenizer), Extent::Short)?;
    let summary = Summary::of(&checks);
    if let Some(first) = checks.iter().find(|c| c.grade == Grade::Failed) {
        let name = &model.info.name;
        let problem = format!("{name} fails {} ({})", listed(&summary.failed), first.detail);
        if !force {
            let next = "nothing is reported on it; `steercheck models verify` shows all, --force runs anyway";
            return Err(CliError::Conformance(format!("{problem}; {next}")));
        }
        line(&format!("warning: {problem}; running anyway, as --force asks"));
    }
    Ok(summary)
}

/// `7 checks passed, largest difference 3e-6`.
pub(crate) fn in_a_line(summary: &Summary) -> String {
    let largest = summary.largest_difference.map_or_else(|| "not finite".to_string(), short);
    let largest = format!("largest difference {largest}");
    if summary.failed.is_empty() {
        format!("{} passed, {largest}", counted(summary.checks))
    } else {
        format!("FAILED {} (of {}), {largest}", listed(&summary.failed), summary.checks)
    }
}
