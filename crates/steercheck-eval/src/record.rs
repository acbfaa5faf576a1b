//! What a cell leaves behind: one JSON file with every item's outcome.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use steercheck_model::{ModelInfo, Receipt, Tokenizer};

use crate::conformance;
use crate::error::EvalError;
use crate::prompt::Pair;
use crate::protocol::{Profile, Protocol};

/// Everything that a cell (model × method × task × seed) found. No absolute paths, no user names.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    /// `steercheck-record`.
    pub format: &'static str,
    /// Version of this layout.
    pub version: u32,
    /// Method and its version.
    pub method: MethodInfo,
    /// The model.
    pub model: ModelInfo,
    /// BLAKE3 of the tokenizer's serialised form, and its policy on special tokens.
    pub tokenizer: TokenizerInfo,
    /// What the model's short conformance checks found before the run; none where they were not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conformance: Option<conformance::Summary>,
    /// The task.
    pub task: TaskInfo,
    /// The protocol's options.
    pub protocol: Protocol,
    /// Item counts.
    pub profile: Profile,
    /// The task whose vectors are the `wrong-task` placebo.
    pub wrong_task: Option<String>,
    /// Seed of demonstrations and vectors.
    pub seed: u64,
    /// Seed of the split into train, dev and test, the same for every `seed`.
    pub split_seed: u64,
    /// The chosen setting.
    pub chosen: Chosen,
    /// Hits on dev at residuals 1..=L.
    pub dev_curve: Vec<usize>,
    /// Hits on test at residuals 1..=L, beside the chosen one: what was left on the table.
    pub test_curve: Vec<usize>,
    /// Every arm on its items.
    pub arms: Vec<Arm>,
    /// The items of dev and test with what their vectors were made of.
    pub items: Items,
    /// What must not change between two runs ends above; wall times in seconds.
    pub timings: BTreeMap<String, f64>,
}

/// A method.
#[derive(Debug, Clone, Serialize)]
pub struct MethodInfo {
    /// `task-vector`.
    pub name: &'static str,
    /// Counted up when its results change.
    pub version: u32,
    /// Its prompt template.
    pub template: &'static str,
    /// Demonstrations per prompt.
    pub demonstrations: usize,
    /// Dummy queries per vector.
    pub dummies: usize,
}

/// A tokenizer.
#[derive(Debug, Clone, Serialize)]
pub struct TokenizerInfo {
    /// BLAKE3.
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

/// A task as it was used.
#[derive(Debug, Clone, Serialize)]
pub struct TaskInfo {
    /// Name.
    pub name: String,
    /// BLAKE3 of items and matching rule.
    pub hash: String,
    /// Items in the data.
    pub items: usize,
    /// Items that stay after the single-token rule.
    pub usable: usize,
    /// Whether answers follow the arrow with a space.
    pub leading_space: bool,
    /// How a prediction counts as right.
    pub matching: &'static str,
    /// What was dropped or changed.
    pub notes: Vec<String>,
}

/// The chosen setting.
#[derive(Debug, Clone, Serialize)]
pub struct Chosen {
    /// Residual whose value is replaced: the first with the most hits on dev.
    pub residual: usize,
    /// Its hits on dev.
    pub dev_hits: usize,
    /// Items on dev.
    pub dev_n: usize,
}

/// One way of asking the items.
#[derive(Debug, Clone, Serialize)]
pub struct Arm {
    /// `zero-shot`, `few-shot`, `steered`, or a placebo's name.
    pub name: String,
    /// Right answers.
    pub hits: usize,
    /// One per item, in the order of the items.
    pub outcomes: Vec<Outcome>,
}

/// What the model said to one item.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// The most probable next token.
    pub token: u32,
    /// Its text, cut at the first line break and stripped.
    pub text: String,
    /// Whether that counts as right.
    pub hit: bool,
    /// Tokens more probable than the answer's first.
    pub rank: usize,
    /// Natural logarithm of the probability of the answer's first token.
    pub log_prob: f64,
    /// Sum of the natural logarithms of the probabilities of all the answer's tokens, teacher forced.
    pub answer_log_prob: f64,
    /// What the arm's edit did; empty for arms without one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub receipts: Vec<Receipt>,
}

/// Items by use.
#[derive(Debug, Clone, Serialize)]
pub struct Items {
    /// They chose the residual.
    pub dev: Vec<ItemRecord>,
    /// They are reported.
    pub test: Vec<ItemRecord>,
    /// Zero-shot items of a protocol that asks others than the test items.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub baseline: Vec<ItemRecord>,
}

/// One item and what its vector was made of.
#[derive(Debug, Clone, Serialize)]
pub struct ItemRecord {
    /// What is asked.
    pub input: String,
    /// What is right.
    pub answer: String,
    /// Its ids after the zero-shot prompt.
    pub answer_ids: Vec<u32>,
    /// A token spans the boundary of prompt and answer.
    pub boundary_merged: bool,
    /// The demonstrations, first to last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub demonstrations: Vec<Pair>,
    /// The dummy queries.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dummies: Vec<String>,
}

impl Record {
    /// The arm of this name.
    pub fn arm(&self, name: &str) -> Option<&Arm> {
        self.arms.iter().find(|a| a.name == name)
    }

    /// Its file name: model, method, task, protocol, seed.
    pub fn file_name(&self) -> String {
        format!(
            "{}--{}--{}--{}-{}--seed{}.json",
            clean(&self.model.name),
            self.method.name,
            clean(&self.task.name),
            self.protocol.name,
            self.profile.name,
            self.seed
        )
    }

    /// Writes the record into a folder: to a temporary name, synced, renamed.
    pub fn write(&self, folder: &Path) -> Result<PathBuf, EvalError> {
        let path = folder.join(self.file_name());
        write_json(&path, self)?;
        Ok(path)
    }
}

/// A name as it can stand in a file's name everywhere.
pub(crate) fn clean(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect()
}

/// Writes JSON to a temporary name beside the file, synced, renamed; its folder is made.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), EvalError> {
    let failed = |e: std::io::Error| EvalError::Write { path: path.to_path_buf(), reason: e.to_string() };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut file = temporary(folder).map_err(failed)?;
    let json = serde_json::to_vec_pretty(value).map_err(|e| failed(e.into()))?;
    file.write_all(&json).map_err(failed)?;
    file.write_all(b"\n").map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// Whether records can be written into a folder, which need not exist yet. Nothing is left behind.
pub fn check_folder(folder: &Path) -> Result<(), EvalError> {
    let failed = |e: std::io::Error| EvalError::Write { path: folder.to_path_buf(), reason: e.to_string() };
    // A relative path ends in "", which stands for the working folder.
    let there = folder.ancestors().find(|p| p.exists()).unwrap_or(Path::new("."));
    if there.is_dir() {
        tempfile::tempfile_in(there).map(|_| ()).map_err(failed)
    } else {
        Err(failed(std::io::ErrorKind::NotADirectory.into()))
    }
}

/// A temporary file that, once renamed, has the permissions of any other new file rather than the owner's alone.
fn temporary(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".steercheck-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}
