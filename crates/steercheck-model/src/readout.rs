//! From the residual stream to tokens: logits, and the few numbers of them that are asked for.

use candle_core::{DType, Tensor};
use rayon::prelude::*;
use serde::Serialize;

use crate::error::{ModelError, Result};
use crate::model::Model;

/// Bytes of logits that are held at once.
pub(crate) const LOGIT_BYTES: usize = 64 << 20;

/// Whether the final norm stands before the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinalNorm {
    /// Applied, as the model does and as a logit lens would.
    Apply,
    /// Left out, as original DoLa does for premature layers.
    Skip,
}

/// What the head consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadKind {
    /// Everything the model does after its final norm: matrix, bias, logit multiplier, soft-cap.
    Full,
    /// The unembedding matrix alone.
    Weight,
    /// The unembedding matrix and its bias, where there is one.
    WeightAndBias,
}

/// One token's standing in one row of logits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TokenScore {
    /// The token.
    pub token: u32,
    /// Its logit.
    pub logit: f32,
    /// Number of tokens with a larger logit; 0 is best.
    pub rank: usize,
    /// Natural logarithm of its probability, accumulated in f64.
    pub log_prob: f64,
}

/// What is kept of one row of logits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reading {
    /// Token with the largest logit, the lowest id on ties.
    pub top1: u32,
    /// Natural logarithm of its probability.
    pub top1_log_prob: f64,
    /// Largest minus second-largest logit.
    pub margin: f32,
    /// The tokens that were asked for, in the order asked.
    pub tokens: Vec<TokenScore>,
}

impl Reading {
    /// Reads one row of logits `[vocab]`. `None` if a logit is NaN or infinite.
    pub fn of_logits(logits: &[f32], tokens: &[u32]) -> Option<Self> {
        let (mut top1, mut best, mut second) = (0u32, f32::NEG_INFINITY, f32::NEG_INFINITY);
        for (i, &l) in logits.iter().enumerate() {
            if !l.is_finite() {
                return None;
            }
            if l > best {
                (second, best, top1) = (best, l, i as u32);
            } else if l > second {
                second = l;
            }
        }
        let top = f64::from(best);
        let sum: f64 = logits.iter().map(|l| (f64::from(*l) - top).exp()).sum();
        let log_sum = top + sum.ln();
        let tokens = tokens
            .iter()
            .map(|&token| {
                let logit = logits[token as usize];
                let rank = logits.iter().filter(|l| **l > logit).count();
                TokenScore { token, logit, rank, log_prob: f64::from(logit) - log_sum }
            })
            .collect();
        Some(Self { top1, top1_log_prob: top - log_sum, margin: best - second, tokens })
    }
}

impl Model {
    /// Residual rows `[rows, D]` through the final norm, if the model has one.
    pub fn final_norm(&self, residual: &Tensor) -> Result<Tensor> {
        match &self.final_norm {
            None => Ok(residual.clone()),
            Some(norm) => norm.forward(residual),
        }
    }

    /// What the head reads: residual rows `[rows, D]` through the final norm, if that is asked and there is one, and the
    /// projection to the embedding's width, if there is one.
    pub fn head_input(&self, residual: &Tensor, norm: FinalNorm) -> Result<Tensor> {
        let h = match norm {
            FinalNorm::Apply => self.final_norm(residual)?,
            FinalNorm::Skip => residual.clone(),
        };
        match &self.project_out {
            None => Ok(h),
            Some(project) => project.forward(&h),
        }
    }

    /// Logits `[rows, vocab]` of residual rows `[rows, D]`. Keeps them all: for many rows see [`Model::read`].
    pub fn logits(&self, residual: &Tensor, norm: FinalNorm, head: HeadKind) -> Result<Tensor> {
        let h = self.head_input(residual, norm)?;
        match head {
            HeadKind::Weight => return self.head.product(&h),
            HeadKind::WeightAndBias => return self.head.forward(&h),
            HeadKind::Full => {}
        }
        let spec = &self.spec.head;
        let mut logits = self.head.forward(&h)?;
        if (spec.logit_multiplier - 1.0).abs() > 0.0 {
            logits = (logits * f64::from(spec.logit_multiplier))?;
        }
        if let Some(cap) = spec.soft_cap {
            logits = ((logits / f64::from(cap))?.tanh()? * f64::from(cap))?;
        }
        Ok(logits)
    }

    /// Unembeds residual rows `[rows, D]` and keeps of each row its top token and the tokens asked for. `asked` holds one
    /// list per row. Logits are made and dropped a tile of rows at a time.
    pub fn read(&self, residual: &Tensor, norm: FinalNorm, head: HeadKind, asked: &[Vec<u32>]) -> Result<Vec<Reading>> {
        let rows = residual.dim(0)?;
        if asked.len() != rows {
            return Err(ModelError::Plan(format!("{} rows are read with {} lists of tokens", rows, asked.len())));
        }
        let vocab = self.spec.vocab_size;
        if let Some(token) = asked.iter().flatten().find(|t| **t as usize >= vocab) {
            return Err(ModelError::Plan(format!("token {token} does not exist: the vocabulary has {vocab}")));
        }
        let count = rows.div_ceil((LOGIT_BYTES / (4 * vocab)).max(1)).max(1);
        let mut out = Vec::with_capacity(rows);
        for i in 0..count {
            let (start, end) = (i * rows / count, (i + 1) * rows / count);
            if start == end {
                continue;
            }
            let logits = self.logits(&residual.narrow(0, start, end - start)?, norm, head)?;
            let flat = logits.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
            let part = flat
                .par_chunks(vocab)
                .zip(&asked[start..end])
                .map(|(row, tokens)| {
                    Reading::of_logits(row, tokens)
                        .ok_or_else(|| ModelError::NotFinite { at: "a row of logits".into() })
                })
                .collect::<Result<Vec<Reading>>>()?;
            out.extend(part);
        }
        Ok(out)
    }
}
