//! The spool's own file of how commands were used.

use std::io;
use std::sync::PoisonError;

use chrono::Utc;
use tracing::debug;

use super::{FileSpool, TEMPORARY_PREFIX};
use crate::domain::{History, SpoolError, SpooledEntry};
use crate::files::regular::RegularFile;

pub(super) const FILE: &str = ".history.json";

/// What it is called while it is written. It could be an entry's id, but no entry of this program has such a one.
const TEMPORARY_ID: &str = "history";

/// The largest history that is read, in bytes: what is larger was not written by this program.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

impl FileSpool {
    /// How commands of delivered entries were used. `None` where none was counted yet, or what is stored is damaged.
    #[must_use]
    pub fn history(&self) -> Option<History> {
        let file = RegularFile::find_in(&self.dir, FILE).ok()?;
        let mut history: History = serde_json::from_slice(&file.read(MAX_BYTES).ok()?).ok()?;
        history.expire(Utc::now().date_naive());
        Some(history)
    }

    /// Forgets how commands were used. The caller must hold the lock.
    ///
    /// # Errors
    ///
    /// When it could not be removed.
    pub fn forget_history(&self) -> Result<(), SpoolError> {
        *self.counting() = None;
        match self.dir.remove_file(FILE) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.error("delete", FILE, error))
            }
            _ => Ok(()),
        }
    }

    /// Counts delivered entries. Where it cannot be stored they are not counted, which is no reason to send them again.
    pub(super) fn count(&self, entries: &[&SpooledEntry]) {
        let mut counting = self.counting();
        let history = counting.get_or_insert_with(|| self.history().unwrap_or_default());
        history.count_delivered(entries, |name| self.dir.symlink_metadata(name).is_ok());
        let json = serde_json::to_vec(history).map_err(io::Error::from);
        // A flusher that was killed in the middle of this would stand in the way.
        self.dir
            .remove_file(format!("{TEMPORARY_PREFIX}{TEMPORARY_ID}"))
            .ok();
        if let Err(error) = json.and_then(|json| self.write(TEMPORARY_ID, FILE, &json)) {
            debug!("{}", self.error("write", FILE, error));
        }
    }

    /// The file of a counted entry is gone: the next batch need not look for it.
    pub(super) fn no_longer_counted(&self, file: &str) {
        if let Some(history) = &mut *self.counting() {
            history.is_gone(file);
        }
    }

    fn counting(&self) -> std::sync::MutexGuard<'_, Option<History>> {
        self.counting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
