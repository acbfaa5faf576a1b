//! A file mapped into memory for reading. The one place outside the kernels that needs `unsafe`.

use std::fs::File;
use std::path::Path;

use memmap2::Mmap;

use crate::error::{ModelError, Result};
use crate::files::file_name;

/// A read-only mapping of a whole file.
pub(crate) struct Mapping {
    map: Mmap,
    name: String,
}

impl Mapping {
    /// Maps the file. An empty file is refused: there is nothing in it to read.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let io = |e: std::io::Error| ModelError::Io { path: path.to_path_buf(), reason: e.to_string() };
        // Asked before the file is opened: opening a pipe would wait for its writer.
        if !std::fs::metadata(path).map_err(io)?.is_file() {
            return Err(ModelError::Io { path: path.to_path_buf(), reason: "it is not a regular file".into() });
        }
        let file = File::open(path).map_err(io)?;
        let name = file_name(path);
        if file.metadata().map_err(io)?.len() == 0 {
            return Err(ModelError::Damaged { file: name, what: "the file is empty".into() });
        }
        // SAFETY: the mapping is read-only and private to this value. Another process that truncates the file while it
        // is mapped could end this one with a bus error, as with every program that maps weights; it cannot make
        // the bytes invalid, since they are only ever read as plain numbers.
        #[allow(unsafe_code)]
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        Ok(Self { map, name })
    }

    /// The file's bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// File name without folder.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}
