//! Function vectors (Todd et al. 2023, arXiv 2310.15213): the outputs of the attention heads that carry a task in few-shot prompts,
//! averaged, summed and added to the residual stream of a prompt without demonstrations.
//!
//! 1. [`HeadMeans`]: the mean output of every head at the last token of few-shot prompts.
//! 2. [`effects`]: the causal indirect effect (CIE) of every head, the change of the answer's probability when its output at the last
//!    token of a prompt with shuffled labels is replaced by its mean. Every head is a row that enters at its block over the prompt's
//!    prefix, so that 270 heads cost about as much as one and a half passes over a prompt of 100 tokens.
//! 3. [`vectors`]: the sum of the n strongest heads' contributions to the residual stream.
//! 4. [`sweep`]: the vector added at a residual, at a strength.

mod effects;
mod means;
mod placebo;
mod sweep;
mod vector;

use steercheck_model::{Block, Head};

pub use effects::{Effects, Scale, effects, ranked};
pub use means::{HeadMeans, ReadPosition};
pub use placebo::random_heads;
pub use sweep::{Injection, Swept, sweep};
pub use vector::{FunctionVector, read_out, vectors};

/// A head: its block, 1 to L, and its number within, from 0.
pub type HeadSite = (Block, Head);

/// What becomes of the bias of the attention's output projection (methods.md §5). Most families have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProjectionBias {
    /// A patched head leaves it where it is, and no vector has it in.
    #[default]
    Kept,
    /// As in the published code: it is missing at every position of a block while a head of that is patched, and a vector has it in once for
    /// every one of its heads.
    AsPublished,
}
