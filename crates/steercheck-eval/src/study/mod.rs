//! Studies: which models are asked what, as a file, and the cells that come from it.

mod design;
mod file;
mod schema;
mod shard;
mod source;

pub use design::{Design, Method, NotRun, Part, Prepared, Wanted};
pub use file::{Dtype, Limits, Load, OnOff, Slurm, Study, StudyError};
pub use shard::{Shard, Unit, units};
pub use source::Source;
