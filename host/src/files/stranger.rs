//! Whose files are used: this user's and root's, unless this user said otherwise.
//!
//! The owner is read from the descriptor of what is then used: whoever looks at a path and opens it later can be shown
//! one directory and led to another.

use std::io;

use cap_std::fs::Dir;

/// Whose files a user uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owners {
    /// This user's and root's.
    Own,
    /// Everybody's: this user said so, or is root.
    Any,
}

impl Owners {
    /// The stranger with this number, who owns a file, where strangers' are not used.
    #[must_use]
    pub fn refuse(self, owner: Option<u32>) -> Option<String> {
        match self {
            Self::Own => stranger(owner?),
            Self::Any => None,
        }
    }

    /// Refuses an opened directory that is a stranger's, where strangers' are not used. Gives back any other.
    pub(crate) fn checked(self, dir: Dir) -> io::Result<Dir> {
        #[cfg(unix)]
        if self == Self::Own
            && let owner = cap_std::fs::MetadataExt::uid(&dir.dir_metadata()?)
            && let Some(stranger) = stranger(owner)
        {
            return Err(io::Error::other(format!(
                "it belongs to {stranger}, neither to you nor to root; run `swamp trust` if you trust its owner"
            )));
        }
        Ok(dir)
    }
}

/// The user with this number, as people call them, who is neither this one nor root.
#[cfg(unix)]
pub(crate) fn stranger(owner: u32) -> Option<String> {
    use nix::unistd::{Uid, User, geteuid};
    if owner == geteuid().as_raw() || owner == 0 {
        return None;
    }
    let name = User::from_uid(Uid::from_raw(owner)).ok().flatten();
    Some(name.map_or_else(|| format!("user {owner}"), |user| user.name))
}

/// Systems without owners have no strangers.
#[cfg(not(unix))]
pub(crate) const fn stranger(_: u32) -> Option<String> {
    None
}
