//! What can be asked on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use steercheck_eval::study::Shard;
use steercheck_eval::task::builtin_names;
use steercheck_steer::given_vector::{VectorSpec, Where};

use crate::tables::Format;

const EXIT_CODES: &str = "\
Exit codes:
  0  done, whatever the verdict
  1  the model or the run is invalid, or a result could not be written
  2  the model, a task, a vector or an option cannot be used";

const MODEL_HELP: &str = "\
A folder with config.json and safetensors or a .bin file, a .gguf file, a name from `steercheck models list`, or a hub id \
org/name[@revision][:file.gguf] [default: the catalogue's default]";

fn check_help() -> String {
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

fn top_help() -> String {
    format!("Example:\n  steercheck check --tasks present-past,antonym\n\n{EXIT_CODES}")
}

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

/// Find out whether a steering method really works on your model, before you build on it.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = top_help())]
pub struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
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
    /// Check a folder of records
    #[command(subcommand)]
    Store(StoreCommand),
    /// Print the published figures of the study
    #[command(after_help = PUBLISHED_HELP)]
    Published(PublishedOptions),
    /// Make, show and export vectors
    #[command(subcommand)]
    Vector(VectorCommand),
    /// Measure how fast the methods run here, beside the naive way
    #[command(subcommand)]
    Bench(BenchCommand),
}

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
    /// Folder for the records; several processes may share it
    #[arg(long, default_value = "steercheck-store", value_name = "FOLDER")]
    pub(crate) store: PathBuf,
    /// Run one part of several of about the same cost: 1/8 to 8/8
    #[arg(long, value_name = "I/N", value_parser = parse_shard)]
    pub(crate) shard: Option<Shard>,
}

#[derive(Debug, Args)]
pub(crate) struct StudySubmitOptions {
    /// A study file; its [slurm] table has time, mem, gres, cpus and throttle
    pub(crate) file: PathBuf,
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
}

#[derive(Debug, Args)]
pub(crate) struct StoreOptions {
    /// A store, or the folder of a check
    pub(crate) folder: PathBuf,
}

const PUBLISHED_HELP: &str = "\
Examples:
  steercheck published
  steercheck published llama2-7b --method fv --format csv";

#[derive(Debug, Args)]
pub(crate) struct PublishedOptions {
    /// A model, as the study names it [default: all, summarised]
    pub(crate) model: Option<String>,
    /// `tv`, `fv` or `dola` [default: all]
    #[arg(long, value_enum, value_name = "NAME", hide_possible_values = true)]
    pub(crate) method: Option<MethodName>,
    /// `text` (default), `md`, `csv`, `json` (every number), `latex`
    #[arg(long, value_enum, value_name = "FORM", hide_possible_values = true, hide_default_value = true, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

const LENS_HELP: &str = "\
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

const GENERATE_HELP: &str = "\
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

/// The methods that make a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum VectorMethod {
    Tv,
    Fv,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dtype {
    Auto,
    Stored,
    F32,
}

fn parse_tokens(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|n| (1..=100_000).contains(n))
        .ok_or_else(|| "write a whole number from 1 to 100000".into())
}

fn parse_shots(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n <= 100).ok_or_else(|| "write a whole number from 0 to 100".into())
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

fn parse_seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("write a whole number from 0 to {}", u64::MAX))
}
