//! Counts, while the values of one tensor are compared.

use std::cmp::Ordering;

use crate::report::{Example, Reason};

/// What was found in one tensor so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Values compared.
    pub(crate) values: usize,
    /// Differing values accepted as ties.
    pub(crate) ties: usize,
    /// Largest finite difference.
    pub(crate) largest: Option<f64>,
    /// Largest difference as a share of what is allowed there.
    pub(crate) share: Option<f64>,
    wrong: usize,
    infinite: usize,
    /// The value furthest beyond: flat index, golden, other, and by how much.
    worst: Option<(usize, f64, f64, f64)>,
}

impl Tally {
    /// One value that must be close. NaN is counted, but reported elsewhere.
    pub(crate) fn number(&mut self, at: usize, golden: f64, other: f64, allowed: f64) {
        self.values += 1;
        if golden.is_nan() || other.is_nan() {
            return;
        }
        if golden.is_infinite() {
            self.infinite += 1;
            return;
        }
        let difference = (other - golden).abs();
        let share = if difference == 0.0 { 0.0 } else { difference / allowed };
        raise(&mut self.largest, difference);
        raise(&mut self.share, share);
        // Also wrong if the allowed difference is NaN, which a tolerance from outside could be.
        if !matches!(difference.partial_cmp(&allowed), Some(Ordering::Less | Ordering::Equal)) {
            self.wrong(at, golden, other, share);
        }
    }

    /// One value that must be acceptable; if it is and differs all the same, it is a tie.
    pub(crate) fn choice(&mut self, at: usize, golden: i64, other: i64, acceptable: bool) {
        self.values += 1;
        if !acceptable {
            self.wrong(at, golden as f64, other as f64, 0.0);
        } else if golden != other {
            self.ties += 1;
        }
    }

    fn wrong(&mut self, at: usize, golden: f64, other: f64, beyond: f64) {
        self.wrong += 1;
        if self.worst.is_none_or(|(.., furthest)| beyond > furthest) {
            self.worst = Some((at, golden, other, beyond));
        }
    }

    /// What is wrong, if anything; `how` says which rule the values break.
    pub(crate) fn reasons(&self, shape: &[usize], how: &'static str) -> Vec<Reason> {
        let infinite = (self.infinite > 0).then_some(Reason::Infinite { golden: self.infinite });
        let differs = self.worst.map(|(at, golden, other, _)| Reason::Differs {
            wrong: self.wrong,
            of: self.values,
            how,
            example: Example { index: unflatten(at, shape), golden, other },
        });
        infinite.into_iter().chain(differs).collect()
    }
}

/// The larger of two, if finite.
pub(crate) fn raise(largest: &mut Option<f64>, value: f64) {
    if value.is_finite() && largest.is_none_or(|largest| value > largest) {
        *largest = Some(value);
    }
}

/// A flat, row-major index as one index per axis.
fn unflatten(mut at: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (place, &length) in index.iter_mut().zip(shape).rev() {
        *place = at % length;
        at /= length;
    }
    index
}
