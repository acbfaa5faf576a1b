//! Options of `steercheck check`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use steercheck_eval::task::builtin_names;
use steercheck_steer::given_vector::{VectorSpec, Where};

use super::{Loading, MODEL_HELP, parse_seed};
use crate::tables::Format;

pub(super) fn check_help() -> String {
    let choices = "--bos on|off, --fv-position last|penultimate, --fv-bias kept|published, --fv-effects probability|log-probability, \
                   --fv-heads task|universal, --dola-norm none|final";
    format!(
        "Built-in tasks: {}; for dola: misconceptions\nSingle choices: {choices}; --explain takes those of fv apart\n\
         Example: steercheck check my.gguf --tasks mine.jsonl --vector formal.gguf@12*1.5\n\
         Exit codes: 0 done, whatever the verdict; 1 the model or the run is invalid, or a result could not be written; 2 a model, \
         task, vector or option is no use",
        builtin_names().join(", ")
    )
}

// Possible values stand in each option's own sentence: listed apart, they would push the help off the screen.
#[derive(Debug, Args)]
pub(crate) struct CheckOptions {
    #[arg(help = MODEL_HELP)]
    pub(crate) model: Option<String>,
    /// Tasks by name or file (.json, .jsonl, .tsv, .csv), separated by commas [default: present-past, singular-plural,
    /// capitalise, country-capital]
    #[arg(long, value_delimiter = ',', value_name = "TASK")]
    pub(crate) tasks: Vec<String>,
    /// Methods, separated by commas: `tv` task vectors, `fv` function vectors, `dola` [default: all]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME", hide_possible_values = true)]
    pub(crate) methods: Vec<MethodName>,
    /// Judge this vector instead: FILE@BLOCK*STRENGTH, a safetensors file or llama.cpp control vector
    #[arg(long, value_name = "VECTOR", conflicts_with_all = ["protocol", "methods"])]
    pub(crate) vector: Option<VectorSpec>,
    /// Tokens it is added at: `last` (default) or `all`
    #[arg(long = "where", value_enum, value_name = "TOKENS", hide_possible_values = true, requires = "vector")]
    pub(crate) positions: Option<Position>,
    // These stand in two lines below the options.
    /// A BOS token before every prompt, or none [default: as the tokenizer says]
    #[arg(long, value_enum, hide = true)]
    pub(crate) bos: Option<OnOff>,
    /// Run every choice of the protocol for itself on the same items, and say what each is worth
    #[arg(long, hide = true, conflicts_with_all = ["vector", "protocol", "fv_position", "fv_bias", "fv_effects", "fv_heads", "bos"])]
    pub(crate) explain: bool,
    /// Token at which function vectors read heads
    #[arg(long, value_enum, hide = true, conflicts_with = "vector")]
    pub(crate) fv_position: Option<FvPosition>,
    /// What becomes of the bias of the attention's projection
    #[arg(long, value_enum, hide = true, conflicts_with = "vector")]
    pub(crate) fv_bias: Option<FvBias>,
    /// What the effects of heads are differences of
    #[arg(long, value_enum, hide = true, conflicts_with = "vector")]
    pub(crate) fv_effects: Option<FvEffects>,
    /// Heads of the strongest effects on the task, or averaged over tasks
    #[arg(long, value_enum, hide = true, conflicts_with = "vector")]
    pub(crate) fv_heads: Option<FvHeads>,
    /// Norm before the heads of premature layers
    #[arg(long, value_enum, hide = true, conflicts_with = "vector")]
    pub(crate) dola_norm: Option<DolaNorm>,
    /// `rigorous` chooses on some items, reports on others and adds placebos; `study` does as the published code
    #[arg(long, value_enum, value_name = "NAME", hide_possible_values = true, default_value_t = ProtocolName::Rigorous)]
    pub(crate) protocol: ProtocolName,
    /// Items to choose on, items to report on, seeds: `quick` 24, 48, 1; `standard` 50, 100, 3; `study` 50, 50, 1
    /// [default: quick, or study with --protocol study]
    #[arg(long, value_enum, value_name = "NAME", hide_possible_values = true)]
    pub(crate) profile: Option<ProfileName>,
    /// Seed of demonstrations, vectors and placebos
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = parse_seed, allow_negative_numbers = true)]
    pub(crate) seed: u64,
    /// Folder for the records
    #[arg(long, default_value = "steercheck-out", value_name = "FOLDER")]
    pub(crate) out: PathBuf,
    /// Print the records as one JSON array
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,
    /// `text` (default), `md`, `csv`, `json`, `latex`
    #[arg(long, value_enum, value_name = "FORM", hide_possible_values = true, hide_default_value = true, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Report even on a model that fails its checks
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) loading: Loading,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Position {
    Last,
    All,
}

impl From<Position> for Where {
    fn from(position: Position) -> Self {
        match position {
            Position::Last => Self::Last,
            Position::All => Self::All,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MethodName {
    Tv,
    Fv,
    Dola,
}

impl MethodName {
    /// What records call it.
    pub(crate) fn in_records(self) -> &'static str {
        match self {
            Self::Tv => "task-vector",
            Self::Fv => "function-vector",
            Self::Dola => "dola",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnOff {
    On,
    Off,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FvPosition {
    Last,
    Penultimate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FvBias {
    Kept,
    Published,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FvEffects {
    Probability,
    LogProbability,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DolaNorm {
    None,
    Final,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FvHeads {
    Task,
    Universal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProfileName {
    Quick,
    Standard,
    Study,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProtocolName {
    Rigorous,
    Study,
}
