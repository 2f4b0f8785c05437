//! What happens after a command's own work: its invocation is recorded, and the flush is started.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use swamp::domain::{
    Invocation, InvocationResult, Status, TelemetryEntry, TelemetryRepository as _,
};
use swamp::infrastructure::background;
use swamp::infrastructure::marker_file::MarkerFile;
use swamp::infrastructure::spool::FileSpool;
use swamp::infrastructure::worker::Program;
use tracing::debug;
use tracing::level_filters::LevelFilter;

use super::context::{Context, Repo, VERSION, env_var};
use super::logging;

/// The environment variable that says who waits for the flush.
const FLUSH_VARIABLE: &str = "SWAMP_TELEMETRY_FLUSH";

/// How long a flush is waited for: its own 5 seconds, and a moment to start and to end.
const INLINE_LIMIT: Duration = Duration::from_millis(5_500);

/// When a command began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun {
    at: DateTime<Utc>,
    clock: Instant,
}

impl Begun {
    pub(crate) fn now() -> Self {
        Self {
            at: Utc::now(),
            clock: Instant::now(),
        }
    }
}

enum Mode {
    Background,
    Inline,
    Off,
}

/// Records an invocation, and starts the flush where it succeeded. Whatever goes wrong here is nobody's business
/// but the debug log's.
pub(crate) fn record(
    context: &Context,
    begun: Begun,
    invocation: Invocation,
    result: InvocationResult,
) {
    let Some(repo) = &context.repo else { return };
    let succeeded = result.status == Status::Success;
    let Some(spool) = spooled(context, repo, begun, invocation, result) else {
        return;
    };
    if succeeded && let Err(error) = flush(context, repo, &spool) {
        debug!("could not start the flush: {error}");
    }
}

fn spooled(
    context: &Context,
    repo: &Repo,
    begun: Begun,
    invocation: Invocation,
    result: InvocationResult,
) -> Option<FileSpool> {
    let marker = match &repo.marker {
        Ok(marker) => marker,
        Err(error) => {
            debug!("telemetry is off: {error}");
            return None;
        }
    };
    if let Some(switch) = context.off_switch(marker) {
        debug!("telemetry is off by {switch}");
        return None;
    }
    if marker.repo_id.is_none()
        && let Err(error) = MarkerFile::new(&repo.root).ensure_repo_id()
    {
        debug!("{error}");
    }
    let duration_ms = u64::try_from(begun.clock.elapsed().as_millis()).unwrap_or(u64::MAX);
    let entry = TelemetryEntry::new(invocation, result, begun.at, duration_ms, VERSION);
    let spool = FileSpool::create(&repo.root);
    match spool.and_then(|spool| spool.save(&entry).map(|()| spool)) {
        Ok(spool) => Some(spool),
        Err(error) => {
            debug!("{error}");
            None
        }
    }
}

/// Starts the flush, or waits for it, as the environment says.
///
/// # Errors
///
/// When no process could be started.
pub(crate) fn flush(context: &Context, repo: &Repo, spool: &FileSpool) -> std::io::Result<()> {
    let level = context.log_level();
    let program = Program::current()?;
    let started = match mode(level) {
        Mode::Off => return Ok(()),
        Mode::Background => background::start(&program, &repo.root, spool)?,
        Mode::Inline => {
            let log = (level >= LevelFilter::DEBUG).then(|| level.to_string());
            let log = log.as_deref().map(|level| (logging::VARIABLE, level));
            background::run(&program, &repo.root, spool, log, INLINE_LIMIT)?
        }
    };
    if !started {
        debug!("another flush is at work");
    }
    Ok(())
}

fn mode(level: LevelFilter) -> Mode {
    match env_var(FLUSH_VARIABLE)
        .as_ref()
        .and_then(|value| value.to_str())
    {
        Some("off") => Mode::Off,
        Some("inline") => Mode::Inline,
        // A failure is to be seen.
        _ if level >= LevelFilter::DEBUG => Mode::Inline,
        _ => Mode::Background,
    }
}
