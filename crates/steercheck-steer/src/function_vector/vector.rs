//! The vector: contributions of the strongest heads, summed.

use std::sync::Arc;

use candle_core::{DType, Tensor};
use steercheck_model::{FinalNorm, HeadKind, Model, ModelError, Result};

use super::{HeadMeans, HeadSite, ProjectionBias};
use crate::reading::most_probable;

/// The sum of some heads' contributions to the residual stream.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionVector {
    /// The heads, in the order in which they were added.
    pub heads: Vec<HeadSite>,
    /// Of width D.
    pub vector: Arc<[f32]>,
}

impl FunctionVector {
    /// Its Euclidean norm.
    pub fn norm(&self) -> f64 {
        self.vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt()
    }
}

/// The vectors of the first n heads of a ranking, for every n of `counts`: Σ `W_O` · z̄ without the projection's bias, summed in f64 in
/// the order of the ranking. Where the family norms the attention's output, these are the contributions before that norm. An error if
/// the ranking has fewer heads than asked.
pub fn vectors(
    model: &Model,
    means: &HeadMeans,
    ranking: &[HeadSite],
    counts: &[usize],
    bias: ProjectionBias,
) -> Result<Vec<FunctionVector>> {
    let most = counts.iter().copied().max().unwrap_or(0);
    if most > ranking.len() || counts.contains(&0) {
        let n = ranking.len();
        return Err(ModelError::Plan(format!("a function vector needs 1 to {n} heads, and {counts:?} are asked")));
    }
    let mut sum = vec![0f64; model.spec.hidden_size];
    let mut out: Vec<Option<FunctionVector>> = vec![None; counts.len()];
    for (i, site) in ranking[..most].iter().enumerate() {
        let z = Tensor::from_vec(means.at(*site)?.to_vec(), (1, model.spec.head_dim), model.device())?;
        let added = model.head_contribution(site.0, site.1, &z)?.to_dtype(DType::F32)?.squeeze(0)?.to_vec1::<f32>()?;
        sum.iter_mut().zip(&added).for_each(|(s, a)| *s += f64::from(*a));
        if bias == ProjectionBias::AsPublished
            && let Some(bias) = model.projection_bias(site.0)?
        {
            sum.iter_mut().zip(&bias).for_each(|(s, b)| *s += f64::from(*b));
        }
        for (n, slot) in counts.iter().zip(&mut out) {
            if *n == i + 1 {
                let vector = sum.iter().map(|x| *x as f32).collect();
                *slot = Some(FunctionVector { heads: ranking[..*n].to_vec(), vector });
            }
        }
    }
    Ok(out.into_iter().flatten().collect())
}

/// The `n` tokens that a vector makes most probable through the final norm and the head, as if it were the residual stream, with the natural
/// logarithms of their probabilities.
pub fn read_out(model: &Model, vector: &[f32], n: usize) -> Result<Vec<(u32, f64)>> {
    let row = Tensor::from_vec(vector.to_vec(), (1, vector.len()), model.device())?;
    let logits = model.logits(&row, FinalNorm::Apply, HeadKind::Full)?.to_dtype(DType::F32)?.squeeze(0)?;
    let logits = logits.to_vec1::<f32>()?;
    if logits.iter().any(|x| !x.is_finite()) {
        return Err(ModelError::NotFinite { at: "the read-out of a vector".into() });
    }
    Ok(most_probable(&logits, n))
}
