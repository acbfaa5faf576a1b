//! Options of `steercheck vector`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Loading, MODEL_HELP, ProfileName, parse_seed};

const MAKE_HELP: &str = "\
Example:
  steercheck vector make smollm2-135m-instruct --task present-past --to past.safetensors";

#[derive(Debug, Subcommand)]
pub(crate) enum VectorCommand {
    /// Check a method on a task and keep the vector that it chose
    #[command(after_help = MAKE_HELP)]
    Make(MakeOptions),
    /// Print what a vector's file says
    Show(ShowOptions),
    /// Write a vector for another program
    Export(ExportOptions),
}

#[derive(Debug, Args)]
pub(crate) struct MakeOptions {
    #[arg(help = MODEL_HELP)]
    pub(crate) model: Option<String>,
    /// A task by name or file
    #[arg(long, value_name = "TASK")]
    pub(crate) task: String,
    /// `fv` function vector, `tv` task vector
    #[arg(long, value_enum, value_name = "NAME", hide_possible_values = true, default_value_t = VectorMethod::Fv)]
    pub(crate) method: VectorMethod,
    /// File for the vector [default: TASK-METHOD.safetensors]
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
    /// Items to choose on, items to report on: `quick` 24, 48; `standard` 50, 100
    #[arg(long, value_enum, value_name = "NAME", hide_possible_values = true, default_value_t = ProfileName::Quick)]
    pub(crate) profile: ProfileName,
    /// Seed of demonstrations, vectors and placebos
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = parse_seed, allow_negative_numbers = true)]
    pub(crate) seed: u64,
    /// Folder for the record
    #[arg(long, default_value = "steercheck-out", value_name = "FOLDER")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) loading: Loading,
}

#[derive(Debug, Args)]
pub(crate) struct ShowOptions {
    /// A safetensors file or llama.cpp control vector
    pub(crate) file: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExportOptions {
    /// A file that `vector make` wrote
    pub(crate) file: PathBuf,
    /// `gguf-control-vector`: what llama.cpp reads with --control-vector
    #[arg(long, value_enum, value_name = "FORM", hide_possible_values = true, default_value_t = ExportForm::GgufControlVector)]
    pub(crate) format: ExportForm,
    /// File to write [default: the same name with the format's ending]
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportForm {
    GgufControlVector,
}

/// The methods that make a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum VectorMethod {
    Tv,
    Fv,
}
