//! Whose a repository is: what neither this user nor root owns is not used until this user says so, as with git.
//!
//! Root is exempt (containers, sudo), as a stranger: whether it may use what the repository brings along is
//! `known`'s question. Systems without owners have no strangers' files.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::trust_store::TrustStore;
use crate::domain::{MARKER, shown, variables};

pub use crate::files::stranger::Owners;

/// Something of a repository's that somebody else owns.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{} belongs to {owner}, neither to you nor to root", shown(path))]
pub struct Foreign {
    /// What it is.
    pub path: PathBuf,
    /// The repository.
    pub root: PathBuf,
    /// Its owner, as people call them.
    pub owner: String,
}

/// Whose files are used in the repository at `root`.
///
/// # Errors
///
/// When its marker, its directory, `.swamp` or its spool is a stranger's, and this user has not allowed that.
pub fn owners(
    root: &Path,
    env: impl Fn(&str) -> Option<OsString> + Copy,
) -> Result<Owners, Foreign> {
    if sys::is_root() || is_trust_directory(root, env) {
        return Ok(Owners::Any);
    }
    let Some(foreign) = find_foreign(root) else {
        // A sender's file may still be a stranger's.
        return Ok(Owners::Own);
    };
    // The owner is checked again on the descriptor when the directory is opened.
    match TrustStore::of(root, env).allows_others_files(root) {
        Some(Owners::AllIn(owner)) if sys::owner_id(root) != Some(owner) => Err(foreign),
        Some(owners) => Ok(owners),
        None => Err(foreign),
    }
}

/// What belongs to the repository at `root`, or is its sender, and is a stranger's.
#[must_use]
pub fn foreign(root: &Path, path: PathBuf) -> Option<Foreign> {
    let owner = sys::stranger(&path)?;
    let root = root.to_owned();
    Some(Foreign { path, root, owner })
}

/// What of the repository at `root` is a stranger's, if anything.
#[must_use]
pub fn find_foreign(root: &Path) -> Option<Foreign> {
    let spool = Path::new(".swamp").join("telemetry");
    let parts = [
        Path::new(""),
        Path::new(MARKER),
        Path::new(".swamp"),
        &spool,
    ];
    parts.into_iter().find_map(|part| {
        let is_root = part == Path::new("");
        foreign(
            root,
            if is_root {
                root.to_owned()
            } else {
                root.join(part)
            },
        )
    })
}

/// Whether the environment says that the repository at `root` is trusted.
#[must_use]
pub fn is_trust_directory(root: &Path, env: impl Fn(&str) -> Option<OsString>) -> bool {
    env(variables::TRUST_DIRECTORY)
        .map(PathBuf::from)
        .filter(|directory| directory.is_absolute())
        .and_then(|directory| directory.canonicalize().ok())
        .is_some_and(|directory| root.canonicalize().is_ok_and(|root| root == directory))
}

#[cfg(unix)]
mod sys {
    use std::fs::{self, Metadata};
    use std::os::unix::fs::MetadataExt as _;
    use std::path::Path;

    use nix::unistd::geteuid;

    use crate::files::stranger;

    pub(super) fn is_root() -> bool {
        geteuid().is_root()
    }

    /// What is at `path`, and what that leads to where it is a link.
    fn metadata(path: &Path) -> impl Iterator<Item = Metadata> {
        let link = fs::symlink_metadata(path).ok();
        let is_link = link.as_ref().is_some_and(Metadata::is_symlink);
        let target = if is_link {
            fs::metadata(path).ok()
        } else {
            None
        };
        [link, target].into_iter().flatten()
    }

    pub(super) fn stranger(path: &Path) -> Option<String> {
        metadata(path).find_map(|metadata| stranger::stranger(metadata.uid()))
    }

    pub(super) fn owner_id(path: &Path) -> Option<u32> {
        Some(fs::metadata(path).ok()?.uid())
    }
}

#[cfg(not(unix))]
mod sys {
    use std::path::Path;

    pub(super) const fn is_root() -> bool {
        false
    }

    pub(super) const fn stranger(_: &Path) -> Option<String> {
        None
    }

    pub(super) const fn owner_id(_: &Path) -> Option<u32> {
        None
    }
}
