//! Small text files that are read whole, and replaced whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use tempfile::NamedTempFile;

const PREFIX: &str = ".swamp-";
const SUFFIX: &str = ".tmp";

/// How old a temporary file must be to be taken for one whose writer was killed.
const ABANDONED: Duration = Duration::from_mins(1);

/// The text of the regular file at `path`, which may be a link to one, and has at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: usize) -> io::Result<String> {
    // Opening a pipe would wait for its writer.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file",
        ));
    }
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX);
    File::open(path)?
        .take(most.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is larger than {limit} bytes"),
        ));
    }
    String::from_utf8(bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
}

/// Puts a new file at `path`, unless there is something already. Its mode is `mode` without the umask's bits.
pub(crate) fn create(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let file = written(path, text, mode)?;
    give_to_owner_of(parent(path), file.as_file())?;
    file.persist_noclobber(path)
        .map(drop)
        .map_err(|why| why.error)
}

/// Replaces the file at `path`, or the one that a link there leads to. Mode and owner stay.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let target = fs::canonicalize(path)?;
    // A rename needs no leave to write the file, but whoever made it read-only meant it.
    let metadata = OpenOptions::new().write(true).open(&target)?.metadata()?;
    let file = written(&target, text, 0o600)?;
    keep_owner(&metadata, file.as_file())?;
    file.as_file().set_permissions(metadata.permissions())?;
    file.persist(&target).map(drop).map_err(|why| why.error)
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

fn written(path: &Path, text: &str, mode: u32) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    #[cfg(not(unix))]
    let _ = mode;
    sweep(parent(path)).ok();
    let mut file = builder.tempfile_in(parent(path))?;
    file.write_all(text.as_bytes())?;
    // What a person wrote must not be lost to a power cut because of our few bytes.
    file.as_file().sync_all()?;
    Ok(file)
}

/// Removes the temporary files that writers of this module, killed in the middle, have left in `directory`.
pub(crate) fn sweep(directory: &Path) -> io::Result<()> {
    for file in fs::read_dir(directory)? {
        let file = file?;
        let name = file.file_name();
        let is_ours = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX))
            .is_some_and(|random| random.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        if is_ours && is_abandoned(&file).unwrap_or(false) {
            fs::remove_file(file.path())?;
        }
    }
    Ok(())
}

fn is_abandoned(file: &fs::DirEntry) -> Option<bool> {
    let metadata = file.metadata().ok()?;
    let age = metadata.modified().ok()?.elapsed().ok()?;
    Some(metadata.is_file() && age >= ABANDONED)
}

/// Makes `path` a directory of this user alone, if there is nothing, and its missing parents too.
pub(crate) fn create_private_dir(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(unix)]
fn keep_owner(old: &fs::Metadata, file: &File) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let new = file.metadata()?;
    if (new.uid(), new.gid()) == (old.uid(), old.gid()) {
        return Ok(());
    }
    match fchown(file, Some(old.uid()), Some(old.gid())) {
        // Only root can give files away; others could write the old one, and so they can own the new one.
        Err(why) if why.kind() != io::ErrorKind::PermissionDenied => Err(why),
        _ => Ok(()),
    }
}

#[cfg(not(unix))]
fn keep_owner(_old: &fs::Metadata, _file: &File) -> io::Result<()> {
    Ok(())
}

/// Run as root in somebody's directory, what we put there is theirs.
#[cfg(unix)]
pub(crate) fn give_to_owner_of(directory: &Path, file: &File) -> io::Result<()> {
    if nix::unistd::geteuid().is_root() {
        keep_owner(&fs::metadata(directory)?, file)?;
    }
    Ok(())
}

/// Files have their directory's access list.
#[cfg(not(unix))]
pub(crate) fn give_to_owner_of(_directory: &Path, _file: &File) -> io::Result<()> {
    Ok(())
}

/// Opens the lock file at `path`, making it if need be. A link there is not followed.
pub(crate) fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        let flags = nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK;
        options.mode(0o600).custom_flags(flags.bits());
    }
    let file = options.open(path)?;
    give_to_owner_of(parent(path), &file)?;
    Ok(file)
}
