use std::fmt;

use serde::{Deserialize, Serialize};

/// A number with its uncertainty.
///
/// Displays as `0.81 [0.70, 0.89]`; a precision in the format string changes the two decimals: `{:.3}`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// The estimate itself.
    pub point: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Confidence level of the interval, strictly between 0 and 1 (0.95 for 95 %).
    pub level: f64,
    /// Observations behind it.
    pub n: usize,
    /// How the interval was made.
    pub method: Method,
}

/// How an interval was made. Serialised in snake case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Method {
    /// Score interval of a proportion, see [`wilson`](crate::wilson).
    Wilson,
    /// Difference of two estimates, see [`difference`](crate::difference()).
    SquareAndAdd,
    /// Bias-corrected and accelerated bootstrap, see [`bca_of_means`](crate::bca_of_means).
    Bca,
    /// All observations are alike, so that resampling says nothing: see [`bca_of_means`](crate::bca_of_means), where
    /// the interval is then only the point, and [`paired_difference`](crate::paired_difference), where it is not.
    NoSpread,
    /// Difference of two proportions of the same items, see [`newcombe_paired`](crate::newcombe_paired).
    NewcombePaired,
    /// Score interval of a mean of values in [0, 1], see [`share`](crate::share).
    Score,
    /// Score interval of a difference of values of the same items, see [`paired_score`](crate::paired_score).
    PairedScore,
    /// Fisher's transformation of a correlation, see [`spearman`](crate::spearman) and [`kendall`](crate::kendall).
    FisherZ,
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = f.precision().unwrap_or(2);
        let Self { point, low, high, .. } = self;
        write!(f, "{point:.decimals$} [{low:.decimals$}, {high:.decimals$}]")
    }
}
