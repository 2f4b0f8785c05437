//! What this user has allowed on this machine, repository by repository: a file of this user's alone.

#[cfg(feature = "sender")]
mod changing;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tracing::debug;

use super::own_file;
use super::user_dirs::UserDir;
use crate::domain::{Cause, Digest, Reason, shown};
use crate::files::stranger::Owners;

/// The largest such file, in bytes: some thousands of repositories.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The repositories that this user has allowed, and what was allowed to each.
#[derive(Clone, Debug)]
pub struct TrustStore {
    path: Option<PathBuf>,
}

/// What this user has allowed to one repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Allowed {
    /// Where it is, without links.
    pub path: PathBuf,
    /// Its id.
    pub repo_id: Option<String>,
    /// Whose its directory was, where the system tells.
    pub directory_owner: Option<u32>,
    /// Where its telemetry went: `scheme://host:port`.
    pub origin: String,
    /// The digests of the senders that may spend headers there.
    #[serde(default)]
    pub senders: Vec<String>,
    /// Whether files of other users are used.
    #[serde(default)]
    pub others_files: bool,
}

#[derive(Default, Serialize, Deserialize)]
struct Document {
    repositories: Vec<Allowed>,
    /// Where this user has been told what is recorded.
    #[serde(default)]
    told: Vec<PathBuf>,
}

/// Why the store was not read or changed.
#[derive(Debug, Error)]
pub enum TrustError {
    /// It cannot be read, or others could have written it.
    #[error("could not read {}: {source}", shown(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// It is not such a file.
    #[error("could not parse {}: {why}", shown(path))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// It cannot be written.
    #[error("could not write {}: {source}", shown(path))]
    Write {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// There is no place for it.
    #[error(
        "could not remember what you allow: there is no directory for it outside of the repository"
    )]
    NoPlace,
    /// The repository's path is no text.
    #[error("could not remember what you allow: the path {} is not UTF-8", shown(.0))]
    NotText(PathBuf),
}

impl TrustError {
    /// The cause, where it is one that a person can remove.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        match self {
            Self::Read { source, .. } | Self::Write { source, .. } => Cause::of_io(source),
            Self::Invalid { .. } | Self::NoPlace | Self::NotText(_) => None,
        }
    }

    /// The sentence, and its cause where it is one that a person can remove.
    #[must_use]
    pub fn reason(&self) -> Reason {
        Reason::of(self, self.cause())
    }
}

impl TrustStore {
    /// The store at `path`; without one, nothing is allowed.
    #[must_use]
    pub const fn new(path: Option<PathBuf>) -> Self {
        Self { path }
    }

    /// This user's store for the repository at `root`: `trust.json` in [`UserDir::State`], unless that is below the
    /// repository, which could have brought it along.
    #[must_use]
    pub fn of(root: &Path, env: impl Fn(&str) -> Option<OsString> + Copy) -> Self {
        Self::new(
            UserDir::State
                .outside(root, env)
                .map(|state| state.join("trust.json")),
        )
    }

    /// Whether the store is one that can be believed, without reading it.
    ///
    /// # Errors
    ///
    /// When others could have written it.
    pub fn verify(&self) -> Result<(), TrustError> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        own_file::verify(path).map_err(|source| TrustError::Read {
            path: path.clone(),
            source,
        })
    }

    /// What is allowed to the repository at `root`, if anything.
    ///
    /// # Errors
    ///
    /// When the store cannot be read or believed.
    pub fn find(&self, root: &Path) -> Result<Option<Allowed>, TrustError> {
        let Ok(root) = root.canonicalize() else {
            return Ok(None);
        };
        let mut all = self.read()?.repositories.into_iter();
        Ok(all.find(|allowed| allowed.path == root))
    }

    /// Whose files are used in the repository at `root` besides this user's and root's, if this user allowed that. A
    /// store that cannot be read allows nothing.
    #[must_use]
    pub fn allows_others_files(&self, root: &Path) -> Option<Owners> {
        let found = self.find(root);
        let found = found.inspect_err(|error| debug!("{error}")).ok().flatten();
        let allowed = found.filter(|allowed| allowed.others_files)?;
        Some(allowed.directory_owner.map_or(Owners::Any, Owners::AllIn))
    }

    /// Whether this user trusts the sender with this digest in some repository.
    #[must_use]
    pub fn trusts_somewhere(&self, sender: Digest) -> bool {
        let sender = sender.to_string();
        self.read().is_ok_and(|document| {
            let mut all = document.repositories.iter();
            all.any(|allowed| allowed.senders.contains(&sender))
        })
    }

    fn read(&self) -> Result<Document, TrustError> {
        let Some(path) = &self.path else {
            return Ok(Document::default());
        };
        let text = own_file::read(path, MAX_BYTES).map_err(|source| TrustError::Read {
            path: path.clone(),
            source,
        })?;
        text.map_or_else(
            || Ok(Document::default()),
            |text| {
                serde_json::from_str(&text).map_err(|why| TrustError::Invalid {
                    path: path.clone(),
                    why: why.to_string(),
                })
            },
        )
    }
}

#[cfg(test)]
#[cfg(feature = "sender")]
mod tests {
    use super::*;

    fn allowed(root: &Path, origin: &str, senders: &[&str]) -> Allowed {
        Allowed {
            path: root.canonicalize().unwrap(),
            repo_id: Some("id".to_owned()),
            directory_owner: None,
            origin: origin.to_owned(),
            senders: senders.iter().map(|sender| (*sender).to_owned()).collect(),
            others_files: false,
        }
    }

    #[test]
    fn what_was_allowed_is_found_until_it_is_taken_back() {
        let home = tempfile::tempdir().unwrap();
        let store = TrustStore::new(Some(home.path().join("a/trust.json")));
        let root = home.path();
        assert_eq!(store.find(root).unwrap(), None);
        assert!(!store.forget(root).unwrap());
        store.allow(allowed(root, "http://a:80", &["x"])).unwrap();
        store.allow(allowed(root, "http://a:80", &["y"])).unwrap();
        store.allow(allowed(root, "http://a:80", &[])).unwrap();
        assert_eq!(store.find(root).unwrap().unwrap().senders, ["x", "y"]);
        assert!(store.forget(root).unwrap());
        assert_eq!(store.find(root).unwrap(), None);
    }

    #[test]
    fn another_origin_begins_anew() {
        let home = tempfile::tempdir().unwrap();
        let store = TrustStore::new(Some(home.path().join("trust.json")));
        store
            .allow(allowed(home.path(), "http://a:80", &["x"]))
            .unwrap();
        store
            .allow(allowed(home.path(), "http://b:80", &["y"]))
            .unwrap();
        assert_eq!(store.find(home.path()).unwrap().unwrap().senders, ["y"]);
    }

    #[test]
    fn without_a_place_nothing_is_allowed_and_allowing_fails() {
        let store = TrustStore::new(None);
        let root = std::env::temp_dir();
        assert_eq!(store.find(&root).unwrap(), None);
        let why = store.allow(allowed(&root, "http://a:80", &[]));
        assert!(matches!(why, Err(TrustError::NoPlace)));
    }

    #[cfg(unix)]
    #[test]
    fn a_store_that_others_can_write_is_not_believed() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("trust.json");
        let store = TrustStore::new(Some(path.clone()));
        store
            .allow(allowed(home.path(), "http://a:80", &["x"]))
            .unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o602)).unwrap();
        let why = [
            store.verify().unwrap_err(),
            store.find(home.path()).unwrap_err(),
        ];
        for why in why.map(|why| why.to_string()) {
            assert!(why.contains("everybody can write it"), "{why}");
        }
    }
}
