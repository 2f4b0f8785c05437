//! Locks that end with the process that holds them, however it ends.

use std::fs::{File, TryLockError};
use std::io;

use cap_std::fs::{Dir, Metadata};
use tracing::debug;

use super::regular::RegularFile;
use super::{FileId, PRIVATE_FILE, create_new};

/// How often a file that others create and remove is looked for.
const ATTEMPTS: usize = 16;

/// A file that this process has locked, for as long as this lives.
#[derive(Debug)]
pub(crate) struct LockedFile {
    file: File,
}

impl LockedFile {
    /// The file.
    pub(crate) const fn file(&self) -> &File {
        &self.file
    }

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
            Ok(()) => Ok(Some(Self { file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(why)) if is_unsupported(&why) => {
                debug!("went on without locking {name}, which its file system cannot do: {why}");
                Ok(Some(Self { file }))
            }
            Err(TryLockError::Error(why)) => Err(why),
        }
    }
}

/// A lock whose file is there only while somebody holds it.
#[derive(Debug)]
pub(crate) struct PassingLock {
    dir: Dir,
    name: String,
    id: FileId,
    _locked: LockedFile,
}

impl PassingLock {
    /// Locks the file `name` in `dir` as [`LockedFile::try_lock_in`] does.
    pub(crate) fn try_lock_in(dir: &Dir, name: &str) -> io::Result<Option<Self>> {
        for _ in 0..ATTEMPTS {
            let file = open(dir, name)?;
            match Self::of(file, dir, name)? {
                Attempt::Held(lock) => return Ok(Some(lock)),
                Attempt::Taken => return Ok(None),
                Attempt::Gone => {}
            }
        }
        Err(changed())
    }

    /// The same, but waits for the process that holds it. `on_wait` is called before that.
    #[cfg(feature = "sender")]
    pub(crate) fn wait_in(dir: &Dir, name: &str, on_wait: impl Fn()) -> io::Result<Self> {
        for _ in 0..ATTEMPTS {
            let file = open(dir, name)?;
            let mut attempt = Self::of(file.try_clone()?, dir, name)?;
            if matches!(attempt, Attempt::Taken) {
                on_wait();
                file.lock()?;
                attempt = Self::of(file, dir, name)?;
            }
            if let Attempt::Held(lock) = attempt {
                return Ok(lock);
            }
        }
        Err(changed())
    }

    /// Removes the file that a process which was killed has left.
    pub(crate) fn sweep(dir: &Dir, name: &str) -> io::Result<()> {
        match RegularFile::find_in(dir, name).and_then(|file| file.open_for_writing()) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(why) => Err(why),
            Ok(file) => Self::of(file, dir, name).map(drop),
        }
    }

    fn of(file: File, dir: &Dir, name: &str) -> io::Result<Attempt> {
        let metadata = Metadata::from_file(&file)?;
        let id = FileId::of(&metadata);
        let Some(locked) = LockedFile::try_lock(file, name)? else {
            return Ok(Attempt::Taken);
        };
        let lock = Self {
            dir: dir.try_clone()?,
            name: name.to_owned(),
            id,
            _locked: locked,
        };
        // Whoever held it before may have removed the file after it was opened here: another one is the lock then.
        Ok(if metadata.is_dir() || lock.is_there() {
            Attempt::Held(lock)
        } else {
            Attempt::Gone
        })
    }

    fn is_there(&self) -> bool {
        let there = self.dir.symlink_metadata(&self.name);
        there.is_ok_and(|there| FileId::of(&there) == self.id)
    }
}

enum Attempt {
    Held(PassingLock),
    Taken,
    Gone,
}

impl Drop for PassingLock {
    fn drop(&mut self) {
        // Before the lock ends, so that nobody holds what is no longer there.
        if self.is_there() {
            self.dir.remove_file(&self.name).ok();
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
                return super::readable(dir);
            }
            created => return created,
        }
    }
    Err(changed())
}

fn changed() -> io::Error {
    io::Error::other("other processes keep creating and removing it")
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
