//! `steercheck report`: what a store amounts to, model by model and over them.

use std::path::{Path, PathBuf};

use serde::Serialize;
use steercheck_eval::Record;
use steercheck_eval::across::{self, Cell};
use steercheck_eval::card::Card;
use steercheck_eval::export;
use steercheck_eval::record::write_bytes;
use steercheck_eval::store::Store;
use steercheck_hub::Catalogue;
use steercheck_report::figure::Placed;
use steercheck_report::{Report, Summaries};

use super::across as shown;
use super::cards;
use crate::arguments::ReportOptions;
use crate::error::CliError;
use crate::models::print;
use crate::tables::{Format, TableOf, csv_of, wrapped};

/// The records of a folder, by model, method, task and seed.
pub(crate) fn stored(folder: &Path) -> Result<Vec<Record>, CliError> {
    if !folder.join("records").is_dir() {
        let folder = folder.display();
        return Err(CliError::Usage(format!(
            "there are no records in {folder}; give the folder of a study or of a check"
        )));
    }
    let mut records = Store::open(folder)?.read_all().map_err(steercheck_eval::EvalError::from)?;
    let names = |r: &Record| (r.about.model.name.clone(), r.plan.method.name.clone(), r.about.task.name.clone());
    records.sort_by_cached_key(|r| (names(r), r.about.profile.clone(), r.plan.seed, r.key()));
    Ok(records)
}

/// What cells amount to over models, with what the catalogue knows of them.
fn summaries(cells: &[Cell]) -> Summaries {
    let catalogue = Catalogue::builtin();
    // The names of the store's models, by what the catalogue calls them.
    let named = |known: &str| {
        let models = cells.iter().map(|cell| &cell.card.measured.subject.model);
        models.into_iter().find(|model| catalogue.known_as(model).is_some_and(|m| m.name == known)).cloned()
    };
    Summaries {
        methods: across::by_method(cells),
        tasks: across::by_task(cells),
        splits: across::splits(cells, &|model| catalogue.is_tuned(model)),
        pairs: across::pairs(cells, &|model| catalogue.tuned_from(model).and_then(named)),
        recoveries: across::recoveries(cells),
        heat: across::heat(cells),
        beside: across::beside(cells, &published_name),
    }
}

/// What the study calls a model; none of others.
pub(crate) fn published_name(model: &str) -> Option<String> {
    Catalogue::builtin().known_as(model).filter(|m| m.study.is_some()).map(|m| m.name.clone())
}

fn tables(all: &Summaries) -> Vec<TableOf<'_>> {
    let mut out = vec![shown::overall(&all.methods), shown::by_task(&all.tasks)];
    let more = [shown::splits(&all.splits), shown::pairs(&all.pairs), shown::recoveries(&all.recoveries)];
    out.extend(more.into_iter().flatten());
    out.extend(all.heat.iter().map(shown::heat));
    out
}

/// The report of some records, with their summaries.
pub(crate) fn report_of(records: &[Record]) -> Result<Report<'_>, CliError> {
    Ok(Report::new(records, summaries)?)
}

/// The cards of a report, in its order.
pub(crate) fn judged(report: &Report<'_>) -> Vec<Card> {
    report.cells().iter().map(|cell| cell.card.clone()).collect()
}

/// Runs the command.
pub(crate) fn run(options: &ReportOptions) -> Result<(), CliError> {
    let records = stored(&options.folder)?;
    let report = report_of(&records)?;
    if report.cells().is_empty() {
        let folder = options.folder.display();
        return Err(CliError::Usage(format!(
            "the records in {folder} are of no method; run `steercheck check` or `study run` into it"
        )));
    }
    if let Some(out) = &options.out {
        return written(&report, out, options.figures.is_some());
    }
    let judged = judged(&report);
    let text = match options.format {
        Format::Csv => csv_of(&export::cards(&judged)),
        Format::Json => {
            #[derive(Serialize)]
            struct Whole<'a> {
                cards: &'a [Card],
                summaries: &'a Summaries,
            }
            let whole = Whole { cards: &judged, summaries: report.summaries() };
            serde_json::to_string_pretty(&whole).map_err(|e| CliError::Output(e.to_string()))? + "\n"
        }
        format => in_tables(report.summaries(), &records, &judged, format),
    };
    print(&text)
}

/// Writes the page and, where they are asked for, its figures.
fn written(report: &Report<'_>, out: &Path, with_figures: bool) -> Result<(), CliError> {
    let mut said = vec![write_page(report, out)?.display().to_string()];
    if with_figures {
        let (figures, folder) = (report.figures(), out.join("figures"));
        for figure in &figures {
            write_bytes(&folder.join(format!("{}.svg", figure.id)), figure.svg(Placed::Alone).as_bytes())?;
            write_bytes(&folder.join(format!("{}.csv", figure.id)), figure.csv().as_bytes())?;
        }
        said.push(format!("{}: {} figures", folder.display(), figures.len()));
    }
    print(&(said.join("\n") + "\n"))
}

/// Writes the page into a folder.
pub(crate) fn write_page(report: &Report<'_>, out: &Path) -> Result<PathBuf, CliError> {
    let page = out.join("report.html");
    write_bytes(&page, report.html().as_bytes())?;
    Ok(page)
}

/// Summaries, then each model's cards.
fn in_tables(summaries: &Summaries, records: &[Record], judged: &[Card], format: Format) -> String {
    let written = |table: &TableOf<'_>| match format {
        Format::Md => table.markdown(),
        Format::Latex => table.latex(),
        _ => table.text() + "\n",
    };
    let mut parts: Vec<String> = tables(summaries).iter().map(written).collect();
    let name = |card: &Card| card.measured.subject.model.clone();
    for of_model in judged.chunk_by(|a, b| name(a) == name(b)) {
        let model = name(&of_model[0]);
        let mine: Vec<Record> = records.iter().filter(|r| r.about.model.name == model).cloned().collect();
        parts.push(heading(&model, &mine, format));
        parts.extend(cards::tables(&mine, of_model).iter().map(written));
        parts.extend((format == Format::Text).then(|| reasons(of_model)));
    }
    parts.join("\n")
}

fn heading(model: &str, records: &[Record], format: Format) -> String {
    let of = records.first().map(|record| &record.about.model);
    let what =
        of.map_or_else(String::new, |m| format!(" ({}, {:.1} M parameters)", m.family, m.parameters as f64 / 1e6));
    match format {
        Format::Md => format!("## {model}{what}\n"),
        Format::Latex => format!("% {model}{what}\n"),
        _ => format!("{model}{what}\n"),
    }
}

fn reasons(cards: &[Card]) -> String {
    let reason = |card: &Card| {
        let m = &card.measured.subject;
        let verdict = card.verdict.map_or_else(String::new, |v| format!("{}: ", v.text()));
        wrapped(&format!("{} ({}): {verdict}{}", m.task, cards::method_name(&m.method).to_lowercase(), card.reason), 2)
            + "\n"
    };
    cards.iter().map(reason).collect()
}
