//! `steercheck lens`: one prompt, or a data set.

use std::path::Path;
use std::time::Instant;

use steercheck_eval::Record;
use steercheck_eval::card::LensMeasured;
use steercheck_eval::cell::{LensAsked, LensCell, LensOptions as CellOptions, Subject};
use steercheck_eval::lens::{LensGrid, Seen, lens};
use steercheck_eval::record;
use steercheck_eval::study::Source;
use steercheck_eval::task::Quirks;
use steercheck_model::{FinalNorm, Loaded, Model, Tokenizer};

use crate::arguments::LensOptions;
use crate::error::CliError;
use crate::loading;
use crate::models::{self, print};
use crate::progress::Work;
use crate::report::{lens as report, lines};
use crate::tables::Flush::{Left, Right};
use crate::tables::{Flush, Format, csv, stacked, wrapped};

/// Characters of a token that a cell shows.
const SHOWN: usize = 10;

/// Runs the command.
pub(crate) fn run(options: &LensOptions) -> Result<(), CliError> {
    let found = |name| Source::find(name, Quirks::Drop, Path::new(""));
    let task = options.task.as_deref().map(found).transpose()?;
    if task.is_some() {
        record::check_folder(&options.out)?;
    }
    let found = models::find(Some(&options.model), options.loading.accept_licence, false)?;
    let memory = loading::memory(&options.loading);
    let Loaded { mut model, tokenizer, .. } = loading::open(&found, &options.loading, memory)?;
    let tokenizer = tokenizer?;
    match (&task, &options.prompt) {
        (Some(task), _) => data_set(&mut model, &tokenizer, task, options),
        (None, Some(prompt)) => one(&model, &tokenizer, prompt, options),
        (None, None) => {
            Err(CliError::Usage("there is nothing to look at: give a prompt, or a data set by --task".into()))
        }
    }
}

fn one(model: &Model, tokenizer: &Tokenizer, prompt: &str, options: &LensOptions) -> Result<(), CliError> {
    let norm = if options.no_norm { FinalNorm::Skip } else { FinalNorm::Apply };
    let grid = lens(model, tokenizer, &prompt.replace("\\n", "\n"), norm)?;
    if options.json {
        let json = serde_json::to_string_pretty(&grid).map_err(|e| CliError::Output(e.to_string()))?;
        return print(&format!("{json}\n"));
    }
    print(&text(&grid, options.positions))
}

/// The last positions, the top residual first: a column each.
fn text(grid: &LensGrid, positions: Option<usize>) -> String {
    let n = grid.tokens.len();
    let first = n - positions.unwrap_or(n).min(n);
    let heads: Vec<String> = (first..n).map(|i| format!("{i}\n{}", shown(&grid.texts[i]))).collect();
    let mut head: Vec<(&str, Flush)> = vec![("residual", Right)];
    head.extend(heads.iter().map(|text| (text.as_str(), Left)));
    let cell = |seen: &Seen| format!("{} {:.0}", shown(&seen.text), 100.0 * seen.probability);
    let row = |(b, seen): (usize, &Vec<Seen>)| {
        std::iter::once(b.to_string()).chain(seen[first..].iter().map(cell)).collect::<Vec<String>>()
    };
    let rows: Vec<Vec<String>> = grid.residuals.iter().enumerate().rev().map(row).collect();
    let through = if grid.final_norm {
        "through the final norm and the head"
    } else {
        "through the head alone, without the final norm"
    };
    let title = format!("The most probable next token at every position and its probability in per cent, {through}");
    format!("{}\n{}\n", wrapped(&title, 0), stacked(&head, &rows))
}

/// A token as a cell shows it: quoted, whitespace visible, cut.
fn shown(text: &str) -> String {
    let visible: String = text.chars().flat_map(char::escape_debug).take(SHOWN).collect();
    let more = if text.chars().flat_map(char::escape_debug).count() > SHOWN { "…" } else { "" };
    format!("'{visible}{more}'")
}

fn data_set(model: &mut Model, tokenizer: &Tokenizer, task: &Source, options: &LensOptions) -> Result<(), CliError> {
    let started = Instant::now();
    let asked = match task {
        Source::Task(task) => LensAsked::Task(task),
        Source::Set(set) => LensAsked::Questions(set),
    };
    let cell_options = CellOptions { items: options.items, shots: options.shots, seed: options.seed };
    let subject = Subject { model, tokenizer, neutral: None, kept: None };
    let cell = LensCell::prepare(&subject, asked, &cell_options)?;
    let work = Work::new(cell.planned_work(model), model.spec.depth());
    model.watch(Some(work.watcher()));
    work.begin("lens");
    let record = cell.run(model);
    work.finish();
    let record = record?;
    record.write(&options.out)?;
    let table = record.results.lens.as_ref();
    let measured = table.map(LensMeasured::of).transpose().map_err(|e| CliError::Output(e.to_string()))?;
    let measured = measured.ok_or_else(|| CliError::Output("the record holds no lens".into()))?;
    let curves = report::curves(title(&record, tokenizer, options.seed), &measured);
    let said: Vec<String> = measured
        .rise
        .iter()
        .map(report::rise)
        .chain(record.about.task.notes.iter().map(|note| format!("note on {}: {note}", record.about.task.name)))
        .collect();
    print(&match options.format {
        Format::Text => {
            let said: Vec<String> = said.iter().map(|s| wrapped(s, 2)).collect();
            let mut parts = vec![curves.text(), String::new()];
            parts.extend(said.into_iter().map(|s| s + "\n"));
            parts.push(format!("record     1 in {}", options.out.join("records").display()));
            parts.push(format!("took       {:.1} s", started.elapsed().as_secs_f64()));
            parts.join("\n") + "\n"
        }
        Format::Md => format!("{}\n{}", curves.markdown(), lines("* ", &said)),
        Format::Latex => curves.latex() + &lines("% ", &said),
        Format::Csv => csv(&report::HEAD, &measured.curve.iter().map(report::row).collect::<Vec<_>>()),
        Format::Json => serde_json::to_string_pretty(&measured).map_err(|e| CliError::Output(e.to_string()))? + "\n",
    })
}

fn title(record: &Record, tokenizer: &Tokenizer, seed: u64) -> String {
    let how = match record.plan.method.options.get("demonstrations") {
        None => "questions as lettered multiple choice".to_string(),
        Some(shots) => format!("items behind {shots} demonstrations"),
    };
    format!(
        "The logit lens on {}: {} {how}, {}, seed {seed}; means [95 % intervals] at the last token, through the final norm and the head",
        record.about.task.name,
        record.plan.counts.test,
        tokenizer.policy()
    )
}
