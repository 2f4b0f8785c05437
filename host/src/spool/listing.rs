//! What is in the spool's directory, listed once, and what is done to much of it at a time.

use std::io;

use chrono::{DateTime, TimeDelta, Utc};
use tracing::debug;

use super::{FileSpool, TEMPORARY_PREFIX, directory, is_settled};
use crate::domain::{
    Cutoffs, EntryName, EntryState, Expired, Listing, NameParts, SpoolError, TelemetryEntry,
    TelemetryRepository as _, WaitingNames,
};
use crate::files;

/// How long a command may take until its entry is synced as soon as it is recorded. Entries are known by when their
/// command began: those of longer ones would be taken for older than they are.
pub(super) const LONG: TimeDelta = TimeDelta::minutes(1);

impl FileSpool {
    /// All entries, whatever their state, in no order.
    ///
    /// # Errors
    ///
    /// When the directory cannot be listed.
    pub fn names(&self) -> Result<Vec<EntryName>, SpoolError> {
        self.list().map(Listing::into_names)
    }

    /// Deletes these entries. Gives those that were there to be deleted.
    #[must_use]
    pub fn delete<'a>(&self, names: &'a [EntryName]) -> Vec<&'a EntryName> {
        let is_deleted = |name: &&EntryName| self.dir.remove_file(name.to_string()).is_ok();
        names.iter().filter(is_deleted).collect()
    }

    /// The names of what may not be on the disk yet of a listing: what was recorded since `since`. More than a few are
    /// no names: the whole file system is synced for them.
    #[must_use]
    pub fn unsynced(listing: &Listing, since: DateTime<Utc>) -> Unsynced {
        let since = since.checked_sub_signed(LONG).unwrap_or(since);
        let names = listing.pending.recorded_since(since);
        let names = names.take(directory::MANY);
        Unsynced(names.map(|name| name.to_string()).collect())
    }

    /// Makes those of these entries that are still there, and the directory that names them, survive a power cut.
    ///
    /// # Errors
    ///
    /// When the directory could not be synced. Entries that are gone meanwhile are no error.
    pub fn sync(&self, unsynced: &Unsynced) -> Result<(), SpoolError> {
        directory::sync(&self.dir, &unsynced.0).map_err(|source| self.error("sync", "", source))
    }

    /// Syncs the entry of a command that took long. Nobody who has waited so long feels it.
    pub(super) fn sync_if_long(&self, entry: &TelemetryEntry, name: String) {
        if entry.duration() >= LONG
            && let Err(error) = self.sync(&Unsynced(vec![name]))
        {
            debug!("{error}");
        }
    }

    pub(super) fn listing(&self) -> io::Result<Listing> {
        let mut listing = Listing::default();
        files::directory::for_each_file(&self.dir, |name| {
            if name.starts_with(TEMPORARY_PREFIX) {
                listing.temporary.push(name.to_owned());
            } else if let Some(name) =
                NameParts::parse(name).filter(|name| !self.is_held_back(*name))
            {
                listing.add(name);
            }
        })?;
        Ok(listing)
    }

    /// Removes what writers that were killed have left.
    pub(super) fn delete_abandoned(&self, temporary: &[String]) {
        for name in temporary {
            let modified = self
                .dir
                .symlink_metadata(name)
                .and_then(|file| file.modified());
            if modified.is_ok_and(|modified| is_settled(modified.into_std())) {
                self.dir.remove_file(name).ok();
            }
        }
    }

    pub(super) fn delete_expired(&self, listing: &Listing, before: &Cutoffs) -> Expired {
        let kept = [
            (&listing.flushed, before.sent),
            (&listing.quarantined, before.quarantined),
        ];
        let kept = (kept.into_iter())
            .filter_map(|(names, day)| Some((names, day?)))
            .flat_map(|(names, day)| names.iter().filter(move |name| name.date < day))
            .cloned();
        let unsent = before.unsent.map(|day| listing.pending.before(day));
        let unsent = unsent.iter().flat_map(WaitingNames::iter);
        let old: Vec<EntryName> = kept.chain(unsent).collect();
        let mut expired = Expired::default();
        for name in self.delete(&old) {
            self.settle(usize::from(name.state == EntryState::Pending));
            match name.state {
                EntryState::Flushed => expired.sent += 1,
                EntryState::Pending | EntryState::Quarantined => expired.unsent += 1,
            }
        }
        expired
    }
}

/// The names of entries that may not be on the disk yet.
#[derive(Clone, Debug, Default)]
pub struct Unsynced(pub(super) Vec<String>);
