//! What determines a cell's results, and the key made of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use steercheck_model::{Kernels, Model, Tokenizer};

use super::setting::Value;
use crate::protocol::Protocol;

/// Everything that determines what a cell (model × method × task × seed) finds, and nothing else: no names of files, models or
/// people, no paths, no times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The method.
    pub method: MethodPlan,
    /// The model.
    pub model: ModelPlan,
    /// Its tokenizer.
    pub tokenizer: TokenizerInfo,
    /// BLAKE3 of the task's items and rules.
    pub task: String,
    /// The protocol's options.
    pub protocol: Protocol,
    /// Item counts.
    pub counts: Counts,
    /// The settings to choose from: the product of these axes.
    pub grid: BTreeMap<String, Vec<Value>>,
    /// The arms to run, in the order in which records list them.
    pub arms: Vec<String>,
    /// Seed of demonstrations, vectors and placebos.
    pub seed: u64,
    /// Seed of the split into train, dev and test, the same for every `seed`.
    pub split_seed: u64,
    /// What side effects are measured on; none where they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub side_effects: Option<SideEffectsPlan>,
}

/// A method with the options that it was run with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MethodPlan {
    /// `task-vector`, `vector`.
    pub name: String,
    /// Counted up when its results change.
    pub version: u32,
    /// Options by name: `template`, `demonstrations`, `dummies`, …
    pub options: BTreeMap<String, Value>,
}

/// A model as far as its results depend on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelPlan {
    /// BLAKE3 of the weight files.
    pub weights: String,
    /// BLAKE3 of the spec that they are run by: a folder's config.json determines results, too.
    pub spec: String,
    /// The kernels that multiply quantised weights.
    pub kernels: Kernels,
}

impl ModelPlan {
    /// Of a loaded model.
    pub fn of(model: &Model) -> Self {
        let spec = serde_json::to_vec(&model.spec).expect("a spec has string keys and finite numbers only");
        Self {
            weights: model.info.weights_hash.clone(),
            spec: blake3::hash(&spec).to_hex().to_string(),
            kernels: model.info.kernels,
        }
    }
}

/// A tokenizer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenizerInfo {
    /// BLAKE3 of its serialised form.
    pub hash: String,
    /// What stands before every prompt.
    pub special_tokens: String,
}

impl TokenizerInfo {
    /// Of a loaded tokenizer.
    pub fn of(tokenizer: &Tokenizer) -> Self {
        Self { hash: tokenizer.hash().to_string(), special_tokens: tokenizer.policy() }
    }
}

/// How many items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Items that choose the setting.
    pub dev: usize,
    /// Items that are reported.
    pub test: usize,
    /// Other items that the zero-shot arm is asked instead of the test items; 0 for none.
    pub baseline: usize,
}

/// What side effects are measured on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SideEffectsPlan {
    /// BLAKE3 of the neutral text.
    pub text: String,
    /// Windows that it is cut into.
    pub windows: usize,
    /// Tokens of each that are context, at whose end (or all along which) the steering acts.
    pub context: usize,
    /// Tokens of each that are measured.
    pub measured: usize,
    /// Contexts that are continued greedily.
    pub continuations: usize,
    /// Tokens of each continuation.
    pub continued: usize,
    /// Shares of the strength between nothing and all of it at which the divergence is measured, too.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub parts: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl Plan {
    /// The cell's key: BLAKE3 of the plan, in hexadecimal.
    pub fn key(&self) -> String {
        key_of("steercheck cell 1\n", self)
    }
}

/// BLAKE3 of what determines something, under a domain of its own.
pub(super) fn key_of(domain: &str, determinants: &impl Serialize) -> String {
    let json = serde_json::to_vec(determinants).expect("plans have string keys and finite numbers only");
    let mut hasher = blake3::Hasher::new();
    hasher.update(domain.as_bytes());
    hasher.update(&json);
    hasher.finalize().to_hex().to_string()
}
