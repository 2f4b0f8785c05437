//! Letting the members of a group use what one of them made before the directory was theirs together.
//!
//! What is made in a setgid directory that its group can write is made for the group. What is older is not: only its
//! owner can open it, and does so on demand.

use std::io;
use std::path::{Path, PathBuf};

/// Something of a repository that the group of its directory cannot use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// What it is, below the repository.
    pub path: PathBuf,
    /// Its owner, as people call them. `None` where that is this user.
    pub owner: Option<String>,
}

/// The group that the repository at `root` belongs to, as people call it: its directory is setgid, and the group can
/// write it.
#[must_use]
pub fn group_of(root: &Path) -> Option<String> {
    sys::group_of(root)
}

/// What of the repository at `root` is closed to that group. Nothing where it is no group's.
///
/// # Errors
///
/// When it cannot be looked at.
pub fn closed(root: &Path) -> io::Result<Vec<Closed>> {
    sys::closed(root, false)
}

/// Opens to the group what is this user's. What is left is closed still.
///
/// # Errors
///
/// When that fails, as where this user is no member of the group.
pub fn open(root: &Path) -> io::Result<Vec<Closed>> {
    sys::closed(root, true)
}

#[cfg(unix)]
mod sys {
    use std::ffi::OsStr;
    use std::fs::{File, Permissions};
    use std::io;
    use std::os::unix::fs::{PermissionsExt as _, fchown};
    use std::path::{Path, PathBuf};

    use cap_std::fs::{Dir, Metadata, MetadataExt as _};
    use nix::unistd::{Gid, Group, geteuid};

    use super::Closed;
    use crate::config::marker_file::{LOCK, MARKER, OWN_DIR};
    use crate::files::regular::RegularFile;
    use crate::files::{directory, readable, stranger};

    const SET_GROUP_AND_GROUP_USES: u32 = 0o2070;
    const GROUP_READS_AND_WRITES: u32 = 0o060;
    const MODE: u32 = 0o7777;

    /// Where entries are, each below the one before.
    const SPOOL: [&str; 2] = ["telemetry", ".open"];

    pub(super) fn group_of(root: &Path) -> Option<String> {
        let metadata = directory::open(root).ok()?.dir_metadata().ok()?;
        stranger::is_shared(&metadata).then(|| {
            let group = Group::from_gid(Gid::from_raw(metadata.gid()));
            let name = group.ok().flatten().map(|group| group.name);
            name.unwrap_or_else(|| format!("group {}", metadata.gid()))
        })
    }

    pub(super) fn closed(root: &Path, opens: bool) -> io::Result<Vec<Closed>> {
        let dir = directory::open(root)?;
        let metadata = dir.dir_metadata()?;
        let mut walk = Walk {
            group: metadata.gid(),
            opens,
            path: PathBuf::new(),
            closed: Vec::new(),
        };
        if stranger::is_shared(&metadata) {
            walk.file(&dir, MARKER.as_ref())?;
            walk.own_dir(&dir)?;
        }
        Ok(walk.closed)
    }

    struct Walk {
        group: u32,
        opens: bool,
        /// Where that is, below the repository.
        path: PathBuf,
        closed: Vec<Closed>,
    }

    impl Walk {
        fn own_dir(&mut self, root: &Dir) -> io::Result<()> {
            let Some(own) = self.dir(root, OWN_DIR)? else {
                return Ok(());
            };
            self.file(&own, LOCK.as_ref())?;
            let mut dir = own;
            for name in SPOOL {
                let Some(next) = self.dir(&dir, name)? else {
                    return Ok(());
                };
                for file in next.entries()? {
                    self.file(&next, &file?.file_name())?;
                }
                dir = next;
            }
            Ok(())
        }

        /// The directory `name` in `parent`, once the group can use it.
        fn dir(&mut self, parent: &Dir, name: &str) -> io::Result<Option<Dir>> {
            let dir = match directory::open_in(parent, name) {
                Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
                opened => opened?,
            };
            self.path.push(name);
            let metadata = dir.dir_metadata()?;
            if self.is_closed(&metadata, SET_GROUP_AND_GROUP_USES) {
                if !self.may_open(&metadata) {
                    let path = self.path.clone();
                    self.note(path, &metadata);
                    // Of another's, nothing can be seen that is below; of one's own, all is closed with it.
                    return Ok(None);
                }
                self.open(&readable(&dir)?, SET_GROUP_AND_GROUP_USES)?;
            }
            Ok(Some(dir))
        }

        fn file(&mut self, dir: &Dir, name: &OsStr) -> io::Result<()> {
            // What is no regular file is nobody's business here, and what is gone is not closed.
            let Ok(file) = RegularFile::find_in(dir, name) else {
                return Ok(());
            };
            let metadata = file.metadata();
            if !self.is_closed(metadata, GROUP_READS_AND_WRITES) {
                return Ok(());
            }
            // Another name of the file may be anywhere.
            if self.may_open(metadata) && metadata.nlink() == 1 {
                return self.open(&file.open()?, GROUP_READS_AND_WRITES);
            }
            self.note(self.path.join(name), metadata);
            Ok(())
        }

        fn is_closed(&self, metadata: &Metadata, needed: u32) -> bool {
            metadata.gid() != self.group || metadata.mode() & needed != needed
        }

        fn may_open(&self, metadata: &Metadata) -> bool {
            self.opens && metadata.uid() == geteuid().as_raw()
        }

        fn note(&mut self, path: PathBuf, metadata: &Metadata) {
            let owner = stranger::stranger(metadata.uid());
            self.closed.push(Closed { path, owner });
        }

        fn open(&self, opened: &File, needed: u32) -> io::Result<()> {
            fchown(opened, None, Some(self.group))?;
            // A change of the group may have taken bits.
            let mode = opened.metadata()?.permissions().mode();
            opened.set_permissions(Permissions::from_mode((mode | needed) & MODE))
        }
    }
}

#[cfg(not(unix))]
mod sys {
    use std::io;
    use std::path::Path;

    use super::Closed;

    pub(super) const fn group_of(_: &Path) -> Option<String> {
        None
    }

    #[allow(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
    pub(super) const fn closed(_: &Path, _: bool) -> io::Result<Vec<Closed>> {
        Ok(Vec::new())
    }
}
