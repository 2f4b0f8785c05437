//! Keeping entries that other programs recorded, whose ids may be their own.

use std::collections::HashMap;
use std::io::{self, Write as _};

use chrono::Utc;
use serde_json::Value;
use thiserror::Error;
use tracing::debug;

use super::listing::LONG;
use super::{FileSpool, MAX_RECORDED_BYTES, TEMPORARY_PREFIX, Unsynced, content, directory};
use crate::domain::{EntryId, EntryName, RecordedEntry, SpoolError};
use crate::files::regular::RegularFile;

/// Takes recorded entries into a spool, each once.
#[derive(Debug)]
pub struct EntryRecorder<'a> {
    spool: &'a FileSpool,
    /// Where each id is, once one was asked for.
    known: Option<HashMap<EntryId, EntryName>>,
    /// What was taken of commands that began long ago: flushes would take it for recorded then.
    unsynced: Unsynced,
}

/// Why an entry was not taken.
#[derive(Debug, Error)]
pub enum NotTaken {
    /// It is larger than [`MAX_RECORDED_BYTES`].
    #[error("the entry is larger than 256 KiB")]
    TooLarge,
    /// Another entry has its id.
    #[error("id must be new: a different entry has {0}")]
    OtherContent(EntryId),
    /// The spool did not keep it.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

impl<'a> EntryRecorder<'a> {
    /// A recorder into this spool.
    #[must_use]
    pub fn new(spool: &'a FileSpool) -> Self {
        Self {
            spool,
            known: None,
            unsynced: Unsynced::default(),
        }
    }

    /// Keeps an entry. One that was recorded before, and is still there, is left as it is.
    ///
    /// # Errors
    ///
    /// Says why it was not taken; nothing of it is left behind then.
    pub fn take(&mut self, entry: &RecordedEntry) -> Result<(), NotTaken> {
        let json = entry.to_json();
        if u64::try_from(json.len()).is_ok_and(|len| len > MAX_RECORDED_BYTES) {
            return Err(NotTaken::TooLarge);
        }
        let (id, name) = (entry.id(), entry.name());
        let spool = self.spool;
        let failed = |source| spool.error("write", name.to_string(), source);
        if !entry.has_given_id() {
            spool
                .write(id.as_str(), &name.to_string(), json.as_bytes())
                .map_err(failed)?;
            self.note(&name);
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
        known.insert(id.clone(), name.clone());
        self.note(&name);
        Ok(())
    }

    fn note(&mut self, name: &EntryName) {
        let is_recent = |began| Utc::now() - began < LONG;
        if !name.id.instant().is_some_and(is_recent) {
            self.unsynced.0.push(name.to_string());
        }
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

/// What was taken survives a power cut, as far as no flush sees to that.
impl Drop for EntryRecorder<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.spool.sync(&self.unsynced) {
            debug!("{error}");
        }
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
        let name = name.to_string();
        let file = RegularFile::find_in(&self.dir, &name).ok()?;
        Some(serde_json::from_slice(&content(&file).ok()?).unwrap_or_default())
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
