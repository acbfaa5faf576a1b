use std::path::PathBuf;

use steercheck_hub::HubError;
use steercheck_model::ModelError;

/// What can go wrong with job files, result files and the models that run them. Every text is one sentence.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The job file is not JSON of the expected outline.
    #[error("not a job file: {0}")]
    NotAJobFile(serde_json::Error),
    /// The job file's format is another one.
    #[error("the job file has format {0}, and only format 1 is understood")]
    Format(u64),
    /// A job's outline or fields are wrong.
    #[error("job {job}: {source}")]
    Malformed {
        /// Name of the job, or its number where it has no name.
        job: String,
        /// The field and what is wrong with it.
        source: serde_json::Error,
    },
    /// A job cannot be run on this model.
    #[error("job {job}: {problem}")]
    Unusable {
        /// Name of the job.
        job: String,
        /// What is wrong.
        problem: String,
    },
    /// A job file without jobs.
    #[error("the job file lists no jobs")]
    NoJobs,
    /// A file is not a safetensors file, or a damaged one.
    #[error("{} is not a readable safetensors file: {source}", path.display())]
    NotSafetensors {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: safetensors::SafeTensorError,
    },
    /// A tensor of a kind of number that result files do not have.
    #[error("tensor {tensor} has dtype {dtype}, and only F32, F64, I64 and U8 can be read")]
    Dtype {
        /// The tensor.
        tensor: String,
        /// Its dtype, as safetensors names it.
        dtype: String,
    },
    /// A tensor's shape and number of values do not fit each other.
    #[error("tensor {tensor} has shape {shape:?} and {values} values, which do not fit each other")]
    Shape {
        /// The tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Its number of values.
        values: usize,
    },
    /// A tensor that a job refers to is not there.
    #[error("tensor {tensor} is not {place}")]
    NoSuchTensor {
        /// The tensor.
        tensor: String,
        /// Where it was looked for, such as `in means.safetensors`.
        place: String,
    },
    /// Options that do not go together.
    #[error("{0}")]
    Usage(String),
    /// The file to compare with is not there.
    #[error("there is nothing to compare with: {} does not exist; make it with `oracle.py run`, or name another with --golden", path.display())]
    NoGolden {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A result would replace a file that it is made from.
    #[error("the result would overwrite {}: choose another folder with --out", path.display())]
    WouldOverwrite {
        /// That file.
        path: PathBuf,
    },
    /// No model was named, and the golden result does not say which one it is of.
    #[error("cannot tell which model to run, since {} {problem}; name one with --model", path.display())]
    WhichModel {
        /// The file that should say so.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The model of the golden result is not on this machine.
    #[error(
        "the golden result is of the model {name}, which is neither in the catalogue nor at {tried}; name one with --model"
    )]
    NoModel {
        /// File or folder name.
        name: String,
        /// Where it was looked for, rendered.
        tried: String,
    },
    /// A model could not be found or fetched.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// A model could not be loaded or run.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl Error {
    /// Whether the engine failed at a job that it had accepted; anything else is for the user to put right.
    pub fn is_engine_failure(&self) -> bool {
        use ModelError::{EditDidNotFire, Engine, NotFinite};
        matches!(self, Self::Model(EditDidNotFire { .. } | Engine(_) | NotFinite { .. }))
    }
}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        Self::Model(error.into())
    }
}
