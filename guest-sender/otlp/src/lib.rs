//! OTLP/HTTP for logs, without any I/O: an entry as a log record, and what an answer means.
//!
//! Attributes have the names of OpenTelemetry's semantic conventions where those have one, and begin with `swamp.`
//! otherwise. What an entry lacks is absent.

// Rust's standard library speaks WASI 0.1, and is adapted to 0.2 by modules that every flush would load and bring to
// life. For any other target than the one that `guest-sender/build` builds for it is there as usual.
#![cfg_attr(target_env = "p1", no_std)]

extern crate alloc;

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec;
use alloc::vec::Vec;

use serde_json::{Value, json};

use guest_sender::answer::{Answer, Clock, Success};
use guest_sender::bindings::exports::swamp::telemetry::{description, sender};
use guest_sender::bindings::swamp::telemetry::batch;
use guest_sender::bindings::swamp::telemetry::types::{
    Destination, Entry, EntryFields, Failure, Outcome, Rejection, SenderDescription,
};
use guest_sender::protocol::{self, Protocol};

mod data;
mod record;

use data::Data;

/// Bodies are log records; every 2xx is success, but for records that its body says were not taken, and but for a page:
/// that is what a sign-in answers with.
const PROTOCOL: Protocol = Protocol {
    resource: "v1/logs",
    success: SUCCESS,
    batch_body,
    outcome,
};

/// Its body says in far less than this what was not taken; what is longer speaks of something else.
const SUCCESS: Success = Success {
    statuses: (200, 299),
    body_bytes: 64 * 1024,
};

/// The largest request that the host sends, in bytes. A batch may be larger, since a text can be in a record more than
/// once; one entry never is.
const REQUEST_BYTES: usize = 8 * 1024 * 1024;

/// The statuses that make the host send a batch in smaller parts.
const BAD_REQUEST: u16 = 400;
const TOO_LARGE: u16 = 413;

/// What a resource is: a program of one version.
#[derive(PartialEq, Eq)]
struct Service {
    /// `None` for swamp itself.
    tool: Option<String>,
    version: Option<String>,
}

/// An entry with what the host knows of it.
struct KnownEntry<'a> {
    id: &'a str,
    data: &'a str,
    fields: EntryFields,
}

fn batch_body(entries: &[Entry], distinct_id: &str) -> Result<Vec<u8>, Failure> {
    let known = (0..).zip(entries).map(|(index, entry)| KnownEntry {
        id: &entry.id,
        data: &entry.data,
        fields: batch::fields(index),
    });
    body_of(&known.collect::<Vec<_>>(), distinct_id)
}

/// The body of the request: a resource for each program and version that any of the entries is of.
///
/// # Errors
///
/// When the host would not send it for its size.
fn body_of(entries: &[KnownEntry<'_>], distinct_id: &str) -> Result<Vec<u8>, Failure> {
    let mut by_service: Vec<(Service, Vec<Value>)> = Vec::new();
    for entry in entries {
        let data = Data::of(entry.data);
        let service = Service {
            tool: data.tool().map(str::to_owned),
            version: data.version(&entry.fields).map(str::to_owned),
        };
        let record = record::log_record(entry, &data);
        match by_service.iter_mut().find(|(known, _)| *known == service) {
            Some((_, records)) => records.push(record),
            None => by_service.push((service, vec![record])),
        }
    }
    let resources: Vec<_> = by_service
        .iter()
        .map(|(service, records)| resource_logs(service, distinct_id, records))
        .collect();
    let body = json!({ "resourceLogs": resources })
        .to_string()
        .into_bytes();
    if body.len() > REQUEST_BYTES {
        return Err(Failure::Rejected(Rejection {
            status: TOO_LARGE,
            body: "the batch was not sent, since it is larger than 8 MiB".to_owned(),
        }));
    }
    Ok(body)
}

fn resource_logs(service: &Service, distinct_id: &str, records: &[Value]) -> Value {
    let mut resource = record::Attributes::default();
    resource.text("service.name", service.tool.as_deref().or(Some("swamp")));
    resource.text("service.version", service.version.as_deref());
    resource.text("swamp.repo.id", Some(distinct_id));
    resource.text("telemetry.sdk.name", Some("swamp"));
    resource.text("telemetry.sdk.language", Some("rust"));
    json!({
        "resource": { "attributes": resource.into_value() },
        "scopeLogs": [{ "scope": { "name": "swamp" }, "logRecords": records }],
    })
}

/// What the answer means for the batch.
///
/// Records that a success does not cover make it a refusal of what was sent: the host then finds them by sending
/// smaller batches, and those that were taken are known by `swamp.entry.id` when they come again.
fn outcome(answer: &Answer, now: Clock) -> Result<(), Failure> {
    if !SUCCESS.is(answer.status) {
        return Err(answer.refusal(now));
    }
    if is_page(&answer.body) {
        return Err(Failure::Rejected(Rejection {
            status: answer.status,
            body: "it answered with a web page, as for a sign-in, and not as a collector"
                .to_owned(),
        }));
    }
    match not_taken(&answer.body) {
        None => Ok(()),
        Some(body) => Err(Failure::Rejected(Rejection {
            status: BAD_REQUEST,
            body,
        })),
    }
}

/// Whether a body is HTML or XML, which no collector answers with.
fn is_page(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    body.trim_ascii_start().starts_with(b"<")
}

/// Why records were not taken, if any were not. An answer in another form than ours says nothing of the kind.
fn not_taken(body: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    // Protobuf's JSON has both spellings of each name.
    let of = |value: &Value, names: [&str; 2]| {
        let found = names.iter().find_map(|name| value.get(*name));
        found.cloned().unwrap_or_default()
    };
    let partial = of(&answer, ["partialSuccess", "partial_success"]);
    // 64-bit numbers are texts in OTLP's JSON; some endpoints write them as numbers.
    let rejected = match of(&partial, ["rejectedLogRecords", "rejected_log_records"]) {
        Value::String(count) => count.parse().ok()?,
        count => count.as_i64()?,
    };
    if rejected <= 0 {
        return None;
    }
    Some(
        match of(&partial, ["errorMessage", "error_message"]).as_str() {
            Some(why) if !why.is_empty() => why.to_owned(),
            _ => format!("{rejected} of the records were not taken"),
        },
    )
}

/// The sender for OpenTelemetry collectors: one log record for each entry, by OTLP/HTTP.
#[derive(Debug)]
pub struct OtlpSender;

impl sender::Guest for OtlpSender {
    fn send_batch(destination: Destination, entries: Vec<Entry>) -> Result<Vec<Outcome>, Failure> {
        protocol::send(&PROTOCOL, &destination, &entries)
    }
}

impl description::Guest for OtlpSender {
    fn describe() -> SenderDescription {
        SenderDescription {
            name: "otlp".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description:
                "Posts each entry as a log record to the /v1/logs of an OpenTelemetry collector"
                    .to_owned(),
            homepage: None,
            license: Some("Apache-2.0".to_owned()),
            options: Vec::new(),
        }
    }
}

// Natively a cdylib would not link: the linker stumbles over the name `cabi_post_…`.
#[cfg(target_arch = "wasm32")]
guest_sender::bindings::export!(OtlpSender with_types_in guest_sender::bindings);

#[cfg(test)]
mod tests;
