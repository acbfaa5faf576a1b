//! A store: one folder of records and artefacts under their keys, written by any number of processes on any number of hosts, without a
//! lock server (docs/store.md).
//!
//! Records are immutable and whole, so that nothing has to be locked for them. A claim only keeps two workers from computing the same cell;
//! where it fails to, both come to the same record.

mod claim;
mod verify;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use claim::{Claim, Claimed, Owner};
pub use verify::{Checked, Problem};

use crate::error::EvalError;
use crate::record::{Record, RecordError, write_json};

/// What the store's own file is called.
const STORE_FILE: &str = "store.json";
/// The layout that is written and read.
const VERSION: u32 = 1;

/// A folder of records.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// The store's own file.
#[derive(Serialize, Deserialize)]
struct Head {
    format: String,
    version: u32,
}

/// A cell as a study lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// The method, in words.
    pub method: String,
    /// The task.
    pub task: String,
    /// The seed.
    pub seed: u64,
    /// Rows × blocks that it takes, as planned.
    pub work: u64,
}

/// What a study asks of one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listing {
    /// The model, as the study names it.
    pub model: String,
    /// Its cells.
    pub cells: Vec<Listed>,
    /// What cannot be run on it, and why: task, method, reason.
    pub not_run: Vec<[String; 3]>,
    /// Why the model could not be prepared at all; none if it could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// Why a cell has no record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The program and its version.
    pub program: String,
    /// What it said.
    pub error: String,
}

impl Store {
    /// Opens a folder as a store; makes it one if it does not exist or holds nothing of another version.
    pub fn open(root: &Path) -> Result<Self, EvalError> {
        let path = root.join(STORE_FILE);
        match std::fs::read(&path) {
            Ok(bytes) => {
                let file = path.display().to_string();
                let head: Head = serde_json::from_slice(&bytes)
                    .map_err(|e| RecordError::NotAStore { file: file.clone(), reason: e.to_string() })?;
                if head.format != "steercheck-store" {
                    let reason = format!("its format is '{}'", head.format);
                    return Err(RecordError::NotAStore { file, reason }.into());
                }
                if head.version != VERSION {
                    let (found, known) = (u64::from(head.version), VERSION);
                    return Err(RecordError::Version { file, found, known }.into());
                }
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                write_json(&path, &Head { format: "steercheck-store".into(), version: VERSION })?;
            }
            Err(e) => return Err(RecordError::Read { path, reason: e.to_string() }.into()),
        }
        Ok(Self { root: root.to_path_buf() })
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The file of a record that is there; it is not read.
    pub fn find(&self, key: &str) -> Option<PathBuf> {
        let folder = self.root.join("records");
        ["json", "json.zst"]
            .into_iter()
            .map(|ending| folder.join(format!("{key}.{ending}")))
            .find(|path| path.is_file())
    }

    /// A record that is there, checked as far as it can be.
    pub fn read(&self, key: &str) -> Option<Result<Record, RecordError>> {
        self.find(key).map(|path| Record::read(&path))
    }

    /// Every record, in the order of their keys; none in a store without any.
    pub fn read_all(&self) -> Result<Vec<Record>, RecordError> {
        if self.root.join("records").is_dir() { Record::read_all(&self.root) } else { Ok(Vec::new()) }
    }

    /// Notes why a cell has no record.
    pub fn fail(&self, key: &str, failure: &Failure) -> Result<(), EvalError> {
        write_json(&self.failed(key), failure)
    }

    /// Why a cell failed when it was last run; none if it did not.
    pub fn failure(&self, key: &str) -> Option<Failure> {
        serde_json::from_slice(&std::fs::read(self.failed(key)).ok()?).ok()
    }

    /// Forgets a failure.
    pub fn forgive(&self, key: &str) {
        // What cannot be removed is told again by the next status: nothing depends on it.
        let _ = std::fs::remove_file(self.failed(key));
    }

    fn failed(&self, key: &str) -> PathBuf {
        self.root.join("failed").join(format!("{key}.json"))
    }

    /// Keeps what a study asks of one of its models.
    pub fn list(&self, study: &str, listing: &Listing) -> Result<(), EvalError> {
        write_json(&self.listings(study).join(format!("{}.json", short(&listing.model))), listing)
    }

    /// What a study asks of its models, as far as they were prepared.
    pub fn listed(&self, study: &str) -> BTreeMap<String, Listing> {
        let entries = std::fs::read_dir(self.listings(study)).into_iter().flatten().flatten();
        let read = |entry: std::fs::DirEntry| {
            let listing: Listing = serde_json::from_slice(&std::fs::read(entry.path()).ok()?).ok()?;
            Some((listing.model.clone(), listing))
        };
        entries.filter_map(read).collect()
    }

    fn listings(&self, study: &str) -> PathBuf {
        self.root.join("studies").join(study)
    }
}

/// A name that is a file's name on every system, and nobody else's.
fn short(name: &str) -> String {
    blake3::hash(name.as_bytes()).to_hex()[..16].to_string()
}
