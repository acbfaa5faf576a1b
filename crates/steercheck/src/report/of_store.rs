//! `steercheck report`: what a store amounts to, model by model and over them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;
use steercheck_eval::Record;
use steercheck_eval::across::{self, Cell};
use steercheck_eval::card::{Card, Subject};
use steercheck_eval::export;
use steercheck_eval::record::write_bytes;
use steercheck_eval::store::Store;
use steercheck_hub::Catalogue;
use steercheck_report::figure::Placed;
use steercheck_report::{Report, Summaries};

use super::across as shown;
use super::cards;
use crate::arguments::{FigureName, ReportOptions};
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
    Ok(Report::new(records, |_| true, summaries)?)
}

/// Whether the options ask for a cell.
fn shows(options: &ReportOptions, subject: &Subject) -> bool {
    let among = |names: &[String], name: &String| names.is_empty() || names.contains(name);
    let methods: Vec<&str> = options.methods.iter().map(|method| method.in_records()).collect();
    among(&options.models, &subject.model)
        && among(&options.tasks, &subject.task)
        && (methods.is_empty() || methods.contains(&subject.method.as_str()))
}

/// The cards of a report, in its order.
pub(crate) fn judged(report: &Report<'_>) -> Vec<Card> {
    report.cells().iter().map(|cell| cell.card.clone()).collect()
}

/// Runs the command.
pub(crate) fn run(options: &ReportOptions) -> Result<(), CliError> {
    let records = stored(&options.folder)?;
    let report = Report::new(&records, |subject| shows(options, subject), summaries)?;
    if report.cells().is_empty() {
        let folder = options.folder.display();
        if options.models.len() + options.methods.len() + options.tasks.len() > 0 {
            let names = |of: fn(&Record) -> &String| records.iter().map(of).collect::<BTreeSet<_>>();
            let listed = |names: BTreeSet<&String>| names.into_iter().cloned().collect::<Vec<_>>().join(", ");
            let (models, tasks) = (names(|r| &r.about.model.name), names(|r| &r.about.task.name));
            return Err(CliError::Usage(format!(
                "no cell in {folder} is of these models, methods and tasks; there are the models {} and the tasks {}",
                listed(models),
                listed(tasks)
            )));
        }
        return Err(CliError::Usage(format!(
            "the records in {folder} are of no method; run `steercheck check` or `study run` into it"
        )));
    }
    if let Some(out) = &options.out {
        return written(&report, out, &options.figures);
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
        format => in_tables(&report, &records, &judged, format),
    };
    print(&text)
}

/// Writes the page and, where they are asked for, its figures.
fn written(report: &Report<'_>, out: &Path, forms: &[FigureName]) -> Result<(), CliError> {
    let mut said = vec![write_page(report, out)?.display().to_string()];
    if !forms.is_empty() {
        let (figures, folder) = (report.figures(), out.join("figures"));
        let failed = |e: steercheck_report::figure::FigureError| CliError::Output(e.to_string());
        for figure in &figures {
            let path = |ending: &str| folder.join(format!("{}.{ending}", figure.id));
            for form in forms {
                match form {
                    FigureName::Svg => write_bytes(&path("svg"), figure.svg(Placed::Alone).as_bytes())?,
                    FigureName::Png => write_bytes(&path("png"), &figure.png().map_err(failed)?)?,
                    FigureName::Pdf => write_bytes(&path("pdf"), &figure.pdf().map_err(failed)?)?,
                }
            }
            write_bytes(&path("csv"), figure.csv().as_bytes())?;
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
fn in_tables(report: &Report<'_>, records: &[Record], judged: &[Card], format: Format) -> String {
    let (summaries, cells) = (report.summaries(), report.cells());
    let written = |table: &TableOf<'_>| match format {
        Format::Md => table.markdown(),
        Format::Latex => table.latex(),
        _ => table.text() + "\n",
    };
    let mut parts: Vec<String> = tables(summaries).iter().map(written).collect();
    if format == Format::Text {
        parts.extend(shown::curves(cells).iter().map(written));
    }
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
