//! Studies, stores and what is read from them.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use steercheck_eval::study::Shard;

use super::{MethodName, parse_tokens};
use crate::tables::Format;

const STUDY_HELP: &str = "\
Example:
  steercheck study run studies/laptop.toml --store laptop

What has a record in the store is not run again; docs/studies.md says what stands in a study file.";

#[derive(Debug, Subcommand)]
pub(crate) enum StudyCommand {
    /// Print the cells of a study, what they cost and what so many items can detect
    #[command(after_help = STUDY_HELP)]
    Plan(StudyPlanOptions),
    /// Run every cell that has no record in the store yet
    #[command(after_help = STUDY_HELP)]
    Run(StudyRunOptions),
    /// Run a study on a Slurm cluster: write a job array, a part in each task, and submit it
    #[command(after_help = STUDY_HELP)]
    Submit(StudySubmitOptions),
    /// Print how far a study is: done, running, failed, missing
    #[command(after_help = STUDY_HELP)]
    Status(StudyStatusOptions),
}

#[derive(Debug, Args)]
pub(crate) struct StudyPlanOptions {
    /// A study file
    pub(crate) file: PathBuf,
    /// Folder of the study's task files [default: its `data`, or its own folder]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
    /// Propose numbers of items that detect a gain of so many points, such as 5pp
    #[arg(long, value_name = "POINTS", value_parser = parse_points)]
    pub(crate) mde: Option<f64>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StudyRunOptions {
    /// A study file
    pub(crate) file: PathBuf,
    /// Folder of the study's task files [default: its `data`, or its own folder]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
    /// Folder for the records; several processes may share it
    #[arg(long, default_value = "steercheck-store", value_name = "FOLDER")]
    pub(crate) store: PathBuf,
    /// Log to standard error: `warn`, `info`, `debug`, or a filter such as steercheck=debug [default: `STEERCHECK_LOG`]
    #[arg(long, value_name = "FILTER")]
    pub(crate) log: Option<String>,
    /// Run one part of several of about the same cost: 1/8 to 8/8
    #[arg(long, value_name = "I/N", value_parser = parse_shard)]
    pub(crate) shard: Option<Shard>,
}

#[derive(Debug, Args)]
pub(crate) struct StudySubmitOptions {
    /// A study file; its [slurm] table has time, mem, gres, cpus and throttle
    pub(crate) file: PathBuf,
    /// Folder of the study's task files [default: its `data`, or its own folder]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
    /// Folder for the records, on a file system that all nodes share
    #[arg(long, default_value = "steercheck-store", value_name = "FOLDER")]
    pub(crate) store: PathBuf,
    /// Partition to run in [default: the study's]
    #[arg(long, value_name = "NAME")]
    pub(crate) partition: Option<String>,
    /// Tasks of the array [default: the study's, or 16]
    #[arg(long, value_name = "N", value_parser = parse_tokens)]
    pub(crate) parts: Option<usize>,
    /// Write the script and do not submit it
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StudyStatusOptions {
    /// A study file
    pub(crate) file: PathBuf,
    /// Folder of the study's task files [default: its `data`, or its own folder]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
    /// Folder of the records
    #[arg(long, default_value = "steercheck-store", value_name = "FOLDER")]
    pub(crate) store: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Read every record and artefact and compare digests, keys and names
    Verify(StoreOptions),
    /// Write tidy tables for data frames: cards, cells, items, settings, doses, heads
    #[command(after_help = EXPORT_HELP)]
    Export(StoreExportOptions),
}

const EXPORT_HELP: &str = "\
Example:
  steercheck store export laptop --out tables
  python examples/card_from_parquet.py tables

docs/store.md has the columns.";

#[derive(Debug, Args)]
pub(crate) struct StoreExportOptions {
    /// A store, or the folder of a check
    pub(crate) folder: PathBuf,
    /// Folder for the tables [default: the store's `export`]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// `parquet` (default) or `csv`
    #[arg(long, value_enum, value_name = "FORM", hide_possible_values = true, hide_default_value = true, default_value_t = ExportName::Parquet)]
    pub(crate) format: ExportName,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FigureName {
    Svg,
    Png,
    Pdf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportName {
    Parquet,
    Csv,
}

pub(super) const REPORT_HELP: &str = "\
Examples:
  steercheck report laptop --format md
  steercheck report laptop --out report --figures svg,png,pdf";

#[derive(Debug, Args)]
pub(crate) struct ReportOptions {
    /// A store, or the folder of a check
    pub(crate) folder: PathBuf,
    /// Write one HTML file, report.html, into this folder instead of printing
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// Write every figure beside it, with its numbers as CSV: `svg`, `png`, `pdf`, separated by commas
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        value_name = "FORMS",
        hide_possible_values = true,
        requires = "out"
    )]
    pub(crate) figures: Vec<FigureName>,
    /// Show these models only, as the report names them, separated by commas [default: all]
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub(crate) models: Vec<String>,
    /// Show these methods only: `tv`, `fv`, `dola` [default: all]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME", hide_possible_values = true)]
    pub(crate) methods: Vec<MethodName>,
    /// Show these tasks only [default: all]
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub(crate) tasks: Vec<String>,
    /// `text` (default), `md`, `csv` (the cards, every number), `json`, `latex`
    #[arg(long, value_enum, value_name = "FORM", hide_possible_values = true, hide_default_value = true, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct StoreOptions {
    /// A store, or the folder of a check
    pub(crate) folder: PathBuf,
}

pub(super) const PUBLISHED_HELP: &str = "\
Examples:
  steercheck published
  steercheck published llama2-7b --method fv --format csv
  steercheck published --store my-store";

#[derive(Debug, Args)]
pub(crate) struct PublishedOptions {
    /// A model, as the study names it [default: all, summarised]
    pub(crate) model: Option<String>,
    /// `tv`, `fv` or `dola` [default: all]
    #[arg(long, value_enum, value_name = "NAME", hide_possible_values = true)]
    pub(crate) method: Option<MethodName>,
    /// Beside what the records of this folder have measured
    #[arg(long, value_name = "FOLDER")]
    pub(crate) store: Option<PathBuf>,
    /// `text` (default), `md`, `csv`, `json` (every number), `latex`
    #[arg(long, value_enum, value_name = "FORM", hide_possible_values = true, hide_default_value = true, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// `3/8` counts from 1.
fn parse_shard(text: &str) -> Result<Shard, String> {
    let numbers = text.split_once('/').and_then(|(i, n)| Some((i.parse::<usize>().ok()?, n.parse::<usize>().ok()?)));
    match numbers {
        Some((index, count)) if (1..=count).contains(&index) => Ok(Shard { index: index - 1, count }),
        _ => Err("write which part of how many, such as 3/8".into()),
    }
}

/// `5pp` or `5`, as a share.
fn parse_points(text: &str) -> Result<f64, String> {
    let digits = text.trim().trim_end_matches("pp").trim();
    let points = digits.parse::<f64>().ok().filter(|p| *p > 0.0 && *p < 100.0);
    points.map(|p| p / 100.0).ok_or_else(|| "write points above 0 and below 100, such as 5pp".into())
}
