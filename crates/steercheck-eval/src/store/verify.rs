//! Whether everything in a store is what it says it is.

use std::path::{Path, PathBuf};

use super::Store;
use crate::record::{Artefact, Record};

/// Something in a store that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, from the store's folder.
    pub file: String,
    /// What is wrong with it.
    pub what: String,
}

/// What was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Records that are whole.
    pub records: usize,
    /// Artefacts that are whole.
    pub artefacts: usize,
    /// Files that killed processes left under temporary names: they were never part of the store.
    pub leftovers: usize,
    /// The rest.
    pub problems: Vec<Problem>,
}

impl Store {
    /// Reads every record and artefact, and compares digests, keys and names.
    pub fn verify(&self) -> Checked {
        let mut out = Checked::default();
        let mut referred = Vec::new();
        for path in self.files("records", &mut out) {
            let name = file_name(&path);
            let stem = name.strip_suffix(".zst").unwrap_or(&name).strip_suffix(".json").unwrap_or_default().to_string();
            match Record::read(&path) {
                Ok(record) if record.key() != stem => {
                    out.problem("records", &name, format!("its key is {}: it was renamed", record.key()));
                }
                Ok(record) => {
                    out.records += 1;
                    referred.extend(record.results.artefacts.values().map(|key| (name.clone(), key.clone())));
                }
                Err(e) => out.problem("records", &name, e.to_string()),
            }
        }
        for path in self.files("artefacts", &mut out) {
            let name = file_name(&path);
            match Artefact::read(&path) {
                Ok(artefact) if name != format!("{}.safetensors", artefact.key()) => {
                    out.problem("artefacts", &name, format!("its key is {}: it was renamed", artefact.key()));
                }
                Ok(_) => out.artefacts += 1,
                Err(e) => out.problem("artefacts", &name, e.to_string()),
            }
        }
        for (record, key) in referred {
            if !Artefact::path(&self.root, &key).is_file() {
                out.problem("records", &record, format!("its artefact {key} is missing; run the cell again"));
            }
        }
        out
    }

    /// The files of a folder in the order of their names; those under temporary names are counted.
    fn files(&self, folder: &str, out: &mut Checked) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.root.join(folder)).into_iter().flatten().flatten();
        let (left, mut files): (Vec<PathBuf>, Vec<PathBuf>) =
            entries.map(|entry| entry.path()).partition(|path| file_name(path).starts_with('.'));
        out.leftovers += left.len();
        files.sort();
        files
    }
}

impl Checked {
    fn problem(&mut self, folder: &str, name: &str, what: String) {
        self.problems.push(Problem { file: format!("{folder}/{name}"), what });
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
