//! One process at a time per file: the others wait, then find it there.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use crate::progress::Step;
use crate::{HubError, Options};

/// Held while a file is being fetched; the system releases it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    /// False on a file system without locks: then only temporary names keep processes apart.
    pub(crate) exclusive: bool,
}

impl Lock {
    /// Waits for the lock file `path`; `what` is the file that it stands for. The lock file stays behind: removing it would let
    /// two processes hold locks of the same name.
    pub(crate) fn acquire(path: &Path, what: &str, options: &Options<'_>) -> Result<Self, HubError> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(HubError::io("create", path))?;
        let exclusive = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => {
                let _step =
                    Step::begin(options.progress, &format!("waiting for another process that fetches {what}"), None);
                file.lock().is_ok()
            }
            Err(TryLockError::Error(_)) => false,
        };
        Ok(Self { file, exclusive })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file releases it as well; this only makes it immediate.
        let _ = self.file.unlock();
    }
}
