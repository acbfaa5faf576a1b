//! What a check prints: the model, a table per method, a sentence per task.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use steercheck_eval::Record;
use steercheck_eval::conclusion::{self, accuracy, reported};
use steercheck_eval::protocol::Reported;
use steercheck_model::{Kernels, ModelInfo, Precision, Tokenizer, bytes_text};
use steercheck_stats::Estimate;

use crate::check::NotRun;
use crate::machine::peak_memory;
use crate::tables::{Flush, plain, wrapped};

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

/// Everything after the run.
pub(crate) fn text(records: &[Record], not_run: &[NotRun], out: &Path, elapsed: Duration) -> String {
    let Some(first) = records.first() else { return String::new() };
    let mut lines = vec![
        String::new(),
        format!("Task vectors: per cent right [95 % interval], {}", setting(first)),
        task_vectors(records),
        wrapped(&how_to_read(first), 0),
    ];
    if has_placebos(records) {
        lines.push("strength 0 equals the unsteered model bit for bit; every edit fired as planned".to_string());
    }
    lines.push(String::new());
    lines.extend(conclusions(records));
    lines.extend(not_run.iter().map(|n| wrapped(&format!("{}: not run: {}", n.task, n.reason), 2)));
    lines.extend(notes(records));
    lines.push(String::new());
    let memory = peak_memory().map_or_else(String::new, |b| format!(", peak memory {}", bytes_text(b)));
    lines.push(format!("records    {} in {}", records.len(), out.display()));
    lines.push(format!("took       {:.1} s from opening the model file{memory}", elapsed.as_secs_f64()));
    lines.join("\n") + "\n"
}

/// Protocol, profile and, where there is one, the seed.
fn setting(record: &Record) -> String {
    let seed = if record.profile.seeds == 1 { format!(", seed {}", record.seed) } else { String::new() };
    format!("protocol {}, profile {}{seed}", record.protocol.name, record.profile.name)
}

/// What the columns are.
fn how_to_read(record: &Record) -> String {
    let depth = record.model.blocks;
    match record.protocol.reported {
        Reported::TestAtDevChoice => format!(
            "Wilson intervals on n test items, the same in every column; at: residual (of {depth}) with the most hits on {} \
             other items",
            record.chosen.dev_n
        ),
        Reported::DevPeak => format!(
            "Wilson intervals; n: items of zero-shot, few-shot and steered; steered is the best residual (at, of {depth}) \
             on the items that chose it, as the study reports it"
        ),
    }
}

fn has_placebos(records: &[Record]) -> bool {
    records.iter().all(|r| r.arm("zero").is_some())
}

/// `65 [50–77]`, in per cent.
fn percent(estimate: Option<Estimate>) -> String {
    estimate.map_or_else(
        || "–".to_string(),
        |e| format!("{:.0} [{:.0}–{:.0}]", 100.0 * e.point, 100.0 * e.low, 100.0 * e.high),
    )
}

/// One row per record: arms with their intervals, the chosen residual, the placebos.
fn task_vectors(records: &[Record]) -> String {
    let placebos = has_placebos(records);
    let several = several_seeds(records);
    let mut head = vec![("task", Flush::Left)];
    if several {
        head.push(("seed", Flush::Right));
    }
    head.extend(["zero-shot", "few-shot", "steered", "at", "n"].map(|h| (h, Flush::Right)));
    if placebos {
        head.extend(["placebos:\nrandom", "shuffled", "wrong task"].map(|h| (h, Flush::Right)));
    }
    let rows: Vec<Vec<String>> = records
        .iter()
        .map(|r| {
            let main = [accuracy(r, "zero-shot"), accuracy(r, "few-shot"), reported(r)];
            let mut row = vec![r.task.name.clone()];
            if several {
                row.push(r.seed.to_string());
            }
            row.extend(main.map(percent));
            row.extend([r.chosen.residual.to_string(), counts(&main)]);
            if placebos {
                row.extend(["random-direction", "shuffled-labels", "wrong-task"].map(|arm| percent(accuracy(r, arm))));
            }
            row
        })
        .collect();
    plain(&head, &rows)
}

fn several_seeds(records: &[Record]) -> bool {
    records.iter().any(|r| r.seed != records[0].seed)
}

/// `48`, or `100/50/50` where the arms were asked different numbers of items.
fn counts(arms: &[Option<Estimate>]) -> String {
    let mut counts: Vec<usize> = arms.iter().flatten().map(|e| e.n).collect();
    if counts.windows(2).all(|w| w[0] == w[1]) {
        counts.truncate(1);
    }
    counts.iter().map(usize::to_string).collect::<Vec<_>>().join("/")
}

/// One sentence per record.
fn conclusions(records: &[Record]) -> Vec<String> {
    let several = several_seeds(records);
    let seed = |r: &Record| if several { format!(", seed {}", r.seed) } else { String::new() };
    records
        .iter()
        .filter_map(|r| Some((r, conclusion::conclude(r)?)))
        .map(|(r, c)| wrapped(&format!("{}{}: {}", r.task.name, seed(r), c.sentence), 2))
        .collect()
}

/// What was dropped or changed in the data, once per task.
fn notes(records: &[Record]) -> Vec<String> {
    let mut said = BTreeSet::new();
    records
        .iter()
        .filter(|r| said.insert(r.task.name.as_str()))
        .flat_map(|r| r.task.notes.iter().map(|note| wrapped(&format!("note on {}: {note}", r.task.name), 2)))
        .collect()
}
