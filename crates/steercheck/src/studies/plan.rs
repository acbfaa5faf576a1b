//! `steercheck study plan`: what a study comes to, before anything runs.

use serde::Serialize;
use steercheck_eval::card::{ALPHA, POWER};
use steercheck_eval::study::{Method, Source, Study};
use steercheck_model::bytes_text;
use steercheck_stats::{items_needed, minimum_detectable_effect};

use super::estimate::estimates;
use super::opened::loading;
use super::plural;
use crate::arguments::StudyPlanOptions;
use crate::cost::time;
use crate::error::CliError;
use crate::models::print;
use crate::tables::Flush::{self, Left, Right};
use crate::tables::{stacked, wrapped};

/// Shares of the items whose outcome steering may change: what a difference's spread follows from.
const CHANGED: [f64; 3] = [0.1, 0.3, 0.5];

/// One method on one model.
#[derive(Debug, Serialize)]
struct Planned {
    model: String,
    method: &'static str,
    cells: usize,
    /// Prompts, answers that are scored among them; none for a model of which nothing is known.
    prompts: Option<u64>,
    /// Rows that enter a block behind a prefix.
    rows: Option<u64>,
    /// Tokens through all blocks.
    tokens: Option<u64>,
    /// On this machine.
    seconds: Option<f64>,
    /// Of records and artefacts.
    stored_bytes: Option<u64>,
    /// Cells that cannot be run; none for a model that is not on this machine.
    no_use: Option<usize>,
    /// The model that the figures were scaled from; none where they were counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    like: Option<String>,
    /// Of the model's weights.
    weights_bytes: Option<u64>,
}

/// What so many items detect.
#[derive(Debug, Serialize)]
struct Detectable {
    what: String,
    items: usize,
    /// By the shares of items that change; none where no gain that these allow is detected.
    effects: Vec<Option<f64>>,
}

#[derive(Debug, Serialize)]
struct Plan {
    study: String,
    planned: Vec<Planned>,
    detectable: Vec<Detectable>,
    /// Items that detect the effect that was asked for, by the shares of items that change.
    #[serde(skip_serializing_if = "Option::is_none")]
    proposed: Option<Vec<usize>>,
}

/// Runs the command.
pub(crate) fn run(options: &StudyPlanOptions) -> Result<(), CliError> {
    let study = Study::load(&options.file, options.data.as_deref())?;
    loading(&study)?;
    let planned = planned(&study)?;
    let failed = |e: steercheck_stats::Error| CliError::Usage(e.to_string());
    // No gain is larger than the share of items that change.
    let effect = |n: usize, changed: f64| {
        minimum_detectable_effect(changed.sqrt(), n, ALPHA, POWER)
            .map(|gain| Some(gain).filter(|gain| *gain <= changed))
    };
    let detectable = sizes(&study)
        .into_iter()
        .map(|(what, items)| {
            let effects = CHANGED.iter().map(|changed| effect(items, *changed)).collect::<Result<_, _>>();
            Ok(Detectable { what, items, effects: effects.map_err(failed)? })
        })
        .collect::<Result<Vec<_>, CliError>>()?;
    let needed = |mde: f64| -> Result<Vec<usize>, CliError> {
        CHANGED.iter().map(|changed| items_needed(mde, changed.sqrt(), ALPHA, POWER).map_err(failed)).collect()
    };
    let proposed = options.mde.map(needed).transpose()?;
    let plan = Plan { study: study.name, planned, detectable, proposed };
    if options.json {
        let json = serde_json::to_string_pretty(&plan).map_err(|e| CliError::Output(e.to_string()))?;
        return print(&(json + "\n"));
    }
    print(&text(&plan, options.mde))
}

/// Items per cell of the methods that the study has.
fn sizes(study: &Study) -> Vec<(String, usize)> {
    let mut out = Vec::new();
    let design = &study.design;
    if design.parts.iter().any(|part| !matches!(part.method, Method::Dola(_))) {
        out.push(("test items".to_string(), design.profile.test));
    }
    for part in &design.parts {
        for source in &part.sources {
            if let Source::Set(set) = source {
                let n = set.questions.len();
                out.push((set.name.clone(), design.profile.questions.map_or(n, |most| most.min(n))));
            }
        }
    }
    out
}

/// One line per method of every model.
fn planned(study: &Study) -> Result<Vec<Planned>, CliError> {
    let wanted = study.design.wanted();
    let mut out = Vec::new();
    for (model, estimated) in study.models.iter().zip(estimates(study)?) {
        for (i, part) in study.design.parts.iter().enumerate() {
            let amount = estimated.amounts.as_ref().map(|amounts| amounts[i]);
            out.push(Planned {
                model: model.clone(),
                method: part.method.text(),
                cells: wanted.iter().filter(|w| w.part == i).count(),
                prompts: amount.map(|a| a.planned.prompts),
                rows: amount.map(|a| a.planned.rows),
                tokens: amount.map(|a| a.planned.work / estimated.blocks.max(1)),
                seconds: amount.map(|a| a.seconds),
                stored_bytes: amount.map(|a| a.stored),
                no_use: amount.map(|a| a.no_use).filter(|_| estimated.like.is_none()),
                like: estimated.like.clone(),
                weights_bytes: estimated.weights,
            });
        }
    }
    Ok(out)
}

fn text(plan: &Plan, mde: Option<f64>) -> String {
    let mut out = vec![format!("{}: {}", plan.study, plural(plan.planned.iter().map(|p| p.cells).sum(), "cell"))];
    out.push(stacked(&HEAD, &plan.planned.iter().map(row).collect::<Vec<_>>()));
    out.push(notes(plan));
    let points = |x: &Option<f64>| x.map_or_else(|| "none".into(), |x| format!("{:.0}", (100.0 * x).ceil()));
    let row = |d: &Detectable| {
        [d.what.clone(), d.items.to_string()].into_iter().chain(d.effects.iter().map(points)).collect::<Vec<_>>()
    };
    let head = [
        ("cell", Left),
        ("items", Right),
        ("10 % of items\nchange", Right),
        ("30 %\nchange", Right),
        ("50 %\nchange", Right),
    ];
    out.extend([String::new(), "Gains, in points, that a cell detects at 80 % power".into()]);
    out.push(stacked(&head, &plan.detectable.iter().map(row).collect::<Vec<_>>()));
    if plan.detectable.iter().any(|d| d.effects.contains(&None)) {
        out.push("none: a gain is no larger than the share of items that change".into());
    }
    if let (Some(mde), Some(proposed)) = (mde, &plan.proposed) {
        let proposed: Vec<String> = proposed
            .iter()
            .zip(CHANGED)
            .map(|(n, changed)| format!("{n} if {:.0} % of them change", 100.0 * changed))
            .collect();
        out.push(wrapped(&format!("for {:.0} points: {} items", 100.0 * mde, proposed.join(", ")), 0));
    }
    out.join("\n") + "\n"
}

/// Columns of what cells come to.
const HEAD: [(&str, Flush); 9] = [
    ("model", Left),
    ("method", Left),
    ("cells", Right),
    ("prompts", Right),
    ("rows", Right),
    ("tokens", Right),
    ("time", Right),
    ("stored", Right),
    ("tasks of\nno use", Right),
];

fn row(p: &Planned) -> Vec<String> {
    let dash = || "–".to_string();
    let about = if p.like.is_some() { "≈" } else { "" };
    let count = |n: Option<u64>| n.map_or_else(dash, |n| format!("{about}{}", short(n)));
    vec![
        p.model.clone(),
        p.method.to_string(),
        p.cells.to_string(),
        count(p.prompts),
        count(p.rows),
        count(p.tokens),
        p.seconds.map_or_else(dash, |s| format!("{about}{}", time(s))),
        p.stored_bytes.map_or_else(dash, |b| format!("{about}{}", bytes_text(b))),
        p.no_use.map_or_else(dash, |n| n.to_string()),
    ]
}

/// `830`, `12.3 k`, `4.5 M`.
fn short(n: u64) -> String {
    match n {
        0..10_000 => n.to_string(),
        10_000..10_000_000 => format!("{:.1} k", n as f64 / 1e3),
        10_000_000..10_000_000_000 => format!("{:.1} M", n as f64 / 1e6),
        _ => format!("{:.1} G", n as f64 / 1e9),
    }
}

/// The sum, and how to read the table.
fn notes(plan: &Plan) -> String {
    let seconds: f64 = plan.planned.iter().filter_map(|p| p.seconds).sum();
    let stored: u64 = plan.planned.iter().filter_map(|p| p.stored_bytes).sum();
    let mut models: Vec<(&str, u64)> =
        plan.planned.iter().filter_map(|p| Some((p.model.as_str(), p.weights_bytes?))).collect();
    models.dedup();
    let weights: u64 = models.iter().map(|(_, bytes)| bytes).sum();
    let mut out = vec![format!(
        "all: about {} on this machine, {} of records and {} of weights",
        time(seconds),
        bytes_text(stored),
        bytes_text(weights)
    )];
    out.push(
        "prompts and rows that are run, tokens through all blocks; time by a calibration of a few seconds just now"
            .into(),
    );
    if let Some(like) = plan.planned.iter().find_map(|p| p.like.as_ref()) {
        out.push(format!(
            "≈ by analogy: the model is not on this machine, and is taken to behave as {like} does, but for its shape; where its \
             weights do not fit the memory, reading them comes on top"
        ));
    }
    if plan.planned.iter().any(|p| p.tokens.is_none()) {
        out.push(
            "–: the model is neither on this machine nor in the catalogue, or no model is here to go by; `steercheck models get` \
             fetches one"
                .into(),
        );
    }
    out.iter().map(|line| wrapped(line, 2)).collect::<Vec<_>>().join("\n")
}
