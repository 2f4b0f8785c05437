//! The spool: `<repo>/.swamp/telemetry`, one file an entry.
//!
//! Every file is named relative to the opened directory and never reached through a symlink; no path is
//! built from what is inside an entry. What is not an entry's to the letter is left alone, but for the spool's
//! own hidden files.

mod ahead;
mod checkout;
mod clean_ups;
mod directory;
mod history;
mod last_flush;
mod listing;
mod lock;
mod record;
mod unfinished;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use cap_std::fs::Dir;
use chrono::Utc;
use thiserror::Error;
use tracing::debug;

use crate::domain::{
    CleanUps, Cutoffs, Deadline, EntryName, EntryState, Expired, History, Listing, NameParts,
    SpoolError, SpooledEntry, TelemetryEntry, TelemetryRepository, Undeliverable,
};
use crate::files::regular::RegularFile;
use crate::files::stranger::Owners;

use self::ahead::ReadAhead;
pub use self::last_flush::{FailureRecord, LastFlush, MAX_RETRY_AFTER, RefusedBatch, Totals};
pub use self::listing::Unsynced;
pub use self::lock::FlushLock;
pub use self::record::{EntryRecorder, NotTaken};
pub use self::unfinished::UnfinishedEntry;

/// The largest entry that is delivered, in bytes.
pub const MAX_ENTRY_BYTES: u64 = 1024 * 1024;

/// The largest entry that is recorded, in bytes: what contract 0.1 promises to senders.
pub const MAX_RECORDED_BYTES: u64 = 256 * 1024;

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
    /// Why the first entry that the system did not let be read was passed over.
    unreadable: Mutex<Option<SpoolError>>,
    /// How many pending entries it has removed, marked or set aside.
    settled: AtomicUsize,
    /// What is neither delivered nor expires, as if it were pending.
    held_back: HashSet<EntryName>,
    /// What reads the next entries, once any were named.
    ahead: Mutex<Option<ReadAhead>>,
}

/// What is found under the name of a pending entry.
#[derive(Debug)]
struct Look {
    entry: Result<SpooledEntry, LoadError>,
    /// When the file was last written, where there is one.
    modified: Option<SystemTime>,
}

/// Why there is nothing to deliver under a pending entry's name.
#[derive(Debug, Error)]
pub enum LoadError {
    /// It is gone, or cannot be read.
    #[error("{0}")]
    Unreadable(#[from] io::Error),
    /// It has several links, and another id or day than its name: it may be some other file.
    #[error("it has several links, and is not the entry that its name says")]
    Linked,
    /// It is larger than [`MAX_ENTRY_BYTES`].
    #[error("it is larger than 1 MiB")]
    TooLarge,
    /// Its content can never be delivered.
    #[error("{0}")]
    Undeliverable(#[from] Undeliverable),
}

impl FileSpool {
    /// Opens the spool of the repository at `root`, whose `owners`' files are used. `None` where it has none yet.
    ///
    /// # Errors
    ///
    /// When it is there but cannot be opened, is not a directory, or is somebody else's.
    pub fn open(root: &Path, owners: Owners) -> Result<Option<Self>, SpoolError> {
        let path = directory::path(root);
        match directory::open(root, owners) {
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
    /// When it cannot be created or opened, or is somebody else's.
    pub fn create(root: &Path, owners: Owners) -> Result<Self, SpoolError> {
        let path = directory::path(root);
        match directory::create(root, owners) {
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
            unreadable: Mutex::default(),
            settled: AtomicUsize::default(),
            held_back: HashSet::new(),
            ahead: Mutex::default(),
        };
        spool.take_over_abandoned();
        spool
    }

    /// Also where the directory was made by another program, or by one that was killed before it came to this.
    fn keep_out_of_git(&self) {
        let ignore = RegularFile::find_in(&self.dir, IGNORED_BY_GIT);
        let text = ignore.and_then(|file| file.read_text(MAX_IGNORE_BYTES));
        // A checkout may have brought one that lets some entries through.
        if text.is_ok_and(|text| text.trim_end() == "*") {
            return;
        }
        if let Err(error) = self.write("gitignore", IGNORED_BY_GIT, b"*\n") {
            debug!("{}", self.error("write", IGNORED_BY_GIT, error));
        }
        // There is nothing to clean up yet, and from here on a clock that jumps is noticed.
        if self.clean_ups().is_none()
            && let Err(error) = self.write_clean_ups(&CleanUps::new(Utc::now()))
        {
            debug!("{error}");
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

    fn is_held_back(&self, name: NameParts<'_>) -> bool {
        !self.held_back.is_empty()
            && (self.held_back).contains(&name.to_name().in_state(EntryState::Pending))
    }

    /// How the last flush went. `None` where there was none, or its record is damaged.
    #[must_use]
    pub fn last_flush(&self) -> Option<LastFlush> {
        let file = RegularFile::find_in(&self.dir, last_flush::FILE).ok()?;
        serde_json::from_slice(&file.read(MAX_ENTRY_BYTES).ok()?).ok()
    }

    /// Replaces the record of the last flush. The caller must hold the lock.
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

    /// Reads a pending entry, and leaves it where it is whatever it holds.
    ///
    /// # Errors
    ///
    /// Says why there is nothing to deliver under this name.
    pub fn load(&self, name: &EntryName) -> Result<SpooledEntry, LoadError> {
        look_at(&self.dir, name).entry
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

    /// How many entries that were pending are not any more, by what was done through this.
    #[must_use]
    pub fn settled(&self) -> usize {
        self.settled.load(Ordering::Relaxed)
    }

    fn settle(&self, entries: usize) {
        self.settled.fetch_add(entries, Ordering::Relaxed);
    }

    /// Why the first entry was passed over that is there, and that the system did not let be read.
    #[must_use]
    pub fn take_unreadable(&self) -> Option<SpoolError> {
        let unreadable = self.unreadable.lock();
        unreadable.unwrap_or_else(PoisonError::into_inner).take()
    }

    fn note_unreadable(&self, name: &EntryName, why: LoadError) {
        let LoadError::Unreadable(why) = why else {
            return;
        };
        // What is gone is none, and what the system did not say is about what lies there instead of an entry.
        if why.kind() == io::ErrorKind::NotFound || why.raw_os_error().is_none() {
            return;
        }
        let unreadable = self.unreadable.lock();
        let mut first = unreadable.unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| self.error("read", name.to_string(), why));
    }

    fn ahead(&self) -> MutexGuard<'_, Option<ReadAhead>> {
        // A panic leaves at most something unread.
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
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
        let file = name.to_string();
        self.write(name.id.as_str(), &file, entry.to_json().as_bytes())
            .map_err(|source| self.error("write", &file, source))?;
        self.sync_if_long(entry, file);
        Ok(())
    }

    fn list(&self) -> Result<Listing, SpoolError> {
        self.listing()
            .map_err(|source| self.error("list", "", source))
    }

    fn read(&self, name: &EntryName) -> Option<SpooledEntry> {
        let Look { entry, modified } = self
            .ahead()
            .as_mut()
            .and_then(|ahead| ahead.take(name))
            .unwrap_or_else(|| look_at(&self.dir, name));
        let why = match entry {
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
            self.note_unreadable(name, why);
        }
        None
    }

    /// In a thread of its own. Where there can be none, each is read when it is asked for.
    fn read_ahead(&self, names: Vec<EntryName>) {
        if names.is_empty() {
            return;
        }
        let mut ahead = self.ahead();
        if ahead.is_none() {
            *ahead = ReadAhead::start(&self.dir).ok();
        }
        if let Some(ahead) = &mut *ahead {
            ahead.read(names);
        }
    }

    fn count_delivered(&self, entries: &[&SpooledEntry]) {
        self.count(entries);
    }

    fn mark_flushed(&self, name: &EntryName, keep_flushed: bool) -> Result<(), SpoolError> {
        let file = name.to_string();
        let marked = if keep_flushed {
            let kept = name.in_state(EntryState::Flushed).to_string();
            self.dir.rename(&file, &self.dir, kept)
        } else {
            self.dir.remove_file(&file)
        };
        match marked {
            // Purged or expired while it was being sent.
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.error("mark as sent", &file, error))
            }
            _ => {
                self.no_longer_counted(&file);
                self.settle(1);
                Ok(())
            }
        }
    }

    fn quarantine(&self, name: &EntryName) -> Result<(), SpoolError> {
        self.set_state(name, EntryState::Quarantined)
            .map_err(|source| self.error("set aside", name.to_string(), source))?;
        self.settle(1);
        Ok(())
    }

    fn delete_older_than(&self, listing: &Listing, before: &Cutoffs) -> Expired {
        self.delete_abandoned(&listing.temporary);
        self.delete_expired(listing, before)
    }
}

/// Reads a pending entry.
fn look_at(dir: &Dir, name: &EntryName) -> Look {
    use cap_fs_ext::MetadataExt as _;
    let file_name = name.to_string();
    let file = match RegularFile::find_in(dir, &file_name) {
        Ok(file) => file,
        Err(error) => {
            return Look {
                entry: Err(error.into()),
                modified: None,
            };
        }
    };
    let modified = file.metadata().modified();
    let modified = modified.ok().map(cap_std::time::SystemTime::into_std);
    let has_links = file.metadata().nlink() > 1;
    let entry = content(&file).and_then(|content| {
        let entry = SpooledEntry::parse(name.clone(), content);
        // A copy of the repository may share its files (`cp -al`), and marking an entry takes but one name away. But
        // what others link here must be this very entry: nothing else is sent, or touched.
        if has_links
            && !entry
                .as_ref()
                .is_ok_and(SpooledEntry::is_named_after_itself)
        {
            return Err(LoadError::Linked);
        }
        Ok(entry?)
    });
    Look { entry, modified }
}

fn content(file: &RegularFile<'_>) -> Result<Vec<u8>, LoadError> {
    if file.len() > MAX_ENTRY_BYTES {
        return Err(LoadError::TooLarge);
    }
    Ok(file.read(MAX_ENTRY_BYTES)?)
}

/// A clock that was set back makes the file look as if it came from the future: it is left alone then.
fn is_settled(modified: SystemTime) -> bool {
    modified.elapsed().is_ok_and(|age| age >= SETTLED)
}

#[cfg(test)]
mod tests;
