//! Entries of commands that are still running: in `.open`, under the names that they will have, and locked by
//! their process.
//!
//! The lock ends with the process, however that ends. What is there without one is moved among the pending entries
//! by whoever opens the spool next; nobody sends it before, and it never is in two places.

use std::io::{self, Seek as _, Write};

use cap_fs_ext::MetadataExt as _;
use cap_std::fs::{Dir, File, Metadata};
use tracing::debug;

use super::{FileSpool, TEMPORARY_PREFIX, Unsynced, directory};
use crate::domain::{EntryName, EntryState, SpoolError, TelemetryEntry};
use crate::files::FileId;
use crate::files::directory::open_in;
use crate::files::lock::LockedFile;
use crate::files::regular::RegularFile;

const DIR: &str = ".open";

/// A write of a page at most is done or not done when the process is killed.
const AT_ONCE: usize = 4096;

/// The entry of a command that is running. Dropped without an end, it is left as it was begun.
#[derive(Debug)]
pub struct UnfinishedEntry {
    dir: Dir,
    name: String,
    locked: LockedFile,
    length: usize,
}

impl UnfinishedEntry {
    /// Takes back what was begun: nothing is recorded of it.
    pub fn discard(self) {
        self.dir.remove_file(&self.name).ok();
    }

    /// Overwrites what was begun with `json`: no file is created, and none is replaced, for which ext4 writes to the disk at
    /// once. Whether it could be done; where not, what was begun is to be replaced.
    fn becomes(&self, json: &str) -> io::Result<bool> {
        if self.length.max(json.len()) > AT_ONCE || !self.is_there()? {
            return Ok(false);
        }
        let mut file = self.locked.file();
        file.rewind()?;
        // As long as what it covers: whenever this process is killed, the file is one entry.
        let mut covering = json.as_bytes().to_vec();
        covering.resize(self.length.max(json.len()), b' ');
        file.write_all(&covering)?;
        file.set_len(u64::try_from(json.len()).map_err(io::Error::other)?)?;
        Ok(true)
    }

    /// Whether what has its name is what was begun, and nothing else has: the program that ran meanwhile may have removed
    /// it or put something in its place.
    fn is_there(&self) -> io::Result<bool> {
        let begun = Metadata::from_file(self.locked.file())?;
        let found = self.dir.symlink_metadata(&self.name)?;
        Ok(begun.nlink() == 1 && FileId::of(&begun) == FileId::of(&found))
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
            let json = entry.to_json();
            file.write_all(json.as_bytes())?;
            // Locked before it has its name: there is no moment at which it could be taken for abandoned.
            let locked = LockedFile::try_lock(file, &temporary)?;
            let locked = locked.ok_or(io::ErrorKind::WouldBlock)?;
            self.dir.rename(&temporary, &dir, &name)?;
            Ok((dir, locked, json.len()))
        };
        match begin() {
            Ok((dir, locked, length)) => Ok(UnfinishedEntry {
                dir,
                name,
                locked,
                length,
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
        let json = entry.to_json();
        let finish = || {
            if !begun.becomes(&json).unwrap_or(false) {
                let mut file: File = directory::create_file(&self.dir, &temporary)?;
                file.write_all(json.as_bytes())?;
                // First in the place of what was begun: whenever this process is killed, one of them is there.
                self.dir.rename(&temporary, dir, name)?;
            }
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
