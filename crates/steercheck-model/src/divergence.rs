//! How far steered next-token distributions are from unsteered ones, on a text whose next tokens are known.

use candle_core::{DType, Tensor};
use rayon::prelude::*;
use serde::Serialize;

use crate::error::{ModelError, Result};
use crate::model::Model;
use crate::readout::{FinalNorm, HeadKind, LOGIT_BYTES};

/// One position's distribution over the next token, steered beside unsteered. Natural logarithms, accumulated in f64.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Divergence {
    /// KL(unsteered ‖ steered) over the whole vocabulary, in nats.
    pub kl: f64,
    /// −log probability of the text's own next token, unsteered.
    pub nll_unsteered: f64,
    /// The same, steered.
    pub nll_steered: f64,
}

impl Divergence {
    /// Of two rows of logits `[vocab]`. `None` if a logit is NaN or infinite.
    pub fn of_logits(unsteered: &[f32], steered: &[f32], next: u32) -> Option<Self> {
        let most = |row: &[f32]| {
            row.iter().try_fold(f32::NEG_INFINITY, |most, l| l.is_finite().then(|| most.max(*l))).map(f64::from)
        };
        let (top_p, top_q) = (most(unsteered)?, most(steered)?);
        let (mut sum_p, mut sum_q, mut weighted) = (0.0, 0.0, 0.0);
        for (p, q) in unsteered.iter().zip(steered) {
            let (p, q) = (f64::from(*p), f64::from(*q));
            let e = (p - top_p).exp();
            sum_p += e;
            sum_q += (q - top_q).exp();
            weighted += e * (p - q);
        }
        let (log_p, log_q) = (top_p + sum_p.ln(), top_q + sum_q.ln());
        // Σ p (log p − log q) = Σ p (l_p − l_q) − (log Z_p − log Z_q), each term of which is exactly 0 for equal rows. It is
        // never negative (Gibbs), so what comes out below 0 is rounding, and would read like a defect in a table.
        let kl = (weighted / sum_p - (log_p - log_q)).max(0.0);
        let nll = |row: &[f32], log_sum: f64| Some(log_sum - f64::from(*row.get(next as usize)?));
        Some(Self { kl, nll_unsteered: nll(unsteered, log_p)?, nll_steered: nll(steered, log_q)? })
    }
}

impl Model {
    /// Unembeds residual L, unsteered and steered, `[rows, D]` each, and compares the distributions of the next token row
    /// by row; `next` holds the token that the text goes on with. Logits are made and dropped a tile of rows at a time.
    pub fn divergence(&self, unsteered: &Tensor, steered: &Tensor, next: &[u32]) -> Result<Vec<Divergence>> {
        let (rows, vocab) = (unsteered.dim(0)?, self.spec.vocab_size);
        if unsteered.dims() != steered.dims() || next.len() != rows {
            return Err(ModelError::Plan(format!(
                "rows of shape {:?} are compared with rows of shape {:?} on {} tokens",
                unsteered.dims(),
                steered.dims(),
                next.len()
            )));
        }
        if let Some(token) = next.iter().find(|t| **t as usize >= vocab) {
            return Err(ModelError::Plan(format!("token {token} does not exist: the vocabulary has {vocab}")));
        }
        let count = rows.div_ceil(self.rows_of_two()).max(1);
        let mut out = Vec::with_capacity(rows);
        for i in 0..count {
            let (start, end) = (i * rows / count, (i + 1) * rows / count);
            if start == end {
                continue;
            }
            let logits = |residual: &Tensor| -> Result<Vec<f32>> {
                let tile = residual.narrow(0, start, end - start)?;
                let logits = self.logits(&tile, FinalNorm::Apply, HeadKind::Full)?;
                Ok(logits.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
            };
            let (p, q) = (logits(unsteered)?, logits(steered)?);
            let part = p
                .par_chunks(vocab)
                .zip(q.par_chunks(vocab))
                .zip(&next[start..end])
                .map(|((p, q), next)| {
                    Divergence::of_logits(p, q, *next)
                        .ok_or_else(|| ModelError::NotFinite { at: "a row of logits".into() })
                })
                .collect::<Result<Vec<Divergence>>>()?;
            out.extend(part);
        }
        Ok(out)
    }

    /// Bytes besides the weights and the residuals that [`Model::divergence`] takes at most.
    pub fn divergence_bytes(&self, rows: usize) -> u64 {
        // Logits of both, and copies of them on their way out of their tensors.
        16 * (rows.min(self.rows_of_two()) * self.spec.vocab_size) as u64
    }

    /// Rows whose logits, steered and unsteered, are held at once.
    fn rows_of_two(&self) -> usize {
        (LOGIT_BYTES / (8 * self.spec.vocab_size)).max(1)
    }
}
