//! Whether a loaded model is what it should be: its inner states are finite and add up, every fast path gives what the plain
//! forward pass gives, its tokenizer keeps texts and the boundary between prompt and answer, and, where golden tensors are at hand,
//! it computes what the reference computed.
//!
//! Each check is a function of its own over what it compares, so that a test can hand it something wrong.

mod boundary;
mod golden;
mod measure;
mod paths;
mod policy;
mod prompts;
mod round_trip;
mod state;
mod verification;

pub use boundary::answer_boundary;
pub use golden::{Golden, KINDS};
pub use measure::{Bound, Largest, TOLERANCE, short};
pub use paths::{batch_equals_single, cached_equals_uncached, replay_equals_full, strength_zero};
pub use policy::special_tokens;
pub use prompts::prompts;
pub use round_trip::{TEXTS, round_trip};
pub use state::{attention_sums, finite, rebuilt_residuals};
pub use verification::Verification;

use serde::{Deserialize, Serialize};
use steercheck_model::{Kernels, Model, ModelError, Reads, Tokenizer};

use crate::error::EvalError;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// It holds.
    Passed,
    /// It holds, with something that one should know.
    Noted,
    /// It does not hold.
    Failed,
    /// It says nothing about this model; the detail says why.
    NotApplicable,
}

impl Grade {
    /// As tables show it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Noted => "noted",
            Self::Failed => "failed",
            Self::NotApplicable => "not applicable",
        }
    }
}

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    /// What should hold.
    pub name: &'static str,
    /// Whether it does.
    pub grade: Grade,
    /// The largest difference; none where nothing is measured, and where a number was NaN or infinite.
    pub difference: Option<f32>,
    /// What it may be at most there.
    pub allowed: Option<f32>,
    /// One sentence: where the largest difference is, or what was found.
    pub detail: String,
}

impl Check {
    /// The largest difference as a share of the size that its bound is measured by: one tolerance of 2e-4 holds for all of
    /// these.
    pub fn relative(&self) -> Option<f32> {
        let allowed = self.allowed.filter(|allowed| *allowed > 0.0).unwrap_or(TOLERANCE);
        self.difference.map(|difference| difference / allowed * TOLERANCE)
    }

    /// A check that measures nothing.
    pub fn said(name: &'static str, grade: Grade, detail: impl Into<String>) -> Self {
        Self { name, grade, difference: None, allowed: None, detail: detail.into() }
    }
}

/// How much is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Extent {
    /// Two prompts, few blocks, nothing about the tokenizer: what a check can afford every time.
    Short,
    /// Everything.
    Full,
}

impl Extent {
    /// About how often the weights of all blocks are gone through: prompts together, once as prefixes, each alone; cached,
    /// replayed, edited whole and at strength 0.
    pub fn passes(self) -> f64 {
        let prompts = match self {
            Self::Short => 2.0,
            Self::Full => 7.0,
        };
        prompts + 6.0
    }
}

/// The short form as records carry it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// Checks that said something about this model.
    pub checks: usize,
    /// Names of those that failed.
    pub failed: Vec<String>,
    /// The largest difference between two ways of computing one thing, relative to the largest value of its row or to 1; none
    /// if it is not finite.
    pub largest_difference: Option<f32>,
}

impl Summary {
    /// Counts checks.
    pub fn of(checks: &[Check]) -> Self {
        let measured = |c: &&Check| c.allowed.is_some();
        let all_finite = checks.iter().filter(measured).all(|c| c.difference.is_some());
        Self {
            checks: checks.iter().filter(|c| c.grade != Grade::NotApplicable).count(),
            failed: checks.iter().filter(|c| c.grade == Grade::Failed).map(|c| c.name.to_string()).collect(),
            largest_difference: checks.iter().filter_map(Check::relative).reduce(f32::max).filter(|_| all_finite),
        }
    }
}

/// Checks a model. `tokenizer` may be the reason why there is none.
pub fn run(model: &Model, tokenizer: Result<&Tokenizer, &str>, extent: Extent) -> Result<Vec<Check>, EvalError> {
    let prompts = prompts(model, tokenizer.ok(), extent)?;
    let mut checks = states(model, &prompts, extent)?;
    if extent == Extent::Short {
        return Ok(checks);
    }
    match tokenizer {
        Ok(tokenizer) => {
            checks.extend([round_trip(tokenizer)?, special_tokens(tokenizer)?, answer_boundary(model, tokenizer)?]);
        }
        Err(reason) => {
            let again = "there is no tokenizer that can be used";
            let skipped = [(round_trip::NAME, reason), (policy::NAME, again), (boundary::NAME, again)];
            checks.extend(skipped.map(|(name, reason)| Check::said(name, Grade::NotApplicable, reason)));
        }
    }
    Ok(checks)
}

/// The checks of inner states and of the ways to compute them.
fn states(model: &Model, prompts: &[Vec<u32>], extent: Extent) -> Result<Vec<Check>, EvalError> {
    let (finite, traces) = match model.trace(prompts, &Reads::ALL) {
        Ok(traces) => (finite(model, &traces, extent)?, traces),
        Err(ModelError::NotFinite { .. }) => (state::not_finite(model, prompts)?, Vec::new()),
        Err(e) => return Err(e.into()),
    };
    let rest: [&'static str; 6] =
        [state::REBUILT, state::SUMS, paths::BATCH, paths::CACHED, paths::REPLAY, paths::ZERO];
    if finite.grade == Grade::Failed {
        let skipped = rest.map(|name| Check::said(name, Grade::NotApplicable, "the model's states are not finite"));
        return Ok([finite].into_iter().chain(skipped).collect());
    }
    let prefixes = model.prefill(prompts)?;
    let mut checks = vec![finite, graded(state::REBUILT, rebuilt_residuals(model, &traces))?];
    if model.info.kernels == Kernels::Integer {
        // A state that differs in its last bit may be rounded to the next of 255 steps.
        let reason = "integer kernels round activations to 8 bits, so that only equal batches give equal results";
        checks.extend(rest[1..5].iter().map(|name| Check::said(name, Grade::NotApplicable, reason)));
    } else {
        checks.push(graded(state::SUMS, attention_sums(model, &traces, extent))?);
        let alone = paths::each_alone(model, prompts)?;
        checks.push(graded(paths::BATCH, batch_equals_single(&traces, &alone))?);
        checks.push(graded(paths::CACHED, cached_equals_uncached(model, &prefixes, &alone, extent))?);
        checks.push(graded(paths::REPLAY, replay_equals_full(model, &prefixes, &alone, extent))?);
    }
    checks.push(graded(paths::ZERO, strength_zero(model, &prefixes, extent))?);
    Ok(checks)
}

/// A state that stopped being finite on the way is what a check is there to find, not the end of all of them.
fn graded(name: &'static str, check: Result<Check, ModelError>) -> Result<Check, ModelError> {
    match check {
        Err(e @ ModelError::NotFinite { .. }) => Ok(Check::said(name, Grade::Failed, e.to_string())),
        other => other,
    }
}
