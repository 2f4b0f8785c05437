//! Files that nobody can exchange for others while they are opened, read, written, locked or replaced.
//!
//! A directory is opened once, and what is in it is named relative to that descriptor: whoever resolves a path twice
//! can be led to two places. No link is followed but where a function says so. What a person did not create with this
//! very process is never given away and never written through.

pub(crate) mod directory;
pub(crate) mod lock;
#[cfg(unix)]
mod owner;
pub(crate) mod private;
pub(crate) mod regular;
pub(crate) mod replace;
pub(crate) mod stranger;

use std::fs::File;
use std::io;
use std::path::Path;

use cap_fs_ext::{FollowSymlinks, MetadataExt as _, OpenOptionsFollowExt as _};
use cap_std::fs::{Dir, Metadata, OpenOptions};

/// The mode of a file that only its owner reads and writes.
pub(crate) const PRIVATE_FILE: u32 = 0o600;

/// The mode of a directory that only its owner uses.
pub(crate) const PRIVATE_DIR: u32 = 0o700;

/// What tells one file from all others that exist at the same time: its device and its inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId(u64, u64);

impl FileId {
    /// The id of the file that `metadata` was read from.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self(metadata.dev(), metadata.ino())
    }
}

/// Creates the file `name` in `dir`, which must not be there, for reading and writing.
///
/// The umask may take bits from `mode`, but none that the owner needs. Created by root in somebody else's directory, the
/// file belongs to the owner of that directory: sudo and containers must not leave behind what its owner cannot
/// remove.
pub(crate) fn create_new(dir: &Dir, name: impl AsRef<Path>, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create_new(true)
        .follow(FollowSymlinks::No);
    #[cfg(unix)]
    cap_std::fs::OpenOptionsExt::mode(&mut options, mode);
    let file = dir.open_with(name, &options)?.into_std();
    #[cfg(unix)]
    owner::settle_file(dir, &file, mode)?;
    #[cfg(not(unix))]
    let _ = mode;
    Ok(file)
}

/// A descriptor of `dir` that can be read, synced and locked: [`Dir`]'s own only leads to names.
#[cfg(unix)]
pub(crate) fn readable(dir: &Dir) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, openat};
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(openat(dir, ".", flags, Mode::empty())?.into())
}

/// A descriptor of `dir` that can be read.
#[cfg(not(unix))]
pub(crate) fn readable(dir: &Dir) -> io::Result<File> {
    Ok(dir.try_clone()?.into_std_file())
}

#[cfg(test)]
mod tests;
