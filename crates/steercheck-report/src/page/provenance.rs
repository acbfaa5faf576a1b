//! Where every number comes from.

use std::collections::BTreeMap;

use maud::{Markup, html};
use steercheck_eval::published::CITATION;

use crate::{Report, method_name};

/// The method papers.
const METHODS: [(&str, &str); 4] = [
    (
        "task vectors",
        "Roee Hendel, Mor Geva, Amir Globerson: In-Context Learning Creates Task Vectors, Findings of EMNLP 2023",
    ),
    ("function vectors", "Eric Todd et al.: Function Vectors in Large Language Models, ICLR 2024"),
    (
        "DoLa",
        "Yung-Sung Chuang et al.: DoLa: Decoding by Contrasting Layers Improves Factuality in Large Language Models, ICLR 2024",
    ),
    (
        "steerability",
        "Daniel Tan et al.: Analyzing the Generalization and Reliability of Steering Vectors, NeurIPS 2024",
    ),
];

/// Models, tasks, records and what to cite.
pub(super) fn tables(report: &Report<'_>) -> Markup {
    let records = || report.groups.iter().flatten();
    let models: BTreeMap<&str, &steercheck_eval::Record> =
        records().map(|record| (record.about.model.name.as_str(), *record)).collect();
    let tasks: BTreeMap<&str, &steercheck_eval::Record> =
        records().map(|record| (record.about.task.name.as_str(), *record)).collect();
    let seconds: f64 = records().filter_map(|record| record.timings.get("total")).sum();
    let mut programs: Vec<&str> = records().map(|record| record.about.program.as_str()).collect();
    programs.sort_unstable();
    programs.dedup();
    let mut machines: Vec<&str> = records().filter_map(|record| record.about.machine.as_deref()).collect();
    machines.sort_unstable();
    machines.dedup();
    let machines = if machines.is_empty() { String::new() } else { format!(" on {}", machines.join("; ")) };
    html! {
        p { (records().count()) " records of " (programs.join(", ")) "; computing them took " (format!("{:.1}", seconds / 60.0)) " minutes" (machines) ". Everything here is made from them \
            alone: `steercheck store verify` checks their hashes, and the same records give the same page." }
        div class="wide" tabindex="0" role="group" aria-label="Models" { table {
            caption { "Models" }
            thead { tr { th scope="col" { "model" } th scope="col" { "family" } th scope="col" { "parameters" } th scope="col" { "blocks × heads" }
                th scope="col" { "special tokens" } th scope="col" { "weights, BLAKE3" } } }
            tbody { @for (name, record) in &models {
                @let model = &record.about.model;
                tr { th scope="row" { (name) } td { (model.family) } td class="number" { (format!("{:.1} M", model.parameters as f64 / 1e6)) }
                    td class="number" { (model.blocks) " × " (model.heads) } td { (record.plan.tokenizer.special_tokens) }
                    td { code { (model.weights_hash.get(..16).unwrap_or_default()) } } }
            } }
        } }
        div class="wide" tabindex="0" role="group" aria-label="Tasks" { table {
            caption { "Tasks" }
            thead { tr { th scope="col" { "task" } th scope="col" { "items" } th scope="col" { "usable" } th scope="col" { "counts as right" }
                th scope="col" { "data, BLAKE3" } th scope="col" { "notes" } } }
            tbody { @for (name, record) in &tasks {
                @let task = &record.about.task;
                tr { th scope="row" { (name) } td class="number" { (task.items) } td class="number" { (task.usable) } td { (task.matching) }
                    td { code { (record.plan.task.get(..16).unwrap_or_default()) } } td { (task.notes.join("; ")) } }
            } }
        } }
        details { summary { "Records" }
            div class="wide" tabindex="0" role="group" aria-label="Records" { table {
                caption { "Records, by key" }
                thead { tr { th scope="col" { "key" } th scope="col" { "model" } th scope="col" { "method, version" } th scope="col" { "task" }
                    th scope="col" { "protocol, profile" } th scope="col" { "seed" } th scope="col" { "seconds" } } }
                tbody { @for record in records() {
                    @let (plan, about) = (&record.plan, &record.about);
                    tr { th scope="row" { code { (record.key().get(..16).unwrap_or_default()) } } td { (about.model.name) }
                        td { (method_name(&plan.method.name)) ", " (plan.method.version) } td { (about.task.name) }
                        td { (plan.protocol.name) ", " (about.profile) } td class="number" { (plan.seed) }
                        td class="number" { (record.timings.get("total").map_or_else(|| "–".to_string(), |s| format!("{s:.1}"))) } }
                } }
            } }
        }
        h3 { "Commands" }
        p { "These run the same cells again, on the same items with the same seeds; task files are named by what they are called." }
        pre tabindex="0" { @for command in commands(report) { (command) "\n" } }
        h3 { "To cite" }
        ul { li { (CITATION) } @for (name, paper) in &METHODS { li { (name) ": " (paper) } } }
    }
}

/// A command per model, method, protocol, profile and number of seeds.
fn commands(report: &Report<'_>) -> Vec<String> {
    let mut out: BTreeMap<[String; 5], Vec<&str>> = BTreeMap::new();
    for cell in &report.cells {
        let (m, subject) = (&cell.card.measured, &cell.card.measured.subject);
        let method = match subject.method.as_str() {
            "task-vector" => "tv",
            "function-vector" => "fv",
            "dola" => "dola",
            // Which file a given vector is of, records do not say.
            _ => continue,
        };
        let seed = m.seeds.iter().min().copied().unwrap_or_default();
        let seed = if seed == 0 { String::new() } else { format!(" --seed {seed}") };
        let key = [&subject.model, method, &subject.protocol, &subject.profile, &seed].map(ToString::to_string);
        let tasks = out.entry(key).or_default();
        if !tasks.contains(&subject.task.as_str()) {
            tasks.push(&subject.task);
        }
    }
    let command = |([model, method, protocol, profile, seed], tasks): ([String; 5], Vec<&str>)| {
        let tasks = tasks.join(",");
        format!(
            "steercheck check {model} --methods {method} --tasks {tasks} --protocol {protocol} --profile {profile}{seed}"
        )
    };
    out.into_iter().map(command).collect()
}
