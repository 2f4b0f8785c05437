//! What is wrong with a file of settings: the marker `.swamp.yaml` or the user's `config.yaml`.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::edit::EditError;
use super::ownership::Foreign;
use super::yaml::{Entry, YamlError};
use crate::domain::{Cause, ForeignText, Reason, shown};

/// Why a text is not a file of settings. Values are never quoted, since one could be a secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// It cannot be read at all.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// A key has a value that it cannot have.
    #[error("line {line}: invalid value for {key}: expected {wanted}")]
    Value {
        /// The line, from 1.
        line: usize,
        /// The key, with those that it is within.
        key: ForeignText,
        /// What to write instead.
        wanted: &'static str,
    },
    /// A key of `headers` is no URL.
    #[error("line {line} names {url:?}, which is not a URL for headers")]
    NotAUrl {
        /// The line, from 1.
        line: usize,
        /// What is written there.
        url: ForeignText,
    },
    /// Two spellings of one URL, or of one header's name.
    #[error("line {line} names {name} twice")]
    Twice {
        /// The line of the second, from 1.
        line: usize,
        /// The URL or the header.
        name: ForeignText,
    },
    /// A header that is HTTP's own.
    #[error("line {line} sets the header {name:?}, which {why}")]
    Header {
        /// The line, from 1.
        line: usize,
        /// The header.
        name: ForeignText,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl ConfigError {
    /// The value of `entry`, a key `within` others, is not what is `wanted`.
    pub(super) fn value(entry: &Entry, within: &str, wanted: &'static str) -> Self {
        let key = entry.key.as_deref().unwrap_or("a key that is not a string");
        Self::Value {
            line: entry.key_node.line,
            key: format!("{within}{key}").into(),
            wanted,
        }
    }
}

/// Why a file of settings was not read or changed.
#[derive(Debug, Error)]
pub enum ConfigFileError {
    /// It cannot be read.
    #[error("could not read {}: {source}", shown(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// It is not such a file.
    #[error("could not parse {}: {source}", shown(path))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ConfigError,
    },
    /// It cannot be changed as it is written.
    #[error("could not change {}: {source}", shown(path))]
    Edit {
        /// The file.
        path: PathBuf,
        /// What is in the way.
        source: EditError,
    },
    /// It cannot be written.
    #[error("could not write {}: {source}", shown(path))]
    Write {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// It is a link, which this change does not write through.
    #[error("could not write {}: it is a symbolic link, which this command does not write through", shown(.0))]
    Link(PathBuf),
    /// It is a link to a file that is not this user's alone.
    #[error(
        "could not write {}: it is a symbolic link to a file that is not yours alone ({source})",
        shown(path)
    )]
    LinkOfOthers {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is one already.
    #[error("could not create {}: it already exists", shown(.0))]
    Exists(PathBuf),
    /// The lock cannot be had.
    #[error("could not lock {}: {source}", shown(path))]
    Lock {
        /// The lock's file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// Somebody else has had the lock for too long.
    #[error("could not change the marker: another process has held {} for a second", shown(.0))]
    Busy(PathBuf),
    /// It is a stranger's.
    #[error(transparent)]
    Foreign(#[from] Foreign),
}

impl ConfigFileError {
    /// The sentence, and its cause where it is one that a person can remove.
    #[must_use]
    pub fn reason(&self) -> Reason {
        let cause = match self {
            Self::Read { source, .. } | Self::Lock { source, .. } => Cause::of_io(source),
            _ => None,
        };
        Reason::of(self, cause)
    }
}
