//! Whose a file or directory is that this process has just created, and who may use it.

use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};

use cap_std::fs::{Dir, MetadataExt as _};

/// The bits of a mode that say who may do what.
const PERMISSIONS: u32 = 0o777;

/// The bits that what is created in `dir` must have: `owners`, and `groups` where the directory is several people's.
fn wanted(dir: &Dir, owners: u32, groups: u32) -> io::Result<u32> {
    let is_shared = super::stranger::is_shared(&dir.dir_metadata()?);
    Ok(if is_shared { owners | groups } else { owners })
}

/// Gives the file that was created in `dir` just now the owner and the mode that it should have.
pub(super) fn settle_file(dir: &Dir, file: &File, mode: u32) -> io::Result<()> {
    let metadata = file.metadata()?;
    let needed = (metadata.mode() | wanted(dir, mode & 0o600, 0o060)?) & PERMISSIONS;
    if needed != metadata.mode() & PERMISSIONS {
        file.set_permissions(Permissions::from_mode(needed))?;
    }
    if metadata.nlink() == 1 {
        give_away(dir, file, &metadata);
    }
    Ok(())
}

/// Gives the directory that was created in `parent` just now the owner and the mode that it should have.
pub(super) fn settle_dir(parent: &Dir, dir: &Dir, mode: u32) -> io::Result<()> {
    let metadata = dir.dir_metadata()?;
    let needed = (metadata.mode() | wanted(parent, mode & 0o700, 0o070)?) & PERMISSIONS;
    let has_bits = needed == metadata.mode() & PERMISSIONS;
    if has_bits && !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    if !has_bits {
        set_dir_mode(dir, needed | metadata.mode() & 0o2000)?;
    }
    let readable = super::readable(dir)?;
    // Between its creation and its opening, the owner of `parent` may have put another one in its place. One that is
    // empty he could have removed and made anew himself.
    if dir.entries()?.next().is_none() {
        give_away(parent, &readable, &readable.metadata()?);
    }
    Ok(())
}

/// The descriptor only leads to names, and the directory may not be readable yet.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn set_dir_mode(dir: &Dir, mode: u32) -> io::Result<()> {
    use std::os::fd::AsRawFd as _;
    let link = format!("/proc/self/fd/{}", dir.as_raw_fd());
    std::fs::set_permissions(link, Permissions::from_mode(mode))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn set_dir_mode(dir: &Dir, mode: u32) -> io::Result<()> {
    super::readable(dir)?.set_permissions(Permissions::from_mode(mode))
}

fn give_away(dir: &Dir, created: &File, metadata: &Metadata) {
    let me = rustix::process::geteuid();
    if !me.is_root() || metadata.uid() != me.as_raw() {
        return;
    }
    if let Ok(owner) = dir.dir_metadata()
        && owner.uid() != me.as_raw()
    {
        fchown(created, Some(owner.uid()), Some(owner.gid())).ok();
    }
}

/// Gives `new`, which this process has created, the owner of `old`, as far as this user may.
pub(super) fn keep(old: &cap_std::fs::Metadata, new: &File) -> io::Result<()> {
    let metadata = new.metadata()?;
    if (metadata.uid(), metadata.gid()) == (old.uid(), old.gid()) {
        return Ok(());
    }
    match fchown(new, Some(old.uid()), Some(old.gid())) {
        // Only root can give files away; others could write the old one, and so they can own the new one.
        Err(why) if why.kind() != io::ErrorKind::PermissionDenied => Err(why),
        _ => Ok(()),
    }
}

/// Gives `new`, which this process has created, the mode of `old` without what lends it somebody's rights.
pub(super) fn keep_mode(old: &cap_std::fs::Metadata, new: &File) -> io::Result<()> {
    new.set_permissions(Permissions::from_mode(old.mode() & PERMISSIONS))
}
