//! The cache of catalogue files: `models/<file>`, and beside each a stamp that spares the next run the full hash. A model that
//! came from the hub stays in the hub's own cache; its stamp is `models/<name>.hub.stamp`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::catalogue::{FileSpec, Model};
use crate::progress::Step;
use crate::stamp::Stamp;
use crate::{HubError, Options, digest, hub};

/// What the cache knows of a model, without hashing anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheState {
    /// Not there.
    Absent,
    /// There, and unchanged since it was checked.
    Checked(PathBuf),
    /// There with the right length; its hash will be checked when it is used.
    Unchecked(PathBuf),
    /// There with a wrong length.
    Damaged(PathBuf),
}

/// Where a model is cached.
pub(crate) struct Place {
    /// File or folder.
    pub(crate) path: PathBuf,
    /// Its stamp is called like this, and `.stamp`.
    beside: PathBuf,
    /// The commit, if it is in the hub's cache.
    pub(crate) commit: Option<String>,
}

fn locate(model: &Model, options: &Options<'_>) -> Option<Place> {
    let folder = options.models_folder();
    let own = model.file.as_ref().map(|file| folder.join(&file.name)).filter(|path| path.exists());
    if let Some(path) = own {
        return Some(Place { beside: path.clone(), path, commit: None });
    }
    let snapshot = model.sources.iter().find_map(|source| hub::cached(&source.hub_name()?, options))?;
    Some(Place { path: snapshot.path, beside: hub_stamp(model, options), commit: Some(snapshot.commit) })
}

/// The hub's cache belongs to other tools as well, so that our stamps are not put there.
pub(crate) fn hub_stamp(model: &Model, options: &Options<'_>) -> PathBuf {
    options.models_folder().join(format!("{}.hub", model.name))
}

/// What the cache knows of a model, without hashing anything.
pub fn cache_state(model: &Model, options: &Options<'_>) -> CacheState {
    let Some(Place { path, beside, .. }) = locate(model, options) else {
        return CacheState::Absent;
    };
    match (&model.file, fs::metadata(&path)) {
        (_, Err(_)) => CacheState::Absent,
        // The parts of a repository were checked one by one when they arrived.
        (None, Ok(_)) => CacheState::Checked(path),
        (Some(file), Ok(metadata)) if metadata.len() != file.bytes => CacheState::Damaged(path),
        (Some(file), Ok(metadata)) if Stamp::holds(&beside, &metadata, file) => CacheState::Checked(path),
        (Some(_), Ok(_)) => CacheState::Unchecked(path),
    }
}

/// Hashes a cached model in full, whatever its stamp says. `None` when it is not in the cache.
pub fn verify(model: &Model, options: &Options<'_>) -> Result<Option<PathBuf>, HubError> {
    let Some(place) = locate(model, options) else {
        return Ok(None);
    };
    match &model.file {
        Some(file) => hash(&place.path, &model.name, file, &place.beside, options)?,
        None => hub::verify(&place.path, &model.name, options)?,
    }
    Ok(Some(place.path))
}

/// The cached model, if it is there; an error if it is there and damaged.
pub(crate) fn find(model: &Model, options: &Options<'_>) -> Result<Option<Place>, HubError> {
    let place = locate(model, options);
    if let (Some(place), Some(file)) = (&place, &model.file) {
        check(&place.path, &model.name, file, &place.beside, options)?;
    }
    Ok(place)
}

/// Checks a file against its specification: by its stamp where that still fits, else by its full hash. The stamp lies at
/// `<beside>.stamp`.
pub(crate) fn check(
    path: &Path,
    model: &str,
    file: &FileSpec,
    beside: &Path,
    options: &Options<'_>,
) -> Result<(), HubError> {
    let metadata = fs::metadata(path).map_err(HubError::io("read", path))?;
    if metadata.len() == file.bytes && Stamp::holds(beside, &metadata, file) {
        return Ok(());
    }
    hash(path, model, file, beside, options)
}

fn hash(path: &Path, model: &str, file: &FileSpec, beside: &Path, options: &Options<'_>) -> Result<(), HubError> {
    let damaged = |what: String| HubError::DamagedFile { path: path.to_path_buf(), model: model.to_owned(), what };
    let metadata = fs::metadata(path).map_err(HubError::io("read", path))?;
    if metadata.len() != file.bytes {
        return Err(damaged(format!("{} bytes instead of {}", metadata.len(), file.bytes)));
    }
    let step = Step::begin(options.progress, &format!("checking {}", file.name), Some(file.bytes));
    let got = digest::of_file(path, &step)?.hex();
    if got != file.sha256 {
        return Err(damaged(format!("SHA-256 {got} instead of {}", file.sha256)));
    }
    // A cache that may not be written to only costs the next run a hash.
    let _ = Stamp::write(beside, &metadata, file);
    Ok(())
}
