use super::*;
use crate::domain::{
    Cutoffs, Delivered, Doing, EntryFields, EntryId, EntryOutcome, Expired, Listing,
    SenderFailureKind, TelemetryEntry,
};
use chrono::DateTime;
use std::cell::RefCell;
use std::collections::BTreeMap;

const AMPLE: Duration = Duration::from_hours(1);

/// Entries in memory, and what was done to them.
#[derive(Default)]
struct Memory {
    pending: RefCell<BTreeMap<EntryName, String>>,
    log: RefCell<Vec<String>>,
    read_ahead: RefCell<Vec<Vec<String>>>,
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

    fn list(&self) -> Result<Listing, SpoolError> {
        Ok(Listing {
            pending: self.pending.borrow().keys().cloned().collect(),
            ..Listing::default()
        })
    }

    fn read(&self, name: &EntryName) -> Option<SpooledEntry> {
        self.pending.borrow().get(name).map(|data| SpooledEntry {
            name: name.clone(),
            id: name.id.clone(),
            data: data.clone(),
            fields: EntryFields::default(),
        })
    }

    fn read_ahead(&self, names: Vec<EntryName>) {
        let ids = names.iter().map(|name| name.id.to_string()).collect();
        self.read_ahead.borrow_mut().push(ids);
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

    fn delete_older_than(&self, _: &Listing, _: &Cutoffs) -> Expired {
        Expired::default()
    }
}

/// Refuses every batch that holds one of the `poison`.
struct Picky {
    poison: Vec<String>,
    refusal: SendError,
    batches: Vec<usize>,
}

impl TelemetrySender for Picky {
    fn send_batch(
        &mut self,
        entries: &[SpooledEntry],
        distinct_id: &str,
        _: Deadline,
    ) -> Result<Delivered, SendError> {
        assert_eq!(distinct_id, "repo");
        self.batches.push(entries.len());
        if entries
            .iter()
            .any(|entry| self.poison.contains(&entry.data))
        {
            return Err(self.refusal.clone());
        }
        Ok(Delivered::Whole)
    }
}

fn ids(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| format!("{n:03}")).collect()
}

fn picky(status: u16, poison: Vec<String>) -> Picky {
    let body = String::new();
    Picky {
        poison,
        refusal: SendError::Rejected { status, body },
        batches: Vec::new(),
    }
}

/// As one that breaks down over the `poison`.
fn fragile(kind: SenderFailureKind, poison: Vec<String>) -> Picky {
    Picky {
        poison,
        refusal: kind.by("ours.wasm").into(),
        batches: Vec::new(),
    }
}

fn breakdowns() -> [SenderFailureKind; 2] {
    let reason = "unreachable".to_owned();
    [
        SenderFailureKind::Trapped { reason },
        SenderFailureKind::OutOfMemory { limit_mib: 256 },
    ]
}

fn config(keep_flushed: bool) -> FlushConfig<'static> {
    FlushConfig {
        distinct_id: "repo",
        batches: Batches::One,
        batch_size: BATCH_SIZE,
        keep_flushed,
        keep_from: NaiveDate::MIN,
        deadline: Deadline::after(AMPLE),
        time_limit: AMPLE,
        stuck: None,
    }
}

fn run(
    memory: Memory,
    sender: &mut dyn TelemetrySender,
    config: FlushConfig<'_>,
) -> (FlushOutcome, Memory) {
    let service = TelemetryService::new(memory);
    let mut backlog = service.repository.list().unwrap().into_backlog();
    let outcome = service.flush_telemetry(&mut backlog, sender, config, |_| true);
    (outcome, service.repository)
}

fn flush(memory: Memory, sender: &mut Picky, keep_flushed: bool) -> (FlushOutcome, Memory) {
    run(memory, sender, config(keep_flushed))
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
fn while_a_batch_of_all_is_sent_the_next_one_is_read() {
    for (batches, read_ahead) in [
        (Batches::One, vec![]),
        (Batches::All, vec![ids(25..50), ids(50..60), ids(0..0)]),
    ] {
        let config = FlushConfig {
            batches,
            ..config(false)
        };
        let (_, memory) = run(Memory::with(ids(0..60)), &mut picky(500, vec![]), config);
        assert_eq!(*memory.read_ahead.borrow(), read_ahead, "{batches:?}");
    }
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
        assert_eq!((outcome.delivered, outcome.quarantined), (25, 1));
        assert!(outcome.failure.is_none());
        assert!(memory.log.borrow().contains(&"quarantine 007".to_owned()));
        assert_eq!(memory.waiting(), ids(25..29));
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

fn retried(
    memory: Memory,
    sender: &mut dyn TelemetrySender,
    stuck_at: Option<&EntryName>,
) -> (FlushOutcome, Memory) {
    let stuck_at = stuck_at.map(ToString::to_string);
    let config = FlushConfig {
        stuck: stuck_at.as_deref().map(|oldest| Stuck {
            oldest,
            was_computing: false,
        }),
        ..config(false)
    };
    run(memory, sender, config)
}

#[test]
fn an_endpoint_that_refuses_everything_gets_8_requests_at_most() {
    for count in 1..60 {
        for status in [400, 413, 422] {
            let mut sender = picky(status, ids(0..count));
            let (outcome, memory) = flush(Memory::with(ids(0..count)), &mut sender, false);
            assert!(sender.batches.len() <= 8, "{count}: {:?}", sender.batches);
            assert_eq!(outcome.failure.unwrap().kind(), "rejected");
            assert_eq!(memory.waiting(), ids(0..count));
        }
    }
}

#[test]
fn however_many_entries_are_refused_the_newest_arrives_and_the_flush_goes_on() {
    for poison in [24, 25, 26, 49, 50, 51, 70] {
        let mut sender = picky(422, ids(0..poison));
        let (outcome, memory) = flush(Memory::with(ids(0..80)), &mut sender, false);
        assert!(outcome.failure.is_none());
        assert_eq!(outcome.quarantined, poison, "{poison}");
        assert_eq!(outcome.delivered, 25.min(80 - poison), "{poison}");
        assert_eq!(memory.waiting().len(), 80 - poison - outcome.delivered);
    }
}

#[test]
fn each_entry_that_is_refused_is_found_wherever_it_is() {
    for count in 2..30 {
        for poison in 0..count {
            let poison = ids(poison..poison + 1);
            let mut sender = picky(400, poison.clone());
            let (outcome, memory) = flush(Memory::with(ids(0..count)), &mut sender, false);
            assert!(outcome.failure.is_none(), "{count}: {poison:?}");
            let aside = memory
                .log
                .borrow()
                .contains(&format!("quarantine {}", poison[0]));
            assert!(aside || memory.waiting().contains(&poison[0]));
            assert_eq!(outcome.delivered, 25.min(count - 1), "{count}: {poison:?}");
        }
    }
}

#[test]
fn a_refusal_that_is_not_about_content_isolates_only_a_batch_that_flushes_have_failed_with() {
    for status in [401, 403, 404, 500, 502] {
        for poison in 0..25 {
            let poison = ids(poison..poison + 1);
            let mut sender = picky(status, poison.clone());
            let (outcome, memory) = flush(Memory::with(ids(0..30)), &mut sender, false);
            assert_eq!(sender.batches, [25]);
            let stuck_at = outcome.refused_at.unwrap();
            assert_eq!(memory.waiting(), ids(0..30));
            let (outcome, memory) = retried(memory, &mut sender, Some(&stuck_at));
            assert!(outcome.failure.is_none(), "{status}: {:?}", outcome.failure);
            // Where nothing else is left to be taken after it, another witness is.
            assert!((25..=26).contains(&outcome.delivered));
            assert_eq!(outcome.quarantined, 1);
            let aside = memory
                .log
                .borrow()
                .contains(&format!("quarantine {}", poison[0]));
            assert!(aside, "{status} {poison:?}");
        }
    }
}

#[test]
fn one_entry_that_breaks_the_sender_down_is_set_aside_and_the_others_are_delivered() {
    for kind in breakdowns() {
        for count in [2, 24, 25, 26, 30] {
            for poison in 0..count {
                let poison = ids(poison..poison + 1);
                let mut sender = fragile(kind.clone(), poison.clone());
                let (outcome, memory) = flush(Memory::with(ids(0..count)), &mut sender, false);
                // Where nothing else is left to be taken after it, another witness is.
                let least = 25.min(count - 1);
                assert!(
                    (least..=least + 1).contains(&outcome.delivered),
                    "{count}: {poison:?}"
                );
                assert!(outcome.failure.is_none(), "{count}: {poison:?}");
                let aside = memory.log.borrow().join(" ").contains("quarantine");
                assert!(aside || memory.waiting().contains(&poison[0]));
            }
        }
    }
}

#[test]
fn a_sender_that_always_breaks_down_is_tried_8_times_at_most_and_costs_nothing() {
    for kind in breakdowns() {
        for count in 1..60 {
            let mut sender = fragile(kind.clone(), ids(0..count));
            let (outcome, memory) = flush(Memory::with(ids(0..count)), &mut sender, false);
            assert!(sender.batches.len() <= 8, "{count}: {:?}", sender.batches);
            assert_eq!(outcome.failure.unwrap().kind(), kind.as_str());
            assert_eq!(outcome.quarantined, 0);
            assert_eq!(memory.waiting(), ids(0..count));
        }
    }
}

/// Uses up all time that it is given where a batch holds one of the `poison`, and notes how much it was given.
struct Looping {
    poison: Vec<String>,
    doing: Doing,
    given: Vec<Duration>,
    used_up: usize,
}

impl TelemetrySender for Looping {
    fn send_batch(
        &mut self,
        entries: &[SpooledEntry],
        _: &str,
        deadline: Deadline,
    ) -> Result<Delivered, SendError> {
        self.given.push(deadline.remaining());
        if (entries.iter()).any(|entry| self.poison.contains(&entry.data)) {
            self.used_up += 1;
            let limit = AMPLE;
            let doing = self.doing.clone();
            return Err(SenderFailureKind::OutOfTime { limit, doing }
                .by("ours.wasm")
                .into());
        }
        Ok(Delivered::Whole)
    }
}

fn looping(doing: Doing, poison: Vec<String>) -> Looping {
    Looping {
        poison,
        doing,
        given: Vec::new(),
        used_up: 0,
    }
}

/// Flushes until the batch of the 25 oldest is stuck, and once more.
fn stuck(sender: &mut Looping, count: usize) -> (FlushOutcome, Memory) {
    let (outcome, memory) = run(Memory::with(ids(0..count)), sender, config(false));
    assert_eq!(sender.given.len(), 1);
    assert_eq!(outcome.quarantined, 0);
    let Some(oldest) = outcome.refused_at else {
        return (outcome, memory);
    };
    (sender.given, sender.used_up) = (Vec::new(), 0);
    let config = FlushConfig {
        stuck: Some(Stuck {
            oldest: &oldest.to_string(),
            was_computing: true,
        }),
        ..config(false)
    };
    run(memory, sender, config)
}

#[test]
fn one_entry_that_the_sender_loops_over_is_set_aside_where_flushes_have_failed_with_its_batch() {
    for count in [2, 25, 26, 30] {
        // The newest is the witness. Where that is the one, the next entry is its witness.
        for poison in 0..(count - 1).min(25) {
            let mut sender = looping(Doing::Computing, ids(poison..poison + 1));
            let (outcome, memory) = stuck(&mut sender, count);
            assert!(
                outcome.failure.is_none(),
                "{count} {poison}: {:?}",
                outcome.failure
            );
            assert_eq!(outcome.quarantined, 1, "{count} {poison}");
            let aside = format!("quarantine {poison:03}");
            assert!(memory.log.borrow().contains(&aside), "{count} {poison}");
            let share = AMPLE / 10;
            assert!(
                sender.given.iter().all(|given| *given <= share),
                "{count} {poison}: {:?}",
                sender.given
            );
            assert!(sender.used_up <= 7, "{count} {poison}: of ten shares");
            let refusal = outcome.refusal.unwrap().to_string();
            let whole = AMPLE.as_millis().to_string();
            assert!(!refusal.contains(&whole), "it had a share: {refusal}");
        }
    }
}

#[test]
fn a_sender_that_always_loops_is_tried_twice_and_costs_nothing() {
    for count in [1, 2, 25, 60] {
        let mut sender = looping(Doing::Computing, ids(0..count));
        let (outcome, memory) = stuck(&mut sender, count);
        assert!(sender.given.len() <= 2, "{count}: {:?}", sender.given);
        assert_eq!(outcome.failure.unwrap().kind(), "out-of-time");
        assert_eq!(outcome.quarantined, 0);
        assert_eq!(memory.waiting(), ids(0..count));
    }
}

#[test]
fn a_network_that_does_not_answer_sets_nothing_aside_however_often_flushes_failed() {
    for doing in [Doing::Waiting, Doing::Request("connecting".into())] {
        let mut sender = looping(doing, ids(3..4));
        let (outcome, memory) = stuck(&mut sender, 30);
        assert_eq!(outcome.failure.unwrap().kind(), "out-of-time");
        assert_eq!(outcome.refused_at, None, "it is never stuck");
        assert_eq!(memory.waiting(), ids(0..30));
        // Nor where it went down after the sender had been computing.
        let first = EntryName::pending(DateTime::UNIX_EPOCH, EntryId::parse("000").unwrap());
        let (outcome, memory) = retried(memory, &mut sender, Some(&first));
        assert_eq!(outcome.quarantined, 0);
        assert_eq!(memory.waiting(), ids(0..30));
    }
}

#[test]
fn where_the_newest_is_refused_as_well_a_stuck_batch_costs_two_requests() {
    let mut sender = picky(500, ids(0..30));
    let first = EntryName::pending(DateTime::UNIX_EPOCH, EntryId::parse("000").unwrap());
    let (outcome, memory) = retried(Memory::with(ids(0..30)), &mut sender, Some(&first));
    assert_eq!(sender.batches, [25, 1]);
    assert_eq!(outcome.failure.unwrap().kind(), "rejected");
    assert_eq!(outcome.refused_at, Some(first));
    assert_eq!(memory.waiting(), ids(0..30));
}

/// Answers the nth request with 500 where `is_down` says so, and takes everything otherwise.
struct Flapping<F> {
    is_down: F,
    requests: usize,
}

impl<F: Fn(usize) -> bool> TelemetrySender for Flapping<F> {
    fn send_batch(
        &mut self,
        _: &[SpooledEntry],
        _: &str,
        _: Deadline,
    ) -> Result<Delivered, SendError> {
        self.requests += 1;
        if (self.is_down)(self.requests - 1) {
            return Err(SendError::Rejected {
                status: 500,
                body: String::new(),
            });
        }
        Ok(Delivered::Whole)
    }
}

#[test]
fn an_endpoint_that_comes_back_or_goes_down_in_the_middle_costs_nothing() {
    let first = EntryName::pending(DateTime::UNIX_EPOCH, EntryId::parse("000").unwrap());
    for at in 0..40 {
        let plans: [Box<dyn Fn(usize) -> bool>; 3] = [
            Box::new(move |n| n < at),
            Box::new(move |n| n == 0 || n > at),
            Box::new(move |n| n == 0 || n == at),
        ];
        for (plan, is_down) in plans.into_iter().enumerate() {
            let mut sender = Flapping {
                is_down,
                requests: 0,
            };
            let (outcome, memory) = retried(Memory::with(ids(0..60)), &mut sender, Some(&first));
            assert_eq!(outcome.quarantined, 0, "{plan} {at}");
            assert_eq!(
                outcome.delivered + memory.waiting().len(),
                60,
                "{plan} {at}"
            );
        }
    }
}

/// Takes nothing that ends in 0.
struct Bounded(Vec<usize>);

impl TelemetrySender for Bounded {
    fn send_batch(
        &mut self,
        entries: &[SpooledEntry],
        _: &str,
        _: Deadline,
    ) -> Result<Delivered, SendError> {
        self.0.push(entries.len());
        assert!(entries.iter().all(|entry| !entry.data.ends_with('0')));
        Ok(Delivered::Whole)
    }

    fn takes(&self, entry: &SpooledEntry) -> bool {
        !entry.data.ends_with('0')
    }
}

#[test]
fn what_the_sender_does_not_take_waits_and_makes_room_for_the_next() {
    let mut sender = Bounded(Vec::new());
    let (outcome, memory) = run(Memory::with(ids(0..40)), &mut sender, config(false));
    assert_eq!((outcome.delivered, outcome.withheld), (25, 3));
    assert_eq!(sender.0, [25]);
    assert_eq!(memory.waiting()[..3], ["000", "010", "020"]);
}

/// Says of each entry what its content says: `later`, `never`, or anything else for taken.
#[derive(Default)]
struct Sorting {
    batches: Vec<Vec<String>>,
}

impl TelemetrySender for Sorting {
    fn send_batch(
        &mut self,
        entries: &[SpooledEntry],
        _: &str,
        _: Deadline,
    ) -> Result<Delivered, SendError> {
        let ids = entries.iter().map(|entry| entry.data.clone());
        self.batches.push(ids.collect());
        let outcome = |entry: &SpooledEntry| match entry.data.split_once('-') {
            Some((_, "later")) => EntryOutcome::Later,
            Some((_, "never")) => EntryOutcome::Rejected {
                reason: "no good".to_owned(),
            },
            _ => EntryOutcome::Taken,
        };
        Ok(Delivered::Each(entries.iter().map(outcome).collect()))
    }
}

fn named(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[test]
fn what_was_taken_beside_what_was_refused_is_not_sent_again() {
    let mut sender = Sorting::default();
    let entries = named(&["1", "2-never", "3", "4-never"]);
    let (outcome, memory) = run(Memory::with(entries.clone()), &mut sender, config(false));
    assert_eq!((outcome.delivered, outcome.quarantined), (2, 2));
    assert_eq!(sender.batches, [entries]);
    assert_eq!(memory.waiting(), Vec::<String>::new());
    assert_eq!(
        outcome.refusal.unwrap().to_string(),
        "the endpoint refused what was sent: no good"
    );
}

#[test]
fn where_each_entry_is_refused_none_is_set_aside() {
    let mut sender = Sorting::default();
    let entries: Vec<_> = (0..30).map(|n| format!("{n:03}-never")).collect();
    let (outcome, memory) = run(Memory::with(entries.clone()), &mut sender, config(false));
    assert_eq!((outcome.delivered, outcome.quarantined), (0, 0));
    assert_eq!(outcome.failure.unwrap().kind(), "rejected");
    assert!(sender.batches.len() <= 8, "{}", sender.batches.len());
    assert_eq!(memory.waiting(), entries);
}

#[test]
fn what_is_wanted_later_waits_and_ends_the_flush() {
    let mut sender = Sorting::default();
    let entries = named(&["1", "2-later", "3", "4-never"]);
    let (outcome, memory) = run(Memory::with(entries), &mut sender, config(false));
    assert_eq!((outcome.delivered, outcome.quarantined), (2, 1));
    assert_eq!(
        outcome.failure.unwrap().to_string(),
        "the endpoint wants 1 entry later"
    );
    assert_eq!(memory.waiting(), ["2-later"]);
}

#[test]
fn what_is_wanted_later_again_and_again_blocks_nothing_and_is_never_set_aside() {
    let mut entries: Vec<_> = (0..60).map(|n| format!("{n:03}-later")).collect();
    entries.extend(["060".to_owned(), "061".to_owned()]);
    let first = EntryName::pending(DateTime::UNIX_EPOCH, EntryId::parse("000-later").unwrap());
    let (outcome, memory) = run(
        Memory::with(entries.clone()),
        &mut Sorting::default(),
        config(false),
    );
    assert_eq!(outcome.delivered, 0);
    assert_eq!(outcome.refused_at, Some(first.clone()));
    assert_eq!(memory.waiting().len(), 62);
    let mut sender = Sorting::default();
    let (outcome, memory) = retried(memory, &mut sender, Some(&first));
    assert_eq!((outcome.delivered, outcome.quarantined), (2, 0));
    assert_eq!(memory.waiting(), entries[..60]);
}
