//! What a prompt leaves for the runs that share it.

use std::sync::Arc;

use candle_core::Tensor;

use crate::attention::KeyValue;
use crate::error::Result;

/// A prompt as far as it can be shared: keys and values of every block up to its last token, and the last token's residual
/// at every block.
pub struct Prefix {
    pub(crate) tokens: Vec<u32>,
    /// One entry per block, over all rows of the prefill that made this.
    pub(crate) key_values: Arc<Vec<KeyValue>>,
    /// First row and length of the runs of positions that spell all tokens but the last.
    pub(crate) runs: Vec<(usize, usize)>,
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

    /// Residuals 0..=L of the last token, `[L + 1, D]`.
    pub fn residuals(&self) -> &Tensor {
        &self.residuals
    }

    /// Keys and values of positions `from..to` in block b (1-based), in order, without copies.
    pub(crate) fn pieces(&self, b: usize, from: usize, to: usize) -> Result<Vec<KeyValue>> {
        let mut pieces = Vec::new();
        let mut position = 0;
        for (row, len) in &self.runs {
            let (start, end) = (from.max(position), to.min(position + len));
            if start < end {
                pieces.push(self.key_values[b - 1].narrow(row + start - position, end - start)?);
            }
            position += len;
        }
        Ok(pieces)
    }
}
