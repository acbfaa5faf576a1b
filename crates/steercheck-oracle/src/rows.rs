//! Whole rows of logits, a few at a time, and what the oracle reads of each.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};
use steercheck_model::{FinalNorm, HeadKind, Model, ModelError};

use crate::{Array, Error, Values};

/// Rows whose logits are held at once: 64 MB at a quarter of a million tokens.
const TILE: usize = 64;

/// Difference of logits below which the oracle counts two tokens as tied.
const TIE: f64 = 1e-3;

/// Calls `each` with the logits of every row of residual L, or of another one seen through the lens: `residual` is
/// `[rows, D]`, and goes through the final norm and the head.
pub(crate) fn for_each_row(
    model: &Model,
    residual: &Tensor,
    head: HeadKind,
    mut each: impl FnMut(usize, &[f32]),
) -> Result<(), Error> {
    let rows = residual.dim(0)?;
    for start in (0..rows).step_by(TILE) {
        let tile = residual.narrow(0, start, TILE.min(rows - start))?;
        let logits = model.logits(&tile, FinalNorm::Apply, head)?.to_dtype(DType::F32)?.to_vec2::<f32>()?;
        for (at, row) in logits.iter().enumerate() {
            if row.iter().any(|logit| !logit.is_finite()) {
                return Err(ModelError::NotFinite { at: "a row of logits".to_owned() }.into());
            }
            each(start + at, row);
        }
    }
    Ok(())
}

/// The oracle's `read()`: f64 from f32 logits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Answer {
    /// Token with the largest logit, the lowest id on ties.
    pub(crate) top1: i64,
    /// Largest minus second-largest logit.
    pub(crate) margin: f64,
    /// Probability of the answer.
    pub(crate) prob: f64,
    /// Number of tokens with a larger logit.
    pub(crate) rank: i64,
    /// Its least and largest rank if near ties may swap.
    pub(crate) ranks: [i64; 2],
}

impl Answer {
    /// Reads one row of logits `[vocab]`.
    pub(crate) fn read(row: &[f32], answer: u32) -> Self {
        let (top1, margin) = best(row);
        let own = f64::from(row[answer as usize]);
        let above = |gap: f64| row.iter().filter(|&&logit| f64::from(logit) - own > gap).count() as i64;
        let prob = Softmax::of(row).prob(own);
        Self { top1, margin, prob, rank: above(0.0), ranks: [above(TIE), above(-TIE) - 1] }
    }
}

/// The token with the largest logit, and by how much it is the largest.
pub(crate) fn best(row: &[f32]) -> (i64, f64) {
    let (mut top1, mut first, mut second) = (0, f64::NEG_INFINITY, f64::NEG_INFINITY);
    for (token, logit) in (0..).zip(row.iter().map(|&logit| f64::from(logit))) {
        if logit > first {
            (top1, first, second) = (token, logit, first);
        } else if logit > second {
            second = logit;
        }
    }
    (top1, first - second)
}

/// What turns a row's logits into probabilities, in f64.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Softmax {
    largest: f64,
    sum: f64,
}

impl Softmax {
    pub(crate) fn of(row: &[f32]) -> Self {
        let largest = row.iter().map(|&logit| f64::from(logit)).fold(f64::NEG_INFINITY, f64::max);
        Self { largest, sum: row.iter().map(|&logit| (f64::from(logit) - largest).exp()).sum() }
    }

    /// Probability of a token with this logit.
    pub(crate) fn prob(self, logit: f64) -> f64 {
        (logit - self.largest).exp() / self.sum
    }

    /// Probability of the best token.
    pub(crate) fn top_prob(self) -> f64 {
        self.sum.recip()
    }
}

/// Readings of many rows as the six tensors that the oracle writes.
pub(crate) fn tensors(answers: &[Answer], prefix: &str, shape: &[usize]) -> BTreeMap<String, Array> {
    let floats = |of: fn(&Answer) -> f64| Values::F32(answers.iter().map(|answer| of(answer) as f32).collect());
    let integers = |of: fn(&Answer) -> i64| Values::I64(answers.iter().map(of).collect());
    [
        ("top1", integers(|answer| answer.top1)),
        ("margin", floats(|answer| answer.margin)),
        ("prob", floats(|answer| answer.prob)),
        ("rank", integers(|answer| answer.rank)),
        ("rank_lo", integers(|answer| answer.ranks[0])),
        ("rank_hi", integers(|answer| answer.ranks[1])),
    ]
    .map(|(name, values)| (format!("{prefix}{name}"), Array::new(shape, values)))
    .into()
}

#[cfg(test)]
mod tests {
    use super::{Answer, Softmax, best};

    #[test]
    fn a_row_is_read_as_the_oracle_reads_it() {
        // oracle.read(torch.tensor([1.0, 2.0, 1.9995, 2.0, 2.0005, -3.0]), 1)
        let row = [1.0, 2.0, 1.9995, 2.0, 2.0005, -3.0];
        let answer = Answer::read(&row, 1);
        assert_eq!((answer.top1, answer.rank, answer.ranks), (4, 1, [0, 3]));
        assert!((answer.margin - 0.000_499_963_760_376).abs() < 1e-12, "{}", answer.margin);
        assert!((answer.prob - 0.228_591_406_774_121).abs() < 1e-12, "{}", answer.prob);
        assert!((Softmax::of(&row).top_prob() - 0.228_705_722_767_987).abs() < 1e-12);
    }

    #[test]
    fn the_lowest_token_wins_ties() {
        assert_eq!(best(&[1.0, 2.0, 2.0]), (1, 0.0));
    }
}
