//! The ingest protocol, without any I/O: what a batch's body is, and what an answer means.

// Rust's standard library speaks WASI 0.1, and is adapted to 0.2 by modules that every flush would load and bring to
// life. For any other target than the one that `guest-sender/build` builds for it is there as usual.
#![cfg_attr(target_env = "p1", no_std)]

extern crate alloc;

use alloc::borrow::ToOwned as _;
use alloc::vec::Vec;

use guest_sender::answer::{Answer, Clock, Success};
use guest_sender::bindings::exports::swamp::telemetry::{description, sender};
use guest_sender::bindings::swamp::telemetry::types::{
    Destination, Entry, Failure, Outcome, SenderDescription,
};
use guest_sender::protocol::{self, Protocol};

/// Bodies are events; 202, whatever its body, is success.
const PROTOCOL: Protocol = Protocol {
    resource: "ingest",
    success: SUCCESS,
    batch_body,
    outcome,
};

const SUCCESS: Success = Success {
    statuses: (202, 202),
    body_bytes: 0,
};

/// What stands between an event's id and its data, and after that.
const BEFORE_DATA: &[u8] = br#"","properties":"#;
const AFTER_DATA: &[u8] = b"}";

/// The body of the request: one event as it is, several as `{"events":[…]}`.
///
/// An entry's data goes in byte for byte, so that nothing of what another program recorded is lost or
/// respelled. It is JSON: the host has parsed it.
fn batch_body(entries: &[Entry], distinct_id: &str) -> Result<Vec<u8>, Failure> {
    let distinct_id = serde_json::to_vec(distinct_id)
        .map_err(|_| Failure::Other("the distinct id cannot be spelled in json".to_owned()))?;
    let before_id = [
        br#"{"event":"cli_invocation","distinct_id":"#,
        distinct_id.as_slice(),
        br#","insert_id":""#,
    ]
    .concat();
    let around = before_id.len() + BEFORE_DATA.len() + AFTER_DATA.len() + b",".len();
    let events = entries
        .iter()
        .map(|entry| around + entry.id.len() + entry.data.len());
    let mut body = Vec::with_capacity(events.sum::<usize>() + br#"{"events":[]}"#.len());
    if let [entry] = entries {
        push_event(&mut body, entry, &before_id);
        return Ok(body);
    }
    body.extend(br#"{"events":["#);
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        push_event(&mut body, entry, &before_id);
    }
    body.extend(b"]}");
    Ok(body)
}

/// One entry as an event. `insert_id` is how the endpoint knows an entry that it has already; by the contract nothing in
/// it needs escaping.
fn push_event(body: &mut Vec<u8>, entry: &Entry, before_id: &[u8]) {
    body.extend(before_id);
    body.extend(entry.id.as_bytes());
    body.extend(BEFORE_DATA);
    body.extend(entry.data.as_bytes());
    body.extend(AFTER_DATA);
}

/// What the answer means for the batch.
fn outcome(answer: &Answer, now: Clock) -> Result<(), Failure> {
    if SUCCESS.is(answer.status) {
        Ok(())
    } else {
        Err(answer.refusal(now))
    }
}

/// The default sender: one event for each entry, 202 for an answer.
#[derive(Debug)]
pub struct IngestSender;

impl sender::Guest for IngestSender {
    fn send_batch(destination: Destination, entries: Vec<Entry>) -> Result<Vec<Outcome>, Failure> {
        protocol::send(&PROTOCOL, &destination, &entries)
    }
}

impl description::Guest for IngestSender {
    fn describe() -> SenderDescription {
        SenderDescription {
            name: "ingest".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: "Posts each entry as an event to the endpoint's /ingest".to_owned(),
            homepage: None,
            license: Some("Apache-2.0".to_owned()),
            options: Vec::new(),
        }
    }
}

// Natively a cdylib would not link: the linker stumbles over the name `cabi_post_…`.
#[cfg(target_arch = "wasm32")]
guest_sender::bindings::export!(IngestSender with_types_in guest_sender::bindings);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn bare(id: &str, data: &str) -> Entry {
        Entry {
            id: id.to_owned(),
            data: data.to_owned(),
        }
    }

    const REPO: &str = "0191d0f8-4e43-7c43-b54c-7e8b23c1f3a5";

    fn body(entries: &[Entry], distinct_id: &str) -> String {
        match batch_body(entries, distinct_id) {
            Ok(body) => String::from_utf8_lossy(&body).into_owned(),
            Err(error) => format!("{error:?}"),
        }
    }

    #[test]
    fn one_entry_is_sent_as_a_bare_event() {
        assert_eq!(
            body(&[bare("a-1", r#"{"id":"a-1"}"#)], REPO),
            r#"{"event":"cli_invocation","distinct_id":"0191d0f8-4e43-7c43-b54c-7e8b23c1f3a5","insert_id":"a-1","properties":{"id":"a-1"}}"#
        );
    }

    #[test]
    fn several_entries_are_sent_as_a_list_of_events_in_their_order() {
        assert_eq!(
            body(&[bare("b", "{}"), bare("a", "{}")], "r"),
            r#"{"events":[{"event":"cli_invocation","distinct_id":"r","insert_id":"b","properties":{}},{"event":"cli_invocation","distinct_id":"r","insert_id":"a","properties":{}}]}"#
        );
    }

    #[test]
    fn data_is_sent_byte_for_byte() {
        let data = "{\n  \"id\": \"a\",\t\"n\": 1.0e2, \"x\": 12345678901234567890123, \"s\": \"\\u00e9é\",\r\n \"s\": 2 }";
        let body = body(&[bare("a", data)], "r");
        assert!(
            body.ends_with(&format!("\"properties\":{data}}}")),
            "{body}"
        );
    }

    #[test]
    fn the_distinct_id_is_escaped() {
        let body = body(&[bare("a", "{}")], "r\u{1}\"");
        let parsed: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        assert_eq!(parsed["distinct_id"], "r\u{1}\"", "{body}");
    }

    #[test]
    fn only_202_is_success() {
        let answered = |status| {
            let answer = Answer {
                status,
                retry_after: None,
                body: Vec::new(),
            };
            outcome(&answer, || 0)
        };
        assert_eq!(answered(202), Ok(()));
        for status in [200, 201, 204, 301, 400, 401, 404, 413, 422, 429, 500, 503] {
            assert!(answered(status).is_err(), "{status}");
        }
    }
}
