//! Matrix products with weights in any of their forms. The arithmetic is f32 except with [`Weight::Integer`].

use candle_core::quantized::QMatMul;
use candle_core::{Device, Module, Tensor};
use rayon::prelude::*;

use crate::error::{ModelError, Result};
use crate::kernels;
use crate::weights::StoredMatrix;

/// A matrix `[out, in]`. Clones share what they hold.
#[derive(Clone)]
pub(crate) enum Weight {
    /// f32 in memory.
    Dense(Tensor),
    /// In its file's type, widened to f32 tile by tile inside the product.
    Stored(StoredMatrix),
    /// candle's integer kernels: activations are rounded to 8 bits.
    Integer(QMatMul),
}

/// `x · Wᵀ + b`.
pub(crate) struct Linear {
    pub(crate) weight: Weight,
    /// `[out]`.
    pub(crate) bias: Option<Tensor>,
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

    /// `x` `[rows, in]` to `[rows, out]` by the matrix alone. The one place that looks at the device: the CPU has kernels of
    /// ours, other devices have candle's.
    pub(crate) fn product(&self, x: &Tensor) -> Result<Tensor> {
        let own = x.device().is_cpu() && kernels::available();
        match &self.weight {
            Weight::Dense(w) if own => Ok(kernels::dense(x, w)?),
            Weight::Stored(w) if own => w.product_on_cpu(x),
            Weight::Dense(w) => Ok(x.matmul(&w.t()?)?),
            Weight::Integer(q) => Ok(q.forward(x)?),
            Weight::Stored(w) => w.product(x),
        }
    }

    /// Rows of the matrix by index, `[ids, in]`: an embedding look-up.
    pub(crate) fn rows(&self, ids: &[u32], device: &Device) -> Result<Tensor> {
        match &self.weight {
            Weight::Dense(w) => Ok(w.index_select(&Tensor::new(ids, device)?, 0)?),
            Weight::Stored(w) => {
                let rows = ids
                    .par_iter()
                    .map(|id| w.widen_outputs(&(*id as usize..*id as usize + 1), device))
                    .collect::<candle_core::Result<Vec<Tensor>>>()?;
                Ok(Tensor::cat(&rows, 0)?)
            }
            // The loader keeps the embedding out of the integer kernels.
            Weight::Integer(_) => {
                Err(ModelError::Plan("rows cannot be looked up in a matrix for integer kernels".into()))
            }
        }
    }
}
