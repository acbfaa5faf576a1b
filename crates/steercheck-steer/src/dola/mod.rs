//! Decoding by contrasting layers (Chuang et al. 2023, arXiv 2309.03883), methods.md §1: a token's probability in the last layer against
//! that in an earlier one. One pass compares every layer with the last at every scored position; every configuration of the grid is then
//! a choice among these numbers.

mod config;
mod decode;
mod math;
mod row;
mod score;

pub use config::{Choice, Config, Measure, Scored, bucket};
pub use decode::{Contrasted, contrasted, penalise};
pub use row::LayerScores;
pub use score::{LayerScore, Readout, Scorable, Scores, TokenScores, score};
