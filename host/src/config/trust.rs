//! May this sender spend the user's headers, and reach what is not public?

use thiserror::Error;

use super::known::Known;
use super::trust_store::TrustError;
use crate::domain::Digest;

/// A sender, as far as trust is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The digest of its component.
    pub digest: Digest,
    /// Whether it comes with the program.
    pub is_builtin: bool,
}

/// Why a sender spends none of the user's headers.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Untrusted {
    /// This user does not know the repository.
    #[error("you do not know this repository: {0}")]
    Repository(String),
    /// This user trusted another sender here.
    #[error("the sender has changed since you trusted it")]
    Changed,
    /// This user has trusted no sender here for this endpoint.
    #[error("you have not trusted this sender for this repository and its endpoint")]
    Never,
}

impl Known {
    /// Whether `sender` may spend the user's headers for the endpoint.
    ///
    /// # Errors
    ///
    /// Why it may not.
    pub fn may_spend(&self, sender: Sender) -> Result<(), Untrusted> {
        self.answer()
            .map_err(|why| Untrusted::Repository(why.to_string()))?;
        if sender.is_builtin || self.trusts(sender.digest) {
            return Ok(());
        }
        match self.remembered() {
            Some(before) if !before.senders.is_empty() => Err(Untrusted::Changed),
            _ => Err(Untrusted::Never),
        }
    }

    /// Whether `sender` may connect to addresses that are not public: the endpoint can be any address then.
    #[must_use]
    pub fn may_reach_private(&self, sender: Sender) -> bool {
        self.vouches_for(sender)
    }

    /// Whether `sender` may run where it needs the component model's async.
    #[must_use]
    pub fn may_be_async(&self, sender: Sender) -> bool {
        self.vouches_for(sender)
    }

    fn vouches_for(&self, sender: Sender) -> bool {
        sender.is_builtin || self.trusts(sender.digest) || self.is_known()
    }

    /// Whether this user trusts the component with this digest on this machine, in this repository or another.
    #[must_use]
    pub fn trusts_somewhere(&self, digest: Digest) -> bool {
        self.store().trusts_somewhere(digest)
    }

    /// Remembers that this user knows the repository, and trusts the component with this digest to spend headers for
    /// its endpoint. `others_files` says that other users' files are used there from now on.
    ///
    /// # Errors
    ///
    /// When that could not be remembered.
    pub fn allow(&self, sender: Option<Digest>, others_files: bool) -> Result<(), TrustError> {
        self.store().allow(self.to_remember(sender, others_files))
    }

    fn trusts(&self, digest: Digest) -> bool {
        let digest = digest.to_string();
        self.allowed()
            .is_some_and(|allowed| allowed.senders.contains(&digest))
    }
}
