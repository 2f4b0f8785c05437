//! The flush: lock, prepare, start, loop, conclude, clean up. Every flush of a spool is this one.

use std::io;
use std::mem;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use tracing::debug;

use super::clean_up::remove_expired;
use super::watch::Watch;
use crate::config::Marker;
use crate::domain::{
    Backlog, Batches, Deadline, FlushConfig, FlushOutcome, Listing, RepoId, Retention, SendError,
    SpoolError, Stuck, TelemetryRepository, TelemetrySender, TelemetryService, UnsentRule,
};
use crate::process::timer::Timer;
use crate::spool::{FileSpool, LastFlush};

/// How far back the first flush of a spool looks for entries that are not on the disk yet: systems write what
/// is older of their own accord, after half a minute or so.
const UNWRITTEN: TimeDelta = TimeDelta::hours(1);

/// What is flushed, whatever delivers it.
#[derive(Clone, Debug)]
pub struct FlushJob {
    root: PathBuf,
    repo_id: RepoId,
    keep_flushed: bool,
    time_limit: Duration,
    retention: Retention,
}

impl FlushJob {
    /// The flush of the repository at `root`, as its marker has it.
    #[must_use]
    pub fn new(root: &Path, marker: &Marker, repo_id: RepoId) -> Self {
        Self {
            root: root.to_owned(),
            repo_id,
            keep_flushed: marker.telemetry_keep_flushed,
            time_limit: marker.telemetry_sender_limits.deadline,
            retention: marker.retention(),
        }
    }

    /// What waits of a listing, which keeps the names of what is past its time.
    fn backlog(&self, listing: &mut Listing) -> Backlog {
        let day = self.retention.unsent_before(Utc::now());
        let past = listing.pending.before(day);
        Backlog::of(mem::replace(&mut listing.pending, past))
    }
}

/// How a flush goes about it.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// How long it waits for another flush of the same spool to end.
    pub patience: Duration,
    /// How much it sends.
    pub batches: Batches,
    /// The most entries in a batch: [`BATCH_SIZE`](crate::domain::BATCH_SIZE), or fewer.
    pub batch_size: usize,
    /// Whether it leaves an endpoint alone that asked for it.
    pub heeds_retry_after: bool,
}

/// What a flush came to.
#[derive(Debug)]
pub enum Flushed {
    /// Another flush was at work for longer than this one was ready to wait.
    OtherAtWork,
    /// The endpoint had asked to be left alone for now. The spool was cleaned up.
    AskedToWait,
    /// It was done, and the spool cleaned up.
    Done {
        /// What came of it.
        outcome: FlushOutcome,
        /// How many of the entries that were there when it began are pending now. None where they could not be listed.
        pending: usize,
    },
}

/// Flushes `spool`: takes its lock; sends the oldest entries through what `prepare` and `start` make; records the
/// outcome in the spool; removes what has expired.
///
/// `prepare` may take its time, as compiling does; `start` has until its deadline, which is that of the first batch.
/// Neither is called where nothing waits. `goes_on` is told after each batch what has been done so far, and how much
/// there was to do; on `false` the flush ends. `watch` is over all of it.
///
/// # Errors
///
/// When the lock cannot be opened.
pub fn flush<P, S: TelemetrySender>(
    job: &FlushJob,
    spool: FileSpool,
    how: How,
    watch: &Watch,
    prepare: impl FnOnce() -> Result<P, SendError>,
    start: impl FnOnce(P, &Timer, Deadline) -> Result<S, SendError>,
    goes_on: impl FnMut(&FlushOutcome, usize) -> bool,
) -> Result<Flushed, SpoolError> {
    let Some(_lock) = spool.wait_for_lock(how.patience)? else {
        return Ok(Flushed::OtherAtWork);
    };
    watch.reset();
    let before = spool.last_flush();
    let service = TelemetryService::new(spool);
    let spool = service.repository();
    let (listed_at, began) = (Utc::now(), Instant::now());
    let mut listing = match spool.list() {
        Ok(listing) => listing,
        Err(error) => {
            let outcome = FlushOutcome::failed(error);
            remember(spool, before.as_ref(), &outcome, listed_at, began.elapsed());
            let pending = 0;
            return Ok(Flushed::Done { outcome, pending });
        }
    };
    let listed = listing.pending.len();
    let is_asked_to_wait = |before: &LastFlush| before.asks_to_wait(listed_at);
    let (done, unsent) = if how.heeds_retry_after && before.as_ref().is_some_and(is_asked_to_wait) {
        (None, UnsentRule::Expire)
    } else {
        let since = before.as_ref().map(LastFlush::synced_to);
        let unsynced = FileSpool::unsynced(&listing, since.unwrap_or(listed_at - UNWRITTEN));
        let mut backlog = job.backlog(&mut listing);
        let course = Course {
            batches: how.batches,
            batch_size: how.batch_size,
            stuck: before.as_ref().and_then(LastFlush::stuck),
            watch,
        };
        let (mut outcome, sender) =
            deliver(&service, job, course, &mut backlog, prepare, start, goes_on);
        // Each caller's process is about to end, which frees all that a sender holds. Taking it apart before would take
        // 0.2 to 0.4 ms, while the lock is held (seen with builtin:ingest and one entry; a whole flush takes 6 ms).
        mem::forget(sender);
        if outcome.failure.is_none() {
            outcome.failure = spool.take_unreadable().map(Into::into);
        }
        if !outcome.was_idle() {
            // What was recorded after the listing is for the next flush to sync.
            if let Err(error) = spool.sync(&unsynced) {
                debug!("{error}");
            }
            remember(spool, before.as_ref(), &outcome, listed_at, began.elapsed());
        }
        let unsent = match outcome.delivered {
            0 => UnsentRule::Expire,
            _ => UnsentRule::Spare,
        };
        (Some(outcome), unsent)
    };
    remove_expired(&job.root, spool, &listing, job.retention, unsent);
    Ok(done.map_or(Flushed::AskedToWait, |outcome| Flushed::Done {
        outcome,
        pending: listed.saturating_sub(spool.settled()),
    }))
}

/// What a flush is about, beside what it sends.
#[derive(Clone, Copy)]
pub(super) struct Course<'a> {
    pub(super) batches: Batches,
    pub(super) batch_size: usize,
    pub(super) stuck: Option<Stuck<'a>>,
    pub(super) watch: &'a Watch,
}

/// The part of a flush that a dry run has, too: prepare, start, loop. Gives the sender, where it was started.
pub(super) fn deliver<R: TelemetryRepository + Sync, P, S: TelemetrySender>(
    service: &TelemetryService<R>,
    job: &FlushJob,
    course: Course<'_>,
    backlog: &mut Backlog,
    prepare: impl FnOnce() -> Result<P, SendError>,
    start: impl FnOnce(P, &Timer, Deadline) -> Result<S, SendError>,
    mut goes_on: impl FnMut(&FlushOutcome, usize) -> bool,
) -> (FlushOutcome, Option<S>) {
    if backlog.is_empty() {
        return (FlushOutcome::default(), None);
    }
    let Course {
        batches,
        batch_size,
        stuck,
        watch,
    } = course;
    let total = backlog.len();
    let prepared = match prepare() {
        Ok(prepared) => prepared,
        Err(error) => return (FlushOutcome::failed(error), None),
    };
    // From here on everything counts, loading machine code too; only its compilation does not.
    let deadline = Deadline::after(job.time_limit);
    let read = || {
        service
            .repository()
            .find_unflushed(&mut *backlog, batch_size)
    };
    let started = begin(|| start(prepared, watch.timer(), deadline), read);
    let (mut sender, batch) = match started {
        Ok(started) => started,
        Err(error) => return (FlushOutcome::failed(error), None),
    };
    backlog.put_back(batch);
    let config = FlushConfig {
        distinct_id: job.repo_id.as_str(),
        batches,
        batch_size,
        keep_flushed: job.keep_flushed,
        keep_from: job.retention.sent_before(Utc::now()),
        deadline,
        time_limit: job.time_limit,
        stuck,
    };
    watch.reset();
    let outcome = service.flush_telemetry(backlog, &mut sender, config, |so_far| {
        watch.reset();
        goes_on(so_far, total)
    });
    (outcome, Some(sender))
}

/// The sender that `start` makes. Meanwhile a thread does `read`: the sender is what takes longer, and this thread is
/// the one that runs it.
fn begin<S, T: Send>(
    start: impl FnOnce() -> Result<S, SendError>,
    read: impl FnOnce() -> T + Send,
) -> Result<(S, T), SendError> {
    let no_thread = |error: io::Error| {
        SendError::Other(format!("the system could not start a thread: {error}"))
    };
    thread::scope(|scope| {
        let reader = thread::Builder::new().name("spool-reader".into());
        let reading = reader.spawn_scoped(scope, read).map_err(no_thread)?;
        let sender = start()?;
        let read = reading.join().unwrap_or_else(|panic| resume_unwind(panic));
        Ok((sender, read))
    })
}

/// Records the outcome in the spool.
fn remember(
    spool: &FileSpool,
    before: Option<&LastFlush>,
    outcome: &FlushOutcome,
    listed_at: DateTime<Utc>,
    took: Duration,
) {
    let last = LastFlush::new(before, outcome, listed_at, took);
    if let Err(error) = spool.write_last_flush(&last) {
        debug!("{error}");
    }
}
