//! Where the hub's shared cache keeps things: `blobs/<etag>`, and `snapshots/<commit>/<file>` pointing at them, as hf-hub and the
//! Python client lay them out.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hf_hub::{Cache, CacheRepo, Repo, RepoType};

use crate::name::{HubName, is_token};
use crate::{HubError, Options};

/// The cached part of one repository.
pub(crate) struct Layout(CacheRepo);

impl Layout {
    pub(crate) fn new(name: &HubName, options: &Options<'_>) -> Self {
        let repo = Repo::with_revision(name.id.clone(), RepoType::Model, name.revision.clone());
        Self(Cache::new(options.hub.cache.clone()).repo(repo))
    }

    /// The content with that etag.
    pub(crate) fn blob(&self, etag: &str) -> PathBuf {
        self.0.blob_path(etag)
    }

    /// The folder of a commit.
    pub(crate) fn snapshot(&self, commit: &str) -> PathBuf {
        self.0.pointer_path(commit)
    }

    /// The commit that the revision stood for when it was last fetched.
    pub(crate) fn commit(&self, revision: &str) -> Option<String> {
        if is_token(revision) && self.snapshot(revision).is_dir() {
            return Some(revision.to_owned());
        }
        // `refs` lies beside `snapshots`.
        let refs = self.snapshot("x").parent()?.parent()?.join("refs");
        let commit = fs::read_to_string(refs.join(revision)).ok()?.trim().to_owned();
        is_token(&commit).then_some(commit)
    }

    /// Notes what the revision stands for, once its files are there.
    pub(crate) fn note_commit(&self, revision: &str, commit: &str) -> Result<(), HubError> {
        if revision == commit {
            return Ok(());
        }
        self.0.create_ref(commit).map_err(HubError::io("write the revision into", &self.snapshot(commit)))
    }

    /// Lets `snapshots/<commit>/<file>` point at a blob.
    pub(crate) fn point(&self, commit: &str, file: &str, blob: &Path) -> Result<PathBuf, HubError> {
        let pointer = self.snapshot(commit).join(file);
        let folder = pointer.parent().unwrap_or(&pointer);
        fs::create_dir_all(folder).map_err(HubError::io("create", folder))?;
        // The pointer of an older download may dangle.
        if pointer.symlink_metadata().is_ok() && !pointer.exists() {
            fs::remove_file(&pointer).map_err(HubError::io("replace", &pointer))?;
        }
        let up = "../".repeat(2 + file.matches('/').count());
        let blob_name = blob.file_name().unwrap_or_default();
        match link(&Path::new(&up).join("blobs").join(blob_name), blob, &pointer) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(HubError::io("create", &pointer)(e)),
            _ => Ok(pointer),
        }
    }
}

#[cfg(unix)]
fn link(relative: &Path, _blob: &Path, pointer: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(relative, pointer)
}

/// Symbolic links need a privilege elsewhere, so that a second name of the file stands in, or a copy.
#[cfg(not(unix))]
fn link(_relative: &Path, blob: &Path, pointer: &Path) -> io::Result<()> {
    fs::hard_link(blob, pointer).or_else(|_| fs::copy(blob, pointer).map(|_| ()))
}
