//! What arrived, and the stream of it.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName, header};
use tokio::sync::OwnedSemaphorePermit;

use crate::domain::REDACTED;
use crate::receiver::{BodyError, Format, ReceivedEvent};

/// One request that arrived completely, and what became of it. Its texts, the refusal's too, come from outside: what
/// shows them makes [`ForeignText`](crate::domain::ForeignText) of them first.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// When it had arrived.
    pub at: DateTime<Utc>,
    /// What it is in.
    pub format: Format,
    /// How long after the receiver had started.
    pub elapsed: Duration,
    /// The method.
    pub method: String,
    /// The path, with its query.
    pub path: String,
    /// The header fields in their order, each value text; where it could be a secret,
    /// [`REDACTED`](crate::domain::REDACTED).
    pub headers: Vec<(String, String)>,
    /// The body, not compressed any more. Empty where it was too large, or not what its `content-encoding` says.
    pub body: Bytes,
    /// What the body holds, whatever became of the request.
    pub events: Result<Vec<ReceivedEvent>, BodyError>,
    /// For each event, whether its `insert_id` was new. Empty where the request was refused.
    pub first_seen: Vec<bool>,
    /// The status that it is answered with, once the delay is over; `None` where the connection is closed instead.
    pub answered: Option<u16>,
    /// The reason that the answer gives, unless the request was taken.
    pub refusal: Option<String>,
}

impl Arrival {
    /// The events that were taken and not seen before.
    pub fn fresh_events(&self) -> impl Iterator<Item = &ReceivedEvent> {
        let events = self.events.as_deref().unwrap_or_default();
        events
            .iter()
            .zip(&self.first_seen)
            .filter_map(|(event, first)| first.then_some(event))
    }

    /// How many events were taken and not seen before.
    #[must_use]
    pub fn fresh(&self) -> usize {
        self.first_seen.iter().filter(|first| **first).count()
    }

    /// How many events were taken, but had been seen before.
    #[must_use]
    pub fn repeated(&self) -> usize {
        self.first_seen.len() - self.fresh()
    }

    /// What is wrong with the events that were taken, in one sentence each.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        let events = self.events.as_deref().unwrap_or_default();
        let taken = events.iter().take(self.first_seen.len());
        taken.filter_map(ReceivedEvent::warning)
    }

    /// What it costs to keep, in bytes, roughly.
    pub(super) fn weight(&self) -> usize {
        weight(self.body.len())
    }
}

/// What an arrival with a body of `length` bytes costs to keep.
pub(super) const fn weight(length: usize) -> usize {
    // Its header fields, and the texts of its events beside the body.
    length.saturating_mul(3).saturating_add(1024)
}

/// Header fields whose values are no secret. Of all others only the names are kept: a user's own header for an
/// endpoint may have any name.
const HARMLESS: [HeaderName; 12] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::DATE,
    header::EXPECT,
    header::HOST,
    header::TE,
    header::TRANSFER_ENCODING,
    header::USER_AGENT,
];

/// `headers` as a list, with the values of those that are harmless or in `shown`.
pub(super) fn listed(headers: &HeaderMap, shown: &[HeaderName]) -> Vec<(String, String)> {
    let field = |(name, value): (&HeaderName, &http::HeaderValue)| {
        let value = if HARMLESS.contains(name) || shown.contains(name) {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        } else {
            REDACTED.to_owned()
        };
        (name.as_str().to_owned(), value)
    };
    headers.iter().map(field).collect()
}

/// An arrival in the queue, with the room that it takes there.
pub(super) type Queued = (Arc<Arrival>, Arc<OwnedSemaphorePermit>);

/// The arrivals from the moment on when the stream was taken, in order; it ends when the receiver has shut down.
///
/// Take them as they come: once some 64 MiB wait in it, the receiver answers no further request until there is
/// room again.
#[derive(Debug)]
pub struct Arrivals(pub(super) mpsc::Receiver<Queued>);

impl Arrivals {
    /// The next one, waited for without limit. `None` once the receiver has shut down.
    #[must_use]
    pub fn recv(&self) -> Option<Arc<Arrival>> {
        self.0.recv().ok().map(|(arrival, _)| arrival)
    }

    /// The next one.
    ///
    /// # Errors
    ///
    /// When none came within `timeout`, or the receiver has shut down.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Arc<Arrival>, mpsc::RecvTimeoutError> {
        self.0.recv_timeout(timeout).map(|(arrival, _)| arrival)
    }
}

impl Iterator for Arrivals {
    type Item = Arc<Arrival>;

    fn next(&mut self) -> Option<Self::Item> {
        self.recv()
    }
}
