//! Opening the spool's directory and the files in it, never through a symlink.

use std::io;
use std::path::{Path, PathBuf};

use cap_std::fs::{Dir, File};

use crate::domain::MARKER;
use crate::files::regular::RegularFile;
use crate::files::stranger::Owners;
use crate::files::{PRIVATE_DIR, PRIVATE_FILE, create_new, directory};

const PARENT: &str = ".swamp";
const NAME: &str = "telemetry";

/// The mode of the directory that holds the spool, without the umask's bits: others may look at what else is there.
const PARENT_MODE: u32 = 0o777;

pub(super) fn path(root: &Path) -> PathBuf {
    root.join(PARENT).join(NAME)
}

pub(super) fn open(root: &Path, owners: Owners) -> io::Result<Dir> {
    open_below(&owners.checked_root(directory::open(root)?)?, owners)
}

fn open_below(root: &Dir, owners: Owners) -> io::Result<Dir> {
    let parent = owners.checked(directory::open_in(root, PARENT)?)?;
    owners.checked(directory::open_in(&parent, NAME)?)
}

pub(super) fn create(root: &Path, owners: Owners) -> io::Result<Dir> {
    let root = owners.checked_root(directory::open(root)?)?;
    match open_below(&root, owners) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => return opened,
    }
    // Somebody who can rename the repository could have put another directory in its place.
    root.symlink_metadata(MARKER)?;
    let parent = owners.checked(directory::ensure_in(&root, PARENT, PARENT_MODE)?)?;
    owners.checked(directory::ensure_in(&parent, NAME, PRIVATE_DIR)?)
}

/// Opens the private directory `name` in the spool's own, creating it where it is missing.
pub(super) fn create_in(dir: &Dir, name: &str) -> io::Result<Dir> {
    directory::ensure_in(dir, name, PRIVATE_DIR)
}

/// From this many files on, syncing the whole file system is cheaper than syncing each.
pub(super) const MANY: usize = 64;

/// Makes those of these files that are still there, and the directory's own content, survive a power cut.
pub(super) fn sync(dir: &Dir, names: &[String]) -> io::Result<()> {
    let mut there = names
        .iter()
        .filter_map(|name| RegularFile::find_in(dir, name).ok())
        .peekable();
    if there.peek().is_none() || names.len() >= MANY && sync_file_system(dir) {
        return Ok(());
    }
    for file in there {
        if let Ok(file) = file.open() {
            file.sync_all().ok();
        }
    }
    sync_names(dir)
}

#[cfg(target_os = "linux")]
fn sync_file_system(dir: &Dir) -> bool {
    crate::files::readable(dir).is_ok_and(|readable| rustix::fs::syncfs(readable).is_ok())
}

#[cfg(not(target_os = "linux"))]
const fn sync_file_system(_: &Dir) -> bool {
    false
}

#[cfg(unix)]
fn sync_names(dir: &Dir) -> io::Result<()> {
    crate::files::readable(dir)?.sync_all()
}

/// Other systems see to that themselves.
#[cfg(not(unix))]
const fn sync_names(_: &Dir) -> io::Result<()> {
    Ok(())
}

/// Creates a file that must not be there, 0600.
pub(super) fn create_file(dir: &Dir, name: &str) -> io::Result<File> {
    create_new(dir, name, PRIVATE_FILE).map(File::from_std)
}
