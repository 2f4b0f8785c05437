//! The lock of the one flusher.

use std::fs::{File, TryLockError};
use std::io;

use cap_std::fs::Dir;

use super::directory;

pub(super) const FILE: &str = ".lock";

/// Held by the one flusher of a spool. It ends with the value, or with the process, however that ends.
#[derive(Debug)]
pub struct FlushLock {
    _file: File,
}

impl FlushLock {
    pub(super) fn try_take(dir: &Dir) -> io::Result<Option<Self>> {
        let file = directory::open_lock_file(dir, FILE)?.into_std();
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}
