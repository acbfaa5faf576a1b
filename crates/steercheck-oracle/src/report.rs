//! What a comparison found, as plain data; serialises to JSON.

use std::fmt;

use serde::Serialize;

use crate::jobs::{JobFile, Kind};

/// Whether a job, a quantity or everything agrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Values were compared, and all are within the tolerances.
    Agrees,
    /// Something is not, or is missing, or nothing could be compared.
    Disagrees,
}

/// The comparison of two result files, job by job.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Ordered by name.
    pub jobs: Vec<JobComparison>,
}

/// What was found about one job.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobComparison {
    /// Name of the job: the part of its tensors' names before the first slash.
    pub job: String,
    /// The job's kind, if a job file was at hand.
    pub kind: Option<Kind>,
    /// Agrees only if values were compared and nothing failed.
    pub outcome: Outcome,
    /// Ordered by name.
    pub quantities: Vec<QuantityComparison>,
    /// In the order of the tensors' names.
    pub failures: Vec<Failure>,
}

/// What was found about all tensors of a job with the same last part of the name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QuantityComparison {
    /// Last part of the tensors' names.
    pub quantity: String,
    /// Values compared.
    pub values: usize,
    /// Values that differ and were accepted as ties.
    pub ties: usize,
    /// Largest finite difference; none for quantities that are equal or not.
    pub largest_difference: Option<f64>,
    /// The same, as a share of what is allowed at that value; above 1 is too much.
    pub largest_share: Option<f64>,
    /// What is allowed, in words.
    pub allowed: String,
    /// Whether none of these tensors failed.
    pub outcome: Outcome,
}

/// One tensor that does not agree.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Failure {
    /// Name of the tensor, or of the job if none of its tensors is there.
    pub tensor: String,
    /// What is wrong.
    #[serde(flatten)]
    pub reason: Reason,
}

/// Why a tensor does not agree.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The other result lacks the tensor.
    Missing,
    /// The shapes differ.
    Shape {
        /// Shape in the golden result.
        golden: Vec<usize>,
        /// Shape in the other.
        other: Vec<usize>,
    },
    /// The dtypes differ.
    Dtype {
        /// Dtype in the golden result.
        golden: &'static str,
        /// Dtype in the other.
        other: &'static str,
    },
    /// Values that are not numbers.
    NotANumber {
        /// How many in the golden result.
        golden: usize,
        /// How many in the other.
        other: usize,
    },
    /// Infinite golden values, from which nothing has a finite distance.
    Infinite {
        /// How many.
        golden: usize,
    },
    /// Values beyond what is allowed.
    Differs {
        /// How many.
        wrong: usize,
        /// Of how many.
        of: usize,
        /// The rule that they break.
        how: &'static str,
        /// The first of them, or the one furthest beyond where that can be measured.
        example: Example,
    },
    /// The files lack what is needed to judge the tensor.
    Unjudged {
        /// What is lacking.
        why: String,
    },
    /// A quantity without a rule.
    UnknownQuantity,
    /// A name that is not `job/name`.
    Name,
    /// The job has tensors, but no value of them was compared.
    NothingCompared,
    /// The golden result has no tensor of the job.
    NoGolden,
}

/// One value that does not agree.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Example {
    /// Where it is, one index per axis.
    pub index: Vec<usize>,
    /// Its golden value.
    pub golden: f64,
    /// The other; null in JSON if infinite.
    pub other: f64,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.tensor)?;
        match &self.reason {
            Reason::Missing => f.write_str("missing"),
            Reason::Shape { golden, other } => write!(f, "shape {other:?}, expected {golden:?}"),
            Reason::Dtype { golden, other } => write!(f, "dtype {other}, expected {golden}"),
            Reason::NotANumber { golden, other } => {
                write!(f, "{golden} NaN in the golden and {other} in the other")
            }
            Reason::Infinite { golden } => {
                write!(f, "{golden} infinite golden values cannot be compared")
            }
            Reason::Differs { wrong, of, how, example: Example { index, golden, other } } => {
                write!(f, "{wrong} of {of} {how}, such as {other} for {golden} at {index:?}")
            }
            Reason::Unjudged { why } => write!(f, "cannot be judged: {why}"),
            Reason::UnknownQuantity => f.write_str("no rule for such a quantity"),
            Reason::Name => f.write_str("not a name like job/name"),
            Reason::NothingCompared => f.write_str("no value was compared"),
            Reason::NoGolden => f.write_str("no golden tensor"),
        }
    }
}

impl Comparison {
    /// Agrees if some job agrees and none disagrees; an empty comparison does not agree.
    pub fn outcome(&self) -> Outcome {
        let any = |outcome| self.jobs.iter().any(|job| job.outcome == outcome);
        if any(Outcome::Disagrees) || self.jobs.is_empty() { Outcome::Disagrees } else { Outcome::Agrees }
    }

    /// Whether the outcome is [`Outcome::Agrees`].
    pub fn agrees(&self) -> bool {
        self.outcome() == Outcome::Agrees
    }

    /// Values compared in all jobs.
    pub fn values(&self) -> usize {
        self.jobs.iter().flat_map(|job| &job.quantities).map(|quantity| quantity.values).sum()
    }

    /// All failures, in the order of jobs and tensors.
    pub fn failures(&self) -> impl Iterator<Item = &Failure> {
        self.jobs.iter().flat_map(|job| &job.failures)
    }

    /// The same with the kinds that a job file gives its jobs.
    #[must_use]
    pub fn with_kinds(mut self, file: &JobFile) -> Self {
        for job in &mut self.jobs {
            job.kind = file.jobs.iter().find(|known| known.name == job.job).map(crate::jobs::Job::kind);
        }
        self
    }
}
