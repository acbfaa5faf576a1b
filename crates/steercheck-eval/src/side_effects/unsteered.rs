//! What the unsteered model does on the neutral text, and running steered passes in batches of the same shapes.

use candle_core::Tensor;
use steercheck_model::{Edit, EditedPrompt, Model, ModelError, Positions, Prefix, ReadAt, Reads, Row};

use super::text::NeutralText;
use crate::error::EvalError;

/// Where a method acts, which decides what of a window an edit can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acts {
    /// At the last token of a window's context: what comes before is computed once and kept.
    AtLast,
    /// Anywhere, as at every token of a window and of its continuation: windows are run whole.
    Everywhere,
}

/// What one pass over all windows gives.
pub(super) struct Outcome {
    /// Residual L at the positions that predict the measured tokens, window after window, `[tokens, D]`.
    pub(super) top: Tensor,
    /// New tokens of each continuation.
    pub(super) continuations: Vec<Vec<u32>>,
}

/// The unsteered model on the neutral text: computed once, compared with any number of edits that act alike.
pub struct Unsteered {
    /// Where these edits act.
    pub acts: Acts,
    /// The contexts, where edits leave them as they are. `None` too for models whose keys depend on the total length.
    prefixes: Option<Vec<Prefix>>,
    pub(super) outcome: Outcome,
}

impl Unsteered {
    /// Runs the model.
    pub fn new(model: &Model, text: &NeutralText, acts: Acts) -> Result<Self, EvalError> {
        super::check_memory(model, text, acts)?;
        let contexts: Vec<Vec<u32>> = (0..text.windows()).map(|i| text.context(i).to_vec()).collect();
        let prefixes = if keeps(model, acts) { Some(model.prefill(&contexts)?) } else { None };
        let none = vec![Vec::new(); text.windows()];
        let outcome = run(model, text, prefixes.as_deref(), &none, true)?;
        Ok(Self { acts, prefixes, outcome })
    }

    pub(super) fn run(
        &self,
        model: &Model,
        text: &NeutralText,
        edits: &[Vec<Edit>],
        continues: bool,
    ) -> Result<Outcome, EvalError> {
        run(model, text, self.prefixes.as_deref(), edits, continues)
    }

    /// Refuses edits that act elsewhere, whose passes would have other shapes than the unsteered ones.
    pub(super) fn check(&self, text: &NeutralText, edits: &[Vec<Edit>]) -> Result<(), ModelError> {
        // The last token of what is run is no place of the method's: windows and continuations end differently.
        let here = |e: &Edit| match (self.acts, &e.positions) {
            (Acts::AtLast, Positions::At(list)) => list.as_slice() == [text.last_context()],
            (Acts::AtLast, _) | (Acts::Everywhere, Positions::Last) => false,
            (Acts::Everywhere, _) => true,
        };
        match edits.iter().flatten().find(|e| !here(e)) {
            None => Ok(()),
            Some(e) => Err(ModelError::Plan(format!(
                "the edit at {} acts at {:?}; side effects were prepared for edits that act {}",
                e.site,
                e.positions,
                match self.acts {
                    Acts::AtLast => format!("at position {}", text.last_context()),
                    Acts::Everywhere => "at all or at given positions".to_string(),
                }
            ))),
        }
    }
}

/// Whether contexts are computed once and kept.
pub(super) fn keeps(model: &Model, acts: Acts) -> bool {
    acts == Acts::AtLast && !model.spec.depends_on_length()
}

/// All windows together and, where it `continues`, their continuations. With prefixes, every row begins at the last token of its context and at
/// residual 0, whatever is edited and where: so are all passes alike.
fn run(
    model: &Model,
    text: &NeutralText,
    prefixes: Option<&[Prefix]>,
    edits: &[Vec<Edit>],
    continues: bool,
) -> Result<Outcome, EvalError> {
    let (continued, tokens) = text.continued();
    let continued = if continues { continued } else { 0 };
    let (top, continuations) = if let Some(prefixes) = prefixes {
        let row = |(prefix, edits): (_, &Vec<Edit>)| Row {
            prefix,
            then: &[],
            edits: edits.clone(),
            enter: 0,
            start: text.last_context(),
        };
        let rows: Vec<Row<'_>> = prefixes.iter().zip(edits).map(row).collect();
        let continuations =
            if continues { model.continue_rows_greedily(&rows[..continued], tokens)? } else { Vec::new() };
        let longer: Vec<Row<'_>> = rows.into_iter().enumerate().map(|(i, r)| r.then(text.then(i))).collect();
        (model.replay_suffixes(&longer)?.top, continuations)
    } else {
        let prompt = |tokens: &[u32], i: usize| EditedPrompt { tokens: tokens.to_vec(), edits: edits[i].clone() };
        let contexts: Vec<EditedPrompt> = (0..continued).map(|i| prompt(text.context(i), i)).collect();
        let continuations = if continues { model.continue_greedily(&contexts, tokens)? } else { Vec::new() };
        let windows: Vec<EditedPrompt> = (0..text.windows()).map(|i| prompt(text.whole(i), i)).collect();
        let reads = Reads { top: ReadAt::From(text.last_context()), ..Reads::default() };
        let tops: Vec<Tensor> = model.trace_edited(&windows, &reads)?.into_iter().filter_map(|t| t.top).collect();
        (Tensor::cat(&tops, 0).map_err(ModelError::from)?, continuations)
    };
    Ok(Outcome { top, continuations: continuations.into_iter().map(|c| c.tokens).collect() })
}
