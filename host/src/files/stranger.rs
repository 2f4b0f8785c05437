//! Whose files are used: this user's and root's, unless this user said otherwise.
//!
//! The owner is read from the descriptor of what is then used: whoever looks at a path and opens it later can be shown
//! one directory and led to another.

use std::io;

use cap_std::fs::{Dir, Metadata};

use crate::domain::{Cause, Reason};

/// Whose files a user uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owners {
    /// This user's and root's.
    Own,
    /// Everybody's, in a repository whose directory belongs to the user with this number: this user allowed that one.
    AllIn(u32),
    /// Everybody's: this user said so, or is root.
    Any,
}

impl Owners {
    /// The stranger with this number, who owns a file, where strangers' are not used.
    #[must_use]
    pub fn refuse(self, owner: Option<u32>) -> Option<String> {
        match self {
            Self::Own => stranger(owner?),
            Self::AllIn(_) | Self::Any => None,
        }
    }

    /// Refuses the opened directory of a repository that is a stranger's, or is not the one that was allowed. Gives back
    /// any other.
    pub(crate) fn checked_root(self, root: Dir) -> io::Result<Dir> {
        match self {
            Self::AllIn(owner) if owner_of(&root.dir_metadata()?) != Some(owner) => {
                let text = "its directory has another owner than when you allowed it";
                Err(Reason::new(Cause::OtherOwner, text).into_io(io::ErrorKind::Other))
            }
            _ => self.checked(root),
        }
    }

    /// Refuses an opened directory that is a stranger's, where strangers' are not used. Gives back any other.
    pub(crate) fn checked(self, dir: Dir) -> io::Result<Dir> {
        if self == Self::Own
            && let Some(owner) = owner_of(&dir.dir_metadata()?)
            && let Some(stranger) = stranger(owner)
        {
            return Err(of_stranger(&stranger).into_io(io::ErrorKind::Other));
        }
        Ok(dir)
    }
}

/// The reason for not using what belongs to `stranger`.
pub(crate) fn of_stranger(stranger: &str) -> Reason {
    let text = format!("it belongs to {stranger}, neither to you nor to root");
    Reason::new(Cause::OtherOwner, text)
}

/// The number of the owner of what has this metadata, where the system has such numbers.
#[allow(clippy::unnecessary_wraps, reason = "other systems have none")]
pub(crate) fn owner_of(metadata: &Metadata) -> Option<u32> {
    #[cfg(unix)]
    return Some(cap_std::fs::MetadataExt::uid(metadata));
    #[cfg(not(unix))]
    {
        let _ = metadata;
        None
    }
}

/// Whether what has this metadata is this user's.
#[cfg(unix)]
pub(crate) fn is_mine(metadata: &Metadata) -> bool {
    cap_std::fs::MetadataExt::uid(metadata) == nix::unistd::geteuid().as_raw()
}

/// Systems without owners have no strangers.
#[cfg(not(unix))]
pub(crate) const fn is_mine(_: &Metadata) -> bool {
    true
}

/// Whether the directory with this metadata is several users': what is new there gets its group, whose members may
/// write.
#[cfg(unix)]
pub(crate) fn is_shared(directory: &Metadata) -> bool {
    const SET_GROUP_AND_GROUP_WRITES: u32 = 0o2020;
    cap_std::fs::MetadataExt::mode(directory) & SET_GROUP_AND_GROUP_WRITES
        == SET_GROUP_AND_GROUP_WRITES
}

/// Systems without groups share nothing by them.
#[cfg(not(unix))]
pub(crate) const fn is_shared(_: &Metadata) -> bool {
    false
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
