//! What can be asked on the command line.

mod check;
mod models;
mod studies;
mod text;
mod vectors;

use clap::{Parser, Subcommand};

use check::check_help;
pub(crate) use check::{
    CheckOptions, DolaNorm, FvBias, FvEffects, FvHeads, FvPosition, MethodName, OnOff, ProfileName, ProtocolName,
};
pub(crate) use models::{
    BenchCommand, BenchDolaOptions, BenchOptions, Dtype, GetOptions, ListOptions, Loading, ModelsCommand, VerifyOptions,
};
pub(crate) use studies::{
    ExportName, FigureName, PublishedOptions, ReportOptions, StoreCommand, StoreExportOptions, StoreOptions,
    StudyCommand, StudyPlanOptions, StudyRunOptions, StudyStatusOptions, StudySubmitOptions,
};
use studies::{PUBLISHED_HELP, REPORT_HELP};
pub(crate) use text::{ActingAt, GenerateOptions, LensOptions};
use text::{GENERATE_HELP, LENS_HELP};
pub(crate) use vectors::{ExportForm, ExportOptions, MakeOptions, ShowOptions, VectorCommand, VectorMethod};

const EXIT_CODES: &str = "\
Exit codes:
  0  done, whatever the verdict
  1  the model or the run is invalid, or a result could not be written
  2  the model, a task, a vector or an option cannot be used";

const MODEL_HELP: &str = "\
A folder with config.json and safetensors or a .bin file, a .gguf file, a name from `steercheck models list`, or a hub id \
org/name[@revision][:file.gguf] [default: the catalogue's default]";

fn top_help() -> String {
    format!("Example:\n  steercheck check --tasks present-past,antonym\n\n{EXIT_CODES}")
}

/// Find out whether a steering method really works on your model, before you build on it.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = top_help())]
pub struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Arguments {
    /// What is to be logged, where that was said.
    pub(crate) fn log(&self) -> Option<&str> {
        match &self.command {
            Command::Study(StudyCommand::Run(options)) => options.log.as_deref(),
            _ => None,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the steering methods on a model and print what they are worth there
    #[command(after_help = check_help())]
    Check(CheckOptions),
    /// List and download the models that are known by name
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Let a model go on with a prompt, unsteered and steered
    #[command(after_help = GENERATE_HELP)]
    Generate(GenerateOptions),
    /// Show what every residual of a prompt would say next: the logit lens
    #[command(after_help = LENS_HELP)]
    Lens(LensOptions),
    /// Plan, run and follow studies: many models, methods and tasks into one store
    #[command(subcommand)]
    Study(StudyCommand),
    /// Check and export a folder of records
    #[command(subcommand)]
    Store(StoreCommand),
    /// Print what a folder of records amounts to over models and tasks
    #[command(after_help = REPORT_HELP)]
    Report(ReportOptions),
    /// Print the published figures of the study, alone or beside measured ones
    #[command(after_help = PUBLISHED_HELP)]
    Published(PublishedOptions),
    /// Make, show and export vectors
    #[command(subcommand)]
    Vector(VectorCommand),
    /// Measure how fast the methods run here, beside the naive way
    #[command(subcommand)]
    Bench(BenchCommand),
}

fn parse_tokens(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|n| (1..=100_000).contains(n))
        .ok_or_else(|| "write a whole number from 1 to 100000".into())
}

fn parse_seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("write a whole number from 0 to {}", u64::MAX))
}
