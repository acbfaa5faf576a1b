//! What a check prints: the model, its cards, a sentence per task.

mod across;
mod cards;
mod heads;
pub(crate) mod lens;
pub(crate) mod of_store;
mod scoring;

pub(crate) use cards::percent;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use steercheck_eval::Record;
use steercheck_eval::across::Cell;
use steercheck_eval::card::Card;
use steercheck_eval::export;
use steercheck_eval::study::NotRun;
use steercheck_model::{Kernels, ModelInfo, Precision, Tokenizer, bytes_text};

use crate::error::CliError;
use crate::machine::peak_memory;
use crate::tables::{Format, Table, csv_of, wrapped};

/// What is being examined.
pub(crate) fn summary(info: &ModelInfo, tokenizer: Option<&Tokenizer>) -> String {
    let types: Vec<String> = info.stored_types.iter().map(|(t, n)| format!("{t} ×{n}")).collect();
    let form = match (info.kernels, info.precision) {
        (Kernels::Integer, _) => {
            "K-quants multiplied by integer kernels: activations are rounded to 8 bits".to_string()
        }
        (_, Precision::F32) => format!("widened to f32 in memory ({})", bytes_text(info.parameters * 4)),
        (_, _) if info.stored_types.keys().all(|t| t == "F32") => "kept as stored".to_string(),
        (_, _) => "kept as stored and widened to f32 while multiplying".to_string(),
    };
    let mut lines = vec![
        format!(
            "model      {} ({}, {} blocks of {} heads, {:.1} M parameters)",
            info.name,
            info.family,
            info.blocks,
            info.heads,
            info.parameters as f64 / 1e6
        ),
        format!("weights    {}, {form}", types.join(", ")),
        tokenizer.map_or_else(
            || "tokenizer  none".to_string(),
            |t| format!("tokenizer  {} tokens, {}", t.size(), t.policy()),
        ),
    ];
    if !info.unused_tensors.is_empty() {
        let shown: Vec<&str> = info.unused_tensors.iter().take(3).map(String::as_str).collect();
        let (n, shown) = (info.unused_tensors.len(), shown.join(", "));
        lines.push(format!("warning    {n} tensors of the file are not used, among them {shown}"));
    }
    lines.join("\n") + "\n"
}

/// What a finished check is reported from.
pub(crate) struct Finished<'a> {
    /// What is being examined, and how its conformance checks ended.
    pub(crate) summary: String,
    pub(crate) records: &'a [Record],
    pub(crate) cards: &'a [Card],
    /// The same with their curves.
    pub(crate) cells: &'a [Cell],
    pub(crate) not_run: &'a [NotRun],
    pub(crate) out: &'a Path,
    /// The same as HTML.
    pub(crate) page: PathBuf,
    pub(crate) elapsed: Duration,
}

/// The report in one of its forms. CSV and JSON hold every number of the cards; the others are for reading.
pub(crate) fn written(run: &Finished<'_>, format: Format) -> Result<String, CliError> {
    let tables = cards::tables(run.records, run.cards);
    Ok(match format {
        Format::Text => text(run, &tables),
        Format::Md => {
            let tables: Vec<String> = tables.iter().map(Table::markdown).collect();
            format!("{}\n{}", tables.join("\n"), lines("* ", &sentences(run)))
        }
        Format::Latex => tables.iter().map(Table::latex).collect::<Vec<_>>().join("\n") + &lines("% ", &sentences(run)),
        Format::Csv => csv_of(&export::cards(run.cards)),
        Format::Json => serde_json::to_string_pretty(run.cards).map_err(|e| CliError::Output(e.to_string()))? + "\n",
    })
}

/// Each sentence on a line of its own, behind a sign.
pub(crate) fn lines(sign: &str, sentences: &[String]) -> String {
    sentences.iter().flat_map(|s| [sign, s, "\n"]).collect()
}

/// For the terminal.
fn text(run: &Finished<'_>, tables: &[Table]) -> String {
    let mut lines = vec![run.summary.clone()];
    lines.extend(tables.iter().map(|t| t.text() + "\n"));
    lines.extend(across::curves(run.cells).map(|t| t.text() + "\n"));
    lines.extend(sentences(run).iter().map(|s| wrapped(s, 2)));
    lines.push(String::new());
    let memory = peak_memory().map_or_else(String::new, |b| format!(", peak memory {}", bytes_text(b)));
    lines.push(format!("records    {} in {}", run.records.len(), run.out.join("records").display()));
    lines.push(format!("report     {}", run.page.display()));
    lines.push(format!("took       {:.1} s from opening the model file{memory}", run.elapsed.as_secs_f64()));
    lines.join("\n") + "\n"
}

/// One sentence per card, per task that was not run, and per change to a task's data.
fn sentences(run: &Finished<'_>) -> Vec<String> {
    let mut said = BTreeSet::new();
    let verdict = |c: &Card| c.verdict.map_or_else(String::new, |v| format!("{}: ", v.text()));
    let several = run.cards.windows(2).any(|c| c[0].measured.subject.method != c[1].measured.subject.method);
    let of_cards = run.cards.iter().map(|c| {
        let subject = &c.measured.subject;
        let method = cards::method_name(&subject.method).to_lowercase();
        let method = if several { format!(" ({method})") } else { String::new() };
        format!("{}{method}: {}{}", subject.task, verdict(c), c.reason)
    });
    let not_run = run.not_run.iter().map(|n| format!("{}: not run ({}): {}", n.task, n.method, n.reason));
    let notes = run
        .records
        .iter()
        .map(|r| &r.about.task)
        .filter(|task| said.insert(task.name.as_str()))
        .flat_map(|task| task.notes.iter().map(|note| format!("note on {}: {note}", task.name)));
    of_cards.chain(not_run).chain(notes).collect()
}
