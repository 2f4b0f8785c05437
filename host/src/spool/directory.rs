//! Opening the spool's directory and the files in it, never through a symlink.

use std::io;
use std::path::{Path, PathBuf};

use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt, OpenOptionsSyncExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, File, OpenOptions};

const PARENT: &str = ".swamp";
const NAME: &str = "telemetry";

pub(super) fn path(root: &Path) -> PathBuf {
    root.join(PARENT).join(NAME)
}

pub(super) fn open(root: &Path) -> io::Result<Dir> {
    Dir::open_ambient_dir(root, ambient_authority())?
        .open_dir_nofollow(PARENT)?
        .open_dir_nofollow(NAME)
}

pub(super) fn create(root: &Path) -> io::Result<Dir> {
    match open(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => return opened,
    }
    let root = Dir::open_ambient_dir(root, ambient_authority())?;
    let parent = open_or_create(&root, PARENT, &DirBuilder::new())?;
    open_or_create(&parent, NAME, &private())
}

/// Whether there is something of this name, be it a broken link.
pub(super) fn has(dir: &Dir, name: &str) -> bool {
    dir.symlink_metadata(name).is_ok()
}

/// Opens the private directory `name` in the spool's own, creating it where it is missing.
pub(super) fn create_in(dir: &Dir, name: &str) -> io::Result<Dir> {
    open_or_create(dir, name, &private())
}

fn open_or_create(parent: &Dir, name: &str, builder: &DirBuilder) -> io::Result<Dir> {
    match parent.create_dir_with(name, builder) {
        Ok(()) => {
            let dir = parent.open_dir_nofollow(name)?;
            adopt(parent, &dir.try_clone()?.into_std_file());
            Ok(dir)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            parent.open_dir_nofollow(name)
        }
        Err(error) => Err(error),
    }
}

fn private() -> DirBuilder {
    #[allow(unused_mut, reason = "Windows has no modes")]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    {
        use cap_std::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder
}

/// Opens a file to read it, without waiting for the writer of a FIFO.
pub(super) fn open_file(dir: &Dir, name: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No).nonblock(true);
    dir.open_with(name, &options)
}

/// From this many files on, syncing the whole file system is cheaper than syncing each.
const MANY: usize = 64;

/// Makes these files and the directory's own content survive a power cut. Files that are gone are no error.
pub(super) fn sync(dir: &Dir, names: &[String]) -> io::Result<()> {
    if names.len() >= MANY && sync_file_system(dir) {
        return Ok(());
    }
    for name in names {
        if let Ok(file) = open_file(dir, name) {
            file.sync_all().ok();
        }
    }
    sync_names(dir)
}

#[cfg(target_os = "linux")]
fn sync_file_system(dir: &Dir) -> bool {
    open_file(dir, ".").is_ok_and(|readable| nix::unistd::syncfs(readable).is_ok())
}

#[cfg(not(target_os = "linux"))]
const fn sync_file_system(_: &Dir) -> bool {
    false
}

#[cfg(unix)]
fn sync_names(dir: &Dir) -> io::Result<()> {
    // The spool's own handle only leads to names; syncing wants one that can be read.
    open_file(dir, ".")?.sync_all()
}

/// Other systems see to that themselves.
#[cfg(not(unix))]
const fn sync_names(_: &Dir) -> io::Result<()> {
    Ok(())
}

/// Opens a file that holds nothing but its lock, creating it where it is missing.
pub(super) fn open_lock_file(dir: &Dir, name: &str) -> io::Result<File> {
    let mut options = writable();
    options.create(true).nonblock(true);
    let file = dir.open_with(name, &options)?;
    adopt(dir, &file);
    Ok(file)
}

/// Creates a file that must not be there, 0600.
pub(super) fn create_file(dir: &Dir, name: &str) -> io::Result<File> {
    let mut options = writable();
    options.create_new(true);
    let file = dir.open_with(name, &options)?;
    adopt(dir, &file);
    Ok(file)
}

fn writable() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).follow(FollowSymlinks::No);
    #[cfg(unix)]
    {
        use cap_std::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

/// Root in somebody's repository (sudo, containers) must not leave behind what its owner cannot remove: what
/// root creates gets the owner of the directory that it is created in.
#[cfg(unix)]
fn adopt(dir: &Dir, created: &impl std::os::fd::AsFd) {
    use cap_std::fs::MetadataExt as _;
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    if let Ok(owner) = dir.dir_metadata()
        && owner.uid() != 0
    {
        std::os::unix::fs::fchown(created, Some(owner.uid()), Some(owner.gid())).ok();
    }
}

#[cfg(not(unix))]
fn adopt<T>(_: &Dir, _: &T) {}
