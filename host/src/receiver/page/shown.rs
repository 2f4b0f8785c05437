//! What the page is told of an arrival, as JSON.

use bytes::Bytes;
use chrono::SecondsFormat;
use serde::Serialize;

use crate::domain::Status;
use crate::receiver::ReceivedEvent;
use crate::receiver::arrival::Arrival;
use crate::receiver::ledger::Summary;

/// How much of a text the lists show, in characters. The event's JSON has all of it.
const MOST_TEXT: usize = 300;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownArrival<'a> {
    at: String,
    method: String,
    path: String,
    bytes: usize,
    answered: Option<u16>,
    refusal: Option<&'a str>,
    warnings: Vec<String>,
    events: Vec<ShownEvent>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownEvent {
    repo: String,
    /// Command and subcommand.
    command: Option<String>,
    status: Option<Status>,
    exit_code: Option<i64>,
    error_type: Option<String>,
    error_message: Option<String>,
    duration_ms: Option<u64>,
    /// The program that recorded it, with its version.
    tool: Option<String>,
    platform: Option<String>,
    /// The event's JSON as it arrived.
    raw: String,
}

#[derive(Serialize)]
struct Hello<'a> {
    run: &'a str,
    endpoint: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownSummary {
    requests: u64,
    events: u64,
    unique: u64,
    repeated: u64,
    bad_requests: u64,
    failed: u64,
    dropped: u64,
    bytes: u64,
}

pub(super) fn arrival(arrival: &Arrival) -> String {
    let shown = ShownArrival {
        at: arrival.at.to_rfc3339_opts(SecondsFormat::Millis, true),
        method: start_of(&arrival.method),
        path: start_of(&arrival.path),
        bytes: arrival.body.len(),
        answered: arrival.answered,
        refusal: arrival.refusal.as_deref(),
        warnings: arrival.warnings().map(start_of).collect(),
        events: arrival.fresh_events().map(event).collect(),
    };
    json(&shown)
}

pub(super) fn hello(run: &str, endpoint: &str, so_far: &Summary) -> Bytes {
    let hello = json(&Hello { run, endpoint });
    let mut text = format!("retry: 1000\nevent: hello\ndata: {hello}\n\n").into_bytes();
    text.extend_from_slice(&summary(so_far));
    Bytes::from(text)
}

pub(super) fn summary(summary: &Summary) -> Bytes {
    let json = json(&ShownSummary {
        requests: summary.requests,
        events: summary.events,
        unique: summary.unique,
        repeated: summary.repeated,
        bad_requests: summary.bad_requests,
        failed: summary.failed,
        dropped: summary.dropped,
        bytes: summary.bytes,
    });
    Bytes::from(format!("event: summary\ndata: {json}\n\n"))
}

/// Texts, numbers and lists of them are always JSON.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn event(event: &ReceivedEvent) -> ShownEvent {
    let words = [event.command(), event.subcommand()];
    let words: Vec<&str> = words.into_iter().flatten().collect();
    ShownEvent {
        repo: start_of(event.distinct_id()),
        command: (!words.is_empty()).then(|| start_of(&words.join(" "))),
        status: event.status(),
        exit_code: event.exit_code(),
        error_type: event.error_type().map(start_of),
        error_message: event.error_message().map(start_of),
        duration_ms: event.duration_ms(),
        tool: event.tool().map(start_of),
        platform: event.platform().map(start_of),
        raw: event.to_line(),
    }
}

fn start_of(text: &str) -> String {
    match text.char_indices().nth(MOST_TEXT) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
