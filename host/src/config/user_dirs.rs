//! Where this user's own files are, by the XDG rules.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tracing::debug;

use crate::domain::{shown, variables};

/// Whose directory: the variable that names it, and where it is at home without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserDir {
    /// `swamp` in `$XDG_CONFIG_HOME`, or in `.config` at home.
    Config,
    /// `swamp` in `$XDG_CACHE_HOME`, or in `.cache` at home.
    Cache,
    /// `swamp` in `$XDG_STATE_HOME`, or in `.local/state` at home.
    State,
}

impl UserDir {
    /// The directory, whether it is there or not. `None` where the environment tells neither it nor a home; relative
    /// directories count for none, as the XDG specification has it. On Windows, the home is `%LOCALAPPDATA%`.
    ///
    /// For root, what lies in another user's directory counts for none (`sudo` and containers keep a user's `HOME`), and
    /// root's home is the one that the user database knows. Without a home, that one has the configuration, so that
    /// what is switched off stays off.
    #[must_use]
    pub fn path(self, env: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
        let named = self.named(&env, account::may_use);
        let base = named.or_else(|| {
            let falls_back = self == Self::Config || self.named(&env, |_| true).is_some();
            let home = falls_back.then(account::home).flatten()?;
            Some(home.join(self.at_home()))
        })?;
        Some(base.join("swamp"))
    }

    /// The same, for root in another user's environment: what that user's own commands take.
    #[must_use]
    pub(super) fn of_other_user(self, env: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
        let named = self.named(&env, |_| true)?;
        (self.named(&env, account::may_use).as_ref() != Some(&named)).then(|| named.join("swamp"))
    }

    /// The same, unless it is below the repository at `root`, which could have brought along what is in it.
    #[must_use]
    pub fn outside(self, root: &Path, env: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
        let path = self.path(env)?;
        let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        let is_inside =
            path.starts_with(&root) || existing(&path).is_some_and(|path| path.starts_with(&root));
        if is_inside {
            debug!(
                "{} is not used: it is inside of the repository {}",
                shown(&path),
                shown(&root)
            );
        }
        (!is_inside).then_some(path)
    }

    fn named(
        self,
        env: impl Fn(&str) -> Option<OsString>,
        may_use: impl Fn(&Path) -> bool,
    ) -> Option<PathBuf> {
        let absolute = |name| {
            env(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute() && may_use(path))
        };
        let variable = match self {
            Self::Config => variables::CONFIG_HOME,
            Self::Cache => variables::CACHE_HOME,
            Self::State => variables::STATE_HOME,
        };
        let home = if cfg!(windows) {
            "LOCALAPPDATA"
        } else {
            "HOME"
        };
        absolute(variable).or_else(|| Some(absolute(home)?.join(self.at_home())))
    }

    const fn at_home(self) -> &'static str {
        match self {
            Self::Config => ".config",
            Self::Cache => ".cache",
            Self::State => ".local/state",
        }
    }
}

/// The nearest directory at or above `path` that is there, without links.
fn existing(path: &Path) -> Option<PathBuf> {
    path.ancestors().find_map(|path| path.canonicalize().ok())
}

#[cfg(unix)]
mod account {
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;
    use std::path::{Path, PathBuf};

    use nix::unistd::{User, geteuid};

    /// Root makes nothing in another user's directory.
    pub(super) fn may_use(path: &Path) -> bool {
        !geteuid().is_root()
            || path
                .ancestors()
                .find_map(|path| fs::metadata(path).ok())
                .is_none_or(|metadata| metadata.uid() == 0)
    }

    /// The home that the user database knows.
    pub(super) fn home() -> Option<PathBuf> {
        let user = User::from_uid(geteuid()).ok()??;
        Some(user.dir).filter(|home| home.is_absolute())
    }
}

#[cfg(not(unix))]
mod account {
    use std::path::{Path, PathBuf};

    pub(super) const fn may_use(_: &Path) -> bool {
        true
    }

    pub(super) const fn home() -> Option<PathBuf> {
        None
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn path(dir: UserDir, pairs: &[(&str, &str)]) -> Option<PathBuf> {
        dir.path(|name| {
            let pair = pairs.iter().find(|(key, _)| *key == name);
            pair.map(|(_, value)| value.into())
        })
    }

    #[test]
    fn the_variable_comes_before_home_and_relative_ones_count_for_none() {
        let home = ("HOME", "/home/me");
        assert_eq!(
            path(UserDir::Config, &[home]),
            Some("/home/me/.config/swamp".into())
        );
        assert_eq!(
            path(UserDir::State, &[home, ("XDG_STATE_HOME", "/state")]),
            Some("/state/swamp".into())
        );
        assert_eq!(
            path(UserDir::Cache, &[home, ("XDG_CACHE_HOME", "cache")]),
            Some("/home/me/.cache/swamp".into())
        );
        assert_eq!(path(UserDir::Cache, &[("HOME", "me")]), None);
        assert_eq!(path(UserDir::State, &[]), None);
    }

    #[test]
    fn what_is_inside_of_the_repository_is_not_taken() {
        let top = tempfile::tempdir().unwrap();
        let root = top.path().join("repo");
        std::fs::create_dir(&root).unwrap();
        std::os::unix::fs::symlink(&root, top.path().join("link")).unwrap();
        let outside = |state: &str| {
            let state = top.path().join(state);
            UserDir::State.outside(&root, |name| {
                (name == "XDG_STATE_HOME").then(|| state.clone().into())
            })
        };
        assert_eq!(outside("repo"), None);
        assert_eq!(outside("repo/a/b"), None);
        assert_eq!(outside("link/a"), None);
        assert_eq!(
            outside("repository"),
            Some(top.path().join("repository/swamp"))
        );
    }
}
