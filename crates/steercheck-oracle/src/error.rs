use std::path::PathBuf;

/// What can go wrong with job files and result files. Every text is one sentence.
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
}
