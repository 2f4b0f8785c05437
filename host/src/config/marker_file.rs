//! The marker's file: found, read, created, and changed without touching what is not ours.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;
use tracing::debug;

use super::atomic_file;
use crate::config::{Edit, EditError, MAX_MARKER_BYTES, Marker, MarkerError, Scalar, edit};
use crate::domain::RepoId;

/// The marker's name.
pub const MARKER: &str = ".swamp.yaml";

const LOCK_WAIT: Duration = Duration::from_secs(1);
const LOCK_POLL: Duration = Duration::from_millis(5);

/// Why the marker was not read or changed.
#[derive(Debug, Error)]
pub enum MarkerFileError {
    /// It cannot be read.
    #[error("could not read {}: {source}; {}", path.display(), next_step(source))]
    Read {
        /// The marker.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// It is not a marker.
    #[error("could not understand {}: {source}", path.display())]
    Invalid {
        /// The marker.
        path: PathBuf,
        /// What is wrong.
        source: MarkerError,
    },
    /// It cannot be changed as it is written.
    #[error("could not change {}: {source}", path.display())]
    Edit {
        /// The marker.
        path: PathBuf,
        /// What is in the way.
        source: EditError,
    },
    /// It cannot be written.
    #[error("could not write {}: {source}; make it and its directory writable", path.display())]
    Write {
        /// The marker.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// There is one already.
    #[error("could not create {}: it is there already; run `swamp repo upgrade` to bring it up to date", .0.display())]
    Exists(PathBuf),
    /// The lock cannot be had.
    #[error("could not lock {}: {source}; make .swamp a directory that you can write to", path.display())]
    Lock {
        /// The lock's file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// Somebody else has had the lock for too long.
    #[error("could not change the marker: another process has held {} for a second; try again", .0.display())]
    Busy(PathBuf),
}

fn next_step(why: &io::Error) -> &'static str {
    match why.kind() {
        io::ErrorKind::NotFound => "run `swamp init` to make this a repository",
        _ => "make it a text file that you can read",
    }
}

/// The nearest directory at or above `start`, an absolute path, that holds a marker or a link to one.
#[must_use]
pub fn find_repo(start: &Path) -> Option<PathBuf> {
    let mut directories = start.ancestors();
    directories
        .find(|directory| directory.join(MARKER).is_file())
        .map(Path::to_path_buf)
}

/// The marker of one repository.
#[derive(Clone, Debug)]
pub struct MarkerFile {
    root: PathBuf,
    path: PathBuf,
}

impl MarkerFile {
    /// The marker of the repository at `root`, whether or not it exists.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let path = root.join(MARKER);
        Self { root, path }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it.
    ///
    /// # Errors
    ///
    /// When there is none, or it is not a marker.
    pub fn read(&self) -> Result<Marker, MarkerFileError> {
        self.parse(&self.text()?)
    }

    pub(crate) fn text(&self) -> Result<String, MarkerFileError> {
        atomic_file::read(&self.path, MAX_MARKER_BYTES).map_err(|source| MarkerFileError::Read {
            path: self.path.clone(),
            source,
        })
    }

    pub(crate) fn parse(&self, text: &str) -> Result<Marker, MarkerFileError> {
        Marker::parse(text).map_err(|source| MarkerFileError::Invalid {
            path: self.path.clone(),
            source,
        })
    }

    /// Creates it with this text.
    ///
    /// # Errors
    ///
    /// When there is one already, even a broken link, or it cannot be written.
    pub fn create(&self, text: &str) -> Result<(), MarkerFileError> {
        atomic_file::create(&self.path, text, 0o666).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => MarkerFileError::Exists(self.path.clone()),
            _ => self.not_written(source),
        })
    }

    /// Makes the edits that `edits` wants for the marker as it is once nobody else can change it, and returns the
    /// marker as it is then. Without edits nothing is written. Waits for others for at most a second.
    ///
    /// # Errors
    ///
    /// When the marker stays as it was.
    pub fn update(
        &self,
        edits: impl FnOnce(&Marker) -> Vec<Edit>,
    ) -> Result<Marker, MarkerFileError> {
        let _lock = self.lock()?;
        let text = self.text()?;
        let marker = self.parse(&text)?;
        let edited = edit(&text, &edits(&marker)).map_err(|source| MarkerFileError::Edit {
            path: self.path.clone(),
            source,
        })?;
        if edited == text {
            return Ok(marker);
        }
        let marker = self.parse(&edited)?;
        atomic_file::replace(&self.path, &edited).map_err(|source| self.not_written(source))?;
        Ok(marker)
    }

    /// The repository's id, which it gets here if it has none.
    ///
    /// # Errors
    ///
    /// When it has none, and the marker cannot be changed.
    pub fn ensure_repo_id(&self) -> Result<RepoId, MarkerFileError> {
        if let Some(id) = self.read()?.repo_id {
            return Ok(id);
        }
        let new = RepoId::generate();
        let marker = self.update(|marker| match marker.repo_id {
            Some(_) => Vec::new(),
            None => vec![Edit::Set("repoId", Scalar::Text(new.to_string()))],
        })?;
        Ok(marker.repo_id.unwrap_or(new))
    }

    /// Removes what commands that were killed while they wrote the marker have left beside it.
    pub fn sweep(&self) {
        // The marker may be a link to one elsewhere, which is written there.
        let target = fs::canonicalize(&self.path);
        let directory = target.as_deref().ok().and_then(Path::parent);
        if let Err(why) = atomic_file::sweep(directory.unwrap_or(&self.root)) {
            debug!("could not clean up beside {}: {why}", self.path.display());
        }
    }

    fn not_written(&self, source: io::Error) -> MarkerFileError {
        MarkerFileError::Write {
            path: self.path.clone(),
            source,
        }
    }

    /// The lock is free again when the file is closed.
    fn lock(&self) -> Result<File, MarkerFileError> {
        let directory = self.root.join(".swamp");
        let path = directory.join("marker.lock");
        let failed = |source| MarkerFileError::Lock {
            path: path.clone(),
            source,
        };
        self.ensure_own_dir(&directory).map_err(failed)?;
        let file = atomic_file::open_lock(&path).map_err(failed)?;
        let start = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(why)) => return Err(failed(why)),
                Err(TryLockError::WouldBlock) if start.elapsed() > LOCK_WAIT => {
                    return Err(MarkerFileError::Busy(path));
                }
                Err(TryLockError::WouldBlock) => thread::sleep(LOCK_POLL),
            }
        }
    }

    fn ensure_own_dir(&self, directory: &Path) -> io::Result<()> {
        match fs::symlink_metadata(directory) {
            Ok(metadata) if metadata.is_dir() => Ok(()),
            Ok(_) => Err(io::Error::new(
                io::ErrorKind::NotADirectory,
                ".swamp is not a directory",
            )),
            Err(why) if why.kind() == io::ErrorKind::NotFound => {
                // Not recursively: a repository that is gone must not come back.
                fs::metadata(&self.root)?;
                atomic_file::create_private_dir(directory)?;
                atomic_file::give_to_owner_of(&self.root, &File::open(directory)?)
            }
            Err(why) => Err(why),
        }
    }
}

#[cfg(test)]
mod tests;
