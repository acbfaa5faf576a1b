//! What a tensor's name says of where it acts.
//!
//! * `residual.N`: residual N, the stream after block N counted from 1; 0 is the embedding output. The names of this
//!   program.
//! * `direction.N`: residual N + 1. llama.cpp and repeng count blocks from 0 and add direction N to what their block N
//!   puts out. In llama.cpp `common_control_vector_load_one` stores direction N as the N-th vector,
//!   `llama_adapter_cvec::apply` takes that for layer index `il` = N, and every graph adds it by `build_cvec(cur, il)` to the
//!   sum of stream, attention and MLP of layer `il`, just before it is named `l_out`. Its layer 0 is never steered: a
//!   `direction.0` is refused there as here. repeng reads `hidden_states[N + 1]` and wraps `layers[N]`, the same place. (The
//!   directions of llama.cpp's own `cvector-generator` were *read* one residual lower, from `l_out` of layer N - 1; they act
//!   where every other one acts, and that is what is judged.)
//! * `blocks.N.hook_resid_post` and `blocks.N.hook_resid_pre`: `TransformerLens` counts from 0, so that these are the
//!   residuals N + 1 and N.
//!
//! `layer.N` and its like are in use for all of these and for Python's `hidden_states[N]`: there is no telling.

use crate::error::{ModelError, Result};

/// Digits of a block's number; more could not be one.
const MAX_DIGITS: usize = 6;

/// What a name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It acts on this residual.
    Residual(usize),
    /// Nothing, or nothing certain.
    NoPlace,
}

/// Beginning and end of a name around its number, and what is added to the number.
const PLACES: [(&str, &str, usize); 4] = [
    ("residual.", "", 0),
    ("direction.", "", 1),
    ("blocks.", ".hook_resid_post", 1),
    ("blocks.", ".hook_resid_pre", 0),
];

/// Where the tensor of this name acts.
pub(super) fn meaning(file: &str, name: &str) -> Result<Meaning> {
    for (before, after, offset) in PLACES {
        let Some(number) = name.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)) else { continue };
        if number.is_empty() || number.len() > MAX_DIGITS || !number.bytes().all(|b| b.is_ascii_digit()) {
            continue;
        }
        let Ok(number) = number.parse::<usize>() else { continue };
        if before == "direction." && number == 0 {
            return Err(ModelError::Vector {
                file: file.into(),
                problem: "it has a 'direction.0', which llama.cpp refuses, for it never steers its layer 0; call the tensor 'residual.1' if it acts after the first block"
                    .into(),
            });
        }
        return Ok(Meaning::Residual(number + offset));
    }
    Ok(Meaning::NoPlace)
}

/// What to do about several tensors of which these do not say where they act.
pub(super) fn unclear(file: &str, names: &str, example: &str) -> String {
    format!(
        "it holds several tensors and not all names say after which block they act ({names}): call them residual.N (after block N, counted from 1) or direction.N (as llama.cpp does, after block N + 1), or choose one: {file}:{}@BLOCK",
        super::quoted(example)
    )
}
