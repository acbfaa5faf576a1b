//! One file of the hub: received into `<etag>.partial`, continued there after a cut, checked, renamed.
//!
//! hf-hub itself continues a partial file too, but appends whatever the server sends (a whole file, if it ignores the range),
//! checks neither length nor hash, sends the token to the stores that the hub redirects to, and fails after five seconds if another
//! process fetches the same file; so that its addresses and cache layout are used here, and its download is not.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use ureq::http::StatusCode;

use crate::digest::{self, CopyError, Digest};
use crate::draft::sync_folder;
use crate::error::Room;
use crate::hub_http::{Client, FileMeta, text};
use crate::hub_layout::Layout;
use crate::lock::Lock;
use crate::name::HubName;
use crate::progress::Step;
use crate::{HubError, Options};

/// Attempts in a row that bring nothing before the download is given up.
const PATIENCE: u32 = 4;

/// Fetches a file of a commit, unless its content is there; returns its place in the snapshot.
pub(crate) fn fetch(
    client: &Client,
    name: &HubName,
    commit: &str,
    file: &str,
    options: &Options<'_>,
) -> Result<PathBuf, HubError> {
    let layout = Layout::new(name, options);
    let meta = client.metadata(commit, file)?;
    let blob = layout.blob(&meta.etag);
    let is_there = || !options.force && fs::metadata(&blob).is_ok_and(|found| found.len() == meta.size);
    if !is_there() {
        let folder = blob.parent().unwrap_or(&blob);
        fs::create_dir_all(folder).map_err(HubError::io("create", folder))?;
        let _lock = Lock::acquire(&blob.with_file_name(format!("{}.lock", meta.etag)), file, options)?;
        if !is_there() {
            let room = Room { folder, bytes: meta.size, variable: "HF_HOME" };
            let step = Step::begin(options.progress, file, Some(meta.size));
            Download { client, id: &name.id, file, meta: &meta, room, step: &step }.run(&blob)?;
        }
    }
    layout.point(commit, file, &blob)
}

struct Download<'a> {
    client: &'a Client,
    id: &'a str,
    file: &'a str,
    meta: &'a FileMeta,
    room: Room<'a>,
    step: &'a Step<'a>,
}

/// How an attempt ended early.
enum Failure {
    /// Worth another attempt.
    Cut(String),
    /// Not worth one; what arrived is useless.
    Useless(HubError),
    /// Not worth one now; what arrived is good.
    Fatal(HubError),
}

/// What has arrived so far.
struct Partial {
    file: File,
    digest: Digest,
    bytes: u64,
}

impl Download<'_> {
    fn run(&self, blob: &Path) -> Result<(), HubError> {
        let path = blob.with_file_name(format!("{}.partial", self.meta.etag));
        let result = self.receive(&path);
        match result {
            Ok(()) => {
                fs::rename(&path, blob).map_err(HubError::io("rename to", blob))?;
                sync_folder(self.room.folder);
                Ok(())
            }
            Err(Failure::Useless(error)) => {
                fs::remove_file(&path).map_err(HubError::io("remove", &path))?;
                Err(error)
            }
            Err(Failure::Fatal(error)) => Err(error),
            Err(Failure::Cut(said)) => {
                let got = fs::metadata(&path).map_or(0, |found| found.len());
                Err(HubError::Interrupted {
                    id: self.id.to_owned(),
                    file: self.file.to_owned(),
                    got,
                    total: self.meta.size,
                    said,
                })
            }
        }
    }

    fn receive(&self, path: &Path) -> Result<(), Failure> {
        let mut partial = self.open(path).map_err(Failure::Fatal)?;
        let mut futile = 0;
        while partial.bytes < self.meta.size {
            let before = partial.bytes;
            match self.attempt(&mut partial) {
                Err(Failure::Cut(_)) if futile < PATIENCE => {
                    futile = if partial.bytes > before { 0 } else { futile + 1 };
                    thread::sleep(Duration::from_millis(250 << futile));
                }
                other => other?,
            }
        }
        partial.file.sync_all().map_err(|e| Failure::Useless(self.room.write_error(e)))?;
        match (self.meta.sha256(), partial.digest.hex()) {
            (Some(expected), got) if !expected.eq_ignore_ascii_case(&got) => {
                Err(Failure::Useless(HubError::WrongHash {
                    file: self.file.to_owned(),
                    expected: expected.to_owned(),
                    got,
                }))
            }
            _ => Ok(()),
        }
    }

    /// What an earlier run left, if it can be a part of this file.
    fn open(&self, path: &Path) -> Result<Partial, HubError> {
        let fits = fs::metadata(path).is_ok_and(|found| found.len() <= self.meta.size);
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(|e| self.room.write_error(e))?;
        if !fits {
            file.set_len(0).map_err(HubError::io("empty", path))?;
        }
        let digest = digest::of_file(path, self.step)?;
        let bytes = file.metadata().map_err(HubError::io("read", path))?.len();
        Ok(Partial { file, digest, bytes })
    }

    fn attempt(&self, partial: &mut Partial) -> Result<(), Failure> {
        let from = partial.bytes;
        let response = self.client.get(self.meta, from).map_err(|e| Failure::Cut(e.to_string()))?;
        let headers = response.headers();
        let size = self.meta.size;
        match response.status() {
            StatusCode::OK => {
                let announced = text(headers, "content-length").and_then(|length| length.parse().ok());
                self.expect_size(announced)?;
                // The server sends the whole file, whatever was asked for.
                partial.restart().map_err(|e| Failure::Fatal(self.room.write_error(e)))?;
            }
            StatusCode::PARTIAL_CONTENT => {
                let (start, total) = text(headers, "content-range").and_then(content_range).unwrap_or((from, None));
                self.expect_size(total)?;
                if start != from {
                    let said = format!("bytes from {start} instead of {from} of {}", self.file);
                    return Err(Failure::Fatal(self.client.unusable(said)));
                }
            }
            // The server has no byte where the rest should begin.
            StatusCode::RANGE_NOT_SATISFIABLE => {
                return Err(Failure::Useless(self.wrong_size(from)));
            }
            status if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() => {
                return Err(Failure::Cut(format!("status {status}")));
            }
            _ => {
                return Err(Failure::Fatal(self.client.refusal(&response, Some(self.file))));
            }
        }
        let mut body = response.into_body().into_reader();
        let limit = size - partial.bytes;
        let Partial { file, digest, bytes } = partial;
        match digest::copy(&mut body, &mut Counted { file, bytes }, limit, digest, self.step) {
            Ok(_) if partial.bytes == size => Ok(()),
            Ok(_) => Err(Failure::Cut("the connection closed early".to_owned())),
            Err(CopyError::Read(e)) => Err(Failure::Cut(e.to_string())),
            // A full disk must not stay full of half a file.
            Err(CopyError::Write(e)) => Err(Failure::Useless(self.room.write_error(e))),
            Err(CopyError::TooLong) => {
                Err(Failure::Useless(HubError::TooLarge { file: self.file.to_owned(), bytes: size }))
            }
        }
    }

    fn expect_size(&self, announced: Option<u64>) -> Result<(), Failure> {
        match announced {
            Some(got) if got != self.meta.size => Err(Failure::Useless(self.wrong_size(got))),
            _ => Ok(()),
        }
    }

    fn wrong_size(&self, got: u64) -> HubError {
        HubError::WrongSize { file: self.file.to_owned(), expected: self.meta.size, got }
    }
}

impl Partial {
    fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.digest = Digest::default();
        self.bytes = 0;
        Ok(())
    }
}

/// Counts what is on disk, also when the connection fails in the middle.
struct Counted<'a> {
    file: &'a mut File,
    bytes: &'a mut u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.file.write(buffer)?;
        *self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// First byte and total of `bytes 5-9/10`.
fn content_range(value: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.trim().parse().ok()?, total.trim().parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_gives_its_start_and_total() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(content_range("bytes 5-9/*"), Some((5, None)));
        assert_eq!(content_range("items 5-9/10"), None);
    }
}
