//! What is in a spool, found by listing it once.

use super::{Backlog, EntryName, EntryState, NameParts, WaitingNames};

/// The names of a spool's entries by state, in no order.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Those that wait.
    pub pending: WaitingNames,
    /// Those that were sent and are kept.
    pub flushed: Vec<EntryName>,
    /// Those that were set aside.
    pub quarantined: Vec<EntryName>,
    /// Files of writers that may be gone.
    pub temporary: Vec<String>,
}

impl Listing {
    /// Adds an entry.
    pub fn add(&mut self, name: NameParts<'_>) {
        match name.state {
            EntryState::Pending => self.pending.add(name),
            EntryState::Flushed => self.flushed.push(name.to_name()),
            EntryState::Quarantined => self.quarantined.push(name.to_name()),
        }
    }

    /// All entries, whatever their state.
    #[must_use]
    pub fn into_names(self) -> Vec<EntryName> {
        let mut names: Vec<_> = self.pending.iter().collect();
        names.extend(self.flushed);
        names.extend(self.quarantined);
        names
    }

    /// Those that wait, to be taken in their order.
    #[must_use]
    pub fn into_backlog(self) -> Backlog {
        Backlog::of(self.pending)
    }
}
