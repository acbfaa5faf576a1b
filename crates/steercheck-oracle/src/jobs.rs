//! The job file format: `{"format": 1, "note": ..., "jobs": [...]}`, as the oracle's README describes it.
//!
//! Letters in shapes: P prompts, L blocks, H heads, w head width, D hidden size, V vocabulary. Layers are hidden-state
//! numbers 0…L (0 = input of the first block, j = output of the j-th); blocks and heads are 0-based. Unknown fields are
//! ignored. [`JobFile::parse`] accepts whatever has the right fields; [`JobFile::check`] tells whether a model can run it.

use std::{fmt, fs, path::Path, path::PathBuf};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::Error;
use crate::tensors::{self, Array, TensorFile};

/// The only format of job files so far.
pub const FORMAT: u64 = 1;

/// A job file.
#[derive(Debug, Clone, PartialEq)]
pub struct JobFile {
    /// Free text.
    pub note: Option<String>,
    /// The jobs, in the order they are to run: later ones may use tensors of earlier ones.
    pub jobs: Vec<Job>,
}

/// One job. Its results are tensors named `name/...`.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Name, unique in its file.
    pub name: String,
    /// What to compute.
    pub work: Work,
}

/// What a job computes, by its kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// `logits`
    Logits(Logits),
    /// `mean_heads`
    MeanHeads(MeanHeads),
    /// `cie`
    Cie(Cie),
    /// `function_vector`
    FunctionVector(FunctionVector),
    /// `task_vector`
    TaskVector(TaskVector),
    /// `dola`
    Dola(Dola),
    /// `lens`
    Lens(Lens),
}

/// The kind of a job, as the job file spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Logits and hidden states of one prompt.
    Logits,
    /// Mean activation of every head.
    MeanHeads,
    /// Causal indirect effect of every head.
    Cie,
    /// Steering with a function vector.
    FunctionVector,
    /// Replacing a hidden state by a task vector.
    TaskVector,
    /// `DoLa` scores.
    Dola,
    /// Logit lens.
    Lens,
}

/// → `logits` f32 \[n, V\], `hidden` f32 \[n, L+1, D\], `final` f32 \[n, D\] at n positions.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Logits {
    /// The prompt.
    pub ids: Vec<u32>,
    /// Positions to report, 0-based.
    pub positions: Vec<usize>,
}

/// → `mean` f32 \[L, H, w\]: mean over prompts of the output projection's input at the last token.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct MeanHeads {
    /// The prompts.
    pub prompts: Vec<Vec<u32>>,
}

/// → `delta` f32 \[P, L, H\] = P(answer | head patched with its mean) − P(answer | clean); `clean` f32 \[P\]; `seconds` f32 \[P\].
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Cie {
    /// The `mean` of a `mean_heads` job, \[L, H, w\].
    pub mean_heads: TensorRef,
    /// Prompts and answers.
    pub prompts: Vec<Question>,
}

/// FV = Σ over heads of `W_O` · (the head's mean, other heads 0); hidden\[layer\] += λ·FV at the last token.
///
/// → `fv` f32 \[D\], `heads` i64 \[n, 2\], and `top1` i64, `margin` f32, `prob` f32, `rank`, `rank_lo`, `rank_hi` i64
/// \[P, layers, lambdas\]; the same with the prefix `clean_` \[P\].
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct FunctionVector {
    /// The `mean` of a `mean_heads` job, \[L, H, w\].
    pub mean_heads: TensorRef,
    /// Which heads are summed.
    pub heads: Heads,
    /// Layers to edit, 1…L.
    pub layers: Vec<usize>,
    /// Multiples of the vector.
    pub lambdas: Vec<f64>,
    /// Prompts and answers.
    pub prompts: Vec<Question>,
}

/// → `theta` f32 \[items, layers, D\], `layers` i64, and `top1`, `margin`, `prob`, `rank`, `rank_lo`, `rank_hi`
/// \[items, layers\], and `clean_*` \[items\].
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct TaskVector {
    /// Queries with their dummies.
    pub items: Vec<Item>,
    /// Layers to replace, 1…L; all of them if absent or empty, see [`TaskVector::layers`].
    pub layers: Option<Vec<usize>>,
}

impl TaskVector {
    /// The layers to replace in a model of so many blocks.
    pub fn layers(&self, blocks: usize) -> Vec<usize> {
        match &self.layers {
            Some(layers) if !layers.is_empty() => layers.clone(),
            _ => (1..=blocks).collect(),
        }
    }
}

/// Per pair a and configuration b, for T continuation tokens and C candidates: → `a.b/layer` i64 \[T\], `score` f64 \[T\],
/// `masked` u8 \[T\], `mask_margin` f64 \[T\], `base` f64 \[T\], `div` f64 \[T, C\], `score_all` f64 \[T, C\]; and `totals` f64
/// \[pairs, configs, 4\].
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Dola {
    /// What is scored.
    pub pairs: Vec<Pair>,
    /// How it is scored.
    pub configs: Vec<DolaConfig>,
}

/// → per layer 0…L, with the final norm at each: `top1` i64, `margin`, `top_prob` f32 \[P, L+1\], `prob` f32 \[P, L+1, tokens\].
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Lens {
    /// Prompts, with one position and some tokens each.
    pub prompts: Vec<Look>,
    /// From hidden vector to logits.
    #[serde(default)]
    pub head: HeadKind,
}

/// A prompt and the token that would be right.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Question {
    /// The prompt.
    pub ids: Vec<u32>,
    /// The answer token.
    pub answer: u32,
}

/// A query whose last hidden state is replaced by the mean over the dummies.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Item {
    /// Prompts behind the task vector.
    pub dummies: Vec<Vec<u32>>,
    /// The query.
    pub ids: Vec<u32>,
    /// The answer token.
    pub answer: u32,
}

/// A continuation to be scored after a prefix.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Pair {
    /// What comes first; not scored.
    pub prefix: Vec<u32>,
    /// The T tokens that are scored, each from the position before it.
    pub continuation: Vec<u32>,
}

/// One setting of `DoLa`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct DolaConfig {
    /// Tokens below `alpha` times the largest mature probability are masked; 0 masks none.
    pub alpha: f64,
    /// Candidate premature layers, below L.
    pub candidates: Vec<usize>,
    /// Norm before the candidates' head.
    pub norm: Norm,
    /// Whether the difference of log-probabilities goes through a log-softmax.
    pub post_softmax: bool,
    /// How far a candidate is from the mature distribution.
    pub divergence: Divergence,
    /// Head of the mature layer.
    #[serde(default)]
    pub mature_head: HeadKind,
    /// Head of the candidates.
    #[serde(default)]
    pub premature_head: HeadKind,
}

/// A prompt looked at through the lens.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Look {
    /// The prompt.
    pub ids: Vec<u32>,
    /// Position in it, 0-based.
    pub position: usize,
    /// Tokens whose probabilities are wanted; the same number in every prompt of a job.
    pub tokens: Vec<u32>,
}

/// Norm applied to a candidate layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// The hidden vector as it is.
    None,
    /// The model's final norm.
    Final,
}

/// Divergence of P (mature) and Q (candidate), with M = (P+Q)/2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Divergence {
    /// ½·\[KL(M‖P) + KL(M‖Q)\] / V, as the published code computes it.
    Paper,
    /// ½·\[KL(P‖M) + KL(Q‖M)\], Jensen–Shannon.
    Jsd,
}

/// How hidden vectors become logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeadKind {
    /// Everything the model does after its final norm: projection, bias, scale, soft-cap.
    #[default]
    Full,
    /// Multiplication by the unembedding matrix alone.
    Weight,
}

/// Which heads make a function vector.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged, expecting = "heads must be a list of [block, head] or {\"from\": tensor, \"top\": number}")]
pub enum Heads {
    /// These, as \[block, head\], 0-based.
    List(Vec<[usize; 2]>),
    /// Those with the largest CIE averaged over prompts, first on ties.
    Top {
        /// The `delta` of a `cie` job, \[P, L, H\].
        from: TensorRef,
        /// How many.
        top: usize,
    },
}

/// A tensor that a job takes as input.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "a tensor must be named as \"job/name\" or {\"file\": path, \"tensor\": name}")]
pub enum TensorRef {
    /// `job/name` of an earlier job in the file.
    Job(String),
    /// A tensor of a file.
    File {
        /// Path relative to the job file's folder.
        file: PathBuf,
        /// Name of the tensor in that file.
        tensor: String,
    },
}

impl TensorRef {
    /// The earlier job that makes the tensor; none if it comes from a file.
    pub fn job(&self) -> Option<&str> {
        match self {
            Self::Job(name) => Some(name.split_once('/').map_or(name, |(job, _)| job)),
            Self::File { .. } => None,
        }
    }

    /// The tensor, from the results so far or from a file below `folder`, the folder of the job file.
    pub fn load(&self, done: &TensorFile, folder: &Path) -> Result<Array, Error> {
        match self {
            Self::Job(name) => done.get(name).cloned().ok_or_else(|| Error::NoSuchTensor {
                tensor: name.clone(),
                place: "among the results of earlier jobs".to_owned(),
            }),
            Self::File { file, tensor } => {
                let path = folder.join(file);
                tensors::read(&path)?.remove(tensor).ok_or_else(|| Error::NoSuchTensor {
                    tensor: tensor.clone(),
                    place: format!("in {}", path.display()),
                })
            }
        }
    }
}

impl Work {
    /// The jobs whose tensors it takes as input.
    pub fn needs(&self) -> Vec<&str> {
        let tensors = match self {
            Self::Cie(work) => vec![&work.mean_heads],
            Self::FunctionVector(work) => match &work.heads {
                Heads::List(_) => vec![&work.mean_heads],
                Heads::Top { from, .. } => vec![&work.mean_heads, from],
            },
            Self::Logits(_) | Self::MeanHeads(_) | Self::TaskVector(_) | Self::Dola(_) | Self::Lens(_) => Vec::new(),
        };
        tensors.into_iter().filter_map(TensorRef::job).collect()
    }

    /// The job's kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Logits(_) => Kind::Logits,
            Self::MeanHeads(_) => Kind::MeanHeads,
            Self::Cie(_) => Kind::Cie,
            Self::FunctionVector(_) => Kind::FunctionVector,
            Self::TaskVector(_) => Kind::TaskVector,
            Self::Dola(_) => Kind::Dola,
            Self::Lens(_) => Kind::Lens,
        }
    }
}

impl Kind {
    /// The kind as the job file spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Logits => "logits",
            Self::MeanHeads => "mean_heads",
            Self::Cie => "cie",
            Self::FunctionVector => "function_vector",
            Self::TaskVector => "task_vector",
            Self::Dola => "dola",
            Self::Lens => "lens",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The field that is read first, so that a wrong format is named before anything else is tried.
#[derive(Deserialize)]
struct Version {
    format: u64,
}

#[derive(Deserialize)]
struct Outline {
    note: Option<String>,
    jobs: Vec<Value>,
}

/// The fields that every job has.
#[derive(Deserialize)]
struct Heading {
    name: String,
    kind: Kind,
}

impl JobFile {
    /// Reads a job file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Self::parse(&text)
    }

    /// Reads the text of a job file.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let file: Value = serde_json::from_str(text).map_err(Error::NotAJobFile)?;
        let Version { format } = Version::deserialize(&file).map_err(Error::NotAJobFile)?;
        if format != FORMAT {
            return Err(Error::Format(format));
        }
        let outline: Outline = serde_json::from_value(file).map_err(Error::NotAJobFile)?;
        let jobs = outline.jobs.into_iter().enumerate().map(|(at, job)| Job::parse(at, job));
        Ok(Self { note: outline.note, jobs: jobs.collect::<Result<_, _>>()? })
    }
}

impl Job {
    /// The job's kind.
    pub fn kind(&self) -> Kind {
        self.work.kind()
    }

    fn parse(at: usize, value: Value) -> Result<Self, Error> {
        let job = match value.get("name").and_then(Value::as_str) {
            Some(name) => name.to_owned(),
            None => format!("number {}", at + 1),
        };
        let malformed = |source| Error::Malformed { job: job.clone(), source };
        let heading = Heading::deserialize(&value).map_err(malformed)?;
        let work = match heading.kind {
            Kind::Logits => fields(value).map(Work::Logits),
            Kind::MeanHeads => fields(value).map(Work::MeanHeads),
            Kind::Cie => fields(value).map(Work::Cie),
            Kind::FunctionVector => fields(value).map(Work::FunctionVector),
            Kind::TaskVector => fields(value).map(Work::TaskVector),
            Kind::Dola => fields(value).map(Work::Dola),
            Kind::Lens => fields(value).map(Work::Lens),
        };
        Ok(Self { name: heading.name, work: work.map_err(malformed)? })
    }
}

fn fields<T: DeserializeOwned>(job: Value) -> Result<T, serde_json::Error> {
    serde_json::from_value(job)
}
