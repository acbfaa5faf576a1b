//! Reading inner states: prompts in, values at sites out.

use std::borrow::Cow;

use candle_core::Tensor;

use crate::error::{ModelError, Result};
use crate::forest::{Forest, Sharing};
use crate::layout::{Context, Entry, Keep, Segment};
use crate::model::Model;
use crate::run;
use crate::site::{Edit, Receipt};

/// Which positions of every prompt are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadAt {
    /// None.
    #[default]
    Nothing,
    /// The last token.
    Last,
    /// The token before the last; nothing of a prompt of one token.
    BeforeLast,
    /// Every token.
    All,
    /// Every token from this 0-based position on.
    From(usize),
}

/// What is read of every prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reads {
    /// Residuals 0..=L.
    pub residual: ReadAt,
    /// Head outputs of every block.
    pub heads: ReadAt,
    /// Attention outputs of every block (see [`crate::Site::AttentionOutput`]).
    pub attention: ReadAt,
    /// MLP outputs of every block.
    pub mlp: ReadAt,
    /// The highest residual alone: much less memory than `residual` where nothing else is read of many positions.
    pub top: ReadAt,
    /// The pass ends at this residual, which saves the blocks above; `None` goes to L. Tensors then have that many fewer
    /// entries.
    pub until: Option<usize>,
}

impl Reads {
    /// Residuals at the last token.
    pub const LAST_RESIDUALS: Self = Self {
        residual: ReadAt::Last,
        heads: ReadAt::Nothing,
        attention: ReadAt::Nothing,
        mlp: ReadAt::Nothing,
        top: ReadAt::Nothing,
        until: None,
    };
    /// Everything everywhere: for small prompts.
    pub const ALL: Self = Self {
        residual: ReadAt::All,
        heads: ReadAt::All,
        attention: ReadAt::All,
        mlp: ReadAt::All,
        top: ReadAt::All,
        until: None,
    };
}

/// What was read of one prompt. Tensors are `None` where nothing was asked.
#[derive(Debug, Clone)]
pub struct Trace {
    /// `[L + 1, positions, D]`.
    pub residual: Option<Tensor>,
    /// `[L, positions, heads, head_dim]`.
    pub heads: Option<Tensor>,
    /// `[L, positions, D]`.
    pub attention: Option<Tensor>,
    /// `[L, positions, D]`.
    pub mlp: Option<Tensor>,
    /// Residual L, or the one at which the pass ended, `[positions, D]`.
    pub top: Option<Tensor>,
    /// What the prompt's edits did.
    pub receipts: Vec<Receipt>,
}

/// A prompt and what is to be changed while it runs.
#[derive(Debug, Clone)]
pub struct EditedPrompt {
    /// Token ids.
    pub tokens: Vec<u32>,
    /// Edits.
    pub edits: Vec<Edit>,
}

/// Rows to keep for a prompt, first to last.
fn rows(forest: &Forest, prompt: usize, at: ReadAt) -> Vec<(usize, usize)> {
    let all = forest.paths[prompt].iter().flat_map(|n| (0..forest.nodes[*n].len()).map(move |o| (*n, o)));
    match at {
        ReadAt::Nothing => Vec::new(),
        ReadAt::All => all.collect(),
        ReadAt::From(position) => all.skip(position).collect(),
        ReadAt::Last => all.last().into_iter().collect(),
        ReadAt::BeforeLast => {
            let all: Vec<_> = all.collect();
            all.len().checked_sub(2).map(|i| all[i]).into_iter().collect()
        }
    }
}

/// What a pass keeps for these reads.
fn keep(forest: &Forest, reads: &Reads) -> Keep {
    let of =
        |at: ReadAt| -> Vec<(usize, usize)> { (0..forest.paths.len()).flat_map(|i| rows(forest, i, at)).collect() };
    Keep {
        residual: of(reads.residual),
        heads: of(reads.heads),
        attention: of(reads.attention),
        mlp: of(reads.mlp),
        top: of(reads.top),
        key_values: false,
        until: reads.until,
    }
}

/// The rows of one prompt out of the kept rows of all, stacked over blocks.
fn stack(kept: &[Tensor], start: usize, len: usize) -> Result<Option<Tensor>> {
    if len == 0 {
        return Ok(None);
    }
    let parts = kept.iter().map(|t| Ok(t.narrow(0, start, len)?)).collect::<Result<Vec<_>>>()?;
    Ok(Some(Tensor::stack(&parts, 0)?))
}

pub(crate) fn segments<'a>(forest: &Forest, prompts: &[&'a [u32]]) -> Vec<Segment<'a>> {
    forest
        .nodes
        .iter()
        .map(|n| Segment {
            entry: Entry::Tokens(Cow::Borrowed(&prompts[n.prompt][n.start..n.end])),
            context: n.parent.map_or(Context::None, Context::Segment),
            start: n.start,
            length: prompts[n.prompt].len(),
            edits: &[],
        })
        .collect()
}

impl Model {
    /// Common beginnings are merged unless positions depend on the total length.
    pub(crate) fn sharing(&self) -> Sharing {
        if self.spec.depends_on_length() { Sharing::Separate } else { Sharing::Shared }
    }

    /// Runs prompts and reads them. Common beginnings are computed once.
    pub fn trace(&self, prompts: &[Vec<u32>], reads: &Reads) -> Result<Vec<Trace>> {
        let tokens: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
        self.trace_forest(&tokens, &vec![&[][..]; prompts.len()], reads, self.sharing())
    }

    /// Runs each prompt whole and for itself, with its edits: the naive way, which [`Model::replay`] must agree with.
    pub fn trace_edited(&self, prompts: &[EditedPrompt], reads: &Reads) -> Result<Vec<Trace>> {
        let tokens: Vec<&[u32]> = prompts.iter().map(|p| p.tokens.as_slice()).collect();
        let edits: Vec<&[Edit]> = prompts.iter().map(|p| p.edits.as_slice()).collect();
        self.trace_forest(&tokens, &edits, reads, Sharing::Separate)
    }

    fn trace_forest(
        &self,
        prompts: &[&[u32]],
        edits: &[&[Edit]],
        reads: &Reads,
        sharing: Sharing,
    ) -> Result<Vec<Trace>> {
        for (prompt, edits) in prompts.iter().zip(edits) {
            self.check_tokens(prompt)?;
            for edit in *edits {
                edit.check(&self.spec, prompt.len())?;
            }
        }
        if let Some(top) = reads.until.filter(|top| *top == 0 || *top > self.spec.depth()) {
            return Err(ModelError::Plan(format!(
                "a pass until residual {top}: 1 to {} is possible",
                self.spec.depth()
            )));
        }
        if prompts.is_empty() {
            return Ok(Vec::new());
        }
        let forest = Forest::new(prompts, sharing);
        let mut segments = segments(&forest, prompts);
        if sharing == Sharing::Separate {
            for (segment, edits) in segments.iter_mut().zip(edits) {
                segment.edits = edits;
            }
        }
        let out = run::run(self, &segments, &keep(&forest, reads))?;
        let mut receipts = out.receipts.into_iter();
        let mut at = [0usize; 5];
        let mut traces = Vec::with_capacity(prompts.len());
        for (i, _) in prompts.iter().enumerate() {
            let lens =
                [reads.residual, reads.heads, reads.attention, reads.mlp, reads.top].map(|r| rows(&forest, i, r).len());
            let heads = match stack(&out.heads, at[1], lens[1])? {
                None => None,
                Some(h) => {
                    let (blocks, positions, _) = h.dims3()?;
                    Some(h.reshape((blocks, positions, self.spec.heads, self.spec.head_dim))?)
                }
            };
            traces.push(Trace {
                residual: stack(&out.residual, at[0], lens[0])?,
                heads,
                attention: stack(&out.attention, at[2], lens[2])?,
                mlp: stack(&out.mlp, at[3], lens[3])?,
                top: match &out.kept_top {
                    Some(top) if lens[4] > 0 => Some(top.narrow(0, at[4], lens[4])?),
                    _ => None,
                },
                receipts: if sharing == Sharing::Separate { receipts.next().unwrap_or_default() } else { Vec::new() },
            });
            for (a, l) in at.iter_mut().zip(lens) {
                *a += l;
            }
        }
        Ok(traces)
    }

    /// Bytes besides the weights that [`Model::trace`] will take at most; it is refused if they exceed the budget.
    pub fn trace_bytes(&self, prompts: &[Vec<u32>], reads: &Reads) -> u64 {
        let tokens: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
        let forest = Forest::new(&tokens, self.sharing());
        run::bytes(self, &segments(&forest, &tokens), &keep(&forest, reads))
    }

    /// Tokens that a pass over these prompts computes, common beginnings counted once.
    pub fn distinct_tokens(&self, prompts: &[&Vec<u32>]) -> usize {
        let tokens: Vec<&[u32]> = prompts.iter().map(|p| p.as_slice()).collect();
        Forest::new(&tokens, self.sharing()).nodes.iter().map(crate::forest::Node::len).sum()
    }

    /// Residual L `[1, D]` at the last token of a prompt: what the final norm and the head turn into logits.
    pub fn last_residual(&self, prompts: &[Vec<u32>]) -> Result<Tensor> {
        let traces = self.trace(prompts, &Reads::LAST_RESIDUALS)?;
        let depth = self.spec.depth();
        let rows = traces
            .iter()
            .map(|t| match &t.residual {
                Some(r) => Ok(r.get(depth)?),
                None => Err(ModelError::Plan("nothing was read".into())),
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Tensor::cat(&rows, 0)?)
    }
}
