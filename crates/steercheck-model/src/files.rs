//! Reading the small files beside the weights: configurations, indices, tokenizers.

use std::path::{Path, PathBuf};

use crate::error::{ModelError, Result, bytes_text};

/// More than any real index or tokenizer has (the largest are under 50 MB).
const MAX_BYTES: u64 = 256 << 20;

/// The text of a regular file of reasonable size.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    let io = |reason: String| ModelError::Io { path: path.to_path_buf(), reason };
    let meta = std::fs::metadata(path).map_err(|e| io(e.to_string()))?;
    // Not opened otherwise: a pipe would make the reader wait.
    if !meta.is_file() {
        return Err(io("it is not a regular file".into()));
    }
    if meta.len() > MAX_BYTES {
        return Err(ModelError::Damaged { file: file_name(path), what: format!("it has {}", bytes_text(meta.len())) });
    }
    std::fs::read_to_string(path).map_err(|e| io(e.to_string()))
}

/// The JSON of such a file.
pub(crate) fn read_json(path: &Path) -> Result<serde_json::Value> {
    serde_json::from_str(&read_text(path)?)
        .map_err(|e| ModelError::Damaged { file: file_name(path), what: plain(&e.to_string()) })
}

/// Characters of a file's text that a message quotes.
const QUOTED: usize = 200;

/// A text out of a file as messages quote it: in one line, and its beginning if it is long.
pub(crate) fn plain(text: &str) -> String {
    let one_line = text.chars().map(|c| if c.is_control() { '?' } else { c });
    if text.chars().nth(QUOTED).is_none() {
        one_line.collect()
    } else {
        one_line.take(QUOTED).chain("...".chars()).collect()
    }
}

/// The file's name without its folder, for messages and records.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| PathBuf::from(path).display().to_string(), |n| n.to_string_lossy().into_owned())
}
