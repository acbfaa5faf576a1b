//! Evaluation: tasks, prompts, protocols, cells and the records they leave.

pub mod card;
pub mod cell;
pub mod conformance;
mod error;
mod head_map;
pub mod prompt;
pub mod protocol;
pub mod record;
pub mod sample;
pub mod side_effects;
pub mod task;

pub use error::EvalError;
pub use head_map::HeadMap;
pub use protocol::{Grid, Profile, Protocol};
pub use record::Record;
