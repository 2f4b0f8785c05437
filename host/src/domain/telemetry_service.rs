//! Recording, flushing and retention, over the two ports.

use std::time::Duration;

use chrono::{DateTime, Days, Utc};
use thiserror::Error;

use super::delivery::Delivery;
use super::{
    Backlog, Deadline, Expired, SendError, SpoolError, TelemetryEntry, TelemetryRepository,
    TelemetrySender,
};

/// The most entries that one batch holds.
pub const BATCH_SIZE: usize = 25;

/// How much of a backlog a flush sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batches {
    /// One batch of the oldest entries.
    One,
    /// One batch after the other until nothing is left or one fails.
    All,
}

/// How a backlog is to be flushed.
#[derive(Clone, Copy, Debug)]
pub struct FlushConfig<'a> {
    /// The repository's id.
    pub distinct_id: &'a str,
    /// How many batches are sent.
    pub batches: Batches,
    /// The most entries in a batch: [`BATCH_SIZE`], or fewer.
    pub batch_size: usize,
    /// Whether sent entries are kept until they expire.
    pub keep_flushed: bool,
    /// When the first batch must have ended, whatever it takes.
    pub deadline: Deadline,
    /// How long each batch after it may take.
    pub time_limit: Duration,
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
    /// Why what still waits of the batch was not delivered.
    pub failure: Option<FlushFailure>,
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
        self.delivered == 0 && self.quarantined == 0 && self.failure.is_none()
    }

    /// Adds what came of a further batch.
    fn add(&mut self, batch: Self) {
        self.delivered += batch.delivered;
        self.quarantined += batch.quarantined;
        self.refusal = batch.refusal.or(self.refusal.take());
        self.failure = batch.failure.or(self.failure.take());
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

    /// Records an invocation.
    ///
    /// # Errors
    ///
    /// When it could not be spooled.
    pub fn record(&self, entry: &TelemetryEntry) -> Result<(), SpoolError> {
        self.repository.save(entry)
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
        let mut outcome = FlushOutcome::default();
        let mut deadline = config.deadline;
        loop {
            let batch = self.repository.find_unflushed(backlog, config.batch_size);
            let delivery = Delivery::new(&self.repository, sender, &config, deadline);
            outcome.add(delivery.deliver(&batch, backlog));
            let done =
                config.batches == Batches::One || backlog.is_empty() || outcome.failure.is_some();
            if !goes_on(&outcome) || done {
                return outcome;
            }
            deadline = Deadline::after(config.time_limit);
        }
    }

    /// Removes what is older than `retention_days`, sent or not.
    ///
    /// # Errors
    ///
    /// When the spool could not be listed.
    pub fn clean_up(&self, now: DateTime<Utc>, retention_days: u16) -> Result<Expired, SpoolError> {
        let today = now.date_naive();
        let oldest = today.checked_sub_days(Days::new(retention_days.into()));
        self.repository.delete_older_than(oldest.unwrap_or(today))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{EntryFields, EntryId, EntryName, SpooledEntry};
    use chrono::NaiveDate;
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    const AMPLE: Duration = Duration::from_hours(1);

    /// Entries in memory, and what was done to them.
    #[derive(Default)]
    struct Memory {
        pending: RefCell<BTreeMap<EntryName, String>>,
        log: RefCell<Vec<String>>,
        deleted_before: RefCell<Option<NaiveDate>>,
    }

    impl Memory {
        fn with(ids: impl IntoIterator<Item = String>) -> Self {
            let memory = Self::default();
            for id in ids {
                let name = EntryName::pending(DateTime::UNIX_EPOCH, EntryId::parse(&id).unwrap());
                memory.pending.borrow_mut().insert(name, id);
            }
            memory
        }

        fn waiting(&self) -> Vec<String> {
            self.pending.borrow().values().cloned().collect()
        }
    }

    impl TelemetryRepository for Memory {
        fn save(&self, entry: &TelemetryEntry) -> Result<(), SpoolError> {
            self.pending
                .borrow_mut()
                .insert(entry.name(), entry.to_json());
            Ok(())
        }

        fn backlog(&self) -> Result<Backlog, SpoolError> {
            Ok(Backlog::new(self.pending.borrow().keys().cloned()))
        }

        fn read(&self, name: &EntryName) -> Option<SpooledEntry> {
            self.pending.borrow().get(name).map(|data| SpooledEntry {
                name: name.clone(),
                data: data.clone(),
                fields: EntryFields::default(),
            })
        }

        fn mark_flushed(&self, name: &EntryName, keep_flushed: bool) -> Result<(), SpoolError> {
            self.pending.borrow_mut().remove(name);
            let verb = if keep_flushed { "keep" } else { "delete" };
            self.log.borrow_mut().push(format!("{verb} {}", name.id));
            Ok(())
        }

        fn quarantine(&self, name: &EntryName) -> Result<(), SpoolError> {
            self.pending.borrow_mut().remove(name);
            self.log
                .borrow_mut()
                .push(format!("quarantine {}", name.id));
            Ok(())
        }

        fn delete_older_than(&self, day: NaiveDate) -> Result<Expired, SpoolError> {
            *self.deleted_before.borrow_mut() = Some(day);
            Ok(Expired::default())
        }
    }

    /// Refuses every batch that holds one of the `poison`, with `status`.
    struct Picky {
        poison: Vec<String>,
        status: u16,
        batches: Vec<usize>,
    }

    impl TelemetrySender for Picky {
        fn send_batch(
            &mut self,
            entries: &[SpooledEntry],
            distinct_id: &str,
            _: Deadline,
        ) -> Result<(), SendError> {
            assert_eq!(distinct_id, "repo");
            self.batches.push(entries.len());
            if entries
                .iter()
                .any(|entry| self.poison.contains(&entry.data))
            {
                return Err(SendError::Rejected {
                    status: self.status,
                    body: String::new(),
                });
            }
            Ok(())
        }
    }

    fn ids(range: std::ops::Range<usize>) -> Vec<String> {
        range.map(|n| format!("{n:03}")).collect()
    }

    fn picky(status: u16, poison: Vec<String>) -> Picky {
        Picky {
            poison,
            status,
            batches: Vec::new(),
        }
    }

    fn flush(memory: Memory, sender: &mut Picky, keep_flushed: bool) -> (FlushOutcome, Memory) {
        let config = FlushConfig {
            distinct_id: "repo",
            batches: Batches::One,
            batch_size: BATCH_SIZE,
            keep_flushed,
            deadline: Deadline::after(AMPLE),
            time_limit: AMPLE,
        };
        let service = TelemetryService::new(memory);
        let mut backlog = service.repository.backlog().unwrap();
        let outcome = service.flush_telemetry(&mut backlog, sender, config, |_| true);
        (outcome, service.repository)
    }

    #[test]
    fn one_batch_of_the_25_oldest_is_sent_and_then_marked() {
        let mut sender = picky(500, vec![]);
        let (outcome, memory) = flush(Memory::with(ids(0..30)), &mut sender, false);
        assert_eq!(sender.batches, [25]);
        assert_eq!(outcome.delivered, 25);
        assert!(outcome.failure.is_none());
        assert_eq!(memory.waiting(), ids(25..30));
        assert_eq!(memory.log.borrow().first().unwrap(), "delete 000");
    }

    #[test]
    fn what_was_sent_is_kept_when_asked() {
        let (_, memory) = flush(Memory::with(ids(0..2)), &mut picky(500, vec![]), true);
        assert_eq!(*memory.log.borrow(), ["keep 000", "keep 001"]);
    }

    #[test]
    fn nothing_is_marked_when_sending_fails() {
        let mut sender = picky(500, ids(0..1));
        let (outcome, memory) = flush(Memory::with(ids(0..3)), &mut sender, false);
        assert_eq!(sender.batches, [3]);
        assert_eq!(outcome.failure.unwrap().kind(), "rejected");
        assert_eq!(memory.waiting(), ids(0..3));
        assert!(memory.log.borrow().is_empty());
    }

    #[test]
    fn without_entries_the_sender_is_not_called() {
        let mut sender = picky(500, vec![]);
        let (outcome, _) = flush(Memory::default(), &mut sender, false);
        assert_eq!(sender.batches, [0; 0]);
        assert!(outcome.failure.is_none());
    }

    #[test]
    fn the_entry_that_is_refused_is_set_aside_and_the_others_are_delivered() {
        for status in [400, 413, 422] {
            let mut sender = picky(status, vec!["007".into()]);
            let (outcome, memory) = flush(Memory::with(ids(0..30)), &mut sender, false);
            assert_eq!((outcome.delivered, outcome.quarantined), (24, 1));
            assert!(outcome.failure.is_none());
            assert!(memory.log.borrow().contains(&"quarantine 007".to_owned()));
            assert_eq!(memory.waiting(), ids(25..30));
        }
    }

    #[test]
    fn nothing_is_set_aside_when_everything_is_refused() {
        for status in [400, 401, 403, 404, 413, 422] {
            let mut sender = picky(status, ids(0..30));
            let (outcome, memory) = flush(Memory::with(ids(0..30)), &mut sender, false);
            assert_eq!((outcome.delivered, outcome.quarantined), (0, 0));
            assert_eq!(outcome.failure.unwrap().kind(), "rejected");
            assert_eq!(memory.waiting(), ids(0..30));
        }
    }

    #[test]
    fn a_batch_of_nothing_but_poison_does_not_block_what_is_behind_it() {
        let mut sender = picky(422, ids(0..25));
        let (outcome, memory) = flush(Memory::with(ids(0..30)), &mut sender, false);
        assert_eq!((outcome.delivered, outcome.quarantined), (1, 25));
        assert_eq!(memory.waiting(), ids(26..30));
    }

    #[test]
    fn cleaning_up_goes_by_whole_days() {
        let service = TelemetryService::new(Memory::default());
        let noon = "2026-02-11T12:00:00Z".parse().unwrap();
        service.clean_up(noon, 2).unwrap();
        let before = service.repository().deleted_before.borrow().unwrap();
        assert_eq!(before, NaiveDate::from_ymd_opt(2026, 2, 9).unwrap());
    }
}
