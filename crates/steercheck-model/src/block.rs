//! One block's weights and the parts of it that act on each row alone.

use candle_core::Tensor;

use crate::error::Result;
use crate::linear::Linear;
use crate::mlp::MlpWeights;
use crate::norm::Norm;
use crate::rope;
use crate::spec::{Arrangement, DecoderSpec, NormPlace, QkNorm};

/// Rows that go through the row-wise parts together, which bounds the memory of a tile's inner layer. Tiles run one after
/// another: candle's products and elementwise operations each use all threads, and get in each other's way when nested.
pub(crate) const TILE_ROWS: usize = 1024;

/// The weights of a block.
pub(crate) struct BlockWeights {
    /// Of attention's input, or of the sum after it ([`NormPlace::AfterSum`]).
    pub(crate) attention_norm: Option<Norm>,
    pub(crate) query: Linear,
    pub(crate) key: Linear,
    pub(crate) value: Linear,
    pub(crate) query_norm: Option<Norm>,
    pub(crate) key_norm: Option<Norm>,
    pub(crate) output: Linear,
    pub(crate) attention_post_norm: Option<Norm>,
    /// As `attention_norm`; `None` where attention's serves both.
    pub(crate) mlp_norm: Option<Norm>,
    pub(crate) mlp: MlpWeights,
    pub(crate) mlp_post_norm: Option<Norm>,
}

/// Near-equal tiles: the split depends on the number of rows alone, and no tile is left with a row or two.
pub(crate) fn tiles(rows: usize) -> Vec<(usize, usize)> {
    let count = rows.div_ceil(TILE_ROWS).max(1);
    (0..count).map(|i| (i * rows / count, (i + 1) * rows / count)).map(|(a, b)| (a, b - a)).collect()
}

/// Applies `f` to tiles of the rows of `x` and joins what it returns, each `[rows, ...]`.
pub(crate) fn by_tile<const N: usize>(
    x: &Tensor,
    f: impl Fn(&Tensor, usize) -> Result<[Tensor; N]> + Sync,
) -> Result<[Tensor; N]> {
    let parts = tiles(x.dim(0)?)
        .into_iter()
        .map(|(start, len)| f(&x.narrow(0, start, len)?, start))
        .collect::<Result<Vec<[Tensor; N]>>>()?;
    let joined: Vec<Tensor> = (0..N)
        .map(|i| {
            let column: Vec<&Tensor> = parts.iter().map(|p| &p[i]).collect();
            Ok(Tensor::cat(&column, 0)?)
        })
        .collect::<Result<_>>()?;
    Ok(std::array::from_fn(|i| joined[i].clone()))
}

fn normed(norm: Option<&Norm>, x: &Tensor) -> Result<Tensor> {
    match norm {
        None => Ok(x.clone()),
        Some(n) => n.forward(x),
    }
}

impl BlockWeights {
    /// Queries `[rows, heads, head_dim]`, keys and values `[rows, kv_heads, head_dim]` of residual rows `[rows, D]`, with
    /// q/k norms and rotary positions applied.
    pub(crate) fn project(
        &self,
        spec: &DecoderSpec,
        x: &Tensor,
        rotary: Option<(&rope::RotarySpec, &(Tensor, Tensor))>,
    ) -> Result<[Tensor; 3]> {
        by_tile(x, |x, start| {
            let rows = x.dim(0)?;
            let h = sublayer_input(spec, self.attention_norm.as_ref(), x)?;
            let whole = matches!(spec.qk_norm, QkNorm::Whole(_));
            let split = |y: Tensor, norm: Option<&Norm>, heads: usize| -> Result<Tensor> {
                let shape = (rows, heads, spec.head_dim);
                let y = if whole { normed(norm, &y)?.reshape(shape)? } else { normed(norm, &y.reshape(shape)?)? };
                clip(spec, y)
            };
            let mut q = split(self.query.forward(&h)?, self.query_norm.as_ref(), spec.heads)?;
            let mut k = split(self.key.forward(&h)?, self.key_norm.as_ref(), spec.kv_heads)?;
            let v = split(self.value.forward(&h)?, None, spec.kv_heads)?;
            if let Some((rotary, (cos, sin))) = rotary {
                let (cos, sin) = (cos.narrow(0, start, rows)?, sin.narrow(0, start, rows)?);
                q = rope::rotate(rotary, &q, &cos, &sin)?;
                k = rope::rotate(rotary, &k, &cos, &sin)?;
            }
            Ok([q, k, v])
        })
    }

    /// What attention adds: head outputs `[rows, heads * head_dim]` to `[rows, D]`.
    pub(crate) fn attention_output(&self, z: &Tensor) -> Result<Tensor> {
        let [out] = by_tile(z, |z, _| Ok([normed(self.attention_post_norm.as_ref(), &self.output.forward(z)?)?]))?;
        Ok(out)
    }

    /// What the MLP adds: residual rows `[rows, D]` to `[rows, D]`.
    pub(crate) fn mlp_output(&self, spec: &DecoderSpec, x: &Tensor) -> Result<Tensor> {
        let norm = match spec.arrangement {
            Arrangement::ParallelSharedNorm => self.attention_norm.as_ref(),
            _ => self.mlp_norm.as_ref(),
        };
        let [out] = by_tile(x, |x, _| {
            let h = sublayer_input(spec, norm, x)?;
            Ok([normed(self.mlp_post_norm.as_ref(), &self.mlp.forward(spec.mlp.activation, &h)?)?])
        })?;
        Ok(out)
    }

    /// The residual stream between attention and MLP: rows before the block and what attention adds, `[rows, D]` each.
    pub(crate) fn after_attention(&self, spec: &DecoderSpec, before: &Tensor, added: &Tensor) -> Result<Tensor> {
        join(spec, self.attention_norm.as_ref(), before, added)
    }

    /// The residual stream after the block: rows between attention and MLP and what the MLP adds, `[rows, D]` each.
    pub(crate) fn after_mlp(&self, spec: &DecoderSpec, middle: &Tensor, added: &Tensor) -> Result<Tensor> {
        join(spec, self.mlp_norm.as_ref(), middle, added)
    }
}

fn sublayer_input(spec: &DecoderSpec, norm: Option<&Norm>, x: &Tensor) -> Result<Tensor> {
    normed(norm.filter(|_| spec.norms.place.before()), x)
}

/// Adds a sublayer's output to the residual stream.
fn join(spec: &DecoderSpec, norm: Option<&Norm>, x: &Tensor, added: &Tensor) -> Result<Tensor> {
    let added = match spec.residual_multiplier {
        m if (m - 1.0).abs() > 0.0 => (added * f64::from(m))?,
        _ => added.clone(),
    };
    Ok(match spec.norms.place {
        NormPlace::AfterSum => normed(norm, &(x + added)?)?,
        NormPlace::Stream => (normed(norm, x)? + added)?,
        _ => (x + added)?,
    })
}

fn clip(spec: &DecoderSpec, x: Tensor) -> Result<Tensor> {
    match spec.qkv_clip {
        None => Ok(x),
        Some(most) => Ok(x.clamp(-most, most)?),
    }
}

#[cfg(test)]
mod tests {
    use super::tiles;

    #[test]
    fn tiles_cover_all_rows_in_order_and_differ_by_at_most_one() {
        for rows in [1, 2, 255, 256, 257, 513, 7000] {
            let t = tiles(rows);
            let mut at = 0;
            for (start, len) in &t {
                assert_eq!(*start, at);
                at += len;
            }
            assert_eq!(at, rows);
            let lens: Vec<usize> = t.iter().map(|t| t.1).collect();
            assert!(lens.iter().max().unwrap() - lens.iter().min().unwrap() <= 1, "{lens:?}");
        }
    }
}
