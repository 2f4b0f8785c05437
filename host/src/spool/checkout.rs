//! The version of git's index that was last found to name nothing of the spool.
//!
//! A checkout cannot bring this along: the version holds when the index's file was made here, to the nanosecond.

use tracing::debug;

use super::FileSpool;
use crate::files::regular::RegularFile;

const FILE: &str = ".git-index";

/// The longest description of a version.
const MAX_BYTES: usize = 8 * 1024;

impl FileSpool {
    /// Whether this version of git's index is the one that was found to name nothing of the spool.
    #[must_use]
    pub fn names_nothing(&self, version: &str) -> bool {
        let seen = RegularFile::find_in(&self.dir, FILE).and_then(|file| file.read_text(MAX_BYTES));
        seen.is_ok_and(|seen| seen == version)
    }

    /// Remembers that this version names nothing.
    pub fn remember_naming_nothing(&self, version: &str) {
        if let Err(error) = self.write("git-index", FILE, version.as_bytes()) {
            debug!("{}", self.error("write", FILE, error));
        }
    }
}
