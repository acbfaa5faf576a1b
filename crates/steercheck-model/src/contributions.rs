//! What a block's parts add to the residual stream: heads one by one, attention, the sum of all (methods.md §0).

use candle_core::{DType, Tensor};

use crate::error::{ModelError, Result};
use crate::model::Model;
use crate::site::{Block, Head, Site};

/// The output of a block's attention, made from its head outputs.
#[derive(Debug, Clone)]
pub struct AttentionParts {
    /// What the heads' contributions sum to: `W_O` · z without the projection's bias, before any norm on it, `[rows, D]`.
    pub heads: Tensor,
    /// What goes to the residual stream: with the bias, after any norm, before the residual multiplier, `[rows, D]`; the
    /// value of [`Site::AttentionOutput`].
    pub added: Tensor,
}

impl Model {
    /// A head's contribution to the residual stream, `[rows, head_dim]` to `[rows, D]`: its slice of the output projection
    /// applied to its output, without the projection's bias. Where the family norms the attention's output before adding
    /// it, this is the part before that norm.
    pub fn head_contribution(&self, block: Block, head: Head, z: &Tensor) -> Result<Tensor> {
        Site::HeadOutput(block, head).check(&self.spec)?;
        let (rows, width) = (z.dim(0)?, self.spec.head_dim);
        let (before, after) = (head.0 * width, (self.spec.heads - head.0 - 1) * width);
        let zeros = |columns: usize| Tensor::zeros((rows, columns), z.dtype(), z.device());
        // The other heads as zeros: the projection need not be cut, whatever form its weights have.
        let whole = Tensor::cat(&[&zeros(before)?, z, &zeros(after)?], 1)?;
        self.blocks[block.0 - 1].output.product(&whole)
    }

    /// The contributions of all heads of a block, `[rows, heads * head_dim]` to `[rows, heads, D]`.
    pub fn head_contributions(&self, block: Block, z: &Tensor) -> Result<Tensor> {
        let width = self.spec.head_dim;
        let each = (0..self.spec.heads)
            .map(|h| self.head_contribution(block, Head(h), &z.narrow(1, h * width, width)?))
            .collect::<Result<Vec<Tensor>>>()?;
        Ok(Tensor::stack(&each, 1)?)
    }

    /// What a block's output projection adds whatever its heads say: its bias, of width D; none where it has none.
    pub fn projection_bias(&self, block: Block) -> Result<Option<Vec<f32>>> {
        Site::AttentionOutput(block).check(&self.spec)?;
        let bias = self.blocks[block.0 - 1].output.bias.as_ref();
        Ok(bias.map(|b| b.to_dtype(DType::F32)?.to_vec1::<f32>()).transpose()?)
    }

    /// The attention output that head outputs `[rows, heads * head_dim]` of a block lead to.
    pub fn attention_from_heads(&self, block: Block, z: &Tensor) -> Result<AttentionParts> {
        Site::AttentionOutput(block).check(&self.spec)?;
        let weights = &self.blocks[block.0 - 1];
        Ok(AttentionParts { heads: weights.output.product(z)?, added: weights.attention_output(z)? })
    }

    /// Residual b from residual b - 1 and what attention and MLP of block b add, `[rows, D]` each: the place that knows
    /// multipliers and norms on the stream.
    pub fn rebuild_residual(&self, block: Block, before: &Tensor, attention: &Tensor, mlp: &Tensor) -> Result<Tensor> {
        Site::AttentionOutput(block).check(&self.spec)?;
        if before.dims() != attention.dims() || before.dims() != mlp.dims() {
            let shapes = (before.dims(), attention.dims(), mlp.dims());
            return Err(ModelError::Plan(format!("a residual cannot be rebuilt from tensors of shapes {shapes:?}")));
        }
        let weights = &self.blocks[block.0 - 1];
        let middle = weights.after_attention(&self.spec, before, attention)?;
        weights.after_mlp(&self.spec, &middle, mlp)
    }
}
