//! Estimates, intervals and tests: numbers in, numbers out. This crate does no IO and depends on no other crate here.
//!
//! Every number that is an estimate is an [`Estimate`]: the point never travels without its interval, level, sample
//! size and method. The same input gives the same bits; random draws are seeded ([`Bootstrap`]). What cannot be
//! answered is an [`Error`] that says what to do.
//!
//! | question | answer |
//! | --- | --- |
//! | share of items | [`wilson`], [`share`] for outcomes averaged over seeds or clustered |
//! | mean of a score, items in clusters | [`mean`] |
//! | one arm against another on the same items | [`paired_score`] (recommended), [`paired_difference`], [`newcombe_paired`] |
//! | two independent estimates | [`difference`] |
//! | ratio or any other function of several means | [`bca_of_means`] |
//! | quantile, worst tenth, any statistic of one sample | [`bca`] with [`quantile`], [`worst_decile`] |
//! | is the paired difference chance? | [`mcnemar`] (one seed), [`sign_flip`] (sums over seeds), [`sign_test`] (over models) |
//! | many tests | [`holm`] (a planned family), [`benjamini_hochberg`] (a screen) |
//! | what could these items have shown? | [`minimum_detectable_effect`], [`power`], [`mcnemar_power`] |
//! | how many items would settle it? | [`items_needed`] |
//! | response to the dose of a vector | [`slope`], [`isotonic`], [`steerability`] |
//! | agreement of two rankings | [`spearman`], [`kendall`] |
//! | concentration on few heads | [`gini`] |
//! | repetitions with other seeds | [`spread`] |
//!
//! How often the paired intervals hold the truth, and how often the tests err, is measured in `docs/coverage.md`.

mod binomial;
mod bootstrap;
mod check;
mod difference;
mod dose;
mod error;
mod estimate;
mod gini;
mod isotonic;
mod mcnemar_power;
mod means;
mod multiplicity;
mod normal;
mod order;
mod paired;
mod paired_proportions;
mod power;
mod proportion;
mod ranks;
mod score;
mod sign_flip;
mod spread;

pub use binomial::{mcnemar, sign_test};
pub use bootstrap::Bootstrap;
pub use difference::difference;
pub use dose::{Steerability, slope, steerability};
pub use error::Error;
pub use estimate::{Estimate, Method};
pub use gini::gini;
pub use isotonic::isotonic;
pub use mcnemar_power::mcnemar_power;
pub use means::{bca_of_means, mean};
pub use multiplicity::{benjamini_hochberg, holm};
pub use order::{bca, quantile, worst_decile};
pub use paired::paired_difference;
pub use paired_proportions::newcombe_paired;
pub use power::{items_needed, minimum_detectable_effect, power};
pub use proportion::wilson;
pub use ranks::{kendall, spearman};
pub use score::{paired_score, share};
pub use sign_flip::sign_flip;
pub use spread::{Spread, spread};
