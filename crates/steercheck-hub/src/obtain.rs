//! A model of the catalogue: from the cache, else from the first of its sources that works.

use std::fs;
use std::path::PathBuf;

use crate::catalogue::{FileSpec, Model, PackageSpec, SourceSpec};
use crate::digest::Digest;
use crate::draft::{self, Draft};
use crate::error::Room;
use crate::lock::Lock;
use crate::resolve::{Resolved, Source};
use crate::wheel::Assembly;
use crate::{HubError, Options, cache, hub, python};

/// Gets a model of a catalogue; with [`Options::force`], whether it is in the cache or not.
pub fn obtain(model: &Model, options: &Options<'_>) -> Result<Resolved, HubError> {
    if !options.force
        && let Some(place) = cache::find(model, options)?
    {
        return Ok(resolved(model, place.path, place.commit));
    }
    require_licence(model, options)?;
    let mut failures = Vec::new();
    for source in &model.sources {
        match from_source(model, source, options) {
            Ok(resolved) => return Ok(resolved),
            // The next source would need the same room.
            Err(error @ HubError::DiskFull { .. }) => return Err(error),
            Err(error) => failures.push(error),
        }
    }
    if failures.len() == 1 {
        return Err(failures.remove(0));
    }
    let tries: Vec<String> = failures.iter().enumerate().map(|(i, e)| format!("({}) {e}", i + 1)).collect();
    Err(HubError::AllSourcesFailed { model: model.name.clone(), tries: tries.join("; ") })
}

/// A file in the cache stands for terms that were accepted when it was fetched.
fn require_licence(model: &Model, options: &Options<'_>) -> Result<(), HubError> {
    let licence = &model.licence;
    if !licence.needs_acceptance || options.accept_licence {
        return Ok(());
    }
    let read_at = licence.url.as_ref().map(|url| format!("Read them at {url} ."));
    let terms: Vec<String> = licence.terms.clone().into_iter().chain(read_at).collect();
    Err(HubError::LicenceNotAccepted {
        model: model.name.clone(),
        licence: licence.name.clone(),
        terms: terms.join(" "),
    })
}

fn from_source(model: &Model, source: &SourceSpec, options: &Options<'_>) -> Result<Resolved, HubError> {
    if let Some(name) = source.hub_name() {
        let snapshot = hub::snapshot(&name, options)?;
        if let Some(file) = &model.file {
            cache::check(&snapshot.path, &model.name, file, &cache::hub_stamp(model, options), options)?;
        }
        return Ok(resolved(model, snapshot.path, Some(snapshot.commit)));
    }
    match (source, &model.file) {
        (SourceSpec::Python { packages }, Some(file)) => {
            Ok(resolved(model, from_packages(model, file, packages, options)?, None))
        }
        _ => Err(HubError::BadCatalogue { why: format!("a source of `{}` does not say what it brings", model.name) }),
    }
}

fn resolved(model: &Model, path: PathBuf, commit: Option<String>) -> Resolved {
    Resolved { path, name: model.name.clone(), source: Source::Catalogue { model: model.name.clone(), commit } }
}

fn from_packages(
    model: &Model,
    file: &FileSpec,
    packages: &[PackageSpec],
    options: &Options<'_>,
) -> Result<PathBuf, HubError> {
    let folder = options.models_folder();
    // The file, and one wheel at a time beside it.
    let bytes = file.bytes + file.bytes / packages.len().max(1) as u64;
    let room = Room { folder: &folder, bytes, variable: "STEERCHECK_CACHE" };
    fs::create_dir_all(&folder).map_err(|e| room.write_error(e))?;
    let lock = Lock::acquire(&folder.join(format!(".{}.lock", file.name)), &file.name, options)?;
    if !options.force
        && let Some(place) = cache::find(model, options)?
    {
        return Ok(place.path);
    }
    if lock.exclusive {
        draft::sweep(&folder, &file.name);
    }
    let mut draft = Draft::begin(room, &file.name)?;
    let mut assembly = Assembly { file, to: draft.file(), room, digest: Digest::default(), written: 0 };
    for package in packages {
        let prefix = draft::draft_prefix(&file.name);
        let inbox = tempfile::Builder::new().prefix(&prefix).tempdir_in(&folder).map_err(|e| room.write_error(e))?;
        let wheel = python::download(package, inbox.path(), room, options)?;
        assembly.append(&wheel, package, options.progress)?;
    }
    assembly.finish()?;
    draft.keep(file, room)
}
