//! Estimates and intervals: numbers in, numbers out. This crate does no IO and depends on no other crate here.
//!
//! Every number that is an estimate is an [`Estimate`]: the point never travels without its interval, level, sample size
//! and method.

mod difference;
mod error;
mod estimate;
mod proportion;

pub use difference::difference;
pub use error::Error;
pub use estimate::{Estimate, Method};
pub use proportion::wilson;
