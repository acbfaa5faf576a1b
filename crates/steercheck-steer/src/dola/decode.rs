//! Decoding with the contrast: the same distributions and the same choice of a layer as in scoring, for one position at a time.

use candle_core::{DType, Tensor};
use steercheck_model::{FinalNorm, HeadKind, Model, ModelError, Result};

use super::config::{Choice, Config, Measure};
use super::row::{Mature, compare, contrast};
use super::score::Readout;

/// The scores that the next token is chosen by.
#[derive(Debug, Clone, PartialEq)]
pub struct Contrasted {
    /// ln p − ln q of every token, `[vocab]`; -∞ where α masks it.
    pub scores: Vec<f32>,
    /// ln p by the mature head, `[vocab]`.
    pub log_p: Vec<f32>,
    /// The premature residual.
    pub layer: usize,
    /// Tokens that are not masked.
    pub kept: usize,
}

/// Contrasts the last token's residuals 0..=L, `[1, D]` each. Only configurations that choose the largest divergence decode.
pub fn contrasted(model: &Model, residuals: &[Tensor], config: &Config, readout: Readout) -> Result<Contrasted> {
    let not_finite = || ModelError::NotFinite { at: "a row of logits".into() };
    let missing = |b: usize| ModelError::Plan(format!("residual {b} was not kept"));
    let row = |b: usize, norm: FinalNorm, head: HeadKind| -> Result<Vec<f32>> {
        let residual = residuals.get(b).ok_or_else(|| missing(b))?;
        Ok(model.logits(residual, norm, head)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
    };
    let Choice::Largest(measure) = &config.choice else {
        return Err(ModelError::Plan("text is decoded with the layer that diverges most".into()));
    };
    let mature =
        Mature::of_logits(&row(model.spec.depth(), FinalNorm::Apply, readout.mature)?).ok_or_else(not_finite)?;
    let mut scratch = vec![0.0; model.spec.vocab_size];
    let mut best: Option<(f64, usize, Vec<f32>)> = None;
    for layer in config.candidates.iter() {
        let logits = row(*layer, readout.norm, readout.premature)?;
        let scores = compare(&mature, &logits, &[], &mut scratch).ok_or_else(not_finite)?;
        let divergence = match measure {
            Measure::Paper => scores.paper,
            Measure::Jsd => scores.jsd,
        };
        if best.as_ref().is_none_or(|(most, ..)| divergence > *most) {
            best = Some((divergence, *layer, logits));
        }
    }
    let (_, layer, logits) =
        best.ok_or_else(|| ModelError::Plan("there are no premature layers to choose from".into()))?;
    let mut scores = contrast(&mature, &logits);
    let log_p = mature.log_probs().to_vec();
    let mut kept = scores.len();
    if config.alpha > 0.0 {
        let threshold = mature.threshold(config.alpha);
        kept = 0;
        for (score, log_p) in scores.iter_mut().zip(&log_p) {
            if *log_p < threshold {
                *score = f32::NEG_INFINITY;
            } else {
                kept += 1;
            }
        }
    }
    Ok(Contrasted { scores, log_p, layer, kept })
}

/// Makes tokens that were there before less likely (Keskar et al. 2019): scores become log-probabilities among the tokens that are not
/// masked, those of the tokens seen are multiplied by the penalty.
pub fn penalise(scores: &mut [f32], seen: &[u32], penalty: f64) {
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = scores.iter().map(|s| f64::from(s - most).exp()).sum();
    let shift = f64::from(most) + sum.ln();
    for score in scores.iter_mut() {
        *score = (f64::from(*score) - shift) as f32;
    }
    let mut seen = seen.to_vec();
    seen.sort_unstable();
    seen.dedup();
    for token in seen {
        let score = &mut scores[token as usize];
        *score = (f64::from(*score) * penalty) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::penalise;

    #[test]
    fn tokens_that_were_seen_lose_and_masked_ones_stay_masked() {
        let mut scores = [2.0, 1.9, f32::NEG_INFINITY];
        penalise(&mut scores, &[0, 2, 0], 1.2);
        assert!(scores[1] > scores[0] && scores[2] == f32::NEG_INFINITY, "{scores:?}");
        let mut same = [0.5f32.ln() + 3.0, 0.5f32.ln() + 3.0];
        penalise(&mut same, &[], 1.2);
        assert!((same[0] - 0.5f32.ln()).abs() < 1e-6);
    }
}
