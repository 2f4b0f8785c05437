//! What is removed from a spool, and when.

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// For how many days entries are kept that were set aside: somebody is to look at them.
const QUARANTINED_DAYS: u16 = 30;

/// How far the last clean-up may lie back. A clock that has gone further than that may have jumped.
const LONGEST_PAUSE: TimeDelta = TimeDelta::days(30);

/// How long a clock must have gone on after it seems to have jumped, until it is believed.
const DOUBT: TimeDelta = TimeDelta::days(1);

/// How often a spool is cleaned up where no flush does.
const INTERVAL: TimeDelta = TimeDelta::hours(1);

/// For how many days entries are kept, each at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Those that were sent.
    pub sent_days: u16,
    /// Those that wait to be sent.
    pub unsent_days: u16,
}

/// What a clean-up does with entries that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnsentRule {
    /// It leaves them: the next flushes will send them.
    Spare,
    /// It removes those past their time.
    Expire,
    /// It removes those that are twice as old as that: a later command may still send the others.
    ExpireLate,
}

/// The days before which entries are removed. `None` where none of the kind is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cutoffs {
    /// Those that were sent.
    pub sent: Option<NaiveDate>,
    /// Those that were set aside.
    pub quarantined: Option<NaiveDate>,
    /// Those that wait.
    pub unsent: Option<NaiveDate>,
}

impl Retention {
    /// The day before which sent entries are removed.
    #[must_use]
    pub fn sent_before(self, now: DateTime<Utc>) -> NaiveDate {
        days_before(now, self.sent_days.into())
    }

    /// The day before which the time of entries that wait is over.
    #[must_use]
    pub fn unsent_before(self, now: DateTime<Utc>) -> NaiveDate {
        days_before(now, self.unsent_days.into())
    }

    /// What a clean-up removes. Where the clock is not believed, nothing that was not sent.
    #[must_use]
    pub fn cutoffs(self, now: DateTime<Utc>, rule: UnsentRule, clock_is_believed: bool) -> Cutoffs {
        let unsent = match rule {
            UnsentRule::Spare => None,
            UnsentRule::Expire => Some(self.unsent_before(now)),
            UnsentRule::ExpireLate => Some(days_before(now, u64::from(self.unsent_days) * 2)),
        };
        Cutoffs {
            sent: Some(self.sent_before(now)),
            quarantined: Some(days_before(now, QUARANTINED_DAYS.into()))
                .filter(|_| clock_is_believed),
            unsent: unsent.filter(|_| clock_is_believed),
        }
    }
}

fn days_before(now: DateTime<Utc>, days: u64) -> NaiveDate {
    let today = now.date_naive();
    today.checked_sub_days(Days::new(days)).unwrap_or(today)
}

/// What is remembered from one clean-up to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CleanUps {
    /// When the last one was.
    pub at: DateTime<Utc>,
    /// Since when the clock is in doubt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubted_since: Option<DateTime<Utc>>,
    /// How many entries they removed without ever having sent them.
    #[serde(default)]
    pub expired_unsent: u64,
}

impl CleanUps {
    /// Before the first one, at the beginning of a spool.
    #[must_use]
    pub fn new(now: DateTime<Utc>) -> Self {
        Self {
            at: now,
            ..Self::default()
        }
    }

    /// Whether it is time for one that no flush does.
    #[must_use]
    pub fn is_due(last: Option<&Self>, now: DateTime<Utc>) -> bool {
        last.is_none_or(|last| now < last.at || now - last.at >= INTERVAL)
    }

    /// What to remember of a clean-up at `now`. The clock is in doubt after it that has jumped, and until another one
    /// at least a day later agrees with it.
    #[must_use]
    pub fn next(last: Option<&Self>, now: DateTime<Utc>) -> Self {
        let doubted_since = last.and_then(|last| {
            if now < last.at || now - last.at > LONGEST_PAUSE {
                return Some(now);
            }
            last.doubted_since.filter(|since| now - *since < DOUBT)
        });
        Self {
            at: now,
            doubted_since,
            expired_unsent: last.map_or(0, |last| last.expired_unsent),
        }
    }

    /// Whether entries may be removed unsent by this clock.
    #[must_use]
    pub const fn believes_the_clock(&self) -> bool {
        self.doubted_since.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn each_kind_has_its_time_by_whole_days() {
        let retention = Retention {
            sent_days: 2,
            unsent_days: 7,
        };
        let cutoffs = |rule| retention.cutoffs(at("2026-02-11T12:00:00Z"), rule, true);
        let expire = cutoffs(UnsentRule::Expire);
        assert_eq!(expire.sent, "2026-02-09".parse().ok());
        assert_eq!(expire.quarantined, "2026-01-12".parse().ok());
        assert_eq!(expire.unsent, "2026-02-04".parse().ok());
        assert_eq!(
            cutoffs(UnsentRule::ExpireLate).unsent,
            "2026-01-28".parse().ok()
        );
        assert_eq!(cutoffs(UnsentRule::Spare).unsent, None);
    }

    #[test]
    fn a_clock_that_jumps_is_believed_only_when_a_clean_up_a_day_later_agrees() {
        let believed = |cleanups: &CleanUps| cleanups.believes_the_clock();
        let start = CleanUps::new(at("2026-02-11T12:00:00Z"));
        let soon = CleanUps::next(Some(&start), at("2026-03-12T12:00:00Z"));
        assert!(believed(&soon), "29 days are a holiday");
        let jumped = CleanUps::next(Some(&soon), at("2036-02-11T12:00:00Z"));
        assert!(!believed(&jumped));
        let still = CleanUps::next(Some(&jumped), at("2036-02-12T11:59:59Z"));
        assert!(!believed(&still));
        let agreed = CleanUps::next(Some(&still), at("2036-02-12T12:00:00Z"));
        assert!(believed(&agreed));
        let back = CleanUps::next(Some(&still), at("2026-03-13T12:00:00Z"));
        assert!(!believed(&back), "one of the two is wrong");
        let right = CleanUps::next(Some(&back), at("2026-03-14T12:00:00Z"));
        assert!(believed(&right));
        assert!(believed(&CleanUps::next(None, at("2036-02-11T12:00:00Z"))));
    }

    #[test]
    fn where_the_clock_is_in_doubt_only_what_was_sent_is_removed() {
        let retention = Retention {
            sent_days: 2,
            unsent_days: 2,
        };
        let cutoffs = retention.cutoffs(at("2036-02-11T12:00:00Z"), UnsentRule::Expire, false);
        assert_eq!(cutoffs.sent, "2036-02-09".parse().ok());
        assert_eq!((cutoffs.quarantined, cutoffs.unsent), (None, None));
    }

    #[test]
    fn a_clean_up_is_due_once_an_hour_and_by_a_clock_that_was_set_back() {
        let last = CleanUps::new(at("2026-02-11T12:00:00Z"));
        let due = |now: &str| CleanUps::is_due(Some(&last), at(now));
        assert!(!due("2026-02-11T12:59:59Z"));
        assert!(due("2026-02-11T13:00:00Z"));
        assert!(due("2026-02-11T11:59:59Z"));
        assert!(CleanUps::is_due(None, at("2026-02-11T12:00:00Z")));
    }
}
