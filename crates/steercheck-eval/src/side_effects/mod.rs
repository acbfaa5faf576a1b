//! What steering does besides its task: on neutral text, how far next-token distributions move, what the text's own tokens
//! come to cost, and whether the model begins to repeat itself.
//!
//! The text is cut into windows ([`NeutralText`]). A method that acts at the last token of a prompt acts at the last token of
//! each window's context, and the tokens after it are measured; one that acts everywhere acts on the whole window. What the
//! unsteered model does is computed once ([`Unsteered`]) in batches of the shapes that the steered passes have, so that an
//! edit of strength 0 gives the same bits. Intervals are computed elsewhere, from what [`SideEffects`] keeps of each window.

mod cost;
mod repetition;
mod text;
mod unsteered;

use serde::{Deserialize, Serialize};
use steercheck_model::{Divergence, Edit, Model};

use crate::error::EvalError;

pub use cost::{Work, check_memory, held_bytes, planned, work, work_unsteered};
pub use repetition::repetition_rate;
pub use text::{NeutralText, TEXT};
pub use unsteered::{Acts, Unsteered};

/// Shares of the full strength, between the unsteered model and the method, at which doses and divergences are measured.
pub(crate) const PARTS: [f32; 3] = [0.25, 0.5, 0.75];

/// What was measured, as it was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SideEffects {
    /// BLAKE3 of the neutral text, in hex.
    pub text_hash: String,
    /// Tokens of the text that were measured.
    pub tokens: usize,
    /// KL(unsteered ‖ steered) of the next token in nats, for each window and each of its measured tokens, to five
    /// significant digits.
    pub kl: Vec<Vec<f32>>,
    /// The mean of each window's KL at a quarter, a half and three quarters of the strength, `[shares][windows]`; empty in records of
    /// before it was measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kl_at_parts: Vec<Vec<f32>>,
    /// Mean of −log probability of each window's measured tokens, unsteered.
    pub nll_unsteered: Vec<f64>,
    /// The same, steered.
    pub nll_steered: Vec<f64>,
    /// [`repetition_rate`] of each greedy continuation, unsteered.
    pub repetition_unsteered: Vec<f64>,
    /// The same, steered.
    pub repetition_steered: Vec<f64>,
}

/// Measures an edit. `edits` is asked for each window's edits, with its number and the position of the last token of its
/// context, and has to give what [`Unsteered::acts`] says: edits at that position alone, or edits of the whole window.
pub fn measure(
    model: &Model,
    text: &NeutralText,
    unsteered: &Unsteered,
    edits: impl Fn(usize, usize) -> Vec<Edit>,
) -> Result<SideEffects, EvalError> {
    let edits: Vec<Vec<Edit>> = (0..text.windows()).map(|i| edits(i, text.last_context())).collect();
    unsteered.check(text, &edits)?;
    let next: Vec<u32> = (0..text.windows()).flat_map(|i| text.next(i).iter().copied()).collect();
    let run = |edits: &[Vec<Edit>], continues: bool| -> Result<_, EvalError> {
        let steered = unsteered.run(model, text, edits, continues)?;
        Ok((model.divergence(&unsteered.outcome.top, &steered.top, &next)?, steered.continuations))
    };
    let (divergences, continuations) = run(&edits, true)?;
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
    let at_part = |share: f32| -> Result<Vec<f32>, EvalError> {
        let partial = |edits: &Vec<Edit>| edits.iter().flat_map(|edit| edit.partial(share)).collect();
        let (divergences, _) = run(&edits.iter().map(partial).collect::<Vec<_>>(), false)?;
        let window = |w: &[Divergence]| five_digits(mean(&w.iter().map(|d| d.kl).collect::<Vec<_>>()));
        Ok(divergences.chunks(text.next(0).len()).map(window).collect())
    };
    let kl_at_parts = PARTS.into_iter().map(at_part).collect::<Result<Vec<_>, _>>()?;
    let by_window: Vec<_> = divergences.chunks(text.next(0).len()).collect();
    let rates = |all: &[Vec<u32>]| all.iter().map(|tokens| repetition_rate(tokens)).collect();
    Ok(SideEffects {
        text_hash: text.hash.clone(),
        tokens: text.measured(),
        kl: by_window.iter().map(|w| w.iter().map(|d| five_digits(d.kl)).collect()).collect(),
        kl_at_parts,
        nll_unsteered: by_window.iter().map(|w| mean(&w.iter().map(|d| d.nll_unsteered).collect::<Vec<_>>())).collect(),
        nll_steered: by_window.iter().map(|w| mean(&w.iter().map(|d| d.nll_steered).collect::<Vec<_>>())).collect(),
        repetition_unsteered: rates(&unsteered.outcome.continuations),
        repetition_steered: rates(&continuations),
    })
}

/// The nearest number of five significant digits: more would be noise, and records hold hundreds of these.
fn five_digits(x: f64) -> f32 {
    format!("{x:.4e}").parse().unwrap_or(x as f32)
}
