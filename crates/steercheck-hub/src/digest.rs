//! SHA-256 while bytes pass by, and copying that never writes more than was announced.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::HubError;
use crate::progress::Step;

/// A running SHA-256.
#[derive(Debug, Clone, Default)]
pub(crate) struct Digest(Sha256);

impl Digest {
    /// Lower-case hexadecimal.
    pub(crate) fn hex(self) -> String {
        self.0.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("writing to a string cannot fail");
            hex
        })
    }
}

/// Why a copy ended early.
#[derive(Debug)]
pub(crate) enum CopyError {
    /// The source failed.
    Read(io::Error),
    /// The destination failed.
    Write(io::Error),
    /// The source has more than the limit; what came before is written.
    TooLong,
}

/// Copies to the end of `from`, at most `limit` bytes; returns how many.
pub(crate) fn copy(
    from: &mut dyn Read,
    to: &mut dyn Write,
    limit: u64,
    digest: &mut Digest,
    step: &Step<'_>,
) -> Result<u64, CopyError> {
    let mut buffer = vec![0; 1 << 18];
    let mut copied = 0;
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok(copied),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(CopyError::Read(error)),
        };
        if count as u64 > limit - copied {
            return Err(CopyError::TooLong);
        }
        to.write_all(&buffer[..count]).map_err(CopyError::Write)?;
        digest.0.update(&buffer[..count]);
        copied += count as u64;
        step.advance(count as u64);
    }
}

/// SHA-256 of a file as it is.
pub(crate) fn of_file(path: &Path, step: &Step<'_>) -> Result<Digest, HubError> {
    let mut digest = Digest::default();
    let mut file = File::open(path).map_err(HubError::io("open", path))?;
    match copy(&mut file, &mut io::sink(), u64::MAX, &mut digest, step) {
        Ok(_) | Err(CopyError::TooLong) => Ok(digest),
        Err(CopyError::Read(e) | CopyError::Write(e)) => Err(HubError::io("read", path)(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Silent;

    fn copied(bytes: &[u8], limit: u64) -> (Vec<u8>, Result<u64, CopyError>, Digest) {
        let (mut to, mut digest) = (Vec::new(), Digest::default());
        let result = copy(&mut &bytes[..], &mut to, limit, &mut digest, &Step::begin(&Silent, "test", None));
        (to, result, digest)
    }

    #[test]
    fn the_digest_of_a_copy_is_the_published_one_of_its_bytes() {
        let (to, result, digest) = copied(b"abc", 3);
        assert_eq!((to.as_slice(), result.unwrap()), (&b"abc"[..], 3));
        assert_eq!(digest.hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_source_longer_than_announced_is_never_written_past_the_limit() {
        let (to, result, _) = copied(&vec![0; 1 << 19], (1 << 18) + 10);
        assert!(matches!(result, Err(CopyError::TooLong)));
        assert_eq!(to.len(), 1 << 18);
    }
}
