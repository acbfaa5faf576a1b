//! Prefix and replay: a prompt is prefilled once; every edited run of it is a short suffix that enters at the block
//! where the edit acts and goes to the top over the prefix's keys and values. An edit at the last token changes nothing
//! before it, so this is exact.

use std::sync::Arc;

use candle_core::Tensor;

use crate::error::{ModelError, Result};
use crate::forest::Forest;
use crate::layout::{Context, Entry, Keep, Segment};
use crate::model::Model;
use crate::prefix::Prefix;
use crate::run;
use crate::site::{Edit, Receipt};
use crate::trace;

/// One run over a prefix.
pub struct Row<'a> {
    /// The prompt.
    pub prefix: &'a Prefix,
    /// What is changed. Empty for a baseline row.
    pub edits: Vec<Edit>,
    /// The residual at which a row without edits enters; a row with edits enters at the highest residual that none of
    /// them can change, or here if that is lower.
    pub enter: usize,
    /// The position at which a row without edits begins; a row with edits begins at the first position that they change,
    /// or here if that is earlier. A row that begins before the last token enters as tokens.
    pub start: usize,
}

impl<'a> Row<'a> {
    /// A row that enters where its first edit acts.
    pub fn edited(prefix: &'a Prefix, edits: Vec<Edit>) -> Self {
        Self { prefix, edits, enter: usize::MAX, start: usize::MAX }
    }

    /// An unedited row through the same blocks as an edited one that enters at `residual`.
    pub fn baseline(prefix: &'a Prefix, residual: usize) -> Self {
        Self { prefix, edits: Vec::new(), enter: residual, start: usize::MAX }
    }

    /// An unedited row that begins at `position`, as an edited one does whose first edit acts there.
    pub fn baseline_from(prefix: &'a Prefix, position: usize) -> Self {
        Self { prefix, edits: Vec::new(), enter: 0, start: position }
    }
}

/// What replayed rows leave.
pub struct Replayed {
    /// Residual L of every row's last token, `[rows, D]`, before the final norm.
    pub top: Tensor,
    /// What each row's edits did.
    pub receipts: Vec<Vec<Receipt>>,
}

/// What a prefill keeps: the last token's residuals, all keys and values.
fn keep(forest: &Forest) -> Keep {
    let last = |path: &Vec<usize>| path.last().map(|n| (*n, forest.nodes[*n].len() - 1));
    Keep { residual: forest.paths.iter().filter_map(last).collect(), key_values: true, ..Keep::default() }
}

impl Model {
    /// Runs prompts once and keeps what replays need. Common beginnings are computed once.
    pub fn prefill(&self, prompts: &[Vec<u32>]) -> Result<Vec<Prefix>> {
        let tokens: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
        for prompt in &tokens {
            self.check_tokens(prompt)?;
        }
        if prompts.is_empty() {
            return Ok(Vec::new());
        }
        let forest = Forest::new(&tokens, self.sharing());
        let segments = trace::segments(&forest, &tokens);
        let last = |path: &Vec<usize>| path.last().map(|n| (*n, forest.nodes[*n].len() - 1));
        let keep =
            Keep { residual: forest.paths.iter().filter_map(last).collect(), key_values: true, ..Keep::default() };
        let out = run::run(self, &segments, &keep)?;
        let key_values = Arc::new(out.key_values);
        let residuals = Tensor::stack(&out.residual, 1)?;
        prompts
            .iter()
            .zip(&forest.paths)
            .enumerate()
            .map(|(i, (prompt, path))| {
                let mut runs: Vec<(usize, usize)> =
                    path.iter().map(|n| (out.first_row[*n], forest.nodes[*n].len())).collect();
                if let Some(end) = runs.last_mut() {
                    end.1 -= 1;
                }
                Ok(Prefix {
                    tokens: prompt.clone(),
                    key_values: key_values.clone(),
                    runs,
                    residuals: residuals.get(i)?,
                })
            })
            .collect()
    }

    /// Bytes besides the weights that [`Model::prefill`] will take at most; it is refused if they exceed the budget.
    pub fn prefill_bytes(&self, prompts: &[Vec<u32>]) -> u64 {
        let tokens: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
        let forest = Forest::new(&tokens, self.sharing());
        run::bytes(self, &trace::segments(&forest, &tokens), &keep(&forest))
    }

    /// Bytes besides weights and prefixes that [`Model::replay`] will take at most; it is refused if they exceed the
    /// budget.
    pub fn replay_bytes(&self, rows: &[Row<'_>]) -> Result<u64> {
        let segments = rows.iter().map(|r| self.segment(r)).collect::<Result<Vec<_>>>()?;
        Ok(run::bytes(self, &segments, &Keep::default()))
    }

    /// As [`Model::replay_bytes`], before there are prefixes: for `rows` that each recompute the last token of a prompt of
    /// at most `length`.
    pub fn rows_bytes(&self, rows: usize, length: usize) -> u64 {
        run::block_bytes(self, rows, 2 * length)
    }

    /// Runs all rows together, each from the residual where its edits begin to act. Everything is checked before
    /// anything runs.
    pub fn replay(&self, rows: &[Row<'_>]) -> Result<Replayed> {
        if rows.is_empty() {
            return Err(ModelError::Plan("there are no rows to replay".into()));
        }
        let segments = rows.iter().map(|r| self.segment(r)).collect::<Result<Vec<_>>>()?;
        let out = run::run(self, &segments, &Keep::default())?;
        Ok(Replayed { top: out.top, receipts: out.receipts })
    }

    fn segment<'a>(&self, row: &'a Row<'a>) -> Result<Segment<'a>> {
        let (prefix, depth) = (row.prefix, self.spec.depth());
        let length = prefix.len();
        let mut enter = row.enter;
        let mut start = row.start.min(length - 1);
        for edit in &row.edits {
            edit.check(&self.spec, length)?;
            enter = enter.min(edit.site.entry());
            start = start.min(edit.positions.resolve(length)?[0]);
        }
        if enter > depth {
            return Err(ModelError::Plan(format!("a row enters at residual {enter}; the model has 0 to {depth}")));
        }
        let entry = if start == length - 1 {
            Entry::Residual { at: enter, row: prefix.residuals.narrow(0, enter, 1)? }
        } else {
            // Only the last token's residuals are kept; a longer suffix starts from its tokens.
            Entry::Tokens(&prefix.tokens[start..])
        };
        let context = if start == 0 { Context::None } else { Context::Prefix(prefix) };
        Ok(Segment { entry, context, start, length, edits: &row.edits })
    }
}
