//! A new file of the cache: temporary name, sync, rename.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::HubError;
use crate::catalogue::FileSpec;
use crate::error::Room;
use crate::stamp::Stamp;

/// A new file of the cache: written under a temporary name in the same folder, gone if it is not kept.
pub(crate) struct Draft {
    temporary: NamedTempFile,
    path: PathBuf,
}

impl Draft {
    /// Begins a file of that name.
    pub(crate) fn begin(room: Room<'_>, name: &str) -> Result<Self, HubError> {
        let temporary = temporary_in(room.folder, &draft_prefix(name)).map_err(|e| room.write_error(e))?;
        Ok(Self { temporary, path: room.folder.join(name) })
    }

    pub(crate) fn file(&mut self) -> &mut File {
        self.temporary.as_file_mut()
    }

    /// Syncs and renames a file whose hash was checked while it was written, and stamps it.
    pub(crate) fn keep(self, file: &FileSpec, room: Room<'_>) -> Result<PathBuf, HubError> {
        self.temporary.as_file().sync_all().map_err(|e| room.write_error(e))?;
        self.temporary.persist(&self.path).map_err(|e| room.write_error(e.error))?;
        sync_folder(room.folder);
        let metadata = fs::metadata(&self.path).map_err(HubError::io("read", &self.path))?;
        let _ = Stamp::write(&self.path, &metadata, file);
        Ok(self.path)
    }
}

/// A temporary file with the mode of ordinary ones: a shared cache is read by others, as far as the user's umask lets them.
pub(crate) fn temporary_in(folder: &Path, prefix: &str) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix).suffix(".partial");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// Temporary names of a file begin like this.
pub(crate) fn draft_prefix(name: &str) -> String {
    format!(".{name}.tmp-")
}

/// Removes what killed processes left behind of a file; only under its lock.
pub(crate) fn sweep(folder: &Path, name: &str) {
    let prefix = draft_prefix(name);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|left| left.starts_with(&prefix)) {
            // A leftover that stays only costs room.
            let _ = fs::remove_dir_all(entry.path()).or_else(|_| fs::remove_file(entry.path()));
        }
    }
}

/// Makes a rename in the folder durable, where the system knows that.
pub(crate) fn sync_folder(folder: &Path) {
    if let Ok(handle) = File::open(folder) {
        // Not every system syncs folders; the file itself is synced before the rename.
        let _ = handle.sync_all();
    }
}
