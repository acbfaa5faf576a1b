//! The reliability card: what the records of a (model, method, task) amount to, with intervals, and the verdict (methods.md §6).
//!
//! Pure functions: records in, cards out. The same records give the same cards.

mod evidence;
mod heads;
mod lens;
mod measure;
mod quantile;
mod scoring;
#[cfg(test)]
mod tests;
mod verdict;
mod wording;

pub use evidence::{Choice, Evidence, Subject};
pub use heads::{HeadsMeasured, STRONGEST, Share};
pub use lens::{LensMeasured, LensPoint, Rise};
pub use measure::{Comparison, Completed, LEVEL, Measured, Optimism, Recovery, SideEffectsMeasured};
pub use scoring::{BoundaryMeasured, LayersMeasured, Metric, ScoringMeasured, UnderAlpha};
pub use verdict::{ALPHA, Card, ENOUGH, LEAST_GAIN, POWER, Verdict, judge};

use std::collections::HashMap;

use rayon::prelude::*;

use crate::record::Record;

/// Why records make no card.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CardError {
    /// There are none.
    #[error("there are no records to judge; run `steercheck check` first")]
    NoRecords,
    /// Two records of one seed.
    #[error("two records of the task '{task}' have the seed {seed}; keep one of them")]
    SeedTwice {
        /// The task.
        task: String,
        /// The seed.
        seed: u64,
    },
    /// Records of different runs.
    #[error(
        "the records of the task '{task}' differ by more than their seeds, so that they cannot be put together; judge them apart"
    )]
    NotOneCell {
        /// The task.
        task: String,
    },
    /// The statistics refuse the numbers.
    #[error("the records of the task '{task}' cannot be weighed: {reason}")]
    Statistics {
        /// The task.
        task: String,
        /// Why.
        reason: steercheck_stats::Error,
    },
}

/// The cards of some records: one per (model, method, task, counts), in the order in which the first record of each stands.
/// Verdicts are corrected over the cells of one model. Records without arms, those of the lens, have no card.
pub fn cards(records: &[Record]) -> Result<Vec<Card>, CardError> {
    cards_of(&groups(records))
}

/// The cards of records that were grouped by [`groups`].
pub fn cards_of(groups: &[Vec<&Record>]) -> Result<Vec<Card>, CardError> {
    // Thousands of resamples for every interval: a store of the study's size keeps all cores busy.
    let measured: Vec<Result<Measured, CardError>> =
        groups.par_iter().map(|group| Measured::of(&Evidence::of(group)?)).collect();
    judge(measured.into_iter().collect::<Result<Vec<_>, _>>()?)
}

/// The records behind each of [`cards`], in the same order: those that differ by their seeds alone.
pub fn groups(records: &[Record]) -> Vec<Vec<&Record>> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut groups: Vec<Vec<&Record>> = Vec::new();
    for record in records.iter().filter(|r| !r.plan.arms.is_empty()) {
        let place = *places.entry(evidence::without_seed(&record.plan).key()).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Vec::new());
        }
        groups[place].push(record);
    }
    groups
}
