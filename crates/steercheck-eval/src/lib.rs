//! Evaluation: tasks, prompts, protocols, cells and the records they leave.

pub mod across;
pub mod bench;
pub mod card;
pub mod cell;
pub mod conformance;
mod error;
pub mod explain;
pub mod export;
pub mod generate;
mod head_map;
pub mod lens;
mod made_vector;
pub mod prompt;
pub mod protocol;
pub mod published;
pub mod record;
pub mod sample;
pub mod scoring;
pub mod side_effects;
pub mod store;
pub mod study;
pub mod task;

pub use error::EvalError;
pub use head_map::HeadMap;
pub use made_vector::{MadeVector, VectorAbout};
pub use protocol::{Grid, Profile, Protocol};
pub use record::Record;
