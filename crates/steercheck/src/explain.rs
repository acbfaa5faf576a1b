//! `steercheck check --explain`: what each choice of the protocol is worth on this model.

use std::time::Instant;

use steercheck_eval::cell::{FunctionVectorCell, FunctionVectorOptions, Presented, Subject};
use steercheck_eval::explain::{Explained, Variant, explain, variants};
use steercheck_eval::study::Source;
use steercheck_eval::task::Task;
use steercheck_eval::{Record, record};
use steercheck_model::{Loaded, Model, Tokenizer};
use steercheck_stats::Estimate;

use crate::arguments::{CheckOptions, MethodName};
use crate::error::CliError;
use crate::examine::{Keep, sizes};
use crate::models::{self, print};
use crate::progress::line;
use crate::report::of_store;
use crate::sources::asked;
use crate::tables::Flush::{Left, Right};
use crate::tables::{Format, Table, csv};
use crate::{loading, report, verify};

/// Runs the command.
pub(crate) fn run(options: &CheckOptions) -> Result<(), CliError> {
    if options.methods != [MethodName::Fv] {
        return Err(CliError::Usage("--explain takes the choices of function vectors apart; add --methods fv".into()));
    }
    let (protocol, _) = sizes(options);
    let asked = asked(options, &protocol)?;
    let tasks: Vec<&Task> = asked.tasks.iter().filter_map(Source::task).collect();
    record::check_folder(&options.out)?;
    let found = models::find(options.model.as_deref(), options.loading.accept_licence, false)?;
    let started = Instant::now();
    let memory = loading::memory(&options.loading);
    let Loaded { model, tokenizer, .. } = loading::open(&found, &options.loading, memory)?;
    let tokenizer = tokenizer?;
    let conformance = verify::before_a_check(&model, &tokenizer, options.force)?;
    let keep = Keep { conformance: &conformance, out: &options.out };
    let variants = variants(&model, &tokenizer)?;
    let mut tables = Vec::with_capacity(tasks.len());
    let mut all: Vec<Record> = Vec::new();
    for task in tasks {
        let mut found: Vec<(Variant, Vec<Record>)> = Vec::with_capacity(variants.len());
        for variant in &variants {
            let tokenizer = tokenizer.with_bos(variant.bos)?;
            found.push((*variant, records(&model, &tokenizer, task, variant, options, &keep)?));
        }
        tables.push(explain(&found)?);
        all.extend(found.into_iter().flat_map(|(_, records)| records));
    }
    let page = of_store::write_page(&of_store::report_of(&all)?, &options.out)?;
    let text = match options.format {
        _ if options.json => json(&tables)?,
        Format::Json => json(&tables)?,
        Format::Csv => csv(&HEAD, &tables.iter().flatten().map(row).collect::<Vec<_>>()),
        Format::Md => tables.iter().map(|t| table(t).markdown()).collect::<Vec<_>>().join("\n"),
        Format::Latex => tables.iter().map(|t| table(t).latex()).collect::<Vec<_>>().join("\n"),
        Format::Text => {
            let tables: Vec<String> = tables.iter().map(|t| table(t).text() + "\n").collect();
            let summary = report::summary(&model.info, Some(&tokenizer));
            let took = format!("took       {:.1} s from opening the model file", started.elapsed().as_secs_f64());
            let verified = format!("verified   {}", verify::in_a_line(&conformance));
            let report = format!("report     {}", page.display());
            format!("{summary}{verified}\n\n{}\n{report}\n{took}\n", tables.join("\n"))
        }
    };
    print(&text)
}

/// The records of one variant, one per seed.
fn records(
    model: &Model,
    tokenizer: &Tokenizer,
    task: &Task,
    variant: &Variant,
    options: &CheckOptions,
    keep: &Keep<'_>,
) -> Result<Vec<Record>, CliError> {
    let (protocol, profile) = sizes(options);
    let subject = Subject { model, tokenizer, neutral: None, kept: Some(keep.out) };
    let mut out = Vec::with_capacity(profile.seeds);
    for seed in (0..profile.seeds as u64).map(|i| options.seed.wrapping_add(i)) {
        let started = Instant::now();
        let options = FunctionVectorOptions {
            protocol: protocol.clone(),
            choices: variant.choices,
            profile: profile.clone(),
            seed,
            presented: Presented::Method,
        };
        let cell = FunctionVectorCell::prepare(&subject, task, &options)?;
        out.push(keep.finished(cell.run(&subject, None)?)?);
        let seconds = started.elapsed().as_secs_f64();
        line(&format!("{}, {}, seed {seed}: {seconds:.1} s", task.name, variant.name));
    }
    Ok(out)
}

fn json(tables: &[Vec<Explained>]) -> Result<String, CliError> {
    let all: Vec<&Explained> = tables.iter().flatten().collect();
    Ok(serde_json::to_string_pretty(&all).map_err(|e| CliError::Output(e.to_string()))? + "\n")
}

fn percent(e: &Estimate) -> String {
    format!("{:.0} [{:.0}–{:.0}]", 100.0 * e.point, 100.0 * e.low, 100.0 * e.high)
}

fn points(e: &Estimate) -> String {
    format!("{:+.0} [{:+.0}, {:+.0}]", 100.0 * e.point, 100.0 * e.low, 100.0 * e.high)
}

fn or_dash(e: Option<&Estimate>, text: impl Fn(&Estimate) -> String) -> String {
    e.map_or_else(|| "–".to_string(), text)
}

/// One task's variants.
fn table(found: &[Explained]) -> Table {
    let rows = found
        .iter()
        .map(|e| {
            vec![
                e.variant.clone(),
                percent(&e.zero_shot),
                percent(&e.few_shot),
                percent(&e.steered),
                or_dash(e.recovery.as_ref(), percent),
                or_dash(e.moves.as_ref(), points),
            ]
        })
        .collect();
    let (task, n) = found.first().map_or(("", 0), |e| (e.task.as_str(), e.n));
    Table {
        title: format!("Function vectors on {task}, one choice at a time: per cent right [95 % interval]"),
        head: vec![
            ("choice", Left),
            ("zero-shot", Right),
            ("few-shot", Right),
            ("steered", Right),
            ("recovery", Right),
            ("moves\nsteered by", Right),
        ],
        rows,
        note: format!(
            "n = {n} test items, the same in every row; recovery: steered by few-shot; moves: steered minus steered in the first row on \
             each item, in points"
        ),
    }
}

const HEAD: [&str; 19] = [
    "task",
    "variant",
    "bos",
    "n",
    "setting",
    "zero_shot",
    "zero_shot_low",
    "zero_shot_high",
    "few_shot",
    "few_shot_low",
    "few_shot_high",
    "steered",
    "steered_low",
    "steered_high",
    "moves",
    "moves_low",
    "moves_high",
    "recovery",
    "moves_gain",
];

fn row(e: &Explained) -> Vec<String> {
    let number = |x: Option<f64>| x.map_or_else(String::new, |x| x.to_string());
    let three = |e: Option<Estimate>| [e.map(|e| e.point), e.map(|e| e.low), e.map(|e| e.high)].map(number);
    let mut out = vec![e.task.clone(), e.variant.clone(), e.bos.to_string(), e.n.to_string(), e.setting.to_string()];
    out.extend([Some(e.zero_shot), Some(e.few_shot), Some(e.steered), e.moves].into_iter().flat_map(three));
    out.extend([number(e.recovery.map(|r| r.point)), number(e.moves_gain.map(|m| m.point))]);
    out
}
