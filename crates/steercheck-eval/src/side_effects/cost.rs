//! What measuring side effects will cost: work, memory, and how often it goes through the weights.

use steercheck_model::{Model, ModelError, ReadAt, Reads, bytes_text};

use super::PARTS;
use super::text::NeutralText;
use super::unsteered::{Acts, keeps};
use crate::cell::Planned;

/// The work of a number of passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Rows × blocks, as [`Model::watch`] counts them; divided by L these are tokens.
    pub rows: u64,
    /// How often the weights of all blocks are gone through, each time once for all rows together: what a model that does
    /// not fit in memory is read again for.
    pub passes: u64,
}

/// Work of every measured setting: at its full strength, and at parts of it without continuations.
pub fn work(model: &Model, text: &NeutralText, acts: Acts) -> Work {
    let mut work = pass(model, text, acts);
    work.rows += (PARTS.len() * text.windows() * rows_of_window(model, text, acts) * model.spec.depth()) as u64;
    work.passes += PARTS.len() as u64;
    work
}

/// Rows of one window: what is run of it after its kept context, or all of it.
fn rows_of_window(model: &Model, text: &NeutralText, acts: Acts) -> usize {
    let window = text.whole(0).len();
    if keeps(model, acts) { window - text.last_context() } else { window }
}

/// Work of one pass over the windows with its continuations.
fn pass(model: &Model, text: &NeutralText, acts: Acts) -> Work {
    let (continued, tokens) = text.continued();
    let context = text.context(0).len();
    // Rows of one continuation: its context, or what is run again of it, and all new tokens but the last.
    let continuation = if keeps(model, acts) {
        tokens
    } else if model.spec.depends_on_length() {
        (context..context + tokens).sum()
    } else {
        context + tokens - 1
    };
    let rows = text.windows() * rows_of_window(model, text, acts) + continued * continuation;
    Work { rows: (rows * model.spec.depth()) as u64, passes: 1 + tokens as u64 }
}

/// The same as the work of a cell: what is measured is read twice, unsteered and steered.
pub fn planned(model: &Model, text: &NeutralText, acts: Acts) -> Planned {
    let (continued, tokens) = text.continued();
    Planned {
        prompts: ((1 + PARTS.len()) * text.windows() + continued) as u64,
        work: work(model, text, acts).rows,
        readings: ((2 + 2 * PARTS.len()) * text.measured() + continued * tokens) as u64,
        ..Planned::default()
    }
}

/// Work of the unsteered model, once for all settings.
pub fn work_unsteered(model: &Model, text: &NeutralText, acts: Acts) -> Work {
    let mut work = pass(model, text, acts);
    if keeps(model, acts) {
        let contexts = contexts(text);
        work.rows += (model.distinct_tokens(&contexts.iter().collect::<Vec<_>>()) * model.spec.depth()) as u64;
        work.passes += 1;
    }
    work
}

/// Bytes that [`super::Unsteered`] holds for as long as settings are measured.
pub fn held_bytes(model: &Model, text: &NeutralText, acts: Acts) -> u64 {
    let spec = &model.spec;
    let top = text.measured() * spec.hidden_size;
    let kept = if keeps(model, acts) {
        let contexts = contexts(text);
        model.distinct_tokens(&contexts.iter().collect::<Vec<_>>()) * 2 * spec.kv_heads * spec.head_dim * spec.depth()
            + text.windows() * (spec.depth() + 1) * spec.hidden_size
    } else {
        0
    };
    4 * (top + kept) as u64
}

/// An error if what is held at the busiest moment, besides the weights, is more than the budget.
pub fn check_memory(model: &Model, text: &NeutralText, acts: Acts) -> Result<(), ModelError> {
    let (continued, tokens) = text.continued();
    let (context, window) = (text.context(0).len(), text.whole(0).len());
    let held = held_bytes(model, text, acts);
    let needed = if keeps(model, acts) {
        let suffixes = model.suffixes_bytes(text.windows(), window - text.last_context(), window);
        let decoding = model.decoding_bytes(continued, 1, context, tokens);
        model.prefill_bytes(&contexts(text)).max(held + suffixes.max(decoding))
    } else {
        let windows: Vec<Vec<u32>> = (0..text.windows()).map(|i| text.whole(i).to_vec()).collect();
        let reads = Reads { top: ReadAt::From(text.last_context()), ..Reads::default() };
        held + model.trace_bytes(&windows, &reads).max(model.decoding_bytes(continued, context, context, tokens))
    };
    let needed = needed.max(held + model.divergence_bytes(text.measured()));
    let budget = model.activation_budget();
    if needed > budget {
        return Err(ModelError::Memory { needed: bytes_text(needed), budget: bytes_text(budget) });
    }
    Ok(())
}

fn contexts(text: &NeutralText) -> Vec<Vec<u32>> {
    (0..text.windows()).map(|i| text.context(i).to_vec()).collect()
}
