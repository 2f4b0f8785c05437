//! Is the repository one that this user knows, or a checkout that brought its marker along?
//!
//! In one that is not known, the marker raises no limit ([`Marker::restrained`](super::Marker::restrained)), senders spend no header, and
//! components of its own reach public addresses only.

use std::cell::OnceCell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use thiserror::Error;
use tracing::debug;

use super::git_index::GitIndex;
use super::marker::{Marker, ReadFrom};
use super::ownership::is_trust_directory;
use super::trust_store::{Allowed, TrustStore};
use crate::domain::{Digest, Origin, RepoId, variables};

/// Why a repository is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownBy {
    /// This user named the endpoint in the environment.
    Endpoint,
    /// This user named the directory in the environment.
    Directory,
    /// This user ran `init`, `trust` or `sender use` in it.
    Allowed,
    /// This user owns the marker, and git's index does not name it: it was written here.
    Written,
}

/// Why a repository is not known.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unknown {
    /// This user has never allowed it.
    #[error("its .swamp.yaml came with a checkout")]
    CheckedOut,
    /// Somebody else owns its marker.
    #[error("its .swamp.yaml is another user's")]
    NotMine,
    /// Its endpoint was another one when it was allowed.
    #[error("its endpoint was {was} when you allowed it, and is {is} now")]
    OtherOrigin {
        /// The origin that was allowed.
        was: String,
        /// The one that its marker names.
        is: String,
    },
    /// Another repository was allowed at this place.
    #[error("its repoId is not the one that you allowed here")]
    OtherRepository,
    /// Its directory was somebody else's when it was allowed.
    #[error("its directory has another owner than when you allowed it")]
    OtherOwner,
    /// It cannot be found out.
    #[error("git's index cannot be read ({0})")]
    NoIndex(String),
}

/// What is asked about one repository. The answer is looked for when it is first needed, and stands.
#[derive(Clone, Debug)]
pub struct Known {
    root: PathBuf,
    read_from: ReadFrom,
    repo_id: Option<RepoId>,
    origin: Origin,
    named: Option<KnownBy>,
    store: TrustStore,
    answer: OnceCell<Result<KnownBy, Unknown>>,
    allowed: OnceCell<Option<Allowed>>,
}

impl Known {
    /// The question about the repository at `root` with this `marker`, whose telemetry goes to `origin`. `repo_id` is its
    /// id, which the marker may not have yet. `endpoint_is_named` says that this user named the endpoint in the
    /// environment.
    #[must_use]
    pub fn new(
        root: &Path,
        marker: &Marker,
        repo_id: Option<RepoId>,
        origin: Origin,
        endpoint_is_named: bool,
        env: impl Fn(&str) -> Option<OsString> + Copy,
    ) -> Self {
        let named = if endpoint_is_named {
            Some(KnownBy::Endpoint)
        } else {
            is_trust_directory(root, env).then_some(KnownBy::Directory)
        };
        Self {
            root: root.to_owned(),
            read_from: marker.read_from,
            repo_id,
            origin,
            named,
            store: TrustStore::of(root, env),
            answer: OnceCell::new(),
            allowed: OnceCell::new(),
        }
    }

    /// Why the repository is known.
    ///
    /// # Errors
    ///
    /// Why it is not.
    pub fn answer(&self) -> Result<KnownBy, &Unknown> {
        self.answer.get_or_init(|| self.find()).as_ref().copied()
    }

    /// Whether the repository is known.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.answer().is_ok()
    }

    /// Where telemetry goes.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(super) const fn store(&self) -> &TrustStore {
        &self.store
    }

    /// What this user has allowed to this very repository with this very origin.
    pub(super) fn allowed(&self) -> Option<&Allowed> {
        let found = self.remembered()?;
        self.differs(found).is_none().then_some(found)
    }

    /// What this user has allowed to whatever repository was here.
    pub(super) fn remembered(&self) -> Option<&Allowed> {
        let find = || {
            let found = self.store.find(&self.root);
            found.inspect_err(|error| debug!("{error}")).ok().flatten()
        };
        self.allowed.get_or_init(find).as_ref()
    }

    /// What is remembered when this user allows this repository now.
    pub(super) fn to_remember(&self, sender: Option<Digest>, others_files: bool) -> Allowed {
        Allowed {
            path: self
                .root
                .canonicalize()
                .unwrap_or_else(|_| self.root.clone()),
            repo_id: self.repo_id.as_ref().map(ToString::to_string),
            directory_owner: self.read_from.directory_owner,
            origin: self.origin.to_string(),
            senders: sender.iter().map(ToString::to_string).collect(),
            others_files,
        }
    }

    fn find(&self) -> Result<KnownBy, Unknown> {
        if let Some(by) = self.named {
            return Ok(by);
        }
        let remembered = self.remembered();
        let difference = remembered.map(|allowed| self.differs(allowed));
        if let Some(None) = difference {
            return Ok(KnownBy::Allowed);
        }
        match self.is_written_here() {
            Ok(()) => Ok(KnownBy::Written),
            // What has changed says more than that it is a checkout.
            Err(why) => Err(difference.flatten().unwrap_or(why)),
        }
    }

    fn differs(&self, allowed: &Allowed) -> Option<Unknown> {
        if allowed.repo_id.as_deref() != self.repo_id.as_ref().map(RepoId::as_str) {
            return Some(Unknown::OtherRepository);
        }
        if allowed.directory_owner != self.read_from.directory_owner {
            return Some(Unknown::OtherOwner);
        }
        let is = self.origin.to_string();
        (allowed.origin != is).then(|| Unknown::OtherOrigin {
            was: allowed.origin.clone(),
            is,
        })
    }

    fn is_written_here(&self) -> Result<(), Unknown> {
        if !self.read_from.is_mine {
            return Err(Unknown::NotMine);
        }
        let tracked = GitIndex::of(&self.root)
            .map(|index| index.tracked())
            .transpose();
        match tracked.map_err(|why| Unknown::NoIndex(why.to_string()))? {
            Some(tracked) if tracked.marker => Err(Unknown::CheckedOut),
            _ => Ok(()),
        }
    }
}

impl KnownBy {
    /// In words: why the repository is known.
    #[must_use]
    pub fn in_words(self) -> String {
        match self {
            Self::Endpoint => "you named its endpoint in the environment".to_owned(),
            Self::Directory => format!("{} names it", variables::TRUST_DIRECTORY),
            Self::Allowed => "you allowed it on this machine".to_owned(),
            Self::Written => "its .swamp.yaml is yours and not in git".to_owned(),
        }
    }

    /// One stable word, for machines.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Endpoint | Self::Directory => "environment",
            Self::Allowed => "allowed",
            Self::Written => "written",
        }
    }
}
