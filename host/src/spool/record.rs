//! Keeping entries that other programs recorded, whose ids may be their own.

use std::collections::HashMap;
use std::io::{self, Write as _};

use cap_std::fs::Metadata;
use chrono::Utc;
use serde_json::Value;
use thiserror::Error;

use super::{FileSpool, MAX_ENTRY_BYTES, TEMPORARY_PREFIX, directory};
use crate::domain::{EntryId, EntryName, RecordedEntry, SpoolError};

/// Takes recorded entries into a spool, each once.
#[derive(Debug)]
pub struct EntryRecorder<'a> {
    spool: &'a FileSpool,
    /// Where each id is, once one was asked for.
    known: Option<HashMap<EntryId, EntryName>>,
}

/// Why an entry was not taken.
#[derive(Debug, Error)]
pub enum NotTaken {
    /// It is larger than [`MAX_ENTRY_BYTES`].
    #[error("the entry is larger than 256 KiB")]
    TooLarge,
    /// Another entry has its id.
    #[error("id must be one of its own: a different entry has {0}")]
    OtherContent(EntryId),
    /// The spool did not keep it.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

impl<'a> EntryRecorder<'a> {
    /// A recorder into this spool.
    #[must_use]
    pub const fn new(spool: &'a FileSpool) -> Self {
        Self { spool, known: None }
    }

    /// Keeps an entry. One that was recorded before, and is still there, is left as it is.
    ///
    /// # Errors
    ///
    /// Says why it was not taken; nothing of it is left behind then.
    pub fn take(&mut self, entry: &RecordedEntry) -> Result<(), NotTaken> {
        let json = entry.to_json();
        if u64::try_from(json.len()).is_ok_and(|len| len > MAX_ENTRY_BYTES) {
            return Err(NotTaken::TooLarge);
        }
        let (id, name) = (entry.id(), entry.name());
        let spool = self.spool;
        let failed = |source| spool.error("write", name.to_string(), source);
        if !entry.has_given_id() {
            spool
                .write(id.as_str(), &name.to_string(), json.as_bytes())
                .map_err(failed)?;
            return Ok(());
        }
        let known = self.known()?;
        if let Some(stored) = known.get(id).and_then(|name| spool.stored(name)) {
            return same(entry, &stored);
        }
        if !spool.write_new(&name, json.as_bytes()).map_err(failed)? {
            // Somebody else has just recorded it.
            return same(entry, &spool.stored(&name).unwrap_or_default());
        }
        known.insert(id.clone(), name);
        Ok(())
    }

    fn known(&mut self) -> Result<&mut HashMap<EntryId, EntryName>, SpoolError> {
        let known = match self.known.take() {
            Some(known) => known,
            None => (self.spool.names()?.into_iter())
                .map(|name| (name.id.clone(), name))
                .collect(),
        };
        Ok(self.known.insert(known))
    }
}

fn same(entry: &RecordedEntry, stored: &Value) -> Result<(), NotTaken> {
    if entry.repeats(stored) {
        Ok(())
    } else {
        Err(NotTaken::OtherContent(entry.id().clone()))
    }
}

impl FileSpool {
    /// What is kept under a name. `None` where nothing is any more; what is damaged is `null`.
    fn stored(&self, name: &EntryName) -> Option<Value> {
        // While it is being written it has two names, which an entry that is to be sent must not have.
        let content = self.content_where(name, Metadata::is_file).0.ok()?;
        Some(serde_json::from_slice(&content).unwrap_or_default())
    }

    /// Writes a pending entry that must not be there. `false` where it is.
    fn write_new(&self, name: &EntryName, content: &[u8]) -> io::Result<bool> {
        // Two that record the same entry at once must not share it.
        let temporary = format!("{TEMPORARY_PREFIX}{}", EntryId::generate(Utc::now()));
        let name = name.to_string();
        let write = || {
            directory::create_file(&self.dir, &temporary)?.write_all(content)?;
            match self.dir.hard_link(&temporary, &self.dir, &name) {
                Ok(()) => Ok(true),
                Err(_) if self.dir.symlink_metadata(&name).is_ok() => Ok(false),
                // Some file systems have no links.
                Err(_) => self.dir.rename(&temporary, &self.dir, &name).map(|()| true),
            }
        };
        let written = write();
        self.dir.remove_file(&temporary).ok();
        written
    }
}
