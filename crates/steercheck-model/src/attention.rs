//! Attention of rows over the keys and values of what stands before them.

use candle_core::{Device, Tensor};

use crate::error::Result;
use crate::spec::{BlockSpec, DecoderSpec};

/// Keys or values `[kv_heads, positions, head_dim]` of one block.
#[derive(Clone)]
pub(crate) struct KeyValue {
    pub(crate) keys: Tensor,
    pub(crate) values: Tensor,
}

impl KeyValue {
    /// Positions `start..start + len`, without a copy.
    pub(crate) fn narrow(&self, start: usize, len: usize) -> Result<Self> {
        Ok(Self { keys: self.keys.narrow(1, start, len)?, values: self.values.narrow(1, start, len)? })
    }

    /// Pieces one after another; a single piece is not copied.
    pub(crate) fn join(pieces: &[Self]) -> Result<Option<Self>> {
        Ok(match pieces {
            [] => None,
            [one] => Some(one.clone()),
            many => {
                let keys: Vec<&Tensor> = many.iter().map(|p| &p.keys).collect();
                let values: Vec<&Tensor> = many.iter().map(|p| &p.values).collect();
                Some(Self { keys: Tensor::cat(&keys, 1)?, values: Tensor::cat(&values, 1)? })
            }
        })
    }

    fn len(&self) -> Result<usize> {
        Ok(self.keys.dim(1)?)
    }
}

/// Additive mask `[rows, start + rows]` for consecutive rows at positions `start..`: a row sees itself and what stands
/// before it, within the window. `None` where nothing is hidden.
pub(crate) fn mask(start: usize, rows: usize, window: Option<usize>, device: &Device) -> Result<Option<Tensor>> {
    let total = start + rows;
    if rows == 1 && window.is_none_or(|w| w >= total) {
        return Ok(None);
    }
    let values: Vec<f32> = (start..total)
        .flat_map(|i| {
            (0..total).map(move |j| {
                let seen = j <= i && window.is_none_or(|w| i - j < w);
                if seen { 0.0 } else { f32::NEG_INFINITY }
            })
        })
        .collect();
    Ok(Some(Tensor::from_vec(values, (rows, total), device)?))
}

/// `[rows, heads, width]` to `[kv_heads, heads_per_kv * rows, width]`: the query heads of a key/value head side by side.
fn by_kv_head(spec: &DecoderSpec, q: &Tensor) -> Result<Tensor> {
    let (rows, _, width) = q.dims3()?;
    let (kv, per) = (spec.kv_heads, spec.heads_per_kv());
    Ok(q.reshape((rows, kv, per, width))?.permute((1, 2, 0, 3))?.contiguous()?.reshape((kv, per * rows, width))?)
}

/// The inverse of [`by_kv_head`], flattened to `[rows, heads * width]`.
fn by_row(spec: &DecoderSpec, z: &Tensor, rows: usize) -> Result<Tensor> {
    let (kv, per, width) = (spec.kv_heads, spec.heads_per_kv(), spec.head_dim);
    Ok(z.reshape((kv, per, rows, width))?.permute((2, 0, 1, 3))?.contiguous()?.reshape((rows, kv * per * width))?)
}

/// Soft-cap and biases on scores `[kv_heads, heads_per_kv * rows, keys]` of the keys at positions `from..from + keys`.
fn adjust(spec: &DecoderSpec, mut scores: Tensor, from: usize) -> Result<Tensor> {
    if let Some(cap) = spec.attention_soft_cap {
        scores = ((scores / f64::from(cap))?.tanh()? * f64::from(cap))?;
    }
    if let Some(alibi) = &spec.alibi {
        let (kv, stacked, keys) = scores.dims3()?;
        let bias = alibi.biases(from..from + keys, scores.device())?;
        let by_head = scores.reshape((spec.heads, stacked / spec.heads_per_kv(), keys))?;
        scores = by_head.broadcast_add(&bias)?.reshape((kv, stacked, keys))?;
    }
    Ok(scores)
}

/// Consecutive rows of one sequence in one block. `q` `[rows, heads, head_dim]`; `all` holds the positions before the rows,
/// from 0 on, and the rows themselves. Returns head outputs `[rows, heads * head_dim]`.
pub(crate) fn sequence(
    spec: &DecoderSpec,
    block: &BlockSpec,
    q: &Tensor,
    all: &KeyValue,
    mask: Option<&Tensor>,
) -> Result<Tensor> {
    let rows = q.dim(0)?;
    let total = all.len()?;
    let (kv, per) = (spec.kv_heads, spec.heads_per_kv());
    let q = (by_kv_head(spec, q)? * f64::from(block.attention_scale))?;
    let mut scores = adjust(spec, q.matmul(&all.keys.transpose(1, 2)?)?, 0)?;
    if let Some(mask) = mask {
        scores = scores.reshape((kv * per, rows, total))?.broadcast_add(mask)?.reshape((kv, per * rows, total))?;
    }
    let weights = candle_nn::ops::softmax_last_dim(&scores)?;
    by_row(spec, &weights.matmul(&all.values)?, rows)
}

/// Rows that stand each for itself at the position after the same context: one token each, of many edited runs. `q`
/// `[rows, heads, head_dim]`, `own` (keys and values) `[rows, kv_heads, head_dim]` each. The context's pieces, the first
/// at position `from`, are read in place. Returns `[rows, heads * head_dim]`.
pub(crate) fn siblings(
    spec: &DecoderSpec,
    block: &BlockSpec,
    q: &Tensor,
    (context, from): (&[KeyValue], usize),
    own: [&Tensor; 2],
) -> Result<Tensor> {
    let rows = q.dim(0)?;
    let (kv, per, width) = (spec.kv_heads, spec.heads_per_kv(), spec.head_dim);
    let spread = |own: &Tensor| -> Result<Tensor> {
        let own = own.transpose(0, 1)?.contiguous()?.reshape((kv, 1, rows, width))?;
        Ok(own.broadcast_as((kv, per, rows, width))?.contiguous()?.reshape((kv, per * rows, width))?)
    };
    let values = spread(own[1])?;
    if context.is_empty() {
        return by_row(spec, &values, rows);
    }
    let q = (by_kv_head(spec, q)? * f64::from(block.attention_scale))?;
    let mut scores =
        context.iter().map(|c| Ok(q.matmul(&c.keys.transpose(1, 2)?)?)).collect::<Result<Vec<Tensor>>>()?;
    scores.push((&q * spread(own[0])?)?.sum_keepdim(2)?);
    let scores = adjust(spec, Tensor::cat(&scores, 2)?, from)?;
    let weights = candle_nn::ops::softmax_last_dim(&scores)?;
    let seen = scores.dim(2)? - 1;
    let mut z = weights.narrow(2, seen, 1)?.broadcast_mul(&values)?;
    let mut start = 0;
    for piece in context {
        let len = piece.len()?;
        z = (z + weights.narrow(2, start, len)?.contiguous()?.matmul(&piece.values)?)?;
        start += len;
    }
    by_row(spec, &z, rows)
}
