//! What can be asked on the command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use steercheck_model::Precision;

const EXIT_CODES: &str = "\
Example: steercheck-oracle ../shared/oracle/jobs/smollm2.json --only logits,tv

Exit codes: 0 everything agrees; 1 something disagrees, or the engine failed at a job; \
2 a job could not be run or compared. Of several job files, the worst.";

/// Run the oracle's job files through the engine and compare the results with the golden ones
#[derive(Debug, Clone, Parser)]
#[command(name = "steercheck-oracle", version, after_help = EXIT_CODES)]
pub struct Arguments {
    /// Job files; NAME.json is compared with NAME.golden.safetensors beside it
    #[arg(required = true, value_name = "JOB.json")]
    pub jobs: Vec<PathBuf>,
    /// A path, a catalogue name or a hub id [default: the model that NAME.golden.json names]
    #[arg(long, value_name = "PATH|NAME")]
    pub model: Option<String>,
    /// Compare a single job file with this result instead
    #[arg(long, value_name = "FILE")]
    pub golden: Option<PathBuf>,
    /// Folder for the results, NAME.safetensors and NAME.json
    #[arg(long, value_name = "FOLDER", default_value = "target/oracle")]
    pub out: PathBuf,
    /// Print JSON instead of tables
    #[arg(long)]
    pub json: bool,
    /// Run these jobs alone, separated by commas or spaces; put it after the job files
    #[arg(long, value_name = "NAME", num_args = 1.., value_delimiter = ',')]
    pub only: Vec<String>,
    /// Form of the weights in memory
    #[arg(long, value_enum, default_value_t = Dtype::Auto)]
    pub dtype: Dtype,
    /// Accept the licence that the model is published under
    #[arg(long)]
    pub accept_licence: bool,
}

/// Form of the weights in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Dtype {
    /// The engine's choice: f32, since memory is not limited here
    Auto,
    /// As in the file, widened while multiplying
    Stored,
    /// Widened at load
    F32,
}

impl From<Dtype> for Precision {
    fn from(dtype: Dtype) -> Self {
        match dtype {
            Dtype::Auto => Self::Auto,
            Dtype::Stored => Self::Stored,
            Dtype::F32 => Self::F32,
        }
    }
}
