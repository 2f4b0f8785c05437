//! What an endpoint answered, and what a refusal means for the batch.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use crate::bindings::swamp::telemetry::types::{Failure, Rejection};

const TOO_MANY_REQUESTS: u16 = 429;
const SERVICE_UNAVAILABLE: u16 = 503;

/// How an endpoint says that it has taken responsibility for a batch.
#[derive(Clone, Copy, Debug)]
pub struct Success {
    /// The first status that says so, and the last.
    pub statuses: (u16, u16),
    /// How much of the body has something to say all the same, in bytes. What comes after that is not read.
    pub body_bytes: usize,
}

impl Success {
    /// Whether this status says so.
    #[must_use]
    pub const fn is(self, status: u16) -> bool {
        self.statuses.0 <= status && status <= self.statuses.1
    }
}

/// Tells the time, in seconds since 1970. The host is asked for it only where an answer speaks of a date.
pub type Clock = fn() -> u64;

/// What came back from the endpoint.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The value of the `retry-after` header, if there is one and it is text.
    pub retry_after: Option<String>,
    /// Its first bytes: after a [`Success`] as many as have something to say, otherwise as many as are shown.
    pub body: Vec<u8>,
}

impl Answer {
    /// What an answer that is no success means for the batch. `now` is what a `retry-after` date is counted from.
    pub fn refusal(&self, now: Clock) -> Failure {
        match self.status {
            TOO_MANY_REQUESTS | SERVICE_UNAVAILABLE => Failure::Throttled(
                self.retry_after
                    .as_deref()
                    .and_then(|value| retry_after_seconds(value.trim_ascii(), now)),
            ),
            status => Failure::Rejected(Rejection {
                status,
                body: String::from_utf8_lossy(&self.body).into_owned(),
            }),
        }
    }
}

/// Seconds from now, given either as such or as an HTTP date; none if it is neither. A date that has passed
/// is no wait at all.
fn retry_after_seconds(value: &str, now: Clock) -> Option<u32> {
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(value.parse().unwrap_or(u32::MAX));
    }
    let wait = http_date_seconds(value)?.saturating_sub(now());
    Some(u32::try_from(wait).unwrap_or(u32::MAX))
}

/// An HTTP date in seconds since 1970, in the one form that servers may send: `Sun, 06 Nov 1994 08:49:37 GMT`.
///
/// A library for this would be a tenth of the component.
fn http_date_seconds(value: &str) -> Option<u64> {
    const MONTHS_FROM_MARCH: [&str; 12] = [
        "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb",
    ];
    const JANUARY: u64 = 10;
    /// Days from 0000-03-01 to 1970-01-01.
    const DAYS_TO_1970: u64 = 719_468;

    if value.len() != "Sun, 06 Nov 1994 08:49:37 GMT".len() || !value.ends_with(" GMT") {
        return None;
    }
    let number = |range: Range<usize>| value.get(range)?.parse::<u64>().ok();
    let name = value.get(8..11)?;
    let (month, _) = (0_u64..)
        .zip(MONTHS_FROM_MARCH)
        .find(|(_, month)| *month == name)?;
    let (day, calendar_year) = (number(5..7)?, number(12..16)?);
    let (hour, minute, second) = (number(17..19)?, number(20..22)?, number(23..25)?);
    if !(1..=31).contains(&day) || calendar_year < 1970 || hour > 23 || minute > 59 || second > 60 {
        return None;
    }

    // Years that begin in March end with their leap day, and 153 days are any five months from then on.
    let year = calendar_year - u64::from(month >= JANUARY);
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + (day - 1)
        - DAYS_TO_1970;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1994-11-06T08:49:37Z.
    const NOW: u64 = 784_111_777;

    fn refused(status: u16, retry_after: Option<&str>, body: &[u8]) -> Failure {
        let answer = Answer {
            status,
            retry_after: retry_after.map(str::to_owned),
            body: body.to_vec(),
        };
        answer.refusal(|| NOW)
    }

    #[test]
    fn a_refusal_keeps_the_status_as_it_came() {
        for status in [200, 201, 204, 301, 400, 401, 404, 413, 422, 500, 502, 504] {
            assert_eq!(
                refused(status, Some("3"), b"why"),
                Failure::Rejected(Rejection {
                    status,
                    body: "why".to_owned()
                })
            );
        }
    }

    #[test]
    fn a_body_that_is_not_utf_8_is_shown_as_far_as_it_is() {
        assert_eq!(
            refused(400, None, b"caf\xc3"),
            Failure::Rejected(Rejection {
                status: 400,
                body: "caf\u{fffd}".to_owned()
            })
        );
    }

    #[test]
    fn a_throttling_answer_passes_on_how_long_to_wait() {
        for (value, seconds) in [
            (None, None),
            (Some("0"), Some(0)),
            (Some(" 120 "), Some(120)),
            (Some("99999999999999999999999"), Some(u32::MAX)),
            (Some("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60)),
            (Some("Sun, 06 Nov 1994 08:48:37 GMT"), Some(0)),
            (Some(""), None),
            (Some("-1"), None),
            (Some("+1"), None),
            (Some("1.5"), None),
            (Some("soon"), None),
            (Some("Sun, 06 Nov 1994 08:50:37 UTC"), None),
            (Some("Sun, 06 Növ 1994 08:50:37 GM"), None),
            (Some("Fri, 31 Dec 9999 23:59:59 GMT"), Some(u32::MAX)),
        ] {
            for status in [429, 503] {
                assert_eq!(
                    refused(status, value, b"busy"),
                    Failure::Throttled(seconds),
                    "{status} {value:?}"
                );
            }
        }
    }

    #[test]
    fn an_http_date_is_counted_from_1970() {
        for (value, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(NOW)),
            ("Tue, 29 Feb 2000 12:00:00 GMT", Some(951_825_600)),
            ("Sat, 31 Dec 2016 23:59:60 GMT", Some(1_483_228_800)),
            ("Mon, 01 Mar 2100 00:00:00 GMT", Some(4_107_542_400)),
            ("Wed, 31 Dec 1969 23:59:59 GMT", None),
            ("Sun, 00 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 24:49:37 GMT", None),
        ] {
            assert_eq!(http_date_seconds(value), seconds, "{value}");
        }
    }
}
