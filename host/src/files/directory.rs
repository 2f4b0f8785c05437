//! Opening and creating directories, never through a link.

use std::io;
use std::path::Path;

use cap_fs_ext::DirExt as _;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder};

/// Opens the directory at `path`. Links in the path are followed: to be called once for a place.
pub(crate) fn open(path: &Path) -> io::Result<Dir> {
    Dir::open_ambient_dir(path, ambient_authority())
}

/// Opens the directory `name` in `parent`, which must not be a link.
pub(crate) fn open_in(parent: &Dir, name: impl AsRef<Path>) -> io::Result<Dir> {
    parent.open_dir_nofollow(name)
}

/// Opens the directory `name` in `parent`, creating it where it is missing.
///
/// The umask may take bits from `mode`, but none that the owner needs. Created by root in somebody else's directory, it
/// belongs to the owner of that one.
pub(crate) fn ensure_in(parent: &Dir, name: impl AsRef<Path>, mode: u32) -> io::Result<Dir> {
    let name = name.as_ref();
    match create_in(parent, name, mode) {
        Err(why) if why.kind() == io::ErrorKind::AlreadyExists => open_in(parent, name),
        created => created,
    }
}

fn create_in(parent: &Dir, name: &Path, mode: u32) -> io::Result<Dir> {
    #[allow(unused_mut, reason = "Windows has no modes")]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    cap_std::fs::DirBuilderExt::mode(&mut builder, mode);
    parent.create_dir_with(name, &builder)?;
    let dir = open_in(parent, name)?;
    #[cfg(unix)]
    super::owner::settle_dir(parent, &dir, mode)?;
    #[cfg(not(unix))]
    let _ = mode;
    Ok(dir)
}

/// Tells `found` of each regular file in `dir` that has a Unicode name, in no order.
///
/// The system's buffer is read in place: a spool of 100,000 entries is listed at each flush.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn for_each_file(dir: &Dir, mut found: impl FnMut(&str)) -> io::Result<()> {
    use rustix::fs::{FileType, RawDir};
    const BUFFER_BYTES: usize = 64 * 1024;
    let mut buffer = Vec::with_capacity(BUFFER_BYTES);
    let mut entries = RawDir::new(super::readable(dir)?, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else {
            continue;
        };
        let is_file = match entry.file_type() {
            FileType::RegularFile => true,
            // Some file systems do not tell it in a listing.
            FileType::Unknown => dir.symlink_metadata(name).is_ok_and(|file| file.is_file()),
            _ => false,
        };
        if is_file {
            found(name);
        }
    }
    Ok(())
}

/// Tells `found` of each regular file in `dir` that has a Unicode name, in no order.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn for_each_file(dir: &Dir, mut found: impl FnMut(&str)) -> io::Result<()> {
    for entry in dir.entries()? {
        let entry = entry?;
        if let Some(name) = entry.file_name().to_str()
            && entry.file_type().is_ok_and(|kind| kind.is_file())
        {
            found(name);
        }
    }
    Ok(())
}
