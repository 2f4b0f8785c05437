//! What is in a spool, found by listing it once.

use chrono::{DateTime, Utc};

use super::{Backlog, EntryName, EntryState};

/// The names of a spool's entries by state, in no order.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Those that wait.
    pub pending: Vec<EntryName>,
    /// Those that were sent and are kept.
    pub flushed: Vec<EntryName>,
    /// Those that were set aside.
    pub quarantined: Vec<EntryName>,
    /// Files of writers that may be gone.
    pub temporary: Vec<String>,
}

impl Listing {
    /// Adds an entry.
    pub fn add(&mut self, name: EntryName) {
        match name.state {
            EntryState::Pending => self.pending.push(name),
            EntryState::Flushed => self.flushed.push(name),
            EntryState::Quarantined => self.quarantined.push(name),
        }
    }

    /// All entries, whatever their state.
    #[must_use]
    pub fn into_names(self) -> Vec<EntryName> {
        let mut names = self.pending;
        names.extend(self.flushed);
        names.extend(self.quarantined);
        names
    }

    /// Those that wait, to be taken in their order.
    #[must_use]
    pub fn into_backlog(self) -> Backlog {
        Backlog::new(self.pending)
    }

    /// Those that wait and may have been recorded at `since` or later, as far as their names tell. An id of ours says
    /// when its command began; of others only the day is known.
    pub fn recorded_since(&self, since: DateTime<Utc>) -> impl Iterator<Item = &EntryName> {
        let (day, millis) = (since.date_naive(), since.timestamp_millis());
        self.pending.iter().filter(move |name| {
            name.date >= day && name.id.unix_millis().is_none_or(|began| began >= millis)
        })
    }
}
