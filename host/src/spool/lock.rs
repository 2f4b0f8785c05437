//! The lock of the one flusher.

use std::io;

use cap_std::fs::Dir;

use crate::files::lock::LockedFile;

pub(super) const FILE: &str = ".lock";

/// Held by the one flusher of a spool. It ends with the value, or with the process, however that ends.
#[derive(Debug)]
pub struct FlushLock {
    _locked: LockedFile,
}

impl FlushLock {
    pub(super) fn try_take(dir: &Dir) -> io::Result<Option<Self>> {
        let locked = LockedFile::try_lock_in(dir, FILE)?;
        Ok(locked.map(|locked| Self { _locked: locked }))
    }
}
