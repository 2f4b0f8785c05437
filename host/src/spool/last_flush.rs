//! What is remembered from one flush to the next, for `telemetry status` and for the next flusher.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{Cause, FlushFailure, FlushOutcome, ForeignText, SendError, Stuck};

pub(super) const FILE: &str = ".last-flush.json";

/// The longest wait that an endpoint can ask for: entries expire after two days, and an endpoint that asks for
/// more must not make them.
pub const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);

/// How many flushes must have failed with the same batch, each with an answer of the endpoint or with a sender that
/// computed until its deadline, until the next finds out which of its entries they fail for.
const STUCK: u32 = 3;

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
    /// When it listed the spool: what was recorded by then is on the disk. Older records have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed_at: Option<DateTime<Utc>>,
    /// How many entries it passed over, since they are beyond what the sender takes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub withheld: u64,
    /// The batch that it failed with, where the endpoint answered or the sender computed until its deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<RefusedBatch>,
    /// What became of everything so far.
    #[serde(default)]
    pub totals: Totals,
}

/// A batch that flushes failed with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedBatch {
    /// The name of its oldest entry.
    pub oldest: String,
    /// How many flushes failed with it, one after the other.
    pub flushes: u32,
    /// Whether the sender computed until its deadline, the last time.
    #[serde(default, skip_serializing_if = "is_false")]
    pub computing: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Why a flush failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureRecord {
    /// One stable word.
    pub kind: ForeignText,
    /// One sentence.
    pub reason: ForeignText,
    /// One stable word for the cause, if it is one that a person can remove. Records of older versions have none, and
    /// their `reason` says what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<ForeignText>,
}

/// What became of the entries of a spool since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Totals {
    /// Delivered.
    pub sent: u64,
    /// Quarantined.
    pub quarantined: u64,
    /// Deleted by age without having been sent.
    pub expired_unsent: u64,
}

impl LastFlush {
    /// The record of a flush that listed the spool at `listed_at` and ended after `duration`, after the record `before`.
    #[must_use]
    pub fn new(
        before: Option<&Self>,
        outcome: &FlushOutcome,
        listed_at: DateTime<Utc>,
        duration: Duration,
    ) -> Self {
        let ended_at = TimeDelta::from_std(duration).map_or(listed_at, |took| listed_at + took);
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
            listed_at: Some(listed_at),
            withheld: count(outcome.withheld),
            refused: outcome.refused_at.as_ref().map(|oldest| {
                let oldest = oldest.to_string();
                let before = before.and_then(|before| before.refused.as_ref());
                let flushes = before
                    .filter(|before| before.oldest == oldest)
                    .map_or(0, |before| before.flushes);
                RefusedBatch {
                    oldest,
                    flushes: flushes.saturating_add(1),
                    computing: matches!(
                        &outcome.failure,
                        Some(FlushFailure::Send(error)) if error.is_computing()
                    ),
                }
            }),
            totals,
        }
    }

    /// The batch that the last flushes have failed with, where there were so many of them that its entries are to be
    /// told apart.
    #[must_use]
    pub fn stuck(&self) -> Option<Stuck<'_>> {
        let refused = self.refused.as_ref()?;
        (refused.flushes >= STUCK).then_some(Stuck {
            oldest: &refused.oldest,
            was_computing: refused.computing,
        })
    }

    /// Until when what was recorded is on the disk.
    #[must_use]
    pub fn synced_to(&self) -> DateTime<Utc> {
        self.listed_at.unwrap_or(self.at)
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
            cause: failure.cause().map(|cause| cause.as_str().into()),
        }
    }

    /// The cause, where this version knows it.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        Cause::parse(self.cause.as_ref()?.as_written())
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
    use crate::domain::EntryName;

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
        let second = LastFlush::new(Some(&first), &outcome, now, Duration::ZERO);
        let totals = Totals {
            sent: 48,
            quarantined: 2,
            expired_unsent: 0,
        };
        assert_eq!(second.totals, totals);
    }

    #[test]
    fn a_batch_is_stuck_after_three_flushes_that_failed_with_it() {
        let refused = |name: &str| FlushOutcome {
            refused_at: Some(EntryName::parse(name).unwrap()),
            ..FlushOutcome::default()
        };
        let (a, b) = ("telemetry-2026-02-11-a.json", "telemetry-2026-02-11-b.json");
        let mut last = None;
        for (name, stuck_at) in [
            (a, None),
            (a, None),
            (b, None),
            (a, None),
            (a, None),
            (a, Some(a)),
            (a, Some(a)),
        ] {
            let now = DateTime::UNIX_EPOCH;
            let next = LastFlush::new(last.as_ref(), &refused(name), now, Duration::ZERO);
            assert_eq!(next.stuck().map(|stuck| stuck.oldest), stuck_at);
            last = Some(next);
        }
    }
}
