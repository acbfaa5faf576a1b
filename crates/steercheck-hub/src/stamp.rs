//! The mark of a checked file, which spares the next run the full hash.

use std::fs::{self, Metadata};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use crate::catalogue::FileSpec;
use crate::draft::temporary_in;

/// Written after a full hash that agreed; holds as long as length and modification time stay.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    sha256: String,
    bytes: u64,
    modified_ns: u64,
}

impl Stamp {
    fn path(beside: &Path) -> PathBuf {
        let mut path = beside.as_os_str().to_owned();
        path.push(".stamp");
        path.into()
    }

    fn of(metadata: &Metadata, file: &FileSpec) -> Option<Self> {
        let since = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        let modified_ns = u64::try_from(since.as_nanos()).ok()?;
        Some(Self { sha256: file.sha256.clone(), bytes: metadata.len(), modified_ns })
    }

    /// Whether the stamp beside `beside` says that these very bytes were checked.
    pub(crate) fn holds(beside: &Path, metadata: &Metadata, file: &FileSpec) -> bool {
        let stored = fs::read(Self::path(beside)).ok().and_then(|text| serde_json::from_slice::<Self>(&text).ok());
        stored.is_some() && stored == Self::of(metadata, file)
    }

    /// Replaces the stamp.
    pub(crate) fn write(beside: &Path, metadata: &Metadata, file: &FileSpec) -> io::Result<()> {
        let Some(stamp) = Self::of(metadata, file) else {
            return Ok(());
        };
        let path = Self::path(beside);
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut temporary = temporary_in(folder, ".stamp-")?;
        temporary.write_all(&serde_json::to_vec(&stamp)?)?;
        temporary.persist(&path)?;
        Ok(())
    }
}
