//! Options of the commands about models, and how a model is found and loaded.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{MODEL_HELP, parse_tokens};

const GET_HELP: &str = "\
Files are kept in the folder that STEERCHECK_CACHE names, or in the platform's cache folder.

Example:
  steercheck models get smollm2-135m-instruct";

const VERIFY_HELP: &str = "\
Example:
  steercheck models verify path/to/model.gguf --against path/to/golden-folder

Exit codes:
  0  no check failed
  1  a check failed, or the result could not be written
  2  the model, the golden tensors or an option cannot be used";

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// List the models that are known by name
    List(ListOptions),
    /// Download a model, check it and print where it is
    #[command(after_help = GET_HELP)]
    Get(GetOptions),
    /// Check that a model computes what it should, and that its tokenizer keeps texts
    #[command(after_help = VERIFY_HELP)]
    Verify(VerifyOptions),
}

#[derive(Debug, Args)]
pub(crate) struct ListOptions {
    /// Only the 36 models of the study, by family, and what each needs
    #[arg(long)]
    pub(crate) study: bool,
    /// Memory that a model must fit to run from it, e.g. 12G [default: 80 % of what is available]
    #[arg(long, value_name = "SIZE", value_parser = crate::machine::parse_bytes)]
    pub(crate) memory: Option<u64>,
    /// Print JSON, with shapes, sources, checksums and licences
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GetOptions {
    /// A name from `steercheck models list`, or a hub id org/name[@revision][:file.gguf] [default: the catalogue's
    /// default]
    pub(crate) model: Option<String>,
    /// Accept the licence that the model is published under
    #[arg(long)]
    pub(crate) accept_licence: bool,
    /// Download again even if the file is there
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyOptions {
    #[arg(help = MODEL_HELP)]
    pub(crate) model: Option<String>,
    /// Compare with every tensor of FOLDER/golden.safetensors, named as in README.md: numbers at most 2e-4 apart,
    /// greedy tokens equal
    #[arg(long, value_name = "FOLDER")]
    pub(crate) against: Option<PathBuf>,
    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// File for the JSON, which is always written [default: steercheck-out/verify-MODEL.json]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) loading: Loading,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Effects of all heads on one prompt: a full pass for each, and replayed rows
    Fv(BenchOptions),
    /// DoLa's whole grid beside one configuration of it, and shared beginnings beside whole passes
    Dola(BenchDolaOptions),
}

#[derive(Debug, Args)]
pub(crate) struct BenchOptions {
    #[arg(help = MODEL_HELP)]
    pub(crate) model: Option<String>,
    /// Print JSON: seconds, ratios, differences
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) loading: Loading,
}

#[derive(Debug, Args)]
pub(crate) struct BenchDolaOptions {
    #[command(flatten)]
    pub(crate) bench: BenchOptions,
    /// Questions: the CSV of `TruthfulQA` or FACTOR, or JSON Lines [default: the built-in set]
    #[arg(long, value_name = "FILE")]
    pub(crate) set: Option<PathBuf>,
    /// How many of them, from the first on
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = parse_tokens)]
    pub(crate) questions: usize,
}

/// How a model is found and loaded.
#[derive(Debug, Clone, Args)]
pub(crate) struct Loading {
    /// Form of the weights in memory: `stored` as in the file, widened while multiplying; `f32` widened once; `auto`
    /// f32 if quantised and it fits
    #[arg(long, value_enum, value_name = "FORM", hide_possible_values = true, default_value_t = Dtype::Auto)]
    pub(crate) dtype: Dtype,
    /// Memory for weights and activations, e.g. 800M or 12G [default: 80 % of what is available]
    #[arg(long, value_name = "SIZE", value_parser = crate::machine::parse_bytes)]
    pub(crate) memory: Option<u64>,
    /// Multiply K-quants with integer kernels: faster, but activations are rounded to 8 bits
    #[arg(long)]
    pub(crate) integer_kernels: bool,
    /// Accept the model's licence
    #[arg(long)]
    pub(crate) accept_licence: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dtype {
    Auto,
    Stored,
    F32,
}
