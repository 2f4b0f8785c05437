//! The port to wherever entries are kept.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::{Backlog, Cause, Cutoffs, EntryName, Listing, SpooledEntry, TelemetryEntry};

/// Something that the spool could not do.
#[derive(Debug, Error)]
#[error("could not {action} {}: {source}", super::shown(path))]
pub struct SpoolError {
    /// What was being done: `write`, `list`.
    pub action: &'static str,
    /// To what.
    pub path: PathBuf,
    /// What went wrong.
    #[source]
    pub source: io::Error,
}

impl SpoolError {
    /// The cause, where it is one that a person can remove.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        Cause::of_io(&self.source)
    }
}

/// What retention removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Entries that had been sent and kept.
    pub sent: u64,
    /// Entries that had never been sent, quarantined ones among them.
    pub unsent: u64,
}

/// Keeps entries until they are delivered or expire.
pub trait TelemetryRepository {
    /// Keeps a new entry.
    ///
    /// # Errors
    ///
    /// When it could not be kept; nothing is left behind then.
    fn save(&self, entry: &TelemetryEntry) -> Result<(), SpoolError>;

    /// Lists what is there, opening none of it.
    ///
    /// # Errors
    ///
    /// When the listing failed. A spool that does not exist is an empty one.
    fn list(&self) -> Result<Listing, SpoolError>;

    /// Reads one pending entry. `None` when there is nothing to deliver under that name: it is gone, or it was
    /// damaged and has been set aside.
    fn read(&self, name: &EntryName) -> Option<SpooledEntry>;

    /// Is told which entries will be read next, in this order, while something else takes its time. By default nothing is
    /// made of it.
    fn read_ahead(&self, _names: Vec<EntryName>) {}

    /// Takes the oldest entries of `backlog`, oldest first: at most `limit`, and no more than one request may hold. Those
    /// that turn out not to be there to be delivered make room for the next.
    fn find_unflushed(&self, backlog: &mut Backlog, limit: usize) -> Vec<SpooledEntry> {
        backlog.take(limit, |name| self.read(name))
    }

    /// Takes the newest entry of `backlog` that is there to be delivered.
    fn find_newest(&self, backlog: &mut Backlog) -> Option<SpooledEntry> {
        backlog.take_newest(|name| self.read(name))
    }

    /// Counts entries that were delivered, before they are marked. An entry that is delivered again, since it could not be
    /// marked, counts once. By default nothing is counted.
    fn count_delivered(&self, _entries: &[&SpooledEntry]) {}

    /// Notes that an entry was delivered: removes it, or with `keep_flushed` keeps it as sent.
    ///
    /// # Errors
    ///
    /// When it still waits: it will be sent again, which its id makes harmless.
    fn mark_flushed(&self, name: &EntryName, keep_flushed: bool) -> Result<(), SpoolError>;

    /// Sets an entry aside as undeliverable.
    ///
    /// # Errors
    ///
    /// When it still waits.
    fn quarantine(&self, name: &EntryName) -> Result<(), SpoolError>;

    /// Removes the entries of `listing` whose day, by the date in their name, lies before that of their kind. What cannot
    /// be removed is left for the next time.
    fn delete_older_than(&self, listing: &Listing, before: &Cutoffs) -> Expired;
}
