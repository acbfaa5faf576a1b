//! Task vectors (Hendel, Geva and Globerson 2023, arXiv 2310.15916): the residual stream at the last token of a few-shot
//! prompt with a dummy query replaces that of a zero-shot query.
//!
//! θ[b] is the mean over dummy queries of residual b at the last token of (demonstrations + dummy query). Deviation from
//! the paper, as in Da Silva et al. 2025: two dummies instead of one, and a new θ for every item.

use std::sync::Arc;

use candle_core::{DType, Tensor};
use steercheck_model::{Edit, Model, ModelError, Operation, Prefix, Reading, Reads, Receipt, Result, Row, Site};

use crate::reading::read_rows;

/// θ of one item: one vector of width D per residual 0..=top.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskVector {
    by_residual: Vec<Arc<[f32]>>,
}

impl TaskVector {
    /// θ[b].
    pub fn at(&self, residual: usize) -> Result<&Arc<[f32]>> {
        self.by_residual.get(residual).ok_or_else(|| {
            let top = self.by_residual.len().saturating_sub(1);
            ModelError::Plan(format!("θ was read up to residual {top}, not {residual}"))
        })
    }

    /// Mean over dummies of residuals `[top + 1, D]` each, accumulated in f64.
    pub fn mean(residuals: &[Tensor]) -> Result<Self> {
        let wide = residuals.iter().map(|r| Ok(r.to_dtype(DType::F64)?)).collect::<Result<Vec<_>>>()?;
        let mean = Tensor::stack(&wide, 0)?.mean(0)?.to_dtype(DType::F32)?;
        Ok(Self { by_residual: mean.to_vec2::<f32>()?.into_iter().map(Arc::from).collect() })
    }
}

/// What reading few-shot prompts gives: θ per item, and the model's own answer to prompts that ran along.
pub struct Extraction {
    /// One per item.
    pub vectors: Vec<TaskVector>,
    /// Residual L at the last token of the further prompts, `[prompts, D]`; `None` without any.
    pub further: Option<Tensor>,
}

/// Reads θ of every item from its dummies (tokens of demonstrations + dummy query), up to residual `until` (`None`: L).
/// `further` prompts run in the same batch, so that what they share with the dummies is computed once; they need `until`
/// to be `None`.
pub fn extract(
    model: &Model,
    dummies: &[Vec<Vec<u32>>],
    further: &[Vec<u32>],
    until: Option<usize>,
) -> Result<Extraction> {
    if dummies.iter().any(Vec::is_empty) {
        return Err(ModelError::Plan("an item has no dummy query".into()));
    }
    if !further.is_empty() && until.is_some() {
        return Err(ModelError::Plan("prompts that are answered must run to the top".into()));
    }
    let prompts: Vec<Vec<u32>> = dummies.iter().flatten().chain(further).cloned().collect();
    let traces = model.trace(&prompts, &Reads { until, ..Reads::LAST_RESIDUALS })?;
    let mut residuals = Vec::with_capacity(traces.len());
    for trace in traces {
        let residual = trace.residual.ok_or_else(|| ModelError::Plan("nothing was read".into()))?;
        residuals.push(residual.squeeze(1)?);
    }
    let mut rest = residuals.as_slice();
    let mut vectors = Vec::with_capacity(dummies.len());
    for item in dummies {
        let (own, later) = rest.split_at(item.len());
        vectors.push(TaskVector::mean(own)?);
        rest = later;
    }
    let top = model.spec.depth();
    let further = if rest.is_empty() {
        None
    } else {
        let rows = rest.iter().map(|r| Ok(r.get(top)?)).collect::<Result<Vec<_>>>()?;
        Some(Tensor::stack(&rows, 0)?)
    };
    Ok(Extraction { vectors, further })
}

/// The edit of the method: residual b at the last token is replaced by θ[b].
pub fn injection(vector: &TaskVector, residual: usize) -> Result<Edit> {
    Ok(Edit::last(Site::Residual(residual), Operation::Replace(vector.at(residual)?.clone())))
}

/// The `zero` placebo: θ[b] added at strength 0. Must leave the baseline as it is, bit for bit.
pub fn zero(vector: &TaskVector, residual: usize) -> Result<Edit> {
    Ok(Edit::last(Site::Residual(residual), Operation::Add { vector: vector.at(residual)?.clone(), strength: 0.0 }))
}

/// The `random-direction` placebo: the residual moves as far as the method moves it, |θ[b] − residual b|, in a random
/// direction.
pub fn random_direction(vector: &TaskVector, prefix: &Prefix, residual: usize, seed: u64) -> Result<Edit> {
    let theta = vector.at(residual)?;
    let here = prefix.residuals().get(residual)?.to_vec1::<f32>()?;
    let direction = crate::placebo::random_direction(theta.len(), seed);
    let operation = Operation::Add { vector: direction.into(), strength: distance(theta, &here) };
    Ok(Edit::last(Site::Residual(residual), operation))
}

/// A share of the way from the residual to θ[b]: at 0 the unsteered model, at 1 the method up to rounding.
pub fn partial(vector: &TaskVector, prefix: &Prefix, residual: usize, share: f32) -> Result<Edit> {
    let here = prefix.residuals().get(residual)?.to_vec1::<f32>()?;
    let way: Vec<f32> = vector.at(residual)?.iter().zip(&here).map(|(t, h)| t - h).collect();
    Ok(Edit::last(Site::Residual(residual), Operation::Add { vector: way.into(), strength: share }))
}

/// What the method would put in place of residuals 0..=L if it knew nothing: each residual moved as far as the method moves it, in
/// a random direction. For runs in which this placebo is presented as the method.
pub fn random_twin(vector: &TaskVector, prefix: &Prefix, seeds: impl Fn(usize) -> u64) -> Result<TaskVector> {
    let mut by_residual = Vec::with_capacity(vector.by_residual.len());
    for (b, theta) in vector.by_residual.iter().enumerate() {
        let here = prefix.residuals().get(b)?.to_vec1::<f32>()?;
        let far = distance(theta, &here);
        let direction = crate::placebo::random_direction(theta.len(), seeds(b));
        by_residual.push(here.iter().zip(&direction).map(|(h, d)| h + far * d).collect());
    }
    Ok(TaskVector { by_residual })
}

/// Euclidean distance, accumulated in f64.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    let squared: f64 = a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
    squared.sqrt() as f32
}

/// What the method does at every block: `[items][blocks]` readings and receipts.
pub struct Curve {
    /// By item, then in the order of the residuals asked for.
    pub readings: Vec<Vec<Reading>>,
    /// Likewise.
    pub receipts: Vec<Vec<Receipt>>,
}

/// Injects each item's θ at each of `residuals` into its zero-shot prefix.
pub fn sweep(
    model: &Model,
    prefixes: &[&Prefix],
    vectors: &[TaskVector],
    residuals: &[usize],
    asked: &[Vec<u32>],
) -> Result<Curve> {
    let mut rows = Vec::with_capacity(prefixes.len() * residuals.len());
    let mut tokens = Vec::with_capacity(rows.capacity());
    for ((prefix, vector), asked) in prefixes.iter().zip(vectors).zip(asked) {
        for b in residuals {
            rows.push(Row::edited(prefix, vec![injection(vector, *b)?]));
            tokens.push(asked.clone());
        }
    }
    let (readings, receipts) = read_rows(model, &rows, &tokens)?;
    let chunk = residuals.len().max(1);
    Ok(Curve {
        readings: readings.chunks(chunk).map(<[_]>::to_vec).collect(),
        receipts: receipts.chunks(chunk).map(|c| c.iter().flatten().cloned().collect()).collect(),
    })
}
