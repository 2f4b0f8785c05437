//! Where this user's own files are, by the XDG rules.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tracing::debug;

use crate::domain::variables;

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
    #[must_use]
    pub fn path(self, env: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
        let absolute = |name| {
            env(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let (variable, at_home) = match self {
            Self::Config => (variables::CONFIG_HOME, ".config"),
            Self::Cache => (variables::CACHE_HOME, ".cache"),
            Self::State => (variables::STATE_HOME, ".local/state"),
        };
        let home = || {
            absolute(if cfg!(windows) {
                "LOCALAPPDATA"
            } else {
                "HOME"
            })
        };
        let base = absolute(variable).or_else(|| Some(home()?.join(at_home)))?;
        Some(base.join("swamp"))
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
                path.display(),
                root.display()
            );
        }
        (!is_inside).then_some(path)
    }
}

/// The nearest directory at or above `path` that is there, without links.
fn existing(path: &Path) -> Option<PathBuf> {
    path.ancestors().find_map(|path| path.canonicalize().ok())
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
    }
}
