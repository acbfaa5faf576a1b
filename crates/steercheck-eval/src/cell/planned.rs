//! What a cell will come to, counted before it runs.

use std::iter::Sum;
use std::ops::Add;

/// Work ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Planned {
    /// Prompts, answers that are scored among them.
    pub prompts: u64,
    /// Rows that enter a block behind a prefix: heads that are patched, settings of the grid, arms.
    pub rows: u64,
    /// Those of them that patch a head.
    pub patched: u64,
    /// Rows × blocks, as [`steercheck_model::Model::watch`] counts it; divided by L these are tokens.
    pub work: u64,
    /// Rows that go through the unembedding and are read.
    pub readings: u64,
    /// Tokens × premature layers that are unembedded and compared.
    pub contrasts: u64,
}

impl Add for Planned {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            prompts: self.prompts + other.prompts,
            rows: self.rows + other.rows,
            patched: self.patched + other.patched,
            work: self.work + other.work,
            readings: self.readings + other.readings,
            contrasts: self.contrasts + other.contrasts,
        }
    }
}

impl Sum for Planned {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}
