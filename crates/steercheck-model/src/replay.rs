//! Prefix and replay: a prompt is prefilled once; every edited run of it is a short suffix that enters at the block
//! where the edit acts and goes to the top over the prefix's keys and values. An edit at the last token changes nothing
//! before it, so this is exact.

use std::borrow::Cow;
use std::sync::Arc;

use candle_core::Tensor;

use crate::error::{ModelError, Result};
use crate::forest::Forest;
use crate::layout::{Context, Entry, Keep, Segment};
use crate::model::Model;
use crate::prefix::{Past, Prefix, Stretch};
use crate::run;
use crate::site::{Edit, Receipt};
use crate::trace;

/// One run over a prefix.
pub struct Row<'a> {
    /// The prompt.
    pub prefix: &'a Prefix,
    /// Tokens that follow the prompt in this run. Positions of edits count through both, so that the last token is the last
    /// of these where there are any.
    pub then: &'a [u32],
    /// What is changed. Empty for a baseline row.
    pub edits: Vec<Edit>,
    /// The residual at which a row without edits enters; a row with edits enters at the highest residual that none of
    /// them can change, or here if that is lower.
    pub enter: usize,
    /// The position at which a row without edits begins; a row with edits begins at the first position that they change,
    /// or here if that is earlier. A row that begins before the last token, or goes on after the prompt, enters as tokens.
    pub start: usize,
}

impl<'a> Row<'a> {
    /// A row that enters where its first edit acts.
    pub fn edited(prefix: &'a Prefix, edits: Vec<Edit>) -> Self {
        Self { prefix, then: &[], edits, enter: usize::MAX, start: usize::MAX }
    }

    /// An unedited row through the same blocks as an edited one that enters at `residual`.
    pub fn baseline(prefix: &'a Prefix, residual: usize) -> Self {
        Self { prefix, then: &[], edits: Vec::new(), enter: residual, start: usize::MAX }
    }

    /// An unedited row that begins at `position`, as an edited one does whose first edit acts there.
    pub fn baseline_from(prefix: &'a Prefix, position: usize) -> Self {
        Self { prefix, then: &[], edits: Vec::new(), enter: 0, start: position }
    }

    /// This row, going on with these tokens.
    #[must_use]
    pub fn then(self, tokens: &'a [u32]) -> Self {
        Self { then: tokens, ..self }
    }

    /// All tokens, those of the prompt and those that follow.
    pub(crate) fn tokens(&self) -> Vec<u32> {
        [&self.prefix.tokens, self.then].concat()
    }
}

/// What replayed rows leave.
pub struct Replayed {
    /// Residual L before the final norm, `[rows, D]`: of every row's last token, or of all tokens from where each row begins.
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
        let out = run::run(self, &segments, &keep(&forest))?;
        let store = Arc::new(out.key_values);
        let residuals = Tensor::stack(&out.residual, 1)?;
        prompts
            .iter()
            .zip(&forest.paths)
            .enumerate()
            .map(|(i, (prompt, path))| {
                let stretch = |n: &usize| {
                    let (start, len, row) = (forest.nodes[*n].start, forest.nodes[*n].len(), out.first_row[*n]);
                    Stretch { start, len, store: store.clone(), row, blocks: 1..=self.spec.depth() }
                };
                let past = Past { stretches: path.iter().map(stretch).collect() };
                Ok(Prefix { tokens: prompt.clone(), past, residuals: residuals.get(i)? })
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
        Ok(run::bytes(self, &self.row_segments(rows)?, &Keep::default()))
    }

    /// As [`Model::replay_bytes`], before there are prefixes: for `rows` that each recompute the last token of a prompt of
    /// at most `length`.
    pub fn rows_bytes(&self, rows: usize, length: usize) -> u64 {
        run::block_bytes(self, rows, 2 * length)
    }

    /// As [`Model::rows_bytes`], for rows that each recompute the last `suffix` tokens and keep residual L of all of them.
    pub fn suffixes_bytes(&self, rows: usize, suffix: usize, length: usize) -> u64 {
        let kept = 4 * (rows * suffix * self.spec.hidden_size) as u64;
        run::block_bytes(self, rows * suffix, 2 * suffix * length) + kept
    }

    /// Runs all rows together, each from the residual where its edits begin to act. Everything is checked before
    /// anything runs.
    pub fn replay(&self, rows: &[Row<'_>]) -> Result<Replayed> {
        let out = run::run(self, &self.row_segments(rows)?, &Keep::default())?;
        Ok(Replayed { top: out.top, receipts: out.receipts })
    }

    /// As [`Model::replay`], with residual L of all tokens from where each row begins, row after row.
    pub fn replay_suffixes(&self, rows: &[Row<'_>]) -> Result<Replayed> {
        let segments = self.row_segments(rows)?;
        let every = segments.iter().enumerate().flat_map(|(i, s)| (0..s.entry.rows()).map(move |offset| (i, offset)));
        let keep = Keep { top: every.collect(), ..Keep::default() };
        let out = run::run(self, &segments, &keep)?;
        Ok(Replayed { top: out.kept_top.unwrap_or(out.top), receipts: out.receipts })
    }

    pub(crate) fn row_segments<'a>(&self, rows: &'a [Row<'a>]) -> Result<Vec<Segment<'a>>> {
        if rows.is_empty() {
            return Err(ModelError::Plan("there are no rows to replay".into()));
        }
        rows.iter().map(|r| self.segment(r)).collect()
    }

    fn segment<'a>(&self, row: &'a Row<'a>) -> Result<Segment<'a>> {
        let (prefix, depth) = (row.prefix, self.spec.depth());
        let length = prefix.len() + row.then.len();
        if !row.then.is_empty() {
            if self.spec.depends_on_length() {
                return Err(ModelError::Plan(
                    "a row cannot go on after its prompt: this model's positions depend on the total length; prefill \
                     the whole prompt"
                        .into(),
                ));
            }
            self.check_tokens(&row.tokens())?;
        }
        let mut enter = row.enter;
        // A row has at least one token: the prompt's last is run again where nothing follows it.
        let mut start = row.start.min(prefix.len() - usize::from(row.then.is_empty()));
        for edit in &row.edits {
            edit.check(&self.spec, length)?;
            enter = enter.min(edit.site.entry());
            start = start.min(edit.positions.resolve(length)?[0]);
        }
        if enter > depth {
            return Err(ModelError::Plan(format!("a row enters at residual {enter}; the model has 0 to {depth}")));
        }
        // Only the last token's residuals are kept; any other suffix starts from its tokens.
        let entry = match &prefix.tokens[start..] {
            [_] if row.then.is_empty() => Entry::Residual { at: enter, row: prefix.residuals.narrow(0, enter, 1)? },
            again if row.then.is_empty() => Entry::Tokens(Cow::Borrowed(again)),
            again => Entry::Tokens(Cow::Owned([again, row.then].concat())),
        };
        let context = if start == 0 { Context::None } else { Context::Past(&prefix.past) };
        Ok(Segment { entry, context, start, length, edits: &row.edits })
    }
}
