//! What happens after a command's own work: its invocation is recorded, and the flush is started.

use std::io;

use swamp::domain::{EntryId, Invocation, InvocationResult, Status, TelemetryRepository as _};
use swamp::flush::background::{Background, FLUSH_VARIABLE, FlushMode};
use swamp::process::worker::Program;
pub(crate) use swamp::recorder::repo::StartTime;
use swamp::recorder::surroundings::surroundings;
use swamp::spool::FileSpool;
use tracing::debug;
use tracing::level_filters::LevelFilter;

use super::context::{Context, Repo, env_var};
use super::notice::tell_once;

/// Looks for what [`record`] is going to look for, so that it takes less time then. Makes nothing that is not there: the
/// command is still at work.
pub(crate) fn prepare(context: &Context) {
    if let Some(repo) = &context.repo {
        drop(FileSpool::open(&repo.root));
    }
}

/// Records an invocation of a program of this version, with the id where it was told one already, and starts the flush
/// where it succeeded. Whatever goes wrong here is nobody's business but the debug log's.
pub(crate) fn record(
    context: &Context,
    start: StartTime,
    invocation: Invocation,
    result: InvocationResult,
    version: &str,
    id: Option<EntryId>,
) {
    let Some(repo) = &context.repo else { return };
    let Some(spool) = repo.spool(context.globals.no_telemetry, env_var) else {
        if let Some(spool) = repo.spool_to_clean_up()
            && let Err(error) = clean_up(repo, &spool)
        {
            debug!("could not start the clean-up: {error}");
        }
        return;
    };
    tell_once(context, repo);
    let succeeded = result.status == Status::Success;
    let mut entry = start
        .entry(invocation, result, version)
        .within(surroundings(env_var, true));
    if let Some(id) = id {
        entry = entry.with_id(id);
    }
    if let Err(error) = spool.save(&entry) {
        debug!("{error}");
        return;
    }
    if let Err(error) = flush(context, repo, &spool, succeeded) {
        debug!("could not start the flush: {error}");
    }
}

/// Starts the flush, or waits for it, as the environment says.
///
/// # Errors
///
/// When no process could be started.
pub(crate) fn flush(
    context: &Context,
    repo: &Repo,
    spool: &FileSpool,
    succeeded: bool,
) -> io::Result<()> {
    let level = context.log_level();
    // A failure is to be seen.
    let log = (level >= LevelFilter::DEBUG).then(|| level.to_string());
    let mode = FlushMode::parse(env_var(FLUSH_VARIABLE).as_deref());
    Background {
        program: &Program::current()?,
        root: &repo.root,
        spool,
    }
    .start(mode, succeeded, log.as_deref())
}

fn clean_up(repo: &Repo, spool: &FileSpool) -> io::Result<()> {
    Background {
        program: &Program::current()?,
        root: &repo.root,
        spool,
    }
    .clean_up()
}
