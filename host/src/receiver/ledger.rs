//! What the receiver took, counted, saved and remembered.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

use tokio::sync::OwnedSemaphorePermit;

use super::arrival::{Arrival, Arrivals, Queued};
use super::seen::Seen;
use crate::domain::shown;
use crate::receiver::ReceivedEvent;

/// How many of the latest arrivals are kept for a snapshot.
const HISTORY: usize = 4096;

/// What they may weigh together, in bytes.
const HISTORY_WEIGHT: usize = 64 * 1024 * 1024;

/// How many `insert_id`s are remembered.
const IDS: usize = 1_000_000;

/// What a receiver did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Requests that arrived completely.
    pub requests: u64,
    /// Events that were taken: `unique` and `repeated` ones.
    pub events: u64,
    /// Of these, the ones with an `insert_id` not seen before.
    pub unique: u64,
    /// Of these, the ones sent again.
    pub repeated: u64,
    /// Requests that were wrong, and refused for that.
    pub bad_requests: u64,
    /// Requests that failed because the receiver was told to fail or could not save.
    pub failed: u64,
    /// Requests whose connection was closed without an answer because the receiver was told so.
    pub dropped: u64,
    /// The length of all bodies, in bytes; of one that was too large, nothing.
    pub bytes: u64,
}

#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) summary: Summary,
    seen: Seen,
    save: Option<SaveFile>,
    history: VecDeque<Arc<Arrival>>,
    history_weight: usize,
    subscribers: Vec<mpsc::Sender<Queued>>,
}

#[derive(Debug)]
struct SaveFile {
    path: PathBuf,
    file: File,
}

impl Ledger {
    /// A new one, which appends each new event to the file `save`.
    pub(super) fn open(save: Option<&Path>) -> io::Result<Self> {
        let open = |path: &Path| {
            let file = OpenOptions::new().append(true).create(true).open(path)?;
            io::Result::Ok(SaveFile {
                path: path.to_owned(),
                file,
            })
        };
        Ok(Self {
            summary: Summary::default(),
            seen: Seen::new(IDS),
            save: save.map(open).transpose()?,
            history: VecDeque::new(),
            history_weight: 0,
            subscribers: Vec::new(),
        })
    }

    /// Takes responsibility for `events`, and says of each whether it is new. When the new ones cannot be saved,
    /// none is taken; the error says so.
    pub(super) fn take(&mut self, events: &[ReceivedEvent]) -> Result<Vec<bool>, String> {
        let first_seen = self
            .seen
            .which_are_new(events.iter().map(ReceivedEvent::insert_id));
        let fresh = || {
            let marked = events.iter().zip(&first_seen);
            marked.filter_map(|(event, first)| first.then_some(event))
        };
        if let Some(SaveFile { path, file }) = &mut self.save {
            let mut lines = String::new();
            for event in fresh() {
                lines.push_str(&event.to_line());
                lines.push('\n');
            }
            file.write_all(lines.as_bytes()).map_err(|error| {
                format!(
                    "could not save the events to {}: {error}; make room there and send them again",
                    shown(path)
                )
            })?;
        }
        for event in fresh() {
            self.seen.remember(event.insert_id());
            self.summary.unique += 1;
        }
        self.summary.events += events.len() as u64;
        self.summary.repeated = self.summary.events - self.summary.unique;
        Ok(first_seen)
    }

    /// Remembers `arrival`, and passes it to the listeners.
    pub(super) fn record(&mut self, arrival: Arrival, room: OwnedSemaphorePermit) {
        let arrival = Arc::new(arrival);
        let room = Arc::new(room);
        self.subscribers.retain(|subscriber| {
            subscriber
                .send((Arc::clone(&arrival), Arc::clone(&room)))
                .is_ok()
        });
        self.history_weight += arrival.weight();
        self.history.push_back(arrival);
        while self.history.len() > HISTORY || self.history_weight > HISTORY_WEIGHT {
            let Some(oldest) = self.history.pop_front() else {
                break;
            };
            self.history_weight -= oldest.weight();
        }
    }

    pub(super) fn history(&self) -> Vec<Arc<Arrival>> {
        self.history.iter().cloned().collect()
    }

    pub(super) fn subscribe(&mut self) -> Arrivals {
        let (sender, receiver) = mpsc::channel();
        self.subscribers.push(sender);
        Arrivals(receiver)
    }

    /// Ends the streams of arrivals.
    pub(super) fn close(&mut self) {
        self.subscribers.clear();
    }
}
