//! What the page is told: the latest arrivals, as messages of the stream, within fixed bounds.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;

use super::shown;
use crate::receiver::arrival::Arrival;
use crate::receiver::ledger::Summary;

/// How many of the latest events are kept. A request without any counts as one.
const MOST_EVENTS: usize = 10_000;

/// What their messages may weigh together, in bytes.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// How much is sent in one piece, in bytes, unless a single message is larger.
const PIECE: usize = 256 * 1024;

/// The messages of one run of the receiver. Streams read from it at their own pace; one that is slower than what is
/// kept misses the oldest, and holds nobody up.
#[derive(Debug)]
pub(super) struct Feed {
    /// Tells this run from every other.
    run: String,
    kept: Mutex<Kept>,
    newest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    messages: VecDeque<Message>,
    /// The number of the oldest message that is kept, or of the next one.
    first: u64,
    events: usize,
    bytes: usize,
    summary: Bytes,
}

#[derive(Debug)]
struct Message {
    events: usize,
    text: Bytes,
}

/// What a stream sends next.
pub(super) struct Piece {
    pub(super) text: Vec<u8>,
    /// The number of the message that follows it.
    pub(super) next: u64,
    /// Whether there was no more to tell.
    pub(super) is_last: bool,
}

impl Feed {
    pub(super) fn new() -> Self {
        Self {
            run: uuid::Uuid::new_v4().simple().to_string(),
            kept: Mutex::default(),
            newest: watch::Sender::new(0),
        }
    }

    pub(super) fn run(&self) -> &str {
        &self.run
    }

    /// Tells when there is more.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    pub(super) fn add(&self, arrival: &Arrival, summary: &Summary) {
        let json = shown::arrival(arrival);
        let mut kept = self.kept();
        let number = kept.next();
        let text = format!(
            "id: {}-{number}\nevent: arrival\ndata: {json}\n\n",
            self.run
        );
        kept.summary = shown::summary(summary);
        kept.push(Message {
            events: arrival.first_seen.len().max(1),
            text: Bytes::from(text),
        });
        let newest = kept.next();
        drop(kept);
        self.newest.send_replace(newest);
    }

    /// The number of the message after the one with this id; of a stranger's id, 0.
    pub(super) fn after(&self, id: &str) -> u64 {
        let number = id.strip_prefix(&self.run).and_then(|rest| {
            let number = rest.strip_prefix('-')?.parse::<u64>().ok()?;
            number.checked_add(1)
        });
        number.map_or(0, |number| number.min(self.kept().next()))
    }

    /// What is kept from the message `next` on, as far as one piece goes, and what was counted.
    pub(super) fn piece(&self, next: u64) -> Piece {
        let kept = self.kept();
        let first = next.max(kept.first);
        let skipped = usize::try_from(first - kept.first).unwrap_or(usize::MAX);
        let mut piece = Piece {
            text: Vec::new(),
            next: first,
            is_last: true,
        };
        for message in kept.messages.iter().skip(skipped) {
            if !piece.text.is_empty() && piece.text.len() + message.text.len() > PIECE {
                piece.is_last = false;
                return piece;
            }
            piece.text.extend_from_slice(&message.text);
            piece.next += 1;
        }
        if !piece.text.is_empty() {
            piece.text.extend_from_slice(&kept.summary);
        }
        piece
    }

    /// It is whole between any two calls, so one that panicked spoils nothing.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn next(&self) -> u64 {
        self.first + self.messages.len() as u64
    }

    fn push(&mut self, message: Message) {
        self.events += message.events;
        self.bytes += message.text.len();
        self.messages.push_back(message);
        while self.events > MOST_EVENTS || self.bytes > MOST_BYTES {
            let Some(oldest) = self.messages.pop_front() else {
                break;
            };
            self.first += 1;
            self.events -= oldest.events;
            self.bytes -= oldest.text.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(events: usize, bytes: usize) -> Message {
        Message {
            events,
            text: Bytes::from(vec![b'x'; bytes]),
        }
    }

    #[test]
    fn the_latest_are_kept_by_number_and_by_weight() {
        let mut kept = Kept::default();
        for _ in 0..1000 {
            kept.push(message(25, 10));
        }
        assert_eq!((kept.events, kept.first, kept.next()), (10_000, 600, 1000));
        for _ in 0..20 {
            kept.push(message(1, 8 * 1024 * 1024));
        }
        assert!(kept.bytes <= MOST_BYTES && kept.messages.len() == 8);
        kept.push(message(1, MOST_BYTES + 1));
        assert_eq!((kept.events, kept.bytes, kept.next()), (0, 0, 1021));
    }

    #[test]
    fn a_stream_goes_on_behind_the_last_message_that_it_saw() {
        let feed = Feed::new();
        for _ in 0..5 {
            feed.kept().push(message(1, 200 * 1024));
        }
        let piece = feed.piece(0);
        assert_eq!((piece.next, piece.is_last), (1, false));
        assert_eq!(feed.after(&format!("{}-2", feed.run())), 3);
        assert_eq!(feed.after(&format!("{}-99", feed.run())), 5);
        assert_eq!(feed.after("another-2"), 0);
        assert!(feed.piece(5).text.is_empty());
        assert!(feed.piece(4).is_last);
    }
}
