//! Files that decide for this user: read only where this user or root owns them, and nobody else can write them.

use std::io;
use std::path::Path;

use crate::files::regular::RegularFile;
use crate::files::{directory, private};

/// The text of the file at `path`, of at most `limit` bytes. `None` where there is none.
///
/// # Errors
///
/// When it cannot be read, or somebody else could have written it.
pub(super) fn read(path: &Path, limit: usize) -> io::Result<Option<String>> {
    with_found(path, |file| file.read_text(limit))
}

/// Whether [`read`] would believe the file at `path`, if there is one.
///
/// # Errors
///
/// When it would not.
pub(super) fn verify(path: &Path) -> io::Result<()> {
    with_found(path, |_| Ok(())).map(drop)
}

/// Uses the file at `path`, if there is one, in the very directory that was looked at.
fn with_found<T>(
    path: &Path,
    using: impl FnOnce(&RegularFile<'_>) -> io::Result<T>,
) -> io::Result<Option<T>> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let found = || {
        let dir = directory::open(parent)?;
        let file = RegularFile::find_through(&dir, name, path)?;
        private::check_trusted(file.metadata(), "it")?;
        // Everybody who can write to the directory can remove the file, and with it what it forbids.
        private::check_trusted(&dir.dir_metadata()?, "its directory")?;
        using(&file)
    };
    match found() {
        // Where a directory on the way is a file, there is none either.
        Err(why)
            if matches!(
                why.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        used => used.map(Some),
    }
}
