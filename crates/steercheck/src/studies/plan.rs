//! `steercheck study plan`: what a study comes to, before anything runs.

use serde::Serialize;
use steercheck_eval::card::{ALPHA, POWER};
use steercheck_eval::cell::{Cell, Subject};
use steercheck_eval::study::{Method, Prepared, Source, Study};
use steercheck_hub::{CacheState, Catalogue, Options, cache_state};
use steercheck_stats::{items_needed, minimum_detectable_effect};

use super::opened::{Opened, loading};
use crate::arguments::StudyPlanOptions;
use crate::error::CliError;
use crate::models::print;
use crate::tables::Flush::{Left, Right};
use crate::tables::{stacked, wrapped};

/// Shares of the items whose outcome steering may change: what a difference's spread follows from.
const CHANGED: [f64; 3] = [0.1, 0.3, 0.5];

/// One method on one model.
#[derive(Debug, Serialize)]
struct Planned {
    model: String,
    method: &'static str,
    cells: usize,
    /// Tokens through all blocks; none for a model that is not on this machine.
    tokens: Option<u64>,
    /// Cells that cannot be run, likewise.
    no_use: Option<usize>,
}

/// What so many items detect.
#[derive(Debug, Serialize)]
struct Detectable {
    what: String,
    items: usize,
    /// By the shares of items that change.
    effects: Vec<f64>,
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
    let study = Study::load(&options.file)?;
    loading(&study)?;
    let mut planned = Vec::new();
    for model in &study.models {
        planned.extend(of_model(&study, model)?);
    }
    let failed = |e: steercheck_stats::Error| CliError::Usage(e.to_string());
    let effect = |n: usize, changed: f64| minimum_detectable_effect(changed.sqrt(), n, ALPHA, POWER);
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

fn of_model(study: &Study, model: &str) -> Result<Vec<Planned>, CliError> {
    let wanted = study.design.wanted();
    let prepared = if is_here(model)? {
        let opened = Opened::open(study, model)?;
        let Opened { model, tokenizer, neutral, .. } = &opened;
        let subject = Subject { model, tokenizer, neutral: neutral.as_ref(), kept: None };
        let Prepared { cells, not_run } = study.design.prepare(&subject)?;
        let work = |cell: &Cell| (cell.method(), cell.planned_work(model) / model.spec.depth().max(1) as u64);
        let not_run = not_run.iter().map(|n| n.method).collect::<Vec<_>>();
        Some((cells.iter().map(work).collect::<Vec<_>>(), not_run))
    } else {
        None
    };
    let of_part = |(i, part): (usize, &steercheck_eval::study::Part)| {
        let method = part.method.text();
        let of_method = prepared.as_ref().map(|(cells, not_run)| {
            let mine = cells.iter().filter(|(of, _)| *of == method);
            (mine.map(|(_, tokens)| tokens).sum::<u64>(), not_run.iter().filter(|of| **of == method).count())
        });
        Planned {
            model: model.to_string(),
            method,
            cells: wanted.iter().filter(|w| w.part == i).count(),
            tokens: of_method.map(|(tokens, _)| tokens),
            no_use: of_method.map(|(_, no_use)| no_use),
        }
    };
    Ok(study.design.parts.iter().enumerate().map(of_part).collect())
}

/// Whether a model can be opened without a download.
fn is_here(model: &str) -> Result<bool, CliError> {
    if std::path::Path::new(model).exists() {
        return Ok(true);
    }
    let options = Options::from_env()?;
    let known = Catalogue::builtin().models.iter().find(|m| m.name == model);
    Ok(known.is_some_and(|m| matches!(cache_state(m, &options), CacheState::Checked(_) | CacheState::Unchecked(_))))
}

fn text(plan: &Plan, mde: Option<f64>) -> String {
    let or_dash = |n: Option<u64>| n.map_or_else(|| "–".to_string(), |n| n.to_string());
    let row = |p: &Planned| {
        vec![
            p.model.clone(),
            p.method.to_string(),
            p.cells.to_string(),
            or_dash(p.tokens),
            or_dash(p.no_use.map(|n| n as u64)),
        ]
    };
    let head = [("model", Left), ("method", Left), ("cells", Right), ("tokens", Right), ("tasks of\nno use", Right)];
    let rows: Vec<Vec<String>> = plan.planned.iter().map(row).collect();
    let total: usize = plan.planned.iter().map(|p| p.cells).sum();
    let mut out = vec![format!("{}: {total} cells", plan.study), stacked(&head, &rows)];
    out.push(wrapped("tokens: through all blocks; of models that are not on this machine nothing is known yet", 0));
    let points = |x: &f64| format!("{:.0}", (100.0 * x).ceil());
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
