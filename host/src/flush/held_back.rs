//! Entries that came with a checkout: what git's index names of the spool is not delivered, and stays where it is.

use std::collections::HashSet;
use std::path::Path;

use tracing::debug;

use crate::config::git_index::GitIndex;
use crate::domain::EntryName;
use crate::spool::FileSpool;

/// The entries of the spool at `root` that are held back, named as if they were pending.
#[must_use]
pub fn held_back(root: &Path, spool: &FileSpool) -> HashSet<EntryName> {
    match Found::look(root, spool) {
        Found::Nothing | Found::NothingIn(_) => HashSet::new(),
        Found::Entries(entries) => entries,
    }
}

/// Lets `spool` hold them back. An index that names none is remembered there, so that the next flush need not read it
/// again.
pub(super) fn hold_back(root: &Path, spool: &mut FileSpool) {
    match Found::look(root, spool) {
        Found::Nothing => {}
        Found::NothingIn(version) => spool.remember_naming_nothing(&version),
        Found::Entries(entries) => spool.hold_back(entries),
    }
}

enum Found {
    Nothing,
    /// An index of this version, which had to be read.
    NothingIn(String),
    Entries(HashSet<EntryName>),
}

impl Found {
    fn look(root: &Path, spool: &FileSpool) -> Self {
        let Some(index) = GitIndex::of(root) else {
            return Self::Nothing;
        };
        // Without a file, git tracks nothing yet.
        let Some(version) = index.version() else {
            return Self::Nothing;
        };
        if spool.names_nothing(&version) {
            return Self::Nothing;
        }
        match index.tracked() {
            Ok(tracked) if tracked.entries.is_empty() => Self::NothingIn(version),
            Ok(tracked) => Self::Entries(tracked.entries),
            Err(why) => {
                debug!("could not find out which entries came with a checkout: {why}");
                Self::Nothing
            }
        }
    }
}
