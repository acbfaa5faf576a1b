//! Job files of the reference implementation (`oracle.py`), its result files, and the comparison of two of them.
//!
//! A job file says what to compute from token ids; a result file holds tensors named `job/name`. [`jobs`] reads and checks
//! the one, [`tensors`] reads and writes the other, and [`mod@compare`] decides whether two results agree, with the rules of
//! `oracle.py compare` and the [`tolerances`] of its README. [`mod@run`] has the engine do what a job file says, and compares;
//! the kinds of jobs are in [`engine`].

pub mod arguments;
mod check;
pub mod compare;
mod dola;
pub mod engine;
mod error;
pub mod jobs;
mod place;
mod plan;
pub mod report;
mod rows;
mod rules;
pub mod run;
pub mod table;
mod tally;
pub mod tensors;
pub mod tolerances;

pub use arguments::Arguments;
pub use compare::{compare, compare_jobs};
pub use error::Error;
pub use jobs::JobFile;
pub use report::{Comparison, Outcome};
pub use run::{Report, run};
pub use tensors::{Array, TensorFile, Values};
pub use tolerances::Tolerances;
