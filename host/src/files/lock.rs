//! Locks that end with the process that holds them, however it ends.

use std::fs::{File, TryLockError};
use std::io;

use cap_std::fs::Dir;
use tracing::debug;

use super::regular::RegularFile;
use super::{PRIVATE_FILE, create_new, directory};

/// How often a file that others create and remove is looked for.
const ATTEMPTS: usize = 16;

/// A file that this process has locked, for as long as this lives.
#[derive(Debug)]
pub(crate) struct LockedFile {
    _file: File,
}

impl LockedFile {
    /// Locks the file `name` in `dir`, creating it where it is missing. `None` where somebody else has locked it.
    ///
    /// Where there is no room for the file, `dir` is locked instead. Where the file system knows no locks, nothing is,
    /// and that is told at debug level: whoever has such a place works there alone, or sends an entry twice, which its
    /// id makes harmless.
    pub(crate) fn try_lock_in(dir: &Dir, name: &str) -> io::Result<Option<Self>> {
        Self::try_lock(open(dir, name)?, name)
    }

    /// Locks `file`, which must be open for writing: network file systems ask for that. `name` is what it is called
    /// in the log.
    pub(crate) fn try_lock(file: File, name: &str) -> io::Result<Option<Self>> {
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(why)) if is_unsupported(&why) => {
                debug!("went on without locking {name}, which its file system cannot do: {why}");
                Ok(Some(Self { _file: file }))
            }
            Err(TryLockError::Error(why)) => Err(why),
        }
    }
}

fn open(dir: &Dir, name: &str) -> io::Result<File> {
    for _ in 0..ATTEMPTS {
        match RegularFile::find_in(dir, name).and_then(|file| file.open_for_writing()) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        match create_new(dir, name, PRIVATE_FILE) {
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {}
            Err(why) if is_no_room(&why) => {
                debug!("locked the directory of {name}, which could not be created: {why}");
                return directory::readable(dir);
            }
            created => return created,
        }
    }
    Err(io::Error::other(
        "others create and remove it again and again",
    ))
}

fn is_no_room(why: &io::Error) -> bool {
    matches!(
        why.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

#[cfg(unix)]
fn is_unsupported(why: &io::Error) -> bool {
    use rustix::io::Errno;
    let codes = [Errno::NOLCK, Errno::NOSYS, Errno::OPNOTSUPP];
    (why.raw_os_error()).is_some_and(|code| codes.iter().any(|errno| errno.raw_os_error() == code))
}

#[cfg(not(unix))]
fn is_unsupported(why: &io::Error) -> bool {
    why.kind() == io::ErrorKind::Unsupported
}
