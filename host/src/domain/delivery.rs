//! The delivery of batches, and the isolation of entries that the endpoint refuses.

use std::mem;
use std::slice;
use std::time::Duration;

use super::{
    Backlog, Deadline, Delivered, EntryOutcome, FlushConfig, FlushFailure, FlushOutcome, SendError,
    SpooledEntry, TelemetryRepository, TelemetrySender,
};

/// The most requests for one batch where the endpoint accepts nothing.
const MOST_REFUSALS: usize = 8;

/// How many calls share the time of a batch that the sender has computed over until its deadline: to find one entry
/// of 25, and to try it again, takes seven calls that use up their share.
const SHARES: u32 = 10;

/// Delivers batches one after the other.
///
/// Where the endpoint refuses a batch for its content (400, 413, 422), the newest entry that waits is sent alone: it
/// tells an endpoint that takes nothing from one that does not take these. Then the batch is sent in halves, down to
/// single entries. An entry that is refused alone is quarantined, but only where another was accepted: an endpoint
/// that refuses everything says nothing about any one entry.
///
/// Other refusals (401, 403, 404, 5xx) mostly say nothing about the content. A batch is isolated for them only where
/// flushes before have failed with it, once its newest entry was accepted, and an entry is quarantined only when it is
/// refused alone, and once more after another was accepted. A sender that breaks down over a batch (a trap, its memory)
/// is isolated as a refusal for the content, and an entry is quarantined as for other refusals. A sender that computes
/// until its deadline, as one that loops over an entry does, is treated as another refusal: it may have been slow once.
/// One that waits for the network is never isolated.
///
/// A sender may tell of each entry what became of it. An entry that was refused beside others that were taken is
/// quarantined at once; where none was taken, the answer counts as a refusal of the batch for its content. What the
/// endpoint wants later waits, and ends the flush, but where flushes before have ended with it: then it is passed over.
pub(super) struct Delivery<'a, R> {
    repository: &'a R,
    sender: &'a mut dyn TelemetrySender,
    config: &'a FlushConfig<'a>,
    deadline: Deadline,
    /// What came of all batches so far.
    pub(super) outcome: FlushOutcome,
    /// How many requests were accepted.
    accepted: usize,
    /// Whether what the endpoint wants later is passed over, since flushes before have ended with it.
    passes_over: bool,
    batch: Batch,
}

/// What is known of the batch that is being delivered.
#[derive(Default)]
struct Batch {
    requests: usize,
    accepted_before: usize,
    /// Whether refusals that do not speak of the content count as well, and so does a sender that computes too long.
    is_stuck: bool,
    /// The most that one call may take, where the calls share the batch's time.
    share: Option<Duration>,
    suspects: Vec<Suspect>,
}

/// An entry that was refused alone.
struct Suspect {
    entry: SpooledEntry,
    refusal: SendError,
    /// How many requests had been accepted by then.
    accepted_before: usize,
}

impl<'a, R: TelemetryRepository> Delivery<'a, R> {
    pub(super) fn new(
        repository: &'a R,
        sender: &'a mut dyn TelemetrySender,
        config: &'a FlushConfig<'a>,
    ) -> Self {
        Self {
            repository,
            sender,
            config,
            deadline: config.deadline,
            outcome: FlushOutcome::default(),
            accepted: 0,
            passes_over: false,
            batch: Batch::default(),
        }
    }

    pub(super) const fn set_deadline(&mut self, deadline: Deadline) {
        self.deadline = deadline;
    }

    pub(super) fn is_out_of_time(&self) -> bool {
        self.deadline.has_passed()
    }

    /// Whether the sender takes this entry. Counts those that it does not.
    pub(super) fn takes(&mut self, entry: &SpooledEntry) -> bool {
        let takes = self.sender.takes(entry);
        self.outcome.withheld += usize::from(!takes);
        takes
    }

    /// Sends a batch that was taken of `backlog`, and marks what was delivered.
    pub(super) fn deliver(&mut self, entries: &[SpooledEntry], backlog: &mut Backlog) {
        let Some(oldest) = entries.first() else {
            return;
        };
        let stuck = self.config.stuck;
        let stuck = stuck.filter(|stuck| stuck.oldest == oldest.name.to_string());
        let shares_time = stuck.is_some_and(|stuck| stuck.was_computing);
        self.batch = Batch {
            accepted_before: self.accepted,
            is_stuck: stuck.is_some(),
            share: shares_time.then(|| self.deadline.remaining() / SHARES),
            ..Batch::default()
        };
        self.passes_over |= stuck.is_some() && !shares_time;
        match self.send(entries) {
            Ok(()) => self.set_suspects_aside(backlog),
            Err(error) if self.is_refusal(&error) => self.isolate(entries, &error, backlog),
            Err(error) => {
                // Refused beside others that were taken, while the rest is wanted later.
                if self.has_accepted() {
                    self.set_suspects_aside(backlog);
                }
                self.fail(error);
            }
        }
        let may_be_an_entry = matches!(
            &self.outcome.failure,
            Some(FlushFailure::Send(error)) if error.is_an_answer() || error.is_computing()
        );
        self.outcome.refused_at = may_be_an_entry.then(|| oldest.name.clone());
    }

    fn isolate(&mut self, entries: &[SpooledEntry], refusal: &SendError, backlog: &mut Backlog) {
        let speaks_of_entries = refusal.is_about_content() || refusal.is_breakdown();
        if let [only] = entries
            && speaks_of_entries
        {
            self.suspect(only, refusal.clone());
        }
        let newest = self.find_newest(backlog);
        let (rest, witness) = match (&newest, entries) {
            (Some(newest), _) => (entries, Some(newest)),
            (None, [rest @ .., newest]) if !rest.is_empty() => (rest, Some(newest)),
            (None, _) => (entries, None),
        };
        if let Some(witness) = witness {
            self.send_part(slice::from_ref(witness), refusal);
        }
        let was_taken = self.has_accepted();
        if speaks_of_entries || was_taken {
            match rest {
                [_] if entries.len() == 1 && speaks_of_entries => {}
                // Without its newest entry it may be taken as it is.
                _ if rest.len() < entries.len() && !was_taken => self.send_part(rest, refusal),
                _ => self.send_halves(rest, refusal),
            }
        }
        let taken = self.has_accepted() || witness.is_none() && self.accepted > 0;
        if taken {
            self.set_suspects_aside(backlog);
        } else {
            self.fail(refusal.clone());
        }
    }

    fn send_halves(&mut self, entries: &[SpooledEntry], refusal: &SendError) {
        let (older, newer) = entries.split_at(entries.len() / 2);
        for half in [older, newer] {
            if !half.is_empty() {
                self.send_part(half, refusal);
            }
        }
    }

    /// Sends a part of the batch, or parts of that where it is refused.
    fn send_part(&mut self, entries: &[SpooledEntry], refusal: &SendError) {
        if self.outcome.failure.is_some() {
            return;
        }
        let in_vain = !self.has_accepted() && self.batch.requests >= MOST_REFUSALS;
        if in_vain || self.deadline.has_passed() {
            return self.fail(refusal.clone());
        }
        match (self.send(entries), entries) {
            (Ok(()), _) => {}
            (Err(error), [entry]) if self.is_refusal(&error) => self.suspect(entry, error),
            (Err(error), _) if self.is_refusal(&error) => self.send_halves(entries, &error),
            (Err(error), _) => self.fail(error),
        }
    }

    /// Quarantines what was refused alone; what speaks of the content at once, the rest when it is refused again.
    fn set_suspects_aside(&mut self, backlog: &mut Backlog) {
        for suspect in mem::take(&mut self.batch.suspects) {
            if !suspect.refusal.is_about_content() && !self.is_refused_again(&suspect, backlog) {
                continue;
            }
            match self.repository.quarantine(&suspect.entry.name) {
                Ok(()) => {
                    self.outcome.quarantined += 1;
                    self.outcome.refusal = Some(suspect.refusal);
                }
                Err(error) => self.fail(error),
            }
        }
    }

    fn is_refused_again(&mut self, suspect: &Suspect, backlog: &mut Backlog) -> bool {
        if self.outcome.failure.is_some() {
            return false;
        }
        // An endpoint that has just gone down refuses everything.
        if self.accepted == suspect.accepted_before
            && let Some(newest) = self.find_newest(backlog)
            && let Err(error) = self.send(slice::from_ref(&newest))
        {
            self.fail(error);
            return false;
        }
        match self.send(slice::from_ref(&suspect.entry)) {
            Ok(()) => false,
            Err(error) if self.is_refusal(&error) => true,
            Err(error) => {
                self.fail(error);
                false
            }
        }
    }

    fn send(&mut self, entries: &[SpooledEntry]) -> Result<(), SendError> {
        self.batch.requests += 1;
        let limit = (self.batch.share).map(|share| share.min(self.deadline.remaining()));
        let deadline = limit.map_or(self.deadline, Deadline::after);
        let sent = (self.sender).send_batch(entries, self.config.distinct_id, deadline);
        let sent = sent.map_err(|error| match limit {
            Some(limit) => error.within(limit),
            None => error,
        });
        match sent? {
            Delivered::Whole => self.accept(&entries.iter().collect::<Vec<_>>()),
            Delivered::Each(outcomes) => self.sort(entries, outcomes)?,
        }
        Ok(())
    }

    /// Deals with entries by what became of each.
    fn sort(
        &mut self,
        entries: &[SpooledEntry],
        outcomes: Vec<EntryOutcome>,
    ) -> Result<(), SendError> {
        let mut taken = Vec::new();
        let mut refused = Vec::new();
        let mut later = 0;
        for (entry, outcome) in entries.iter().zip(outcomes) {
            match outcome {
                EntryOutcome::Taken => taken.push(entry),
                EntryOutcome::Rejected { reason } => refused.push((entry, reason)),
                EntryOutcome::Later => later += 1,
            }
        }
        if taken.is_empty()
            && let Some((_, reason)) = refused.pop()
        {
            return Err(SendError::Refused { reason });
        }
        if !taken.is_empty() {
            self.accept(&taken);
        }
        for (entry, reason) in refused {
            self.suspect(entry, SendError::Refused { reason });
        }
        if later > 0 && !self.passes_over {
            return Err(SendError::Later { entries: later });
        }
        Ok(())
    }

    /// Notes that the endpoint took responsibility for these.
    fn accept(&mut self, entries: &[&SpooledEntry]) {
        self.accepted += 1;
        self.outcome.delivered += entries.len();
        self.repository.count_delivered(entries);
        for entry in entries {
            let keep = self.config.keep_flushed && entry.name.date >= self.config.keep_from;
            if let Err(error) = self.repository.mark_flushed(&entry.name, keep) {
                self.fail(error);
            }
        }
    }

    fn find_newest(&mut self, backlog: &mut Backlog) -> Option<SpooledEntry> {
        loop {
            let newest = self.repository.find_newest(backlog)?;
            if self.takes(&newest) {
                return Some(newest);
            }
        }
    }

    fn suspect(&mut self, entry: &SpooledEntry, refusal: SendError) {
        self.batch.suspects.push(Suspect {
            entry: entry.clone(),
            refusal,
            accepted_before: self.accepted,
        });
    }

    fn is_refusal(&self, error: &SendError) -> bool {
        error.is_about_content()
            || error.is_breakdown()
            || self.batch.is_stuck && (error.is_an_answer() || error.is_computing())
    }

    /// Whether any entry of the batch, or its witness, was accepted.
    const fn has_accepted(&self) -> bool {
        self.accepted > self.batch.accepted_before
    }

    fn fail(&mut self, failure: impl Into<FlushFailure>) {
        self.outcome.failure.get_or_insert(failure.into());
    }
}
