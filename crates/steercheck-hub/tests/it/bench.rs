//! A clean place for one test: a cache of its own, options that point into it, and a record of the progress.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use sha2::{Digest as _, Sha256};
use steercheck_hub::{Catalogue, HubOptions, Options, Progress};
use tempfile::TempDir;

pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) said: Said,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), said: Said::default() }
    }

    pub(crate) fn options(&self) -> Options<'_> {
        let hub = HubOptions {
            endpoint: Some("http://127.0.0.1:9".to_owned()),
            cache: self.folder.path().join("hf/hub"),
            token: None,
        };
        Options {
            cache: self.folder.path().join("cache"),
            pip: Some(self.folder.path().join("no-pip").into()),
            hub,
            accept_licence: false,
            force: false,
            progress: &self.said,
        }
    }

    /// Names of everything below a folder of the bench that is neither a lock nor a folder, sorted.
    pub(crate) fn files(&self, below: &str) -> Vec<String> {
        let mut files = Vec::new();
        walk(&self.folder.path().join(below), &mut files);
        files.retain(|name| !name.contains(".lock"));
        files.sort();
        files
    }
}

fn walk(folder: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            walk(&entry.path(), files);
        } else {
            files.push(entry.file_name().into_string().unwrap());
        }
    }
}

/// What was reported: the steps with their announced totals, and the sum of all bytes.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) steps: Mutex<Vec<(String, Option<u64>)>>,
    pub(crate) bytes: Mutex<u64>,
    pub(crate) finished: Mutex<usize>,
}

impl Progress for Said {
    fn start(&self, what: &str, total: Option<u64>) {
        self.steps.lock().unwrap().push((what.to_owned(), total));
    }

    fn advance(&self, bytes: u64) {
        *self.bytes.lock().unwrap() += bytes;
    }

    fn finish(&self) {
        *self.finished.lock().unwrap() += 1;
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    let hex = |byte: u8| [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap());
    Sha256::digest(bytes).into_iter().flat_map(hex).collect()
}

/// Bytes that do not repeat at any small distance.
pub(crate) fn content(length: usize) -> Vec<u8> {
    let mut state = 7_u32;
    let step = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..length).map(step).collect()
}

/// A catalogue with the one model `tiny`, which must become `bytes`; `sources` and `licence` are TOML.
pub(crate) fn catalogue_of(bytes: &[u8], licence: &str, sources: &str) -> Catalogue {
    let (length, sha256) = (bytes.len(), sha256(bytes));
    let text = format!(
        r#"
        default = "tiny"
        [[model]]
        name = "tiny"
        family = "Tiny"
        title = "A tiny model"
        parameters = 7
        kind = "base"
        licence = {licence}
        file = {{ name = "tiny.gguf", bytes = {length}, sha256 = "{sha256}" }}
        {sources}
        "#
    );
    Catalogue::parse(&text).unwrap()
}

pub(crate) const FREE: &str = r#"{ name = "Apache-2.0", needs_acceptance = false }"#;
