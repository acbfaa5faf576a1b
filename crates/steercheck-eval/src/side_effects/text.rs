//! The text on which side effects are measured, cut into windows.

use steercheck_model::{DecoderSpec, Tokenizer};

use super::PARTS;
use crate::error::EvalError;
use crate::record::SideEffectsPlan;

/// Written for this project, about everyday things, in plain ASCII.
pub const TEXT: &str = include_str!("../../data/neutral.txt");

/// Tokens of the text that are used at most. A tokenizer that cuts finer sees less of the text, for the same work.
const TEXT_TOKENS: usize = 4096;
/// Tokens of text before the measured ones, where the model's context has room for them.
const CONTEXT: usize = 112;
/// A shorter context says too little.
const SMALLEST_CONTEXT: usize = 16;
/// Tokens of each window that are measured: the reach of an edit at one token, which wears off. More windows with fewer such
/// tokens give narrower intervals for the same work, as tokens of one window go together.
const MEASURED: usize = 16;
/// Windows, from the first on, whose contexts are continued greedily.
const CONTINUED: usize = 16;
/// Tokens of a continuation.
const CONTINUATION: usize = 24;

/// The neutral text as one tokenizer cuts it: windows that each look like a prompt to the model, the beginning of which is
/// context and the rest of which is measured.
pub struct NeutralText {
    /// BLAKE3 of the text's bytes, in hex.
    pub hash: String,
    /// Special tokens, then text. All have one length.
    windows: Vec<Vec<u32>>,
    /// Tokens of each window before the measured ones, special tokens included.
    context: usize,
    /// Special tokens of each window.
    special: usize,
}

impl NeutralText {
    /// Cuts the text for a model. A leftover shorter than a window is dropped.
    pub fn new(tokenizer: &Tokenizer, spec: &DecoderSpec) -> Result<Self, EvalError> {
        // An empty prompt holds what stands before every prompt.
        let special = tokenizer.encode("")?;
        // The last token, of a continuation as of a window, is only predicted.
        let after = MEASURED.max(CONTINUATION) - 1;
        let room = if spec.stretches() { CONTEXT } else { spec.max_positions.saturating_sub(special.len() + after) };
        let context = room.min(CONTEXT);
        if context < SMALLEST_CONTEXT {
            let (most, needed) = (spec.max_positions, special.len() + SMALLEST_CONTEXT + after);
            let what = format!("its windows need {needed} positions, and the model has {most}");
            return Err(EvalError::NeutralText { what });
        }
        let (window, ids) = (context + MEASURED, tokenizer.encode_plain(TEXT)?);
        let cut = ids.chunks_exact(window).take(TEXT_TOKENS / window);
        let windows: Vec<Vec<u32>> = cut.map(|text| [special.as_slice(), text].concat()).collect();
        if windows.is_empty() {
            let what = format!("this tokenizer makes {} tokens of it, and a window needs {window}", ids.len());
            return Err(EvalError::NeutralText { what });
        }
        let hash = blake3::hash(TEXT.as_bytes()).to_hex().to_string();
        Ok(Self { hash, windows, context: special.len() + context, special: special.len() })
    }

    /// How the text is cut, for the plan of a record.
    pub fn plan(&self) -> SideEffectsPlan {
        let (continuations, continued) = self.continued();
        SideEffectsPlan {
            text: self.hash.clone(),
            windows: self.windows(),
            context: self.context,
            measured: MEASURED,
            continuations,
            continued,
            parts: PARTS.len(),
        }
    }

    /// Number of windows.
    pub fn windows(&self) -> usize {
        self.windows.len()
    }

    /// Tokens of all windows that are measured.
    pub fn measured(&self) -> usize {
        self.windows() * MEASURED
    }

    /// Tokens of the text that are used, as context or measured.
    pub fn used(&self) -> usize {
        self.windows.iter().map(|w| w.len() - self.special).sum()
    }

    /// Position of a window's last token before the measured ones, which predicts the first of them: where a method acts that
    /// acts at the last token of a prompt.
    pub fn last_context(&self) -> usize {
        self.context - 1
    }

    /// A window without its measured tokens.
    pub fn context(&self, window: usize) -> &[u32] {
        &self.windows[window][..self.context]
    }

    /// The measured tokens of a window.
    pub fn next(&self, window: usize) -> &[u32] {
        &self.windows[window][self.context..]
    }

    /// Those of them that are run, as each predicts the one after it.
    pub(super) fn then(&self, window: usize) -> &[u32] {
        &self.next(window)[..MEASURED - 1]
    }

    /// Number of windows whose contexts are continued greedily, and of tokens by which.
    pub(super) fn continued(&self) -> (usize, usize) {
        (self.windows().min(CONTINUED), CONTINUATION)
    }

    /// All tokens of a window that are run.
    pub(super) fn whole(&self, window: usize) -> &[u32] {
        &self.windows[window][..self.context + MEASURED - 1]
    }
}
