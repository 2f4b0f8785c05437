//! `telemetry purge`: delete what is in the spool.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use swamp::domain::{EntryName, EntryState, shown};
use swamp::spool::FileSpool;

use super::format::entries;
use crate::cli::context::Context;
use crate::cli::error::{CommandError, ErrorKind};
use crate::cli::progress::Work;

/// How long a flusher is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The answer. Its keys are stable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Purged {
    /// How many entries were deleted.
    deleted: u64,
    /// How many of them had never been sent.
    unsent: u64,
    /// Whether nothing was deleted, because of `--dry-run`.
    dry_run: bool,
}

pub(crate) fn run(yes: bool, dry_run: bool, context: &Context) -> Result<(), CommandError> {
    let (root, _) = context.repo()?;
    if dry_run {
        return tell(root, context);
    }
    let spool = FileSpool::create(root, context.owners())?;
    let names = spool.names()?;
    let unsent = unsent(names.iter());
    if !names.is_empty() && !yes {
        let question = format!(
            "delete {} from {} ({} never sent)",
            entries(count(names.len())),
            shown(spool.path()),
            unsent
        );
        context.ui.confirm(&question, "nothing was deleted")?;
    }
    let work = Work::begin(context.ui, "waiting for a flush to end");
    let lock = spool.wait_for_lock(PATIENCE)?;
    let Some(_lock) = lock else {
        return Err(CommandError::msg(
            ErrorKind::Spool,
            format!(
                "could not purge: a flush has been running for {} seconds",
                PATIENCE.as_secs()
            ),
        )
        .hint("try again in a moment"));
    };
    work.says(format!("deleting {}", entries(count(names.len()))));
    let deleted = spool.delete(&names);
    spool.forget_history()?;
    drop(work);
    let purged = Purged {
        deleted: count(deleted.len()),
        unsent: count(self::unsent(deleted.into_iter())),
        dry_run: false,
    };
    answer(&purged, context)
}

/// Tells what would be deleted.
fn tell(root: &Path, context: &Context) -> Result<(), CommandError> {
    let names = match FileSpool::open(root, context.owners())? {
        Some(spool) => spool.names()?,
        None => Vec::new(),
    };
    let purged = Purged {
        deleted: count(names.len()),
        unsent: count(unsent(names.iter())),
        dry_run: true,
    };
    answer(&purged, context)
}

fn answer(purged: &Purged, context: &Context) -> Result<(), CommandError> {
    if context.ui.wants_json() {
        context.ui.json(purged)?;
    } else {
        let did = if purged.dry_run {
            "would delete"
        } else {
            "deleted"
        };
        context.ui.answer(&format!(
            "{did} {} ({} never sent)",
            entries(purged.deleted),
            purged.unsent
        ))?;
    }
    Ok(())
}

fn unsent<'a>(names: impl Iterator<Item = &'a EntryName>) -> usize {
    names
        .filter(|name| name.state != EntryState::Flushed)
        .count()
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
