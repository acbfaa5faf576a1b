//! What a prompt leaves for the runs that share it.

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use candle_core::{DType, Tensor};

use crate::attention::KeyValue;
use crate::error::Result;

/// Keys and values of consecutive positions, as rows of what a run kept.
#[derive(Clone)]
pub(crate) struct Stretch {
    /// First position.
    pub(crate) start: usize,
    /// Positions.
    pub(crate) len: usize,
    /// One entry per block.
    pub(crate) store: Arc<Vec<KeyValue>>,
    /// Row of the first position in every entry of the store.
    pub(crate) row: usize,
    /// The blocks, from 1 on, that are found here: a run has nothing of the blocks below its entry.
    pub(crate) blocks: RangeInclusive<usize>,
}

/// Keys and values of all positions before a run, out of any number of stores. In every block the stretches follow one
/// another without a gap.
#[derive(Clone, Default)]
pub(crate) struct Past {
    pub(crate) stretches: Vec<Stretch>,
}

impl Past {
    /// Keys and values of these positions in block b (1-based), in order, without copies.
    pub(crate) fn pieces(&self, b: usize, positions: Range<usize>) -> Result<Vec<KeyValue>> {
        let mut pieces = Vec::new();
        for s in self.stretches.iter().filter(|s| s.blocks.contains(&b)) {
            let (start, end) = (positions.start.max(s.start), positions.end.min(s.start + s.len));
            if start < end {
                pieces.push(s.store[b - 1].narrow(s.row + start - s.start, end - start)?);
            }
        }
        Ok(pieces)
    }

    /// These positions, and of them these blocks. Shares what this holds.
    pub(crate) fn part(&self, positions: &Range<usize>, blocks: &RangeInclusive<usize>) -> Vec<Stretch> {
        let cut = |s: &Stretch| {
            let (start, end) = (positions.start.max(s.start), positions.end.min(s.start + s.len));
            let within = *s.blocks.start().max(blocks.start())..=*s.blocks.end().min(blocks.end());
            (start < end && !within.is_empty()).then(|| Stretch {
                start,
                len: end - start,
                row: s.row + start - s.start,
                store: s.store.clone(),
                blocks: within,
            })
        };
        self.stretches.iter().filter_map(cut).collect()
    }
}

/// A prompt as far as it can be shared: keys and values of every block at all of its tokens, and the last token's residual
/// at every block.
pub struct Prefix {
    pub(crate) tokens: Vec<u32>,
    pub(crate) past: Past,
    /// `[L + 1, D]`.
    pub(crate) residuals: Tensor,
}

impl Prefix {
    /// Tokens of the prompt, the last one included.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Never: an empty prompt is refused.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Residual b of the last token, `[D]`.
    pub fn residual(&self, b: usize) -> Result<Vec<f32>> {
        Ok(self.residuals.get(b)?.to_dtype(DType::F32)?.to_vec1()?)
    }

    /// Residuals 0..=L of the last token, `[L + 1, D]`.
    pub fn residuals(&self) -> &Tensor {
        &self.residuals
    }
}
