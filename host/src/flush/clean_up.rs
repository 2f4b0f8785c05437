//! The clean-up of a spool: at the end of each flush, and by itself where there is none.

use std::path::Path;
use std::time::Duration;

use chrono::Utc;
use tracing::debug;

use super::held_back::hold_back;
use crate::config::marker_file::MarkerFile;
use crate::config::ownership::Owners;
use crate::domain::{
    CleanUps, Listing, Retention, SpoolError, TelemetryRepository as _, UnsentRule,
};
use crate::spool::FileSpool;

/// How long a clean-up waits for a flush, or a command that only looks whether one is at work.
const PATIENCE: Duration = Duration::from_millis(40);

/// Cleans up the spool of the repository at `root`, where no flush does: nothing is done where one is at work, or where
/// another clean-up was within the hour.
///
/// # Errors
///
/// When the lock cannot be opened, or the spool not be listed.
pub fn clean_up(
    root: &Path,
    mut spool: FileSpool,
    retention: Retention,
    rule: UnsentRule,
) -> Result<(), SpoolError> {
    let Some(_lock) = spool.wait_for_lock(PATIENCE)? else {
        return Ok(());
    };
    if spool.is_clean_up_due() {
        hold_back(root, &mut spool);
        remove_expired(root, &spool, &spool.list()?, retention, rule);
    }
    Ok(())
}

/// Removes what has expired of a listing, and what killed processes have left. The caller must hold the lock.
pub(super) fn remove_expired(
    root: &Path,
    spool: &FileSpool,
    listing: &Listing,
    retention: Retention,
    rule: UnsentRule,
) {
    MarkerFile::new(root, Owners::Own).sweep();
    let now = Utc::now();
    let last = spool.clean_ups();
    let mut clean_ups = CleanUps::next(last.as_ref(), now);
    let cutoffs = retention.cutoffs(now, rule, clean_ups.believes_the_clock());
    let expired = spool.delete_older_than(listing, &cutoffs);
    clean_ups.expired_unsent += expired.unsent;
    // What has not changed is written once an hour.
    let is_news = last.is_none_or(|last| {
        last.expired_unsent != clean_ups.expired_unsent
            || last.doubted_since != clean_ups.doubted_since
    });
    if (is_news || CleanUps::is_due(last.as_ref(), now))
        && let Err(error) = spool.write_clean_ups(&clean_ups)
    {
        debug!("{error}");
    }
}
