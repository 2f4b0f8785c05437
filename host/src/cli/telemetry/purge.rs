//! `telemetry purge`: delete what is in the spool.

use std::time::Duration;

use serde::Serialize;
use swamp::domain::EntryState;
use swamp::spool::FileSpool;

use super::format::entries;
use crate::cli::context::Context;
use crate::cli::error::{CommandError, ErrorKind};

/// How long a flusher is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The answer. Its keys are stable.
#[derive(Serialize)]
struct Purged {
    /// How many entries were deleted.
    deleted: u64,
    /// How many of them had never been sent.
    unsent: u64,
}

pub(crate) fn run(yes: bool, context: &Context) -> Result<(), CommandError> {
    let (root, _) = context.repo()?;
    let spool = FileSpool::create(root)?;
    let names = spool.names()?;
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let unsent = names
        .iter()
        .filter(|name| name.state != EntryState::Flushed)
        .count();
    if !names.is_empty() && !yes {
        let question = format!(
            "delete {} from {} ({} never sent)",
            entries(count(names.len())),
            spool.path().display(),
            unsent
        );
        context.ui.confirm(&question, "nothing was deleted")?;
    }
    let Some(_lock) = spool.wait_for_lock(PATIENCE)? else {
        return Err(CommandError::msg(
            ErrorKind::Spool,
            format!(
                "could not purge: a flush has been running for {} seconds; try again in a moment",
                PATIENCE.as_secs()
            ),
        ));
    };
    let deleted = spool.delete(&names);
    spool.forget_history()?;
    let purged = Purged {
        deleted: count(deleted.len()),
        unsent: count(
            deleted
                .iter()
                .filter(|name| name.state != EntryState::Flushed)
                .count(),
        ),
    };
    if context.ui.wants_json() {
        context.ui.json(&purged)?;
    } else {
        context.ui.answer(&format!(
            "deleted {} ({} never sent)",
            entries(purged.deleted),
            purged.unsent
        ))?;
    }
    Ok(())
}
