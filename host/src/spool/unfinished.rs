//! Entries of commands that are still running: in `.open`, under the names that they will have, and locked by
//! their process.
//!
//! The lock ends with the process, however that ends. What is there without one is moved among the pending entries
//! by whoever opens the spool next; nobody sends it before, and it never is in two places.

use std::io::{self, Write};

use cap_std::fs::{Dir, File};
use tracing::debug;

use super::{FileSpool, TEMPORARY_PREFIX, Unsynced, directory};
use crate::domain::{EntryName, EntryState, SpoolError, TelemetryEntry};
use crate::files::directory::open_in;
use crate::files::lock::LockedFile;
use crate::files::regular::RegularFile;

const DIR: &str = ".open";

/// The entry of a command that is running. Dropped without an end, it is left as it was begun.
#[derive(Debug)]
pub struct UnfinishedEntry {
    dir: Dir,
    name: String,
    _locked: LockedFile,
}

impl UnfinishedEntry {
    /// Takes back what was begun: nothing is recorded of it.
    pub fn discard(self) {
        self.dir.remove_file(&self.name).ok();
    }
}

impl FileSpool {
    /// Writes `entry` as what remains of its command if that never comes to its end.
    ///
    /// # Errors
    ///
    /// When it could not be written, or not be locked, as on some network file systems. Nothing is left of it then.
    pub fn begin(&self, entry: &TelemetryEntry) -> Result<UnfinishedEntry, SpoolError> {
        let name = entry.name().to_string();
        let temporary = temporary(entry);
        let begin = || {
            let dir = directory::create_in(&self.dir, DIR)?;
            let mut file = directory::create_file(&self.dir, &temporary)?.into_std();
            file.write_all(entry.to_json().as_bytes())?;
            // Locked before it has its name: there is no moment at which it could be taken for abandoned.
            let locked = LockedFile::try_lock(file, &temporary)?;
            let locked = locked.ok_or(io::ErrorKind::WouldBlock)?;
            self.dir.rename(&temporary, &dir, &name)?;
            Ok((dir, locked))
        };
        match begin() {
            Ok((dir, locked)) => Ok(UnfinishedEntry {
                dir,
                name,
                _locked: locked,
            }),
            Err(source) => {
                self.dir.remove_file(&temporary).ok();
                Err(self.error("begin", name, source))
            }
        }
    }

    /// Puts `entry` among the pending ones, in the place of the one that was begun, whose name it has.
    ///
    /// # Errors
    ///
    /// When it could not be written; what was begun is left then.
    pub fn finish(
        &self,
        begun: &UnfinishedEntry,
        entry: &TelemetryEntry,
    ) -> Result<(), SpoolError> {
        let UnfinishedEntry { dir, name, .. } = begun;
        let temporary = temporary(entry);
        let finish = || {
            let mut file: File = directory::create_file(&self.dir, &temporary)?;
            file.write_all(entry.to_json().as_bytes())?;
            // First in the place of what was begun: whenever this process is killed, one of them is there.
            self.dir.rename(&temporary, dir, name)?;
            move_to(dir, &self.dir, name)
        };
        finish().map_err(|source| {
            self.dir.remove_file(&temporary).ok();
            self.error("write", name, source)
        })?;
        self.sync_if_long(entry, name.clone());
        Ok(())
    }

    /// Moves what processes that are gone have left among the pending entries.
    pub(super) fn take_over_abandoned(&self) {
        let Ok(dir) = open_in(&self.dir, DIR) else {
            return;
        };
        let mut taken = Unsynced::default();
        let mut take_over = || {
            for entry in dir.entries()? {
                let name = entry?.file_name();
                let Some(name) = name.to_str().and_then(EntryName::parse) else {
                    continue;
                };
                let text = name.to_string();
                if name.state == EntryState::Pending && is_abandoned(&dir, &text) {
                    move_to(&dir, &self.dir, &text)?;
                    taken.0.push(text);
                }
            }
            Ok::<_, io::Error>(())
        };
        let done = take_over();
        // Their commands began long ago, maybe: see `LONG`.
        if let Err(error) = self.sync(&taken) {
            debug!("{error}");
        }
        if let Err(error) = done {
            let error = self.error("complete the entries in", DIR, error);
            debug!("{error}");
        }
    }
}

fn temporary(entry: &TelemetryEntry) -> String {
    format!("{TEMPORARY_PREFIX}{}", entry.name().id)
}

/// Whether nobody holds the lock of this file, which is a plain one.
fn is_abandoned(dir: &Dir, name: &str) -> bool {
    let file = RegularFile::find_in(dir, name).and_then(|file| file.open_for_writing());
    file.and_then(|file| LockedFile::try_lock(file, name))
        .is_ok_and(|locked| locked.is_some())
}

fn move_to(from: &Dir, to: &Dir, name: &str) -> io::Result<()> {
    match from.rename(name, to, name) {
        // Somebody else has moved it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        moved => moved,
    }
}
