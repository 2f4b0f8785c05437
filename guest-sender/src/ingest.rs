//! The ingest protocol, without any I/O: where a batch goes, what its body is, what an answer means.

use std::ops::Range;

use crate::bindings::exports::swamp::telemetry::sender::{Rejection, SendError, TelemetryEntry};

/// The one status by which the endpoint takes responsibility for a batch.
pub(crate) const ACCEPTED: u16 = 202;

/// About what an event takes beside its data, in bytes: two UUIDs and the keys.
const EVENT_BYTES: usize = 160;

const TOO_MANY_REQUESTS: u16 = 429;
const SERVICE_UNAVAILABLE: u16 = 503;

/// What `wasi:http` wants to know of a URL, one by one.
#[derive(Debug, PartialEq)]
pub(crate) struct Url {
    /// Whether the scheme is `https`; it is `http` otherwise.
    pub(crate) https: bool,
    /// Host and, if given, port.
    pub(crate) authority: String,
    /// The absolute path. There is never a query.
    pub(crate) path: String,
}

/// What came back from the endpoint.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The value of the `retry-after` header, if there is one and it is text.
    pub(crate) retry_after: Option<String>,
    /// The first bytes of the body; empty after [`ACCEPTED`].
    pub(crate) body: Vec<u8>,
}

/// The URL to post to: `{endpoint}/ingest`, whether or not the endpoint has a path or ends in a slash.
pub(crate) fn ingest_url(endpoint: &str) -> Result<Url, SendError> {
    // The endpoint is not quoted: one with user information in it would spread a password.
    let unusable = || {
        SendError::InvalidConfiguration(
            "the endpoint must be an http or https URL without user information, query and fragment, \
             such as https://example.com/telemetry"
                .to_owned(),
        )
    };

    let (scheme, rest) = endpoint.split_once(':').ok_or_else(unusable)?;
    let rest = rest.strip_prefix("//").ok_or_else(unusable)?;
    let https = scheme.eq_ignore_ascii_case("https");
    if !https && !scheme.eq_ignore_ascii_case("http") {
        return Err(unusable());
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if authority.is_empty() || authority.contains('@') || rest.contains(['?', '#', '\\']) {
        return Err(unusable());
    }

    Ok(Url {
        https,
        authority: authority.to_owned(),
        path: match path.trim_end_matches('/') {
            "" => "/ingest".to_owned(),
            path => format!("/{path}/ingest"),
        },
    })
}

/// The body of the request: one event as it is, several as `{"events":[…]}`.
///
/// An entry's data goes in byte for byte, so that nothing of what another program recorded is lost or
/// respelled. It is JSON: the host has parsed it.
pub(crate) fn batch_body(
    entries: &[TelemetryEntry],
    distinct_id: &str,
) -> Result<String, SendError> {
    let distinct_id = json_string(distinct_id)?;
    let mut body = String::with_capacity(
        entries
            .iter()
            .map(|entry| entry.data.len() + EVENT_BYTES)
            .sum(),
    );
    if let [entry] = entries {
        push_event(&mut body, entry, &distinct_id)?;
        return Ok(body);
    }
    body.push_str(r#"{"events":["#);
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 {
            body.push(',');
        }
        push_event(&mut body, entry, &distinct_id)?;
    }
    body.push_str("]}");
    Ok(body)
}

/// One entry as an event. `insert_id` is how the endpoint knows an entry that it has already.
fn push_event(
    body: &mut String,
    entry: &TelemetryEntry,
    distinct_id_json: &str,
) -> Result<(), SendError> {
    for part in [
        r#"{"event":"cli_invocation","distinct_id":"#,
        distinct_id_json,
        r#","insert_id":"#,
        &json_string(&entry.id)?,
        r#","properties":"#,
        &entry.data,
        "}",
    ] {
        body.push_str(part);
    }
    Ok(())
}

fn json_string(text: &str) -> Result<String, SendError> {
    serde_json::to_string(text)
        .map_err(|_| SendError::Other("an id cannot be spelled in json".to_owned()))
}

/// What the answer means for the batch. `now` is what a `retry-after` date is counted from, in seconds since
/// 1970.
pub(crate) fn outcome(answer: &Answer, now: u64) -> Result<(), SendError> {
    match answer.status {
        ACCEPTED => Ok(()),
        TOO_MANY_REQUESTS | SERVICE_UNAVAILABLE => Err(SendError::Throttled(
            answer
                .retry_after
                .as_deref()
                .and_then(|value| retry_after_seconds(value.trim_ascii(), now)),
        )),
        status => Err(SendError::Rejected(Rejection {
            status,
            body: String::from_utf8_lossy(&answer.body).into_owned(),
        })),
    }
}

/// Seconds from now, given either as such or as an HTTP date; none if it is neither. A date that has passed
/// is no wait at all.
fn retry_after_seconds(value: &str, now: u64) -> Option<u32> {
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(value.parse().unwrap_or(u32::MAX));
    }
    let wait = http_date_seconds(value)?.saturating_sub(now);
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

    const REPO: &str = "0191d0f8-4e43-7c43-b54c-7e8b23c1f3a5";

    /// 1994-11-06T08:49:37Z.
    const NOW: u64 = 784_111_777;

    fn body(entries: &[TelemetryEntry], distinct_id: &str) -> String {
        batch_body(entries, distinct_id).unwrap_or_else(|error| format!("{error:?}"))
    }

    fn entry(id: &str, data: &str) -> TelemetryEntry {
        TelemetryEntry {
            id: id.to_owned(),
            data: data.to_owned(),
            command: None,
            subcommand: None,
            args: None,
            option_keys: None,
            global_options: None,
            status: None,
            error_type: None,
            error_message: None,
            exit_code: None,
            started_at: None,
            completed_at: None,
            duration_ms: None,
            swamp_version: None,
            platform: None,
        }
    }

    fn url(endpoint: &str) -> String {
        match ingest_url(endpoint) {
            Ok(url) => format!(
                "{} {} {}",
                if url.https { "https" } else { "http" },
                url.authority,
                url.path
            ),
            Err(SendError::InvalidConfiguration(_)) => "invalid".to_owned(),
            Err(other) => format!("{other:?}"),
        }
    }

    fn answered(status: u16, retry_after: Option<&str>, body: &[u8]) -> Result<(), SendError> {
        let answer = Answer {
            status,
            retry_after: retry_after.map(str::to_owned),
            body: body.to_vec(),
        };
        outcome(&answer, NOW)
    }

    #[test]
    fn one_entry_is_sent_as_a_bare_event() {
        assert_eq!(
            body(&[entry("a-1", r#"{"id":"a-1"}"#)], REPO),
            r#"{"event":"cli_invocation","distinct_id":"0191d0f8-4e43-7c43-b54c-7e8b23c1f3a5","insert_id":"a-1","properties":{"id":"a-1"}}"#
        );
    }

    #[test]
    fn several_entries_are_sent_as_a_list_of_events_in_their_order() {
        assert_eq!(
            body(&[entry("b", "{}"), entry("a", "{}")], "r"),
            r#"{"events":[{"event":"cli_invocation","distinct_id":"r","insert_id":"b","properties":{}},{"event":"cli_invocation","distinct_id":"r","insert_id":"a","properties":{}}]}"#
        );
    }

    #[test]
    fn data_is_sent_byte_for_byte() {
        let data = "{\n  \"id\": \"a\",\t\"n\": 1.0e2, \"x\": 12345678901234567890123, \"s\": \"\\u00e9é\",\r\n \"s\": 2 }";
        let body = body(&[entry("a", data)], "r");
        assert!(
            body.ends_with(&format!("\"properties\":{data}}}")),
            "{body}"
        );
    }

    #[test]
    fn ids_are_escaped() {
        let body = body(&[entry("a\"\\\n", "{}")], "r\u{1}\"");
        let parsed: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        assert_eq!(parsed["insert_id"], "a\"\\\n", "{body}");
        assert_eq!(parsed["distinct_id"], "r\u{1}\"", "{body}");
    }

    #[test]
    fn the_endpoint_may_have_a_port_a_path_and_a_trailing_slash() {
        assert_eq!(url("https://example.com"), "https example.com /ingest");
        assert_eq!(url("https://example.com/"), "https example.com /ingest");
        assert_eq!(url("HTTP://127.0.0.1:8080"), "http 127.0.0.1:8080 /ingest");
        assert_eq!(url("http://[::1]:80/"), "http [::1]:80 /ingest");
        assert_eq!(
            url("https://example.com/a/b"),
            "https example.com /a/b/ingest"
        );
        assert_eq!(
            url("https://example.com/a/b//"),
            "https example.com /a/b/ingest"
        );
    }

    #[test]
    fn an_endpoint_that_is_no_plain_http_url_is_an_invalid_configuration() {
        for endpoint in [
            "",
            "example.com",
            "ftp://example.com",
            "https://",
            "https:///path",
            "https://user:secret@example.com",
            "https://example.com/a?b=c",
            "https://example.com?b=c",
            "https://example.com/#a",
            "https://example.com\\evil",
        ] {
            assert_eq!(url(endpoint), "invalid", "{endpoint}");
        }
    }

    #[test]
    fn a_refused_endpoint_is_not_quoted_since_it_may_hold_a_password() {
        let error = ingest_url("https://user:secret@example.com");
        assert!(!format!("{error:?}").contains("secret"));
    }

    #[test]
    fn only_202_is_success() {
        assert_eq!(answered(202, None, b""), Ok(()));
        for status in [200, 201, 204, 301, 400, 401, 404, 413, 422, 500, 502] {
            assert_eq!(
                answered(status, Some("3"), b"why"),
                Err(SendError::Rejected(Rejection {
                    status,
                    body: "why".to_owned()
                }))
            );
        }
    }

    #[test]
    fn a_body_that_is_not_utf_8_is_shown_as_far_as_it_is() {
        assert_eq!(
            answered(400, None, b"caf\xc3"),
            Err(SendError::Rejected(Rejection {
                status: 400,
                body: "caf\u{fffd}".to_owned()
            }))
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
                    answered(status, value, b"busy"),
                    Err(SendError::Throttled(seconds)),
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
