//! Evaluation: tasks, prompts, protocols, cells and the records they leave.

pub mod card;
pub mod cell;
pub mod conformance;
mod error;
pub mod prompt;
pub mod protocol;
pub mod record;
pub mod sample;
pub mod side_effects;
pub mod task;

pub use error::EvalError;
pub use protocol::{Profile, Protocol};
pub use record::Record;
