//! One prompt: what every residual says at every position.

use candle_core::Tensor;
use serde::Serialize;
use steercheck_model::{FinalNorm, HeadKind, Model, ModelError, ReadAt, Reads, Tokenizer};

use crate::error::EvalError;

/// One position in one residual.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Seen {
    /// The most probable next token.
    pub token: u32,
    /// Its text.
    pub text: String,
    /// Its probability.
    pub probability: f64,
    /// Probability of the token that does follow; none at the last position.
    pub next: Option<f64>,
    /// Tokens more probable than that one; none at the last position.
    pub next_rank: Option<usize>,
}

/// A prompt through the lens.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LensGrid {
    /// Token ids, BOS included where there is one.
    pub tokens: Vec<u32>,
    /// Their texts.
    pub texts: Vec<String>,
    /// Whether residuals go through the final norm.
    pub final_norm: bool,
    /// `[L + 1][positions]`, residual 0 first.
    pub residuals: Vec<Vec<Seen>>,
}

/// Reads every residual at every position of a prompt.
pub fn lens(model: &Model, tokenizer: &Tokenizer, prompt: &str, norm: FinalNorm) -> Result<LensGrid, EvalError> {
    let tokens = tokenizer.encode(prompt)?;
    let reads = Reads { residual: ReadAt::All, ..Reads::default() };
    let trace = model.trace(std::slice::from_ref(&tokens), &reads)?.remove(0);
    let residual: Tensor = trace.residual.ok_or_else(|| ModelError::Plan("nothing was read".into()))?;
    let asked: Vec<Vec<u32>> = (0..tokens.len()).map(|i| tokens.get(i + 1).copied().into_iter().collect()).collect();
    let mut residuals = Vec::with_capacity(model.spec.depth() + 1);
    for b in 0..=model.spec.depth() {
        let readings = model.read(&residual.get(b).map_err(ModelError::from)?, norm, HeadKind::Full, &asked)?;
        let seen = readings.into_iter().map(|r| {
            Ok(Seen {
                token: r.top1,
                text: tokenizer.decode(&[r.top1])?,
                probability: r.top1_log_prob.exp(),
                next: r.tokens.first().map(|t| t.log_prob.exp()),
                next_rank: r.tokens.first().map(|t| t.rank),
            })
        });
        residuals.push(seen.collect::<Result<Vec<_>, EvalError>>()?);
    }
    let texts = tokens.iter().map(|t| Ok(tokenizer.decode(&[*t])?)).collect::<Result<Vec<_>, EvalError>>()?;
    Ok(LensGrid { tokens, texts, final_norm: norm == FinalNorm::Apply, residuals })
}
