//! Places of this user's that nobody else can change.
//!
//! A directory is as private as the least private one above it: whoever can write there can put another one in its
//! place. So each component is looked at, those that links lead to included, and what comes next is opened relative
//! to what was looked at.

use std::io;
use std::path::Path;

use cap_std::fs::{Dir, Metadata};

/// Opens the directory at `path`, an absolute path.
///
/// # Errors
///
/// When it is missing, or when anybody but this user and root can write to it, or to what leads to it.
pub(crate) fn open(path: &Path) -> io::Result<Dir> {
    imp::walk(path, false)
}

/// The same, creating what is missing of it for this user alone.
pub(crate) fn create(path: &Path) -> io::Result<Dir> {
    imp::walk(path, true)
}

/// Refuses what does not belong to this user, or what others can write to.
pub(crate) fn check_own(metadata: &Metadata) -> io::Result<()> {
    imp::check_own(metadata)
}

/// Refuses what others can read.
#[cfg(feature = "sender")]
pub(crate) fn check_unread(metadata: &Metadata) -> io::Result<()> {
    imp::check_unread(metadata)
}

/// Refuses what belongs to neither this user nor root, or what others can write to. `what` is what it is called.
pub(crate) fn check_trusted(metadata: &Metadata, what: &str) -> io::Result<()> {
    imp::check_trusted(metadata, what)
}

#[cfg(unix)]
mod imp {
    use std::collections::VecDeque;
    use std::ffi::{OsStr, OsString};
    use std::io;
    use std::os::unix::ffi::OsStringExt as _;
    use std::path::{Component, Path, PathBuf};

    use cap_std::fs::{Dir, Metadata, MetadataExt as _};
    use nix::unistd::{Gid, Group, Uid, User};
    use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat, fstat, openat, readlinkat, statat};
    use rustix::io::Errno;

    use crate::domain::{Cause, Reason, shown};
    use crate::files::{PRIVATE_DIR, directory};

    /// As many as the system itself follows.
    const MAX_LINKS: usize = 40;

    #[cfg(feature = "sender")]
    const OTHERS_READ: u32 = 0o044;
    const OTHERS_WRITE: u32 = 0o002;
    const GROUP_WRITES: u32 = 0o020;
    const STICKY: u32 = 0o1000;

    pub(super) fn walk(path: &Path, create: bool) -> io::Result<Dir> {
        if !path.is_absolute() {
            return Err(io::Error::other("its path is not absolute"));
        }
        let mut walk = Walk::new()?;
        let mut links = 0;
        let mut ahead: VecDeque<OsString> = components(path).collect();
        while let Some(name) = ahead.pop_front() {
            match walk.enter(&name) {
                Err(Errno::NOENT) if create => walk.create(&name)?,
                Err(Errno::LOOP | Errno::NOTDIR) => {
                    links += 1;
                    let target = walk.link(&name)?;
                    if links > MAX_LINKS {
                        return Err(Errno::LOOP.into());
                    }
                    if target.is_absolute() {
                        walk = Walk::new()?;
                    }
                    for component in components(&target).collect::<Vec<_>>().into_iter().rev() {
                        ahead.push_front(component);
                    }
                }
                entered => entered?,
            }
            walk.check()?;
        }
        walk.check_last()?;
        Ok(walk.dir)
    }

    fn components(path: &Path) -> impl Iterator<Item = OsString> {
        path.components().filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
    }

    struct Walk {
        dir: Dir,
        /// Where that is, for messages.
        path: PathBuf,
        stat: Stat,
    }

    impl Walk {
        fn new() -> io::Result<Self> {
            let path = PathBuf::from("/");
            let root = opened(CWD, path.as_os_str())?;
            let walk = Self {
                stat: fstat(&root)?,
                dir: root,
                path,
            };
            walk.check()?;
            Ok(walk)
        }

        fn enter(&mut self, name: &OsStr) -> rustix::io::Result<()> {
            let dir = opened(&self.dir, name)?;
            self.stat = fstat(&dir)?;
            self.dir = dir;
            self.path.push(name);
            Ok(())
        }

        fn create(&mut self, name: &OsStr) -> io::Result<()> {
            let dir = directory::ensure_in(&self.dir, name, PRIVATE_DIR)?;
            self.stat = fstat(&dir)?;
            self.dir = dir;
            self.path.push(name);
            Ok(())
        }

        /// Where the link `name` leads. Where others can write, one that is looked at need not be the one that is read.
        fn link(&self, name: &OsStr) -> io::Result<PathBuf> {
            let link = statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
            let target = readlinkat(&self.dir, name, Vec::new()).map_err(|why| match why {
                Errno::INVAL => Errno::NOTDIR,
                why => why,
            })?;
            if self.stat.st_mode & OTHERS_WRITE != 0 || !is_trusted(link.st_uid) {
                let path = self.path.join(name);
                return Err(refused(&path, "is a link that somebody else may have made"));
            }
            Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
        }

        fn check(&self) -> io::Result<()> {
            if !is_trusted(self.stat.st_uid) {
                return Err(refused(&self.path, "belongs to another user"));
            }
            // In a sticky directory, others cannot rename or remove what is not theirs.
            if self.stat.st_mode & STICKY != 0 {
                return Ok(());
            }
            self.check_last()
        }

        fn check_last(&self) -> io::Result<()> {
            if is_writable_by_others(self.stat.st_mode, self.stat.st_gid) {
                return Err(refused(&self.path, "can be written by other users"));
            }
            Ok(())
        }
    }

    fn opened(at: impl std::os::fd::AsFd, name: &OsStr) -> rustix::io::Result<Dir> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let flags = OFlags::PATH;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let flags = OFlags::RDONLY;
        let flags = flags | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = openat(at, name, flags, Mode::empty())?;
        Ok(Dir::from_std_file(dir.into()))
    }

    fn refused(path: &Path, why: &str) -> io::Error {
        let sentence = format!("{} {why}", shown(path));
        io::Error::new(io::ErrorKind::PermissionDenied, sentence)
    }

    fn is_trusted(uid: u32) -> bool {
        uid == 0 || uid == Uid::effective().as_raw()
    }

    pub(super) fn check_own(metadata: &Metadata) -> io::Result<()> {
        let refused = |why| Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        if metadata.uid() != Uid::effective().as_raw() {
            return refused("it belongs to another user");
        }
        if is_writable_by_others(metadata.mode(), metadata.gid()) {
            return refused("other users can write to it");
        }
        Ok(())
    }

    #[cfg(feature = "sender")]
    pub(super) fn check_unread(metadata: &Metadata) -> io::Result<()> {
        if metadata.mode() & OTHERS_READ != 0 {
            let refused = "other users can read it";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, refused));
        }
        Ok(())
    }

    pub(super) fn check_trusted(metadata: &Metadata, what: &str) -> io::Result<()> {
        let (cause, why) = if !is_trusted(metadata.uid()) {
            let why = format!("{what} belongs to another user, neither to you nor to root");
            (Cause::NotYours, why)
        } else if metadata.mode() & OTHERS_WRITE != 0 {
            (Cause::WritableByAll, format!("everybody can write {what}"))
        } else if is_writable_by_others(metadata.mode(), metadata.gid()) {
            let why = format!("others of its group can write {what}");
            (Cause::WritableByGroup, why)
        } else {
            return Ok(());
        };
        Err(Reason::new(cause, why).into_io(io::ErrorKind::PermissionDenied))
    }

    fn is_writable_by_others(mode: u32, gid: u32) -> bool {
        mode & OTHERS_WRITE != 0 || mode & GROUP_WRITES != 0 && !is_private_group(gid)
    }

    /// Whether the group is this user's own and has no other member: many systems give each user one, and let it write.
    fn is_private_group(gid: u32) -> bool {
        let Ok(Some(me)) = User::from_uid(Uid::effective()) else {
            return false;
        };
        let Ok(Some(group)) = Group::from_gid(Gid::from_raw(gid)) else {
            return false;
        };
        me.gid == group.gid
            && me.name == group.name
            && group.mem.iter().all(|member| *member == me.name)
    }
}

/// Windows: the directories of a user's profile have access lists that let in nobody else but administrators.
#[cfg(not(unix))]
mod imp {
    use std::io;
    use std::path::Path;

    use cap_std::fs::{Dir, Metadata};

    use crate::files::directory;

    pub(super) fn walk(path: &Path, create: bool) -> io::Result<Dir> {
        if create {
            std::fs::create_dir_all(path)?;
        }
        directory::open(path)
    }

    #[allow(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
    pub(super) fn check_own(_: &Metadata) -> io::Result<()> {
        Ok(())
    }

    #[cfg(feature = "sender")]
    #[allow(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
    pub(super) fn check_unread(_: &Metadata) -> io::Result<()> {
        Ok(())
    }

    #[allow(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
    pub(super) fn check_trusted(_: &Metadata, _: &str) -> io::Result<()> {
        Ok(())
    }
}
