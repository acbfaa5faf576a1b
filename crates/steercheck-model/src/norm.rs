//! Norms.

use candle_core::{D, Tensor};

use crate::error::Result;
use crate::spec::{NormKind, NormSpec};

/// A norm with its weights.
#[derive(Debug, Clone)]
pub(crate) struct Norm {
    pub(crate) spec: NormSpec,
    /// `[width]`, ones where the norm has no weights.
    pub(crate) weight: Tensor,
    /// `[width]`, or `[heads, width]` with a norm of each head of its own.
    pub(crate) bias: Option<Tensor>,
    /// Multiplies `[.., heads, width]` after the norm, where each head has weights of its own.
    pub(crate) by_head: Option<Tensor>,
}

impl Norm {
    /// Norms the last dimension of `x`.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = match self.spec.kind {
            NormKind::Rms => x.contiguous()?,
            // Centred first: candle's own layer norm takes the variance as a difference of two sums, which loses digits
            // where the mean is large. What is left is a root-mean-square norm.
            NormKind::Layer => x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?,
        };
        let mut y = candle_nn::ops::rms_norm(&x, &self.weight, self.spec.eps)?;
        if let Some(by_head) = &self.by_head {
            y = y.broadcast_mul(by_head)?;
        }
        Ok(match &self.bias {
            None => y,
            Some(bias) => y.broadcast_add(bias)?,
        })
    }
}
