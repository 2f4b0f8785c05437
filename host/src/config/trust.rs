//! Which sender components this user trusts on this machine.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::user_dirs::UserDir;
use crate::domain::Digest;
use crate::files::regular::RegularFile;
use crate::files::{PRIVATE_FILE, create_new, directory};

/// The largest list of trusted senders, in bytes.
const MAX_BYTES: usize = 1024 * 1024;

/// The digests that this user trusts: a line each, in a file of this user's alone.
#[derive(Clone, Debug)]
pub struct TrustStore {
    path: Option<PathBuf>,
}

/// Why a sender could not be trusted.
#[derive(Debug, Error)]
pub enum TrustError {
    /// The file cannot be written.
    #[error("could not write {}: {source}; make it and its directory writable", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// There is no place for the file.
    #[error(
        "could not remember that the sender is trusted: there is no home directory; set HOME or XDG_STATE_HOME"
    )]
    NoHome,
}

impl TrustStore {
    /// The store at `path`; without one, nothing is trusted.
    #[must_use]
    pub const fn new(path: Option<PathBuf>) -> Self {
        Self { path }
    }

    /// Where this user's store is: `trusted-senders` in [`UserDir::State`].
    #[must_use]
    pub fn default_path(env: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
        Some(UserDir::State.path(env)?.join("trusted-senders"))
    }

    /// Whether the component with this digest is trusted. A store that cannot be read trusts nothing.
    #[must_use]
    pub fn contains(&self, digest: Digest) -> bool {
        let text = self
            .path
            .as_deref()
            .and_then(|path| RegularFile::find_at(path).ok()?.read_text(MAX_BYTES).ok())
            .unwrap_or_default();
        text.lines()
            .filter_map(|line| Digest::parse(line.split_whitespace().next()?))
            .any(|trusted| trusted == digest)
    }

    /// Trusts the component with this digest from now on.
    ///
    /// # Errors
    ///
    /// When that could not be remembered.
    pub fn add(&self, digest: Digest) -> Result<(), TrustError> {
        if self.contains(digest) {
            return Ok(());
        }
        let path = self.path.as_deref().ok_or(TrustError::NoHome)?;
        append(path, &format!("{digest}\n")).map_err(|source| TrustError::Write {
            path: path.to_owned(),
            source,
        })
    }
}

/// One write of one short line: two at once end up as two lines.
fn append(path: &Path, line: &str) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let dir = directory::create_all(parent)?;
    let mut file = match create_new(&dir, name, PRIVATE_FILE) {
        Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {
            RegularFile::find_in(&dir, name)?.open_for_appending()?
        }
        created => created?,
    };
    file.write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_trusted_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let store = TrustStore::new(Some(home.path().join("a").join("trusted")));
        let (ours, theirs) = (Digest::of(b"ours"), Digest::of(b"theirs"));
        assert!(!store.contains(ours));
        store.add(ours).unwrap();
        store.add(ours).unwrap();
        assert!(store.contains(ours));
        assert!(!store.contains(theirs));
        let lines = std::fs::read_to_string(home.path().join("a/trusted")).unwrap();
        assert_eq!(lines, format!("{ours}\n"));
    }

    #[test]
    fn without_a_place_nothing_is_trusted_and_trusting_fails() {
        let store = TrustStore::new(None);
        assert!(!store.contains(Digest::of(b"")));
        assert!(matches!(
            store.add(Digest::of(b"")),
            Err(TrustError::NoHome)
        ));
    }
}
