//! Small files that are created or replaced whole, or not at all.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use cap_fs_ext::MetadataExt as _;
use cap_std::fs::{Dir, Metadata};
use uuid::Uuid;

use crate::domain::shown;

use super::regular::RegularFile;
use super::{PRIVATE_FILE, create_new, private};

const PREFIX: &str = ".swamp-";
const SUFFIX: &str = ".tmp";

/// As many as systems follow.
const MAX_LINKS: usize = 40;

/// How old a temporary file must be to be taken for one whose writer was killed.
const ABANDONED: Duration = Duration::from_mins(1);

/// Puts a new file called `name` into `dir`, unless there is something of that name already, be it a broken link.
pub(crate) fn create_in(
    dir: &Dir,
    name: &Path,
    content: impl AsRef<[u8]>,
    mode: u32,
) -> io::Result<()> {
    let temporary = Temporary::write(dir, content.as_ref(), mode)?;
    temporary.sync()?;
    temporary.publish_as(name)
}

/// Replaces `old`, the file `name` in `dir`, which keeps its mode and, as far as possible, its owner.
///
/// Where the file cannot be replaced, since something is mounted on it, it is written in place; until that is on the
/// disk, its new content is beside it as `NAME.copy`.
pub(crate) fn replace_in(
    dir: &Dir,
    name: &Path,
    old: &RegularFile,
    content: impl AsRef<[u8]>,
) -> io::Result<()> {
    let content = content.as_ref();
    // A rename needs no leave to write the file, but whoever made it read-only meant it.
    let writable = old.open_for_writing()?;
    let temporary = Temporary::write(dir, content, PRIVATE_FILE)?;
    temporary.resemble(old.metadata())?;
    temporary.sync()?;
    match temporary.rename_to(name) {
        Err(why) if why.kind() == io::ErrorKind::ResourceBusy && old.metadata().nlink() == 1 => {
            let mut copy = name.as_os_str().to_owned();
            copy.push(".copy");
            temporary.rename_to(copy.as_ref())?;
            write_in_place(writable, content)?;
            dir.remove_file(copy)
        }
        replaced => replaced,
    }
}

fn write_in_place(mut file: File, content: &[u8]) -> io::Result<()> {
    file.write_all(content)?;
    file.set_len(u64::try_from(content.len()).unwrap_or(u64::MAX))?;
    file.sync_all()
}

/// A file that a link leads to, and that may be replaced on this user's explicit demand.
#[derive(Debug)]
pub(crate) struct LinkTarget {
    /// The directory that it is in.
    pub(crate) dir: Dir,
    /// What it is called there.
    pub(crate) name: OsString,
}

impl LinkTarget {
    /// The file that the link at `path`, an absolute path, leads to. It must be a regular file of this user's, and nobody
    /// else may be able to write to its directory, to that of the link, or to anything on the way: otherwise somebody
    /// could lead it elsewhere.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let mut path = path.to_owned();
        for _ in 0..MAX_LINKS {
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
                return Err(io::Error::other("it leads to no file"));
            };
            let dir = private::open(parent)?;
            if dir.symlink_metadata(name)?.is_symlink() {
                path = parent.join(dir.read_link_contents(name)?);
                continue;
            }
            let found = RegularFile::find_in(&dir, name)?;
            private::check_own(found.metadata())
                .map_err(|why| io::Error::new(why.kind(), format!("{}: {why}", shown(&path))))?;
            let name = name.to_owned();
            return Ok(Self { dir, name });
        }
        Err(io::Error::other("it leads to too many other links"))
    }
}

/// Removes the temporary files that writers of this module, killed in the middle, have left in `dir`.
pub(crate) fn sweep(dir: &Dir) -> io::Result<()> {
    for file in dir.entries()? {
        let file = file?;
        let name = file.file_name();
        let is_ours = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX))
            .is_some_and(|random| random.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        if is_ours && is_abandoned(&file).unwrap_or(false) {
            dir.remove_file(name)?;
        }
    }
    Ok(())
}

fn is_abandoned(file: &cap_std::fs::DirEntry) -> Option<bool> {
    let metadata = file.metadata().ok()?;
    let age = metadata.modified().ok()?.into_std().elapsed().ok()?;
    Some(metadata.is_file() && age >= ABANDONED)
}

/// A file under a name of its own, which goes unless it gets another one.
struct Temporary<'a> {
    dir: &'a Dir,
    name: String,
    file: File,
}

impl<'a> Temporary<'a> {
    fn write(dir: &'a Dir, content: &[u8], mode: u32) -> io::Result<Self> {
        sweep(dir).ok();
        let name = format!("{PREFIX}{}{SUFFIX}", Uuid::new_v4().simple());
        let file = create_new(dir, &name, mode)?;
        let mut temporary = Self { dir, name, file };
        temporary.file.write_all(content)?;
        Ok(temporary)
    }

    #[cfg(unix)]
    fn resemble(&self, old: &Metadata) -> io::Result<()> {
        super::owner::keep(old, &self.file)?;
        super::owner::keep_mode(old, &self.file)
    }

    #[cfg(not(unix))]
    fn resemble(&self, _old: &Metadata) -> io::Result<()> {
        Ok(())
    }

    /// What a person wrote must not be lost to a power cut because of our few bytes.
    fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn rename_to(&self, name: &Path) -> io::Result<()> {
        self.dir.rename(&self.name, self.dir, name)
    }

    /// Gives it this name, which nothing may have. The old one goes with this value.
    fn publish_as(&self, name: &Path) -> io::Result<()> {
        match self.dir.hard_link(&self.name, self.dir, name) {
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => Err(why),
            Ok(()) => Ok(()),
            Err(_) if self.dir.symlink_metadata(name).is_ok() => {
                Err(io::ErrorKind::AlreadyExists.into())
            }
            // Some file systems have no links.
            Err(_) => self.rename_to(name),
        }
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        // Once it was renamed there is none.
        self.dir.remove_file(&self.name).ok();
    }
}
