//! The delivery of one batch, and the isolation of entries that the endpoint refuses.

use super::{
    Backlog, Deadline, EntryName, FlushConfig, FlushOutcome, SpooledEntry, TelemetryRepository,
    TelemetrySender,
};

/// Delivers one batch.
///
/// An endpoint that refuses the batch for its content (400, 413, 422) is sent smaller ones, down to single
/// entries. An entry that it refuses alone is quarantined, but only when it accepts another: an endpoint
/// that refuses everything says nothing about any one entry.
pub(super) struct Delivery<'a, R> {
    repository: &'a R,
    sender: &'a mut dyn TelemetrySender,
    config: &'a FlushConfig<'a>,
    deadline: Deadline,
    refused: Vec<EntryName>,
    outcome: FlushOutcome,
}

impl<'a, R: TelemetryRepository> Delivery<'a, R> {
    /// A delivery that must have ended at `deadline`.
    pub(super) fn new(
        repository: &'a R,
        sender: &'a mut dyn TelemetrySender,
        config: &'a FlushConfig<'a>,
        deadline: Deadline,
    ) -> Self {
        Self {
            repository,
            sender,
            config,
            deadline,
            refused: Vec::new(),
            outcome: FlushOutcome::default(),
        }
    }

    /// Sends a batch that was taken of `backlog`, and marks what was delivered.
    pub(super) fn deliver(
        mut self,
        entries: &[SpooledEntry],
        backlog: &mut Backlog,
    ) -> FlushOutcome {
        if entries.is_empty() {
            return self.outcome;
        }
        self.send(entries);
        if self.everything_was_refused(entries.len()) {
            // The batch may hold nothing but poison: one entry more tells that from an endpoint that takes nothing.
            let witness = self.repository.find_unflushed(backlog, 1);
            if !witness.is_empty() {
                self.send(&witness);
            }
        }
        self.conclude()
    }

    fn send(&mut self, entries: &[SpooledEntry]) {
        if self.outcome.failure.is_some() {
            return;
        }
        let sent = self
            .sender
            .send_batch(entries, self.config.distinct_id, self.deadline);
        match sent {
            Ok(()) => self.mark_flushed(entries),
            Err(error) if error.is_about_content() => match entries {
                [entry] => {
                    self.refused.push(entry.name.clone());
                    self.outcome.refusal = Some(error);
                }
                _ if self.deadline.has_passed() => self.outcome.failure = Some(error.into()),
                _ => {
                    let (older, newer) = entries.split_at(entries.len() / 2);
                    self.send(older);
                    self.send(newer);
                }
            },
            Err(error) => self.outcome.failure = Some(error.into()),
        }
    }

    fn mark_flushed(&mut self, entries: &[SpooledEntry]) {
        self.outcome.delivered += entries.len();
        self.repository.count_delivered(entries);
        for entry in entries {
            let marked = self
                .repository
                .mark_flushed(&entry.name, self.config.keep_flushed);
            if let Err(error) = marked {
                self.outcome.failure.get_or_insert(error.into());
            }
        }
    }

    fn everything_was_refused(&self, entries: usize) -> bool {
        self.outcome.failure.is_none() && self.refused.len() == entries
    }

    fn conclude(mut self) -> FlushOutcome {
        if self.outcome.delivered > 0 {
            for name in &self.refused {
                match self.repository.quarantine(name) {
                    Ok(()) => self.outcome.quarantined += 1,
                    Err(error) => {
                        self.outcome.failure.get_or_insert(error.into());
                    }
                }
            }
        } else if let Some(refusal) = self.outcome.refusal.take() {
            self.outcome.failure.get_or_insert(refusal.into());
        }
        self.outcome
    }
}
