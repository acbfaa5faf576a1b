//! What a check prints: the model, a table per method, a sentence per task.

use std::path::Path;
use std::time::Duration;

use steercheck_eval::Record;
use steercheck_eval::conclusion::{self, accuracy, reported};
use steercheck_model::{Kernels, ModelInfo, Precision, Tokenizer};
use steercheck_stats::Estimate;

use crate::check::NotRun;
use crate::machine::{bytes_text, peak_memory};
use crate::tables::plain;

/// What is being examined.
pub(crate) fn summary(info: &ModelInfo, tokenizer: &Tokenizer) -> String {
    let types: Vec<String> = info.stored_types.iter().map(|(t, n)| format!("{t} ×{n}")).collect();
    let form = match (info.kernels, info.precision) {
        (Kernels::Integer, _) => "multiplied by integer kernels: activations are rounded to 8 bits".to_string(),
        (_, Precision::F32) => format!("widened to f32 in memory ({})", bytes_text(info.parameters * 4)),
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
        format!("tokenizer  {} tokens, {}", tokenizer.size(), tokenizer.policy()),
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
        format!("Task vectors, protocol {}, profile {}: per cent right", first.protocol.name, first.profile.name),
        task_vectors(records),
        format!(
            "95 % Wilson intervals on n test items; residual (at) chosen on {} other items; seed {}",
            first.profile.dev, first.seed
        ),
    ];
    if records.iter().all(|r| r.arm("zero").is_some()) {
        lines.push("strength 0 equals the unsteered model bit for bit; every edit fired as planned".to_string());
    }
    lines.push(String::new());
    lines.push(conclusions(records));
    lines.extend(not_run.iter().map(|n| format!("{}\n  not run: {}", n.task, n.reason)));
    for r in records {
        lines.extend(r.task.notes.iter().map(|note| format!("note on {}: {note}", r.task.name)));
    }
    let memory = peak_memory().map_or_else(String::new, |b| format!(", peak memory {}", bytes_text(b)));
    lines.push(String::new());
    lines.push(format!(
        "{} records in {}; {:.1} s from the model file to here{memory}",
        records.len(),
        out.display(),
        elapsed.as_secs_f64()
    ));
    lines.join("\n") + "\n"
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
    let placebos = records.iter().any(|r| r.arm("zero").is_some());
    let several = records.iter().any(|r| r.seed != records[0].seed);
    let mut head = vec!["task", "zero-shot", "few-shot", "steered", "at", "n"];
    if placebos {
        head.extend(["random", "shuffled", "wrong task"]);
    }
    let rows: Vec<Vec<String>> = records
        .iter()
        .map(|r| {
            let name = if several { format!("{} (seed {})", r.task.name, r.seed) } else { r.task.name.clone() };
            let steered = reported(r);
            let mut row = vec![
                name,
                percent(accuracy(r, "zero-shot")),
                percent(accuracy(r, "few-shot")),
                percent(steered),
                format!("{}/{}", r.chosen.residual, r.model.blocks),
                steered.map_or_else(String::new, |e| e.n.to_string()),
            ];
            if placebos {
                for arm in ["random-direction", "shuffled-labels", "wrong-task"] {
                    row.push(percent(accuracy(r, arm)));
                }
            }
            row
        })
        .collect();
    plain(&head, &rows)
}

/// One sentence per record.
fn conclusions(records: &[Record]) -> String {
    records
        .iter()
        .filter_map(|r| {
            let conclusion = conclusion::conclude(r)?;
            Some(format!("{}\n  {}", r.task.name, conclusion.sentence))
        })
        .collect::<Vec<_>>()
        .join("\n")
}
