//! The record of the last clean-up, which says when the next is due.

use std::io;

use chrono::Utc;

use super::{FileSpool, MAX_ENTRY_BYTES, TEMPORARY_PREFIX};
use crate::domain::{CleanUps, SpoolError};
use crate::files::regular::RegularFile;

const FILE: &str = ".last-clean-up";

/// What it is called while it is written. It could be an entry's id, but no entry of this program has such a one.
const ID: &str = "last-clean-up";

impl FileSpool {
    /// The clean-ups so far. `None` where there was none, or their record is damaged.
    #[must_use]
    pub fn clean_ups(&self) -> Option<CleanUps> {
        let file = RegularFile::find_in(&self.dir, FILE).ok()?;
        serde_json::from_slice(&file.read(MAX_ENTRY_BYTES).ok()?).ok()
    }

    /// Replaces their record. The caller must hold the lock.
    ///
    /// # Errors
    ///
    /// When it could not be written; the record before it stands then.
    pub fn write_clean_ups(&self, clean_ups: &CleanUps) -> Result<(), SpoolError> {
        // One that was killed in the middle of this would stand in the way.
        self.dir.remove_file(format!("{TEMPORARY_PREFIX}{ID}")).ok();
        let json = serde_json::to_vec_pretty(clean_ups).map_err(io::Error::from);
        json.and_then(|json| self.write(ID, FILE, &json))
            .map_err(|source| self.error("write", FILE, source))
    }

    /// Whether a clean-up is due that no flush does.
    #[must_use]
    pub fn is_clean_up_due(&self) -> bool {
        CleanUps::is_due(self.clean_ups().as_ref(), Utc::now())
    }
}
