//! Records as files: JSON with a digest at its end, compressed when large, written to a temporary name, synced, renamed.
//!
//! The last field, `digest`, is the BLAKE3 of every byte before it, so that any reader can tell a damaged file without knowing
//! what stands in it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::consistency::inconsistency;
use super::{About, Plan, Record, RecordError, Results};
use crate::error::EvalError;

/// What stands first in every record.
const FORMAT: &str = "steercheck-record";
/// The layout that is written and read.
const VERSION: u32 = 2;
/// Records of at least so many bytes are compressed.
const LARGE: usize = 1 << 20;
/// zstd's usual level.
const LEVEL: i32 = 3;
/// More than a record ever takes; what claims to unfold to more is refused.
const MOST: u64 = 1 << 30;
/// What the digest stands behind.
const DIGEST: &str = ",\"digest\":\"";

/// The file's beginning, whatever else is in it.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u64,
}

/// The whole file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Layout<P, A, R, T> {
    format: String,
    version: u32,
    key: String,
    plan: P,
    about: A,
    results: R,
    timings: T,
    /// Checked over the bytes, before anything else is read; written apart.
    #[serde(default, skip_serializing, rename = "digest")]
    _digest: String,
}

/// What became of a record that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// It is new, or equals what was there.
    Kept(PathBuf),
    /// A record of the same key was there with other results, and was replaced: another machine or build, or a defect.
    Replaced(PathBuf),
}

impl Record {
    /// The record as it stands in its file, in one line.
    pub fn to_json(&self) -> String {
        let layout = Layout {
            format: FORMAT.to_string(),
            version: VERSION,
            key: self.key(),
            plan: &self.plan,
            about: &self.about,
            results: &self.results,
            timings: &self.timings,
            _digest: String::new(),
        };
        let mut json = serde_json::to_string(&layout).expect("a record has string keys and finite numbers only");
        json.pop();
        let digest = blake3::hash(json.as_bytes());
        format!("{json}{DIGEST}{digest}\"}}\n")
    }

    /// Writes the record as `records/KEY.json` of a folder, or `.json.zst` if it is large. A record that is there already stays
    /// if it has the same results.
    pub fn write(&self, folder: &Path) -> Result<Written, EvalError> {
        let json = self.to_json();
        let compressed = json.len() >= LARGE;
        let name = if compressed { format!("{}.json.zst", self.key()) } else { format!("{}.json", self.key()) };
        let path = folder.join("records").join(name);
        let before = if path.exists() { Some(Self::read(&path)) } else { None };
        if let Some(Ok(before)) = &before
            && (&before.about, &before.results) == (&self.about, &self.results)
        {
            return Ok(Written::Kept(path));
        }
        let bytes = if compressed {
            compressed_bytes(&json).map_err(|e| EvalError::Write { path: path.clone(), reason: e.to_string() })?
        } else {
            json.into_bytes()
        };
        write_bytes(&path, &bytes)?;
        let differs = before.is_some_and(|before| before.is_ok_and(|b| b.results != self.results));
        Ok(if differs { Written::Replaced(path) } else { Written::Kept(path) })
    }

    /// Reads a record and checks all that can be checked of it alone: its version, its digest, that nothing in it is unknown,
    /// that its key is that of its plan, and that every arm is there with every item.
    pub fn read(path: &Path) -> Result<Self, RecordError> {
        let failed = |e: std::io::Error| RecordError::Read { path: path.to_path_buf(), reason: e.to_string() };
        let mut bytes = Vec::new();
        std::fs::File::open(path).and_then(|f| f.take(MOST).read_to_end(&mut bytes)).map_err(failed)?;
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self::from_bytes(&file, &bytes)
    }

    /// As [`Record::read`], for a file already in memory; `file` stands in errors.
    pub fn from_bytes(file: &str, bytes: &[u8]) -> Result<Self, RecordError> {
        if !bytes.starts_with(&FRAME) {
            return Self::from_json(file, bytes);
        }
        let damaged = |reason: String| RecordError::Damaged { file: file.into(), reason };
        let frames = bytes.split_last_chunk::<CHECKED>().filter(|(frame, check)| **check == digest_frame(frame));
        let Some((frame, _)) = frames else {
            return Err(damaged("its bytes do not have the digest that stands behind them".into()));
        };
        let mut json = Vec::new();
        zstd::Decoder::with_buffer(frame)
            .and_then(|decoder| decoder.take(MOST).read_to_end(&mut json))
            .map_err(|e| damaged(e.to_string()))?;
        Self::from_json(file, &json)
    }

    fn from_json(file: &str, json: &[u8]) -> Result<Self, RecordError> {
        let damaged = |reason: String| RecordError::Damaged { file: file.into(), reason };
        let not_one = |reason: String| RecordError::NotARecord { file: file.into(), reason };
        let text = std::str::from_utf8(json).map_err(|e| not_one(format!("it is not text: {e}")))?;
        let head: Head = serde_json::from_str(text).map_err(|e| not_one(e.to_string()))?;
        if head.format != FORMAT {
            return Err(not_one(format!("its format is '{}'", head.format)));
        }
        if head.version != u64::from(VERSION) {
            return Err(RecordError::Version { file: file.into(), found: head.version, known: VERSION });
        }
        let (body, tail) = text.rsplit_once(DIGEST).ok_or_else(|| damaged("it ends without a digest".into()))?;
        let digest = tail.strip_suffix("\"}\n").ok_or_else(|| damaged("its end is missing".into()))?;
        if blake3::hash(body.as_bytes()).to_hex().as_str() != digest {
            return Err(damaged("its bytes do not have the digest that it ends with".into()));
        }
        let layout: Layout<Plan, About, Results, BTreeMap<String, f64>> =
            serde_json::from_str(text).map_err(|e| not_one(e.to_string()))?;
        let Layout { key, plan, about, results, timings, .. } = layout;
        let record = Self { plan, about, results, timings };
        match inconsistency(&record, &key) {
            None => Ok(record),
            Some(reason) => Err(RecordError::Inconsistent { file: file.into(), reason }),
        }
    }

    /// Reads every record of a folder that [`Record::write`] wrote to, in the order of their keys.
    pub fn read_all(folder: &Path) -> Result<Vec<Self>, RecordError> {
        let folder = folder.join("records");
        let failed = |e: std::io::Error| RecordError::Read { path: folder.clone(), reason: e.to_string() };
        let entries = std::fs::read_dir(&folder).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        let mut paths: Vec<PathBuf> = entries.into_iter().map(|e| e.path()).collect();
        // What a killed run left under its temporary name was never a record.
        paths.retain(|p| !p.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.')));
        paths.sort();
        let records: Vec<Result<Self, RecordError>> = paths.par_iter().map(|path| Self::read(path)).collect();
        records.into_iter().collect()
    }
}

/// How every zstd frame begins.
const FRAME: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// How a frame begins that zstd passes over.
const PASSED_OVER: [u8; 4] = [0x50, 0x2a, 0x4d, 0x18];
/// Bytes of the frame that carries the digest of the compressed bytes.
const CHECKED: usize = 4 + 4 + 32;

/// A zstd frame, and behind it one that zstd passes over with the BLAKE3 of the former: a frame has bits that change nothing, and of a
/// record no bit may be another.
pub(super) fn compressed_bytes(json: &str) -> std::io::Result<Vec<u8>> {
    let mut bytes = zstd::encode_all(json.as_bytes(), LEVEL)?;
    let check = digest_frame(&bytes);
    bytes.extend(check);
    Ok(bytes)
}

fn digest_frame(bytes: &[u8]) -> [u8; CHECKED] {
    let mut out = [0; CHECKED];
    out[..4].copy_from_slice(&PASSED_OVER);
    out[4..8].copy_from_slice(&32u32.to_le_bytes());
    out[8..].copy_from_slice(blake3::hash(bytes).as_bytes());
    out
}

/// A name as it can stand in a file's name everywhere.
pub(crate) fn clean(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect()
}

/// Writes JSON to a temporary name beside the file, synced, renamed; its folder is made.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), EvalError> {
    let failed = |e: serde_json::Error| EvalError::Write { path: path.to_path_buf(), reason: e.to_string() };
    let mut json = serde_json::to_vec_pretty(value).map_err(failed)?;
    json.push(b'\n');
    write_bytes(path, &json)
}

/// Writes bytes to a temporary name beside the file, synced, renamed; its folder is made.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), EvalError> {
    // A temporary file's error names that file, which nobody knows, behind the system's words.
    let words = |e: &std::io::Error| e.to_string().split(" at path ").next().unwrap_or_default().to_string();
    let failed = |e: std::io::Error| EvalError::Write { path: path.to_path_buf(), reason: words(&e) };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut file = temporary(folder).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|e| failed(e.error))?;
    // The new name is on disk when the folder is; only Unix can sync one.
    #[cfg(unix)]
    std::fs::File::open(folder).and_then(|f| f.sync_all()).map_err(failed)?;
    Ok(())
}

/// Whether records can be written into a folder, which need not exist yet. Nothing is left behind.
pub fn check_folder(folder: &Path) -> Result<(), EvalError> {
    let failed = |e: std::io::Error| EvalError::Write { path: folder.to_path_buf(), reason: e.to_string() };
    // A relative path ends in "", which stands for the working folder.
    let there = folder.ancestors().find(|p| p.exists()).unwrap_or(Path::new("."));
    if there.is_dir() {
        tempfile::tempfile_in(there).map(|_| ()).map_err(failed)
    } else {
        Err(failed(std::io::ErrorKind::NotADirectory.into()))
    }
}

/// A temporary file that, once renamed, has the permissions of any other new file rather than the owner's alone.
fn temporary(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".steercheck-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}
