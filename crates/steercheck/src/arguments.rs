//! What can be asked on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

const EXIT_CODES: &str = "Exit codes: 0 done (whatever the verdict); 1 the run is invalid or a result could not be written; \
2 the model, a task or an option cannot be used.";

/// Find out whether a steering method really works on your model, before you build on it.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES)]
pub struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the steering methods on a model and print what they are worth there
    #[command(after_help = format!("Example: steercheck check smollm2-135m-instruct --tasks present-past,antonym --seed 1\n\n{EXIT_CODES}"))]
    Check(CheckOptions),
    /// The models that are known by name
    #[command(subcommand)]
    Models(ModelsCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// List the catalogue
    List(ListOptions),
    /// Download a model and check it
    Get(GetOptions),
}

#[derive(Debug, Args)]
pub(crate) struct ListOptions {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GetOptions {
    /// A catalogue name or a hub id (org/name[@revision][:file.gguf])
    pub(crate) model: Option<String>,
    /// Accept the licence that the model is published under
    #[arg(long)]
    pub(crate) accept_licence: bool,
    /// Download again even if the file is there
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CheckOptions {
    /// A path (folder with config.json, or .gguf), a catalogue name or a hub id [default: the catalogue's default]
    pub(crate) model: Option<String>,
    /// Tasks by name or file (.json, .jsonl, .tsv), separated by commas
    #[arg(long, value_delimiter = ',', value_name = "TASK")]
    pub(crate) tasks: Vec<String>,
    /// How many items and seeds [default: quick, or study with --protocol study]
    #[arg(long, value_enum)]
    pub(crate) profile: Option<ProfileName>,
    /// Which choices: `rigorous` picks on dev and reports on test, `study` does what the published code does
    #[arg(long, value_enum, default_value_t = ProtocolName::Rigorous)]
    pub(crate) protocol: ProtocolName,
    /// Seed of demonstrations and vectors
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Folder for the records, one JSON file per task and seed
    #[arg(long, default_value = "steercheck-out", value_name = "FOLDER")]
    pub(crate) out: PathBuf,
    /// Print the records as JSON instead of tables
    #[arg(long)]
    pub(crate) json: bool,
    /// Form of the weights in memory: f32 if it fits, else stored (as in the file, widened while multiplying)
    #[arg(long, value_enum, default_value_t = Dtype::Auto)]
    pub(crate) dtype: Dtype,
    /// Memory for weights and activations, e.g. 800M or 12G [default: 80 % of what is available]
    #[arg(long, value_name = "SIZE", value_parser = crate::machine::parse_bytes)]
    pub(crate) memory: Option<u64>,
    /// Multiply quantised weights with integer kernels: faster, but activations are rounded to 8 bits
    #[arg(long)]
    pub(crate) integer_kernels: bool,
    /// Accept the licence that the model is published under
    #[arg(long)]
    pub(crate) accept_licence: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProfileName {
    /// 24 dev and 48 test items, 1 seed
    Quick,
    /// 50 dev and 100 test items, 3 seeds
    Standard,
    /// The published study's 50 dev and 50 test items, 1 seed
    Study,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProtocolName {
    /// What the published code does
    Study,
    /// Disjoint items, choice on dev, placebos
    Rigorous,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dtype {
    /// f32 if it fits the memory, else stored
    Auto,
    /// As in the file
    Stored,
    /// Widened at load
    F32,
}
