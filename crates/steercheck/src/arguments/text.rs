//! Options of the commands that show what a model says: `generate`, `lens`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use steercheck_steer::given_vector::VectorSpec;

use super::{Loading, MODEL_HELP, parse_seed, parse_tokens};
use crate::tables::Format;

pub(super) const LENS_HELP: &str = "\
Examples:
  steercheck lens smollm2-135m-instruct 'The capital of France is'
  steercheck lens smollm2-135m-instruct --task misconceptions --format csv";

#[derive(Debug, Args)]
pub(crate) struct LensOptions {
    #[arg(help = MODEL_HELP)]
    pub(crate) model: String,
    /// The prompt; `\n` stands for a line break
    #[arg(required_unless_present = "task", conflicts_with = "task")]
    pub(crate) prompt: Option<String>,
    /// Leave out the final norm before the head
    #[arg(long, conflicts_with = "task")]
    pub(crate) no_norm: bool,
    /// Show the last N positions alone
    #[arg(long, value_name = "N", value_parser = parse_tokens, conflicts_with = "task")]
    pub(crate) positions: Option<usize>,
    /// Print JSON: every residual and position, with the token that does follow
    #[arg(long, conflicts_with = "task")]
    pub(crate) json: bool,
    /// Look at a data set instead, by name or file: curves with intervals, and whether right answers rise later than wrong ones
    #[arg(long, value_name = "TASK")]
    pub(crate) task: Option<String>,
    /// Items of it at most
    #[arg(long, value_name = "N", default_value_t = 120, value_parser = parse_tokens, requires = "task")]
    pub(crate) items: usize,
    /// Demonstrations before an item; questions have none
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = parse_shots, requires = "task")]
    pub(crate) shots: usize,
    /// Seed of items, demonstrations and letters
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = parse_seed, requires = "task", allow_negative_numbers = true)]
    pub(crate) seed: u64,
    /// Folder for the record
    #[arg(long, default_value = "steercheck-out", value_name = "FOLDER", requires = "task")]
    pub(crate) out: PathBuf,
    /// `text` (default), `md`, `csv`, `json`, `latex`
    #[arg(long, value_enum, value_name = "FORM", hide_possible_values = true, hide_default_value = true, default_value_t = Format::Text, requires = "task")]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) loading: Loading,
}

pub(super) const GENERATE_HELP: &str = "\
With --dola: --alpha SHARE (0.1), --repetition-penalty FACTOR (1), --trace for the layer of every token

Example:
  steercheck generate smollm2-135m-instruct 'Q: walk\nA:' --vector past.safetensors --where last";

#[derive(Debug, Args)]
pub(crate) struct GenerateOptions {
    #[arg(help = MODEL_HELP)]
    pub(crate) model: String,
    /// The prompt; `\n` stands for a line break
    pub(crate) prompt: String,
    /// A vector: FILE[@BLOCK][*STRENGTH], a safetensors file or llama.cpp control vector
    #[arg(long, value_name = "VECTOR")]
    pub(crate) vector: Option<VectorSpec>,
    /// Tokens it is added at: the `last` of the prompt (default), that and every one `generated`, or `all`
    #[arg(long = "where", value_enum, value_name = "TOKENS", hide_possible_values = true, requires = "vector")]
    pub(crate) positions: Option<ActingAt>,
    /// Contrast layers while decoding (DoLa): `low`, `high` or residuals such as 0,2,4
    #[arg(long, value_name = "LAYERS", conflicts_with = "vector")]
    pub(crate) dola: Option<String>,
    /// Only tokens at least so probable as this share of the most probable one
    #[arg(long, hide = true, value_name = "SHARE", default_value_t = 0.1, value_parser = parse_alpha, requires = "dola")]
    pub(crate) alpha: f64,
    /// Makes tokens that were there before less likely
    #[arg(long, hide = true, value_name = "FACTOR", default_value_t = 1.0, value_parser = parse_temperature, requires = "dola")]
    pub(crate) repetition_penalty: f64,
    /// Show the layer of every token
    #[arg(long, hide = true, requires = "dola")]
    pub(crate) trace: bool,
    /// Most tokens to generate
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = parse_tokens)]
    pub(crate) tokens: usize,
    /// Sample at this temperature instead of taking the most probable token
    #[arg(long, value_name = "T", value_parser = parse_temperature)]
    pub(crate) temperature: Option<f64>,
    /// Sample from the most probable tokens that together reach this probability
    #[arg(long, value_name = "P", default_value_t = 1.0, requires = "temperature", value_parser = parse_share)]
    pub(crate) top_p: f64,
    /// Seed of the draws
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = parse_seed, allow_negative_numbers = true)]
    pub(crate) seed: u64,
    /// Print JSON, with tokens, log-probabilities and receipts
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) loading: Loading,
}

/// At which tokens a vector acts in generated text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ActingAt {
    Last,
    Generated,
    All,
}

fn parse_shots(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n <= 100).ok_or_else(|| "write a whole number from 0 to 100".into())
}

fn parse_temperature(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|t| t.is_finite() && *t > 0.0);
    number.ok_or_else(|| "write a number above 0; leave the option out to take the most probable token".into())
}

fn parse_alpha(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|p| *p >= 0.0 && *p <= 1.0).ok_or_else(|| "write a number from 0 to 1".into())
}

fn parse_share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|p| *p > 0.0 && *p <= 1.0).ok_or_else(|| "write a number above 0, at most 1".into())
}
