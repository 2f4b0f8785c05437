//! Flushing, over the two ports.

use std::time::Duration;

use chrono::NaiveDate;
use thiserror::Error;

use super::delivery::Delivery;
use super::{
    Backlog, Cause, Deadline, EntryName, SendError, SpoolError, SpooledEntry, TelemetryRepository,
    TelemetrySender,
};

/// The most entries that one batch holds.
pub const BATCH_SIZE: usize = 25;

/// How much of a backlog a flush sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batches {
    /// As many of the oldest entries as one batch holds. Where they do not fit into one request, or the endpoint refuses
    /// some, it takes several.
    One,
    /// One batch after the other until nothing is left or one fails.
    All,
}

/// How a backlog is to be flushed.
#[derive(Clone, Copy, Debug)]
pub struct FlushConfig<'a> {
    /// The repository's id.
    pub distinct_id: &'a str,
    /// How much is sent.
    pub batches: Batches,
    /// The most entries in a batch: [`BATCH_SIZE`], or fewer.
    pub batch_size: usize,
    /// Whether sent entries are kept until they expire.
    pub keep_flushed: bool,
    /// Sent entries of days before this are past their time, and not kept.
    pub keep_from: NaiveDate,
    /// When the first batch must have ended, whatever it takes.
    pub deadline: Deadline,
    /// How long each batch after it may take.
    pub time_limit: Duration,
    /// The batch that so many flushes before this one failed with that the entry which they failed for is to be found.
    pub stuck: Option<Stuck<'a>>,
}

/// A batch that several flushes failed with, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stuck<'a> {
    /// The name of its oldest entry.
    pub oldest: &'a str,
    /// Whether the sender was computing until its deadline, the last time.
    pub was_computing: bool,
}

/// What came of a flush.
#[derive(Debug, Default)]
pub struct FlushOutcome {
    /// How many entries the endpoint took responsibility for.
    pub delivered: usize,
    /// How many entries were set aside, since it refused them and accepted others.
    pub quarantined: usize,
    /// Why it refused those.
    pub refusal: Option<SendError>,
    /// How many entries were passed over, since they are beyond what this sender takes.
    pub withheld: usize,
    /// Why what still waits of the batch was not delivered.
    pub failure: Option<FlushFailure>,
    /// The oldest entry of the batch that failed, where the endpoint answered or the sender computed until its deadline.
    pub refused_at: Option<EntryName>,
}

impl FlushOutcome {
    /// The outcome of a flush that failed before it sent anything.
    #[must_use]
    pub fn failed(failure: impl Into<FlushFailure>) -> Self {
        Self {
            failure: Some(failure.into()),
            ..Self::default()
        }
    }

    /// Whether there was nothing to do.
    #[must_use]
    pub const fn was_idle(&self) -> bool {
        self.delivered == 0 && self.quarantined == 0 && self.withheld == 0 && self.failure.is_none()
    }
}

/// Why a flush ended early.
#[derive(Debug, Error)]
pub enum FlushFailure {
    /// The batch could not be sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The spool could not be read, or what was sent could not be marked as sent.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

impl FlushFailure {
    /// One stable word for the kind of failure, for machines.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Send(error) => error.kind(),
            Self::Spool(_) => "spool",
        }
    }

    /// The cause, where it is one that a person can remove.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        match self {
            Self::Send(error) => error.cause(),
            Self::Spool(error) => error.cause(),
        }
    }
}

/// Telemetry, over some repository.
#[derive(Debug)]
pub struct TelemetryService<R> {
    repository: R,
}

impl<R: TelemetryRepository> TelemetryService<R> {
    /// The service over `repository`.
    pub const fn new(repository: R) -> Self {
        Self { repository }
    }

    /// The repository.
    pub const fn repository(&self) -> &R {
        &self.repository
    }

    /// Sends `backlog`, oldest entries first and batch by batch, and marks what was delivered. `goes_on` is told after
    /// each batch what has been done so far; on `false` the flush ends.
    pub fn flush_telemetry(
        &self,
        backlog: &mut Backlog,
        sender: &mut dyn TelemetrySender,
        config: FlushConfig<'_>,
        mut goes_on: impl FnMut(&FlushOutcome) -> bool,
    ) -> FlushOutcome {
        let mut delivery = Delivery::new(&self.repository, sender, &config);
        loop {
            let limit = match config.batches {
                Batches::All => config.batch_size,
                Batches::One => config.batch_size - delivery.outcome.delivered,
            };
            let batch = self.next_batch(backlog, limit, &mut delivery);
            if config.batches == Batches::All {
                let next = backlog.upcoming(config.batch_size);
                self.repository.read_ahead(next);
            }
            delivery.deliver(&batch, backlog);
            let outcome = &delivery.outcome;
            let done = backlog.is_empty()
                || outcome.failure.is_some()
                || config.batches == Batches::One
                    && (outcome.delivered >= config.batch_size || delivery.is_out_of_time());
            if !goes_on(outcome) || done {
                return delivery.outcome;
            }
            if config.batches == Batches::All {
                delivery.set_deadline(Deadline::after(config.time_limit));
            }
        }
    }

    /// Takes the next entries of `backlog`, without those that the sender does not take.
    fn next_batch(
        &self,
        backlog: &mut Backlog,
        limit: usize,
        delivery: &mut Delivery<'_, R>,
    ) -> Vec<SpooledEntry> {
        let mut batch: Vec<SpooledEntry> = Vec::new();
        loop {
            let before = batch.len();
            let found = self.repository.find_unflushed(backlog, limit - before);
            let count = found.len();
            batch.extend(found.into_iter().filter(|entry| delivery.takes(entry)));
            // What was passed over makes room for the next.
            if batch.len() - before == count {
                return batch;
            }
        }
    }
}

#[cfg(test)]
mod tests;
