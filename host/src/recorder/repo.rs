//! What happens before and after a command's own work: whether it is recorded, and where.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Instant;

use chrono::{DateTime, Utc};
use tracing::debug;

use crate::config::marker_file::{MARKER, MarkerFile, find_repo};
use crate::config::ownership::{Owners, owners};
use crate::config::{ConfigFileError, Marker, off_switch, user_repo};
use crate::domain::{Cause, EntryId, Invocation, InvocationResult, TelemetryEntry, variables};
use crate::spool::FileSpool;

/// When a command began.
#[derive(Clone, Copy, Debug)]
pub struct StartTime {
    at: DateTime<Utc>,
    clock: Instant,
}

impl StartTime {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        Self {
            at: Utc::now(),
            clock: Instant::now(),
        }
    }

    /// A new id for an entry of a command that began then.
    #[must_use]
    pub fn new_id(self) -> EntryId {
        EntryId::generate(self.at)
    }

    /// How long ago that is, in milliseconds.
    #[must_use]
    pub fn elapsed_ms(self) -> u64 {
        u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The entry of a command that began then and ends now.
    #[must_use]
    pub fn entry(
        self,
        invocation: Invocation,
        result: InvocationResult,
        version: &str,
    ) -> TelemetryEntry {
        TelemetryEntry::new(invocation, result, self.at, self.elapsed_ms(), version)
    }
}

/// The directory that the environment names for the repository's.
#[must_use]
pub fn named_directory(env: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let named = env(variables::REPO_DIR).filter(|dir| !dir.is_empty());
    named.map(PathBuf::from)
}

/// Where the repository of a command is, if anywhere: in the directory that is `named`; or else at or above the current one,
/// or in the state directory, where this user made one for what is outside of all others.
#[must_use]
pub fn locate(
    named: Option<&Path>,
    env: impl Fn(&str) -> Option<OsString> + Copy,
) -> Option<PathBuf> {
    match named {
        Some(dir) => std::path::absolute(dir).ok(),
        None => env::current_dir()
            .ok()
            .and_then(|dir| find_repo(&dir))
            .or_else(|| user_repo::find(env)),
    }
}

/// A repository, and what its marker says.
#[derive(Debug)]
pub struct Repo {
    /// Where it is.
    pub root: PathBuf,
    /// Its marker, or why it cannot be read or is not used.
    pub marker: Result<Marker, ConfigFileError>,
    /// Whose files are used in it.
    pub owners: Owners,
    /// What that was read from.
    text: Option<String>,
}

impl Repo {
    /// The repository at `root`, if there is a marker. One of a stranger is not read.
    #[must_use]
    pub fn at(root: PathBuf, env: impl Fn(&str) -> Option<OsString> + Copy) -> Option<Self> {
        if !root.join(MARKER).is_file() {
            return None;
        }
        let (marker, text, owners) = match owners(&root, env) {
            Err(foreign) => (Err(foreign.into()), None, Owners::Own),
            Ok(owners) => {
                let file = MarkerFile::new(&root, owners);
                match file.read_with_text() {
                    Ok((text, marker)) => (marker, Some(text), owners),
                    Err(error) => (Err(error), None, owners),
                }
            }
        };
        Some(Self {
            root,
            marker,
            owners,
            text,
        })
    }

    fn marker_file(&self) -> MarkerFile {
        MarkerFile::new(&self.root, self.owners)
    }

    /// Whether the marker's file holds what it held when it was read.
    #[must_use]
    pub fn is_current(&self) -> bool {
        let now = self.marker_file().text().ok();
        now.is_some() && now == self.text
    }

    /// The spool to record in; `None`, with a line in the debug log, where nothing is to be recorded or can be.
    /// `option` is the option of the command that turns telemetry off.
    #[must_use]
    pub fn spool(
        &self,
        option: bool,
        env: impl Fn(&str) -> Option<OsString> + Copy,
    ) -> Option<FileSpool> {
        let marker = match &self.marker {
            Ok(marker) => marker,
            Err(error) => {
                debug!("telemetry is off: {error}");
                return None;
            }
        };
        if let Some(switch) = off_switch(&self.root, marker, option, env) {
            let cause = switch.cause().map(Cause::as_str);
            debug!(cause, "telemetry is off ({switch})");
            return None;
        }
        if marker.repo_id.is_none()
            && let Err(error) = self.marker_file().ensure_repo_id()
        {
            debug!("{error}");
        }
        FileSpool::create(&self.root, self.owners)
            .inspect_err(|error| {
                let cause = error.cause().map(Cause::as_str);
                debug!(cause, "{error}");
            })
            .ok()
    }

    /// The spool of a repository in which nothing is recorded: what is in it expires all the same.
    #[must_use]
    pub fn spool_to_clean_up(&self) -> Option<FileSpool> {
        // A marker that cannot be read does not tell for how long entries are kept.
        self.marker.as_ref().ok()?;
        FileSpool::open(&self.root, self.owners).ok().flatten()
    }
}
