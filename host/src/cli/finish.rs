//! What happens after a command's own work: its invocation is recorded, and the flush is started.

use std::io;
use std::path::PathBuf;

use swamp::config::backlogs::Backlogs;
use swamp::domain::{
    Cause, EntryId, Invocation, InvocationResult, SpoolError, Status, TelemetryEntry,
    TelemetryRepository as _,
};
use swamp::flush::background::{Background, FLUSH_VARIABLE, FlushMode};
use swamp::process::worker::Program;
pub(crate) use swamp::recorder::repo::StartTime;
use swamp::recorder::surroundings::surroundings;
use swamp::spool::{FileSpool, UnfinishedEntry};
use tracing::debug;
use tracing::level_filters::LevelFilter;

use super::context::{Context, Repo, env_var};
use super::hint;
use super::notice::tell_once;

/// A program that is running, and the entry that stands for it in the spool until it has ended.
pub(crate) struct Unfinished {
    root: PathBuf,
    left: UnfinishedEntry,
    entry: TelemetryEntry,
}

/// Leaves an entry for the case that this process is killed before [`end`]: the next command completes it then. `None`
/// where that could not be done. Changes nothing else of the repository: the program is at work.
pub(crate) fn begin(
    context: &Context,
    start: StartTime,
    id: EntryId,
    invocation: Invocation,
    left: InvocationResult,
    version: &str,
) -> Option<Unfinished> {
    let root = context.repo.as_ref()?.root.clone();
    let entry = start
        .entry(invocation, left, version)
        .within(surroundings(env_var, true))
        .with_id(id);
    let left = FileSpool::create(&root, context.owners()).and_then(|spool| spool.begin(&entry));
    let left = left.inspect_err(log).ok()?;
    Some(Unfinished { root, left, entry })
}

/// Records how a program ended that has begun, and starts the flush where it succeeded. Where telemetry was turned off
/// meanwhile, nothing is left.
pub(crate) fn end(
    context: &Context,
    start: StartTime,
    unfinished: Unfinished,
    result: InvocationResult,
) {
    let Unfinished {
        root,
        left,
        mut entry,
    } = unfinished;
    let status = result.status;
    entry.end(result, start.elapsed_ms());
    let Some((repo, spool)) = place(context) else {
        return left.discard();
    };
    let saved = if repo.root == root {
        // The program may have removed what was left.
        spool.finish(&left, &entry).or_else(|_| spool.save(&entry))
    } else {
        left.discard();
        spool.save(&entry)
    };
    conclude(context, repo, &spool, &saved, status);
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
    let Some((repo, spool)) = place(context) else {
        return;
    };
    let status = result.status;
    let mut entry = start
        .entry(invocation, result, version)
        .within(surroundings(env_var, true));
    if let Some(id) = id {
        entry = entry.with_id(id);
    }
    let saved = spool.save(&entry);
    conclude(context, repo, &spool, &saved, status);
}

fn log(error: &SpoolError) {
    let cause = error.cause().map(Cause::as_str);
    debug!(cause, "{error}");
}

/// Where it is recorded. Where it is not, what has expired there is still removed.
fn place(context: &Context) -> Option<(&Repo, FileSpool)> {
    let repo = context.repo.as_ref()?;
    let spool = repo.spool(context.globals.turns_telemetry_off(), env_var);
    if let Err(error) = &repo.marker
        && let Some(hint) = hint::of_config_file(error)
    {
        debug!("hint: {hint}");
    }
    if spool.is_none()
        && let Some(spool) = repo.spool_to_clean_up()
        && let Err(error) = clean_up(repo, &spool)
    {
        debug!("could not start the clean-up: {error}");
    }
    Some((repo, spool?))
}

fn conclude(
    context: &Context,
    repo: &Repo,
    spool: &FileSpool,
    saved: &Result<(), SpoolError>,
    status: Status,
) {
    tell_once(context, repo);
    if let Err(error) = saved {
        log(error);
    } else if let Err(error) = flush(context, repo, spool, status == Status::Success) {
        let cause = Cause::of_io(&error).map(Cause::as_str);
        debug!(cause, "could not start the flush: {error}");
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
    let remember = || Backlogs::of(Some(&repo.root), env_var).remember(&repo.root);
    Background {
        program: &Program::current()?,
        root: &repo.root,
        spool,
    }
    .start(mode, succeeded, log.as_deref(), remember)
}

fn clean_up(repo: &Repo, spool: &FileSpool) -> io::Result<()> {
    Background {
        program: &Program::current()?,
        root: &repo.root,
        spool,
    }
    .clean_up()
}
