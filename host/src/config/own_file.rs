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
    found(path)?.map(|file| file.read_text(limit)).transpose()
}

/// Whether [`read`] would believe the file at `path`, if there is one.
///
/// # Errors
///
/// When it would not.
pub(super) fn verify(path: &Path) -> io::Result<()> {
    found(path).map(drop)
}

fn found(path: &Path) -> io::Result<Option<RegularFile<'_>>> {
    let file = match RegularFile::find_at(path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found?,
    };
    private::check_trusted(file.metadata(), "it")?;
    // Whoever can write to the directory can remove the file, and what it forbids with it.
    if let Some(parent) = path.parent() {
        private::check_trusted(&directory::open(parent)?.dir_metadata()?, "its directory")?;
    }
    Ok(Some(file))
}
