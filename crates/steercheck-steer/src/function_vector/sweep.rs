//! The vector added to the residual stream, at many places and strengths at once.

use std::sync::Arc;

use steercheck_model::{Edit, Model, Operation, Prefix, Reading, Receipt, Result, Row, Site};

use crate::reading::read_in_batches;

/// Residual b at the last token becomes itself + strength · vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Injection {
    /// Of width D.
    pub vector: Arc<[f32]>,
    /// λ.
    pub strength: f32,
    /// b.
    pub residual: usize,
}

impl Injection {
    /// The edit.
    pub fn edit(&self) -> Edit {
        let operation = Operation::Add { vector: self.vector.clone(), strength: self.strength };
        Edit::last(Site::Residual(self.residual), operation)
    }

    /// The same at a share of its strength.
    #[must_use]
    pub fn scaled(&self, share: f32) -> Self {
        Self { strength: self.strength * share, ..self.clone() }
    }

    /// Another vector in the same place at the same strength.
    #[must_use]
    pub fn with(&self, vector: Arc<[f32]>) -> Self {
        Self { vector, ..self.clone() }
    }
}

/// One reading of a sweep.
pub struct Swept {
    /// Index of the prefix.
    pub item: usize,
    /// Index of the injection.
    pub setting: usize,
    /// What was read.
    pub reading: Reading,
    /// What the edit did.
    pub receipts: Vec<Receipt>,
}

/// Every injection into every prefix: rows that enter at their residual. `asked` has the tokens to score, one list per prefix; `keep` is
/// given the readings, prefix by prefix. Only a batch of rows is in memory at once.
pub fn sweep(
    model: &Model,
    prefixes: &[Prefix],
    injections: &[Injection],
    asked: &[Vec<u32>],
    mut keep: impl FnMut(Swept) -> Result<()>,
) -> Result<()> {
    let n = injections.len();
    let longest = prefixes.iter().map(Prefix::len).max().unwrap_or(0);
    read_in_batches(
        model,
        prefixes.len() * n,
        longest,
        1,
        |i| Ok((Row::edited(&prefixes[i / n], vec![injections[i % n].edit()]), asked[i / n].clone())),
        |i, reading, receipts| keep(Swept { item: i / n, setting: i % n, reading, receipts }),
    )
}
