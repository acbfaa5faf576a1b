//! From tokens to residual 0.

use candle_core::Tensor;

use crate::error::Result;
use crate::linear::Linear;
use crate::model::Model;
use crate::norm::Norm;

/// The weights before the first block.
pub(crate) struct EmbeddingWeights {
    /// `[vocab, width]`.
    pub(crate) tokens: Linear,
    /// `[D, width]`, where the table's width is not the residual stream's.
    pub(crate) project: Option<Linear>,
    /// `[positions, D]`.
    pub(crate) positions: Option<Linear>,
    pub(crate) norm: Option<Norm>,
}

impl Model {
    /// Residual 0 of consecutive tokens, the first at position `start`, `[tokens, D]`.
    pub(crate) fn embed(&self, tokens: &[u32], start: usize) -> Result<Tensor> {
        let (spec, weights) = (&self.spec.embedding, &self.embedding);
        let mut x = weights.tokens.rows(tokens, &self.device)?;
        if (spec.multiplier - 1.0).abs() > 0.0 {
            x = (x * f64::from(spec.multiplier))?;
        }
        if let Some(project) = &weights.project {
            x = project.forward(&x)?;
        }
        if let (Some(table), Some(positions)) = (&weights.positions, spec.positions) {
            let ids: Vec<u32> = (0..tokens.len()).map(|i| (start + i + positions.offset) as u32).collect();
            x = (x + table.rows(&ids, &self.device)?)?;
        }
        match &weights.norm {
            None => Ok(x),
            Some(norm) => norm.forward(&x),
        }
    }
}
