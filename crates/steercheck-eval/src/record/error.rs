//! Why a record or an artefact cannot be used.

use std::path::PathBuf;

/// Why a file is no record that one may rest on. Every text says what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The file cannot be read.
    #[error("cannot read {} ({reason}); check the path and its permissions", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// It is something else.
    #[error("{file} is not a steercheck record ({reason}); give a file that steercheck wrote")]
    NotARecord {
        /// The file.
        file: String,
        /// What is not as it should be.
        reason: String,
    },
    /// A folder's own file says that it is none.
    #[error(
        "{file} is not that of a store ({reason}); give a folder that `study run` or `check --out` wrote, or a new one"
    )]
    NotAStore {
        /// The file.
        file: String,
        /// What is not as it should be.
        reason: String,
    },
    /// A layout that this program does not know.
    #[error(
        "{file} is a record of version {found}; this program reads version {known}: use the steercheck that wrote it, or run the cell again"
    )]
    Version {
        /// The file.
        file: String,
        /// Its version.
        found: u64,
        /// The version that is read here.
        known: u32,
    },
    /// Its bytes are not those that were written.
    #[error("{file} is damaged: {reason}; restore it from a copy, or delete it and run the cell again")]
    Damaged {
        /// The file.
        file: String,
        /// How that shows.
        reason: String,
    },
    /// It is whole, and contradicts itself.
    #[error(
        "{file} contradicts itself: {reason}; it was not written by steercheck as it stands, so delete it and run the cell again"
    )]
    Inconsistent {
        /// The file.
        file: String,
        /// What does not fit.
        reason: String,
    },
}
