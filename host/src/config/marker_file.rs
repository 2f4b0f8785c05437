//! The marker's file: found, read, created, and changed without touching what is not ours.

use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use cap_std::fs::{Dir, Metadata};
use tracing::debug;

use crate::config::marker::ReadFrom;
use crate::config::ownership::{Foreign, Owners};
use crate::config::{ConfigFileError, Edit, MAX_MARKER_BYTES, Marker, Scalar, edit};
use crate::domain::{RepoId, shown};
use crate::files::lock::PassingLock;
use crate::files::regular::RegularFile;
use crate::files::replace::{self, LinkTarget};
use crate::files::{PRIVATE_DIR, directory, stranger};

pub use crate::domain::MARKER;

/// The directory beside it that holds its lock, and the spool.
pub(super) const OWN_DIR: &str = ".swamp";

pub(super) const LOCK: &str = "marker.lock";

const IGNORE: &str = ".gitignore";

/// The mode of a new marker, without the umask's bits.
const MODE: u32 = 0o666;

const LOCK_WAIT: Duration = Duration::from_secs(1);
const LOCK_POLL: Duration = Duration::from_millis(5);

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
    owners: Owners,
}

impl MarkerFile {
    /// The marker of the repository at `root`, whether or not it exists. Strangers' files are used as `owners` says.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>, owners: Owners) -> Self {
        let root = root.into();
        let path = root.join(MARKER);
        Self { root, path, owners }
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
    /// When there is none, it is somebody else's, or it is not a marker.
    pub fn read(&self) -> Result<Marker, ConfigFileError> {
        self.read_with_text()?.1
    }

    /// The marker, or why it is none, and the text that it was read from.
    pub(crate) fn read_with_text(
        &self,
    ) -> Result<(String, Result<Marker, ConfigFileError>), ConfigFileError> {
        let root = self.open_root()?;
        let link = root.symlink_metadata(MARKER).ok();
        let file = self.find(&root)?;
        let text = self.text_of(&file)?;
        let read_from = self.read_from(&root, link.as_ref(), &file)?;
        let marker = self.parse(&text, read_from);
        Ok((text, marker))
    }

    /// The text alone, or why it cannot be read or is not used.
    pub(crate) fn text(&self) -> Result<String, ConfigFileError> {
        let root = self.open_root()?;
        let file = self.find(&root)?;
        self.text_of(&file)
    }

    fn open_root(&self) -> Result<Dir, ConfigFileError> {
        directory::open(&self.root)
            .and_then(|root| self.owners.checked_root(root))
            .map_err(|why| self.not_read(why))
    }

    fn find<'a>(&'a self, root: &'a Dir) -> Result<RegularFile<'a>, ConfigFileError> {
        RegularFile::find_through(root, MARKER, &self.path).map_err(|why| self.not_read(why))
    }

    /// `link` is what its name leads to: the file, or a link to it.
    fn read_from(
        &self,
        root: &Dir,
        link: Option<&Metadata>,
        file: &RegularFile<'_>,
    ) -> Result<ReadFrom, ConfigFileError> {
        let directory = root.dir_metadata().map_err(|why| self.not_read(why))?;
        Ok(ReadFrom {
            is_mine: link.is_some_and(stranger::is_mine) && stranger::is_mine(file.metadata()),
            directory_owner: stranger::owner_of(&directory),
            is_shared: stranger::is_shared(&directory),
        })
    }

    fn text_of(&self, file: &RegularFile<'_>) -> Result<String, ConfigFileError> {
        if let Some(owner) = self.owners.refuse(file.owner()) {
            return Err(ConfigFileError::Foreign(Foreign {
                path: self.path.clone(),
                root: self.root.clone(),
                owner,
            }));
        }
        file.read_text(MAX_MARKER_BYTES)
            .map_err(|why| self.not_read(why))
    }

    fn parse(&self, text: &str, read_from: ReadFrom) -> Result<Marker, ConfigFileError> {
        let marker = Marker::parse(text).map_err(|source| ConfigFileError::Invalid {
            path: self.path.clone(),
            source,
        })?;
        Ok(Marker {
            read_from,
            ..marker
        })
    }

    /// Creates it with this text.
    ///
    /// # Errors
    ///
    /// When there is one already, even a broken link, or it cannot be written.
    pub fn create(&self, text: &str) -> Result<(), ConfigFileError> {
        let created = directory::open(&self.root)
            .and_then(|root| replace::create_in(&root, MARKER.as_ref(), text, MODE));
        created.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => ConfigFileError::Exists(self.path.clone()),
            _ => self.not_written(source),
        })
    }

    /// Makes the edits that `edits` wants for the marker as it is once nobody else can change it, and returns the
    /// marker as it is then. Without edits nothing is written. Waits for others for at most a second.
    ///
    /// This is for commands that somebody gives in order to change the marker: one that is a link is written where the
    /// link leads, if that is a file of this user's that nobody else could have put there.
    ///
    /// # Errors
    ///
    /// When the marker stays as it was.
    pub fn update(
        &self,
        edits: impl FnOnce(&Marker) -> Vec<Edit>,
    ) -> Result<Marker, ConfigFileError> {
        self.change(Links::FollowOwn, edits)
    }

    fn change(
        &self,
        links: Links,
        edits: impl FnOnce(&Marker) -> Vec<Edit>,
    ) -> Result<Marker, ConfigFileError> {
        let (root, _lock) = self.lock()?;
        let target = self.link_target(&root, links)?;
        let (dir, name) = target.as_ref().map_or((&root, MARKER.as_ref()), |target| {
            (&target.dir, target.name.as_os_str())
        });
        let file = RegularFile::find_in(dir, name).map_err(|why| self.not_read(why))?;
        let text = self.text_of(&file)?;
        let link = root.symlink_metadata(MARKER).ok();
        let read_from = self.read_from(&root, link.as_ref(), &file)?;
        let marker = self.parse(&text, read_from)?;
        let edited = edit(&text, &edits(&marker)).map_err(|source| ConfigFileError::Edit {
            path: self.path.clone(),
            source,
        })?;
        if edited == text {
            return Ok(marker);
        }
        let marker = self.parse(&edited, read_from)?;
        replace::replace_in(dir, name.as_ref(), &file, &edited)
            .map_err(|source| self.not_written(source))?;
        Ok(marker)
    }

    /// Where the marker leads that is a link. `None` where it is none.
    fn link_target(&self, root: &Dir, links: Links) -> Result<Option<LinkTarget>, ConfigFileError> {
        if !(root.symlink_metadata(MARKER)).is_ok_and(|marker| marker.is_symlink()) {
            return Ok(None);
        }
        match links {
            Links::Refuse => Err(ConfigFileError::Link(self.path.clone())),
            Links::FollowOwn => LinkTarget::of(&self.path).map(Some).map_err(|source| {
                ConfigFileError::LinkOfOthers {
                    path: self.path.clone(),
                    source,
                }
            }),
        }
    }

    /// The repository's id, which it gets here if it has none. A marker that is a link is not written through.
    ///
    /// # Errors
    ///
    /// When it has none, and the marker cannot be changed.
    pub fn ensure_repo_id(&self) -> Result<RepoId, ConfigFileError> {
        if let Some(id) = self.read()?.repo_id {
            return Ok(id);
        }
        let new = RepoId::generate();
        let marker = self.change(Links::Refuse, |marker| match marker.repo_id {
            Some(_) => Vec::new(),
            None => vec![Edit::Set("repoId", Scalar::Text(new.to_string()))],
        })?;
        Ok(marker.repo_id.unwrap_or(new))
    }

    /// Removes what commands that were killed while they wrote the marker have left: beside it, and their lock.
    pub fn sweep(&self) {
        let sweep = || {
            let root = directory::open(&self.root)?;
            replace::sweep(&root)?;
            PassingLock::sweep(&directory::open_in(&root, OWN_DIR)?, LOCK)
        };
        if let Err(why) = sweep() {
            debug!("could not clean up beside {}: {why}", shown(&self.path));
        }
    }

    fn not_read(&self, source: io::Error) -> ConfigFileError {
        ConfigFileError::Read {
            path: self.path.clone(),
            source,
        }
    }

    fn not_written(&self, source: io::Error) -> ConfigFileError {
        ConfigFileError::Write {
            path: self.path.clone(),
            source,
        }
    }

    /// The repository's directory, and the lock in it, whose file goes when it is dropped: git sees nothing of it,
    /// whatever it is told to ignore.
    fn lock(&self) -> Result<(Dir, PassingLock), ConfigFileError> {
        let path = self.root.join(OWN_DIR).join(LOCK);
        let failed = |source| ConfigFileError::Lock {
            path: path.clone(),
            source,
        };
        let root = directory::open(&self.root)
            .and_then(|root| self.owners.checked_root(root))
            .map_err(failed)?;
        // Somebody who can rename the repository could have put another directory in its place.
        root.symlink_metadata(MARKER)
            .map_err(|why| self.not_read(why))?;
        let own = directory::ensure_in(&root, OWN_DIR, PRIVATE_DIR);
        let own = own
            .and_then(|own| self.owners.checked(own))
            .map_err(|why| {
                failed(if why.kind() == io::ErrorKind::NotADirectory {
                    io::Error::new(why.kind(), ".swamp is not a directory")
                } else {
                    why
                })
            })?;
        if own.symlink_metadata(IGNORE).is_err() {
            // For the lock of a command that is killed. An existing file is left as it is.
            let ignored = format!("/{IGNORE}\n/{LOCK}\n");
            replace::create_in(&own, IGNORE.as_ref(), &ignored, MODE).ok();
        }
        let start = Instant::now();
        loop {
            if let Some(lock) = PassingLock::try_lock_in(&own, LOCK).map_err(failed)? {
                return Ok((root, lock));
            }
            if start.elapsed() > LOCK_WAIT {
                return Err(ConfigFileError::Busy(path));
            }
            thread::sleep(LOCK_POLL);
        }
    }
}

/// What becomes of a marker that is a link.
#[derive(Clone, Copy)]
enum Links {
    Refuse,
    FollowOwn,
}

#[cfg(test)]
mod tests;
