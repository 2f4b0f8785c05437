//! What is remembered from one flush to the next, for `telemetry status` and for the next flusher.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{Expired, FlushFailure, FlushOutcome, ForeignText, SendError};

pub(super) const FILE: &str = ".last-flush.json";

/// The longest wait that an endpoint can ask for: entries expire after two days, and an endpoint that asks for
/// more must not make them.
pub const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);

/// The outcome of the last flush, and totals since the spool began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastFlush {
    /// When it ended.
    pub at: DateTime<Utc>,
    /// How long it took.
    pub duration_ms: u64,
    /// How many entries it delivered.
    pub delivered: u64,
    /// How many entries it set aside.
    #[serde(default)]
    pub quarantined: u64,
    /// Why the rest was not delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureRecord>,
    /// The endpoint asked to be left alone until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<DateTime<Utc>>,
    /// What became of everything so far.
    #[serde(default)]
    pub totals: Totals,
}

/// Why a flush failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureRecord {
    /// One stable word.
    pub kind: ForeignText,
    /// One sentence.
    pub reason: ForeignText,
}

/// What became of the entries of a spool since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Totals {
    /// Delivered.
    pub sent: u64,
    /// Set aside as undeliverable.
    pub quarantined: u64,
    /// Removed by retention without ever having been sent.
    pub expired_unsent: u64,
}

impl LastFlush {
    /// The record of a flush that began at `began_at` and took `duration`, after the record `before`.
    #[must_use]
    pub fn new(
        before: Option<&Self>,
        outcome: &FlushOutcome,
        ended_at: DateTime<Utc>,
        duration: Duration,
    ) -> Self {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let (delivered, quarantined) = (count(outcome.delivered), count(outcome.quarantined));
        let mut totals = before.map_or_else(Totals::default, |before| before.totals);
        totals.sent += delivered;
        totals.quarantined += quarantined;
        Self {
            at: ended_at,
            duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
            delivered,
            quarantined,
            failure: outcome.failure.as_ref().map(FailureRecord::of),
            retry_at: outcome
                .failure
                .as_ref()
                .and_then(|failure| retry_at(failure, ended_at)),
            totals,
        }
    }

    /// Adds what retention removed.
    pub const fn add_expired(&mut self, expired: Expired) {
        self.totals.expired_unsent += expired.unsent;
    }

    /// Whether the endpoint still asks to be left alone. A wait that could not have been granted, since the
    /// clock was set back, is over.
    #[must_use]
    pub fn asks_to_wait(&self, now: DateTime<Utc>) -> bool {
        let longest = TimeDelta::from_std(MAX_RETRY_AFTER).unwrap_or(TimeDelta::MAX);
        self.retry_at
            .is_some_and(|retry_at| now < retry_at && retry_at - now <= longest)
    }
}

impl FailureRecord {
    /// The failure in words.
    #[must_use]
    pub fn of(failure: &FlushFailure) -> Self {
        Self {
            kind: failure.kind().into(),
            reason: failure.to_string().into(),
        }
    }
}

fn retry_at(failure: &FlushFailure, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    match failure {
        FlushFailure::Send(SendError::Throttled { retry_after }) => {
            let wait = (*retry_after)?.min(MAX_RETRY_AFTER);
            now.checked_add_signed(TimeDelta::from_std(wait).ok()?)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttled(seconds: u64) -> FlushOutcome {
        FlushOutcome {
            failure: Some(FlushFailure::Send(SendError::Throttled {
                retry_after: Some(Duration::from_secs(seconds)),
            })),
            ..FlushOutcome::default()
        }
    }

    #[test]
    fn a_retry_after_is_honoured_until_it_has_passed_and_never_longer_than_a_day() {
        let now = DateTime::UNIX_EPOCH;
        let after = |seconds| now + TimeDelta::seconds(seconds);
        let last = LastFlush::new(None, &throttled(30), now, Duration::ZERO);
        assert!(last.asks_to_wait(after(29)));
        assert!(!last.asks_to_wait(after(30)));
        let last = LastFlush::new(None, &throttled(u64::MAX), now, Duration::ZERO);
        assert!(last.asks_to_wait(after(86_399)));
        assert!(!last.asks_to_wait(after(86_400)));
        assert!(!last.asks_to_wait(after(-1)), "the clock was set back");
    }

    #[test]
    fn totals_grow_from_flush_to_flush() {
        let outcome = FlushOutcome {
            delivered: 24,
            quarantined: 1,
            ..FlushOutcome::default()
        };
        let now = DateTime::UNIX_EPOCH;
        let first = LastFlush::new(None, &outcome, now, Duration::ZERO);
        let mut second = LastFlush::new(Some(&first), &outcome, now, Duration::ZERO);
        second.add_expired(Expired { sent: 5, unsent: 3 });
        let totals = Totals {
            sent: 48,
            quarantined: 2,
            expired_unsent: 3,
        };
        assert_eq!(second.totals, totals);
    }
}
