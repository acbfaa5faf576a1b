//! Mean head outputs over few-shot prompts.

use std::sync::Arc;

use candle_core::{DType, Tensor};
use steercheck_model::{Block, DecoderSpec, Head, Model, ModelError, ReadAt, Reads, Result};

use super::HeadSite;

/// The token at which head outputs are read (methods.md §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadPosition {
    /// The last.
    #[default]
    Last,
    /// The one before: what the published code reads where the tokenizer adds a BOS token, since it labels positions without it.
    Penultimate,
}

/// The mean output of every head, `[L, H, head_dim]`.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadMeans {
    blocks: usize,
    heads: usize,
    width: usize,
    values: Vec<f32>,
}

impl HeadMeans {
    /// Reads prompts in one pass; means are accumulated in f64. An error if there are none, or one has no token to read.
    pub fn read(model: &Model, prompts: &[Vec<u32>], at: ReadPosition) -> Result<Self> {
        let read = match at {
            ReadPosition::Last => ReadAt::Last,
            ReadPosition::Penultimate => ReadAt::BeforeLast,
        };
        let mut sum: Option<Tensor> = None;
        for trace in model.trace(prompts, &Reads { heads: read, ..Reads::default() })? {
            let heads = trace.heads.ok_or_else(|| ModelError::Plan("a prompt has no token before its last".into()))?;
            let heads = heads.squeeze(1)?.to_dtype(DType::F64)?;
            sum = Some(match sum {
                None => heads,
                Some(sum) => (sum + heads)?,
            });
        }
        let sum = sum.ok_or_else(|| ModelError::Plan("there are no prompts to take head outputs from".into()))?;
        let mean = (sum / prompts.len() as f64)?.to_dtype(DType::F32)?;
        Self::new(&model.spec, mean.flatten_all()?.to_vec1()?)
    }

    /// Bytes besides the weights that reading takes at most.
    pub fn bytes(model: &Model, prompts: &[Vec<u32>]) -> u64 {
        model.trace_bytes(prompts, &Reads { heads: ReadAt::Last, ..Reads::default() })
    }

    /// From numbers `[L, H, head_dim]`. An error if a model of this spec has another shape, or a number is not finite.
    pub fn new(spec: &DecoderSpec, values: Vec<f32>) -> Result<Self> {
        let (blocks, heads, width) = (spec.depth(), spec.heads, spec.head_dim);
        if values.len() != blocks * heads * width {
            return Err(ModelError::Plan(format!(
                "there are {} mean head outputs, and {blocks} blocks of {heads} heads of width {width} have {}",
                values.len(),
                blocks * heads * width
            )));
        }
        if values.iter().any(|x| !x.is_finite()) {
            return Err(ModelError::NotFinite { at: "the mean head outputs".into() });
        }
        Ok(Self { blocks, heads, width, values })
    }

    /// Numbers in the order of blocks, heads and columns.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// `[L, H, head_dim]`.
    pub fn shape(&self) -> [usize; 3] {
        [self.blocks, self.heads, self.width]
    }

    /// All heads, block by block.
    pub fn sites(&self) -> impl Iterator<Item = HeadSite> + use<> {
        let heads = self.heads;
        (1..=self.blocks).flat_map(move |b| (0..heads).map(move |h| (Block(b), Head(h))))
    }

    /// A head's mean. An error if there is no such head.
    pub fn at(&self, (block, head): HeadSite) -> Result<Arc<[f32]>> {
        if !(1..=self.blocks).contains(&block.0) || head.0 >= self.heads {
            return Err(ModelError::Plan(format!("there is no mean of block {} head {}", block.0, head.0)));
        }
        let start = ((block.0 - 1) * self.heads + head.0) * self.width;
        Ok(self.values[start..start + self.width].into())
    }
}
