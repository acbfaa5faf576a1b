//! Matrix products with weights in any of their forms. The arithmetic is f32 except with [`Weight::Integer`].

use std::ops::Range;

use candle_core::quantized::QMatMul;
use candle_core::{Device, Module, Tensor};
use rayon::prelude::*;

use crate::error::{ModelError, Result};
use crate::weights::StoredTensor;

/// Bytes of f32 that one tile of a stored matrix is widened to.
const TILE_BYTES: usize = 8 << 20;

/// A matrix `[out, in]`.
pub(crate) enum Weight {
    /// f32 in memory.
    Dense(Tensor),
    /// In its file's type, widened to f32 tile by tile inside the product.
    Stored(StoredTensor),
    /// candle's integer kernels: activations are rounded to 8 bits.
    Integer(QMatMul),
}

/// `x · Wᵀ + b`.
pub(crate) struct Linear {
    pub(crate) weight: Weight,
    /// `[out]`.
    pub(crate) bias: Option<Tensor>,
}

fn tiles(rows: usize, inner: usize) -> Vec<Range<usize>> {
    let step = (TILE_BYTES / (4 * inner.max(1))).max(16);
    (0..rows).step_by(step).map(|s| s..(s + step).min(rows)).collect()
}

impl Linear {
    /// `x` `[rows, in]` to `[rows, out]`.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.product(x)?;
        Ok(match &self.bias {
            None => y,
            Some(b) => y.broadcast_add(b)?,
        })
    }

    /// `x` `[rows, in]` to `[rows, out]` by the matrix alone.
    pub(crate) fn product(&self, x: &Tensor) -> Result<Tensor> {
        match &self.weight {
            Weight::Dense(w) => Ok(x.matmul(&w.t()?)?),
            Weight::Integer(q) => Ok(q.forward(x)?),
            Weight::Stored(w) => {
                let inner = x.dim(1)?;
                let parts = tiles(w.rows(), inner)
                    .into_par_iter()
                    .map(|rows| Ok(x.matmul(&w.widen_rows(rows, x.device())?.t()?)?))
                    .collect::<Result<Vec<Tensor>>>()?;
                Ok(Tensor::cat(&parts, 1)?)
            }
        }
    }

    /// Rows of the matrix by index, `[ids, in]`: an embedding look-up.
    pub(crate) fn rows(&self, ids: &[u32], device: &Device) -> Result<Tensor> {
        match &self.weight {
            Weight::Dense(w) => Ok(w.index_select(&Tensor::new(ids, device)?, 0)?),
            Weight::Stored(w) => {
                let rows = ids
                    .par_iter()
                    .map(|id| w.widen_rows(*id as usize..*id as usize + 1, device))
                    .collect::<Result<Vec<Tensor>>>()?;
                Ok(Tensor::cat(&rows, 0)?)
            }
            // The loader keeps the embedding out of the integer kernels.
            Weight::Integer(_) => {
                Err(ModelError::Plan("rows cannot be looked up in a matrix for integer kernels".into()))
            }
        }
    }
}
