//! What a verification leaves behind: one JSON file.

use std::path::Path;

use serde::Serialize;
use steercheck_model::{ModelInfo, Tokenizer};

use super::{Check, Grade};
use crate::error::EvalError;
use crate::record::{self, TokenizerInfo};

/// A model and what was found about it. No paths, no user names, no times.
#[derive(Debug, Clone, Serialize)]
pub struct Verification {
    /// `steercheck-conformance`.
    pub format: &'static str,
    /// Version of this layout.
    pub version: u32,
    /// The model.
    pub model: ModelInfo,
    /// Its tokenizer, if there is one.
    pub tokenizer: Option<TokenizerInfo>,
    /// Whether nothing failed.
    pub passed: bool,
    /// Every check.
    pub checks: Vec<Check>,
}

impl Verification {
    /// Puts them together.
    pub fn new(model: &ModelInfo, tokenizer: Option<&Tokenizer>, checks: Vec<Check>) -> Self {
        Self {
            format: "steercheck-conformance",
            version: 0,
            model: model.clone(),
            tokenizer: tokenizer.map(TokenizerInfo::of),
            passed: checks.iter().all(|c| c.grade != Grade::Failed),
            checks,
        }
    }

    /// Names of the checks that failed.
    pub fn failed(&self) -> Vec<&'static str> {
        self.checks.iter().filter(|c| c.grade == Grade::Failed).map(|c| c.name).collect()
    }

    /// `verify-MODEL.json`.
    pub fn file_name(&self) -> String {
        format!("verify-{}.json", record::clean(&self.model.name))
    }

    /// Writes the file: to a temporary name, synced, renamed.
    pub fn write(&self, path: &Path) -> Result<(), EvalError> {
        record::write_json(path, self)
    }
}
