//! Norms.

use candle_core::Tensor;

use crate::error::Result;
use crate::spec::{NormKind, NormSpec};

/// A norm with its weights `[width]`.
#[derive(Debug, Clone)]
pub(crate) struct Norm {
    pub(crate) spec: NormSpec,
    pub(crate) weight: Tensor,
    pub(crate) bias: Option<Tensor>,
}

impl Norm {
    /// Norms the last dimension of `x`.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = x.contiguous()?;
        Ok(match self.spec.kind {
            NormKind::Rms => candle_nn::ops::rms_norm(&x, &self.weight, self.spec.eps)?,
            NormKind::Layer => {
                let zeros;
                let bias = if let Some(bias) = &self.bias {
                    bias
                } else {
                    zeros = self.weight.zeros_like()?;
                    &zeros
                };
                candle_nn::ops::layer_norm(&x, &self.weight, bias, self.spec.eps)?
            }
        })
    }
}
