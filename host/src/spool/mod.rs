//! The spool: `<repo>/.swamp/telemetry`, one file an entry.
//!
//! Every file is named relative to the opened directory and never reached through a symlink; no path is
//! built from what is inside an entry. What is not an entry's to the letter is left alone, but for the spool's
//! own hidden files.

mod checkout;
mod directory;
mod history;
mod last_flush;
mod lock;
mod record;
mod unfinished;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use cap_std::fs::{Dir, Metadata};
use chrono::{DateTime, NaiveDate, Utc};
use thiserror::Error;
use tracing::debug;

use crate::domain::{
    Backlog, Deadline, EntryName, EntryState, Expired, History, SpoolError, SpooledEntry,
    TelemetryEntry, TelemetryRepository, Undeliverable,
};
use crate::files::regular::RegularFile;

pub use self::last_flush::{FailureRecord, LastFlush, MAX_RETRY_AFTER, Totals};
pub use self::lock::FlushLock;
pub use self::record::{EntryRecorder, NotTaken};
pub use self::unfinished::UnfinishedEntry;

/// The largest entry, in bytes.
pub const MAX_ENTRY_BYTES: u64 = 256 * 1024;

/// How long a file must have been left alone before it is taken for damaged, or a temporary one for
/// abandoned: other programs write entries in place, so that a half-written one can be met.
pub const SETTLED: Duration = Duration::from_mins(1);

/// How often a lock that is taken is tried again.
const LOCK_POLL: Duration = Duration::from_millis(5);

const TEMPORARY_PREFIX: &str = ".tmp-";

/// What the record of the last flush is called while it is written. It could be an entry's id, but no entry of
/// this program has such a one.
const LAST_FLUSH_ID: &str = "last-flush";

const MAX_IGNORE_BYTES: usize = 16;

const IGNORED_BY_GIT: &str = ".gitignore";

/// The entries of one repository.
#[derive(Debug)]
pub struct FileSpool {
    dir: Dir,
    path: PathBuf,
    /// What was counted of delivered entries, once any was.
    counting: Mutex<Option<History>>,
    /// What is neither delivered nor expires, as if it were pending.
    held_back: HashSet<EntryName>,
}

/// Why there is nothing to deliver under a pending entry's name.
#[derive(Debug, Error)]
pub enum LoadError {
    /// It is gone, or cannot be read.
    #[error("{0}")]
    Unreadable(#[from] io::Error),
    /// It is not a regular file with one link.
    #[error("it is not a regular file with one link")]
    NotAPlainFile,
    /// It is larger than [`MAX_ENTRY_BYTES`].
    #[error("it is larger than 256 KiB")]
    TooLarge,
    /// Its content can never be delivered.
    #[error("{0}")]
    Undeliverable(#[from] Undeliverable),
}

impl FileSpool {
    /// Opens the spool of the repository at `root`. `None` where it has none yet.
    ///
    /// # Errors
    ///
    /// When it is there but cannot be opened, or is not a directory.
    pub fn open(root: &Path) -> Result<Option<Self>, SpoolError> {
        let path = directory::path(root);
        match directory::open(root) {
            Ok(dir) => Ok(Some(Self::opened(dir, path))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(SpoolError {
                action: "open",
                path,
                source,
            }),
        }
    }

    /// Opens the spool of the repository at `root`, creating it where it is missing: its directory 0700, and in it
    /// a `.gitignore` of `*`.
    ///
    /// # Errors
    ///
    /// When it cannot be created or opened.
    pub fn create(root: &Path) -> Result<Self, SpoolError> {
        let path = directory::path(root);
        match directory::create(root) {
            Ok(dir) => {
                let spool = Self::opened(dir, path);
                spool.keep_out_of_git();
                Ok(spool)
            }
            Err(source) => Err(SpoolError {
                action: "create",
                path,
                source,
            }),
        }
    }

    fn opened(dir: Dir, path: PathBuf) -> Self {
        let spool = Self {
            dir,
            path,
            counting: Mutex::default(),
            held_back: HashSet::new(),
        };
        spool.take_over_abandoned();
        spool
    }

    /// Also where the directory was made by another program, or by one that was killed before it came to this.
    fn keep_out_of_git(&self) {
        let ignore = RegularFile::find_in(&self.dir, IGNORED_BY_GIT);
        let text = ignore.and_then(|file| file.read_text(MAX_IGNORE_BYTES));
        // A checkout may have brought one that lets some entries through.
        if !text.is_ok_and(|text| text.trim_end() == "*")
            && let Err(error) = self.write("gitignore", IGNORED_BY_GIT, b"*\n")
        {
            debug!("{}", self.error("write", IGNORED_BY_GIT, error));
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The lock that only one flusher holds at a time. `None` while another does.
    ///
    /// # Errors
    ///
    /// When the lock's file cannot be opened.
    pub fn try_lock(&self) -> Result<Option<FlushLock>, SpoolError> {
        FlushLock::try_take(&self.dir).map_err(|source| self.error("lock", lock::FILE, source))
    }

    /// The lock that only one flusher holds at a time, waiting for it up to `patience`. `None` while another still
    /// does.
    ///
    /// # Errors
    ///
    /// When the lock's file cannot be opened.
    pub fn wait_for_lock(&self, patience: Duration) -> Result<Option<FlushLock>, SpoolError> {
        let deadline = Deadline::after(patience);
        loop {
            let lock = self.try_lock()?;
            if lock.is_some() || deadline.has_passed() {
                return Ok(lock);
            }
            std::thread::sleep(LOCK_POLL.min(deadline.remaining()));
        }
    }

    /// Delivers none of these entries, which are named as if they were pending, and lets none of them expire.
    pub fn hold_back(&mut self, entries: HashSet<EntryName>) {
        self.held_back = entries;
    }

    fn is_held_back(&self, name: &EntryName) -> bool {
        !self.held_back.is_empty() && self.held_back.contains(&name.in_state(EntryState::Pending))
    }

    /// Deletes these entries. Gives those that were there to be deleted.
    #[must_use]
    pub fn delete<'a>(&self, names: &'a [EntryName]) -> Vec<&'a EntryName> {
        let is_deleted = |name: &&EntryName| self.dir.remove_file(name.to_string()).is_ok();
        names.iter().filter(is_deleted).collect()
    }

    /// How the last flush went. `None` where there was none, or its record is damaged.
    #[must_use]
    pub fn last_flush(&self) -> Option<LastFlush> {
        let file = RegularFile::find_in(&self.dir, last_flush::FILE).ok()?;
        serde_json::from_slice(&file.read(MAX_ENTRY_BYTES).ok()?).ok()
    }

    /// Replaces the record of the last flush. Only whoever holds the lock does.
    ///
    /// # Errors
    ///
    /// When it could not be written; the record before it stands then.
    pub fn write_last_flush(&self, last_flush: &LastFlush) -> Result<(), SpoolError> {
        // A flusher that was killed in the middle of this would stand in the way of the next record.
        self.dir
            .remove_file(format!("{TEMPORARY_PREFIX}{LAST_FLUSH_ID}"))
            .ok();
        let json = serde_json::to_vec_pretty(last_flush).map_err(io::Error::from);
        json.and_then(|json| self.write(LAST_FLUSH_ID, last_flush::FILE, &json))
            .map_err(|source| self.error("write", last_flush::FILE, source))
    }

    /// All entries, whatever their state, in no order.
    ///
    /// # Errors
    ///
    /// When the directory cannot be listed.
    pub fn names(&self) -> Result<Vec<EntryName>, SpoolError> {
        let mut names = Vec::new();
        self.list(|name, _| names.extend(EntryName::parse(name)))?;
        Ok(names)
    }

    /// Reads a pending entry, and leaves it where it is whatever it holds.
    ///
    /// # Errors
    ///
    /// Says why there is nothing to deliver under this name.
    pub fn load(&self, name: &EntryName) -> Result<SpooledEntry, LoadError> {
        let (content, _) = self.content(name);
        Ok(SpooledEntry::parse(name.clone(), content?)?)
    }

    /// Makes the pending entries that were recorded at `since` or later, and the directory that names them, survive
    /// a power cut.
    ///
    /// # Errors
    ///
    /// When the directory could not be listed or synced. Entries that are gone meanwhile are no error.
    pub fn sync_since(&self, since: DateTime<Utc>) -> Result<(), SpoolError> {
        let since = SystemTime::from(since);
        let mut recent = Vec::new();
        self.list(|name, file| {
            let is_recent = || {
                let modified = file.metadata().and_then(|metadata| metadata.modified());
                modified.is_ok_and(|modified| modified.into_std() >= since)
            };
            if EntryName::parse(name).is_some_and(|name| name.state == EntryState::Pending)
                && is_recent()
            {
                recent.push(name.to_owned());
            }
        })?;
        directory::sync(&self.dir, &recent).map_err(|source| self.error("sync", "", source))
    }

    fn list(&self, mut each: impl FnMut(&str, &cap_std::fs::DirEntry)) -> Result<(), SpoolError> {
        let mut list = || {
            for entry in self.dir.entries()? {
                let entry = entry?;
                if entry.file_type().is_ok_and(|kind| kind.is_file())
                    && let Some(name) = entry.file_name().to_str()
                {
                    each(name, &entry);
                }
            }
            Ok(())
        };
        list().map_err(|source| self.error("list", "", source))
    }

    /// The content of an entry's file and, where the file could be opened, when it was last written.
    fn content(&self, name: &EntryName) -> (Result<Vec<u8>, LoadError>, Option<SystemTime>) {
        self.content_where(name, is_plain)
    }

    /// The same, of an entry's file that need only be `acceptable`.
    fn content_where(
        &self,
        name: &EntryName,
        acceptable: impl FnOnce(&Metadata) -> bool,
    ) -> (Result<Vec<u8>, LoadError>, Option<SystemTime>) {
        let name = name.to_string();
        let file = match RegularFile::find_in(&self.dir, &name) {
            Ok(file) => file,
            Err(error) => return (Err(error.into()), None),
        };
        let modified = file.metadata().modified();
        let modified = modified.ok().map(cap_std::time::SystemTime::into_std);
        let read = || {
            if !acceptable(file.metadata()) {
                return Err(LoadError::NotAPlainFile);
            }
            if file.len() > MAX_ENTRY_BYTES {
                return Err(LoadError::TooLarge);
            }
            Ok(file.read(MAX_ENTRY_BYTES)?)
        };
        (read(), modified)
    }

    /// Writes a file under a temporary name, and then gives it its own.
    fn write(&self, id: &str, name: &str, content: &[u8]) -> io::Result<()> {
        let temporary = format!("{TEMPORARY_PREFIX}{id}");
        let write = || {
            let mut file = directory::create_file(&self.dir, &temporary)?;
            file.write_all(content)?;
            self.dir.rename(&temporary, &self.dir, name)
        };
        write().inspect_err(|_| {
            self.dir.remove_file(&temporary).ok();
        })
    }

    fn set_state(&self, name: &EntryName, state: EntryState) -> io::Result<()> {
        let renamed = name.in_state(state).to_string();
        self.dir.rename(name.to_string(), &self.dir, renamed)
    }

    fn error(
        &self,
        action: &'static str,
        name: impl AsRef<OsStr>,
        source: io::Error,
    ) -> SpoolError {
        SpoolError {
            action,
            path: self.path.join(name.as_ref()),
            source,
        }
    }
}

impl TelemetryRepository for FileSpool {
    fn save(&self, entry: &TelemetryEntry) -> Result<(), SpoolError> {
        let name = entry.name();
        self.write(
            name.id.as_str(),
            &name.to_string(),
            entry.to_json().as_bytes(),
        )
        .map_err(|source| self.error("write", name.to_string(), source))
    }

    fn backlog(&self) -> Result<Backlog, SpoolError> {
        let names = self.names()?;
        let is_due =
            |name: &EntryName| name.state == EntryState::Pending && !self.is_held_back(name);
        Ok(Backlog::new(names.into_iter().filter(is_due)))
    }

    fn read(&self, name: &EntryName) -> Option<SpooledEntry> {
        let (content, modified) = self.content(name);
        let parsed = content.and_then(|content| Ok(SpooledEntry::parse(name.clone(), content)?));
        let why = match parsed {
            Ok(entry) => return Some(entry),
            Err(why) => why,
        };
        let damaged = matches!(why, LoadError::TooLarge | LoadError::Undeliverable(_));
        if damaged && modified.is_some_and(is_settled) {
            match self.quarantine(name) {
                Ok(()) => debug!("set {name} aside: {why}"),
                Err(error) => debug!("skipped {name}: {why}; {error}"),
            }
        } else {
            debug!("skipped {name}: {why}");
        }
        None
    }

    fn count_delivered(&self, entries: &[SpooledEntry]) {
        self.count(entries);
    }

    fn mark_flushed(&self, name: &EntryName, keep_flushed: bool) -> Result<(), SpoolError> {
        let marked = if keep_flushed {
            self.set_state(name, EntryState::Flushed)
        } else {
            self.dir.remove_file(name.to_string())
        };
        match marked {
            // Purged or expired while it was being sent.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            marked => marked.map_err(|source| self.error("mark as sent", name.to_string(), source)),
        }
    }

    fn quarantine(&self, name: &EntryName) -> Result<(), SpoolError> {
        self.set_state(name, EntryState::Quarantined)
            .map_err(|source| self.error("set aside", name.to_string(), source))
    }

    fn delete_older_than(&self, day: NaiveDate) -> Result<Expired, SpoolError> {
        let mut old = Vec::new();
        let mut abandoned = Vec::new();
        self.list(|name, file| {
            if let Some(name) = EntryName::parse(name) {
                if name.date < day && !self.is_held_back(&name) {
                    old.push(name);
                }
            } else if name.starts_with(TEMPORARY_PREFIX)
                && file
                    .metadata()
                    .and_then(|metadata| metadata.modified())
                    .is_ok_and(|modified| is_settled(modified.into_std()))
            {
                abandoned.push(name.to_owned());
            }
        })?;
        for name in abandoned {
            self.dir.remove_file(name).ok();
        }
        let mut expired = Expired::default();
        for name in self.delete(&old) {
            match name.state {
                EntryState::Flushed => expired.sent += 1,
                EntryState::Pending | EntryState::Quarantined => expired.unsent += 1,
            }
        }
        Ok(expired)
    }
}

/// A clock that was set back makes the file look as if it came from the future: it is left alone then.
fn is_settled(modified: SystemTime) -> bool {
    modified.elapsed().is_ok_and(|age| age >= SETTLED)
}

fn is_plain(metadata: &Metadata) -> bool {
    use cap_fs_ext::MetadataExt as _;
    metadata.is_file() && metadata.nlink() == 1
}

#[cfg(test)]
mod tests;
