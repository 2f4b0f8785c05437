//! The receiver as a client on the same machine sees it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::*;
use crate::receiver::{BodyError, ReceivedEvent};

/// Longer than anything here takes; a test that waits so long has failed.
const LONG: Duration = Duration::from_mins(1);

struct Reply {
    status: u16,
    head: String,
    body: String,
}

fn event(insert_id: &str) -> String {
    format!(
        r#"{{"event":"cli_invocation","distinct_id":"repo-1","insert_id":"{insert_id}","properties":{{
          "id": "{insert_id}", "invocation": {{"command":"repo"}} }}}}"#
    )
}

fn batch(insert_ids: &[&str]) -> String {
    let events: Vec<String> = insert_ids.iter().map(|id| event(id)).collect();
    format!(r#"{{"events":[{}]}}"#, events.join(","))
}

fn started(options: ReceiverOptions) -> Receiver {
    Receiver::start(options).unwrap()
}

fn connected(receiver: &Receiver) -> TcpStream {
    let stream = TcpStream::connect(receiver.addr()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

fn request(line: &str, fields: &str, body: &str) -> String {
    format!(
        "{line} HTTP/1.1\r\nhost: localhost\r\n{fields}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// The answer to `request`; `None` where the connection was closed without one.
fn exchange(receiver: &Receiver, request: &str) -> Option<Reply> {
    let mut stream = connected(receiver);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A connection closed without an answer may end in a reset.
    let _ = stream.read_to_end(&mut answer);
    if answer.is_empty() {
        return None;
    }
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Some(Reply {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_owned(),
        body: body.to_owned(),
    })
}

fn posted(receiver: &Receiver, body: &str) -> Option<Reply> {
    let fields = "content-type: application/json\r\n";
    exchange(receiver, &request("POST /ingest", fields, body))
}

fn status(reply: Option<&Reply>) -> Option<u16> {
    reply.map(|reply| reply.status)
}

#[test]
fn good_events_are_answered_with_202_and_reported() {
    let receiver = started(ReceiverOptions::default());
    let arrivals = receiver.arrivals();
    let reply = posted(&receiver, &batch(&["a", "b"])).unwrap();
    assert_eq!(reply.status, 202);
    assert_eq!(reply.body, r#"{"accepted":2,"duplicates":0}"#);
    assert!(reply.head.contains("content-type: application/json"));

    let arrival = arrivals.recv_timeout(LONG).unwrap();
    assert_eq!(
        (arrival.method.as_str(), arrival.path.as_str()),
        ("POST", "/ingest")
    );
    assert_eq!(arrival.body, batch(&["a", "b"]));
    assert_eq!(arrival.answered, Some(202));
    assert_eq!(arrival.refusal, None);
    let commands: Vec<_> = arrival.fresh_events().map(ReceivedEvent::command).collect();
    assert_eq!(commands, [Some("repo"), Some("repo")]);
    assert_eq!(receiver.requests().len(), 1);
    assert_eq!(
        receiver.shut_down(),
        Summary {
            requests: 1,
            events: 2,
            unique: 2,
            bytes: batch(&["a", "b"]).len() as u64,
            ..Summary::default()
        }
    );
}

#[test]
fn an_event_without_an_insert_id_is_taken_with_a_warning() {
    let receiver = started(ReceiverOptions::default());
    let without = event("a").replace(r#""insert_id":"a","#, "");
    let of_null = event("b").replace(r#""insert_id":"b""#, r#""insert_id":null"#);
    let another = event("c").replace(r#""insert_id":"c""#, r#""insert_id":"made-up""#);
    let odd_key = event("d").replace(r#""id": "d""#, r#""id": "d", "\ud83d": 1"#);
    let bodies = [
        without.clone(),
        without.clone(),
        format!(r#"{{"events":[{},{of_null},{another}]}}"#, event("e")),
        odd_key,
    ];
    for body in bodies {
        let reply = posted(&receiver, &body).unwrap();
        assert_eq!(reply.status, 202, "{body}: {}", reply.body);
    }
    let told: Vec<String> = receiver
        .requests()
        .iter()
        .map(|arrival| {
            let warnings: Vec<_> = arrival.warnings().collect();
            format!("{} new: {}", arrival.fresh(), warnings.join("; "))
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r"
            1 new: insert_id is missing, so the event counts again if it is sent again; send the id of the entry
            1 new: insert_id is missing, so the event counts again if it is sent again; send the id of the entry
            3 new: events[1].insert_id is null, so the event counts again if it is sent again; send the id of the entry; events[2].insert_id is not the id in properties; send the id of the entry, which is the same whenever it is sent again
            1 new:
            ");
    // What is saved has the id that was made.
    for arrival in receiver.requests() {
        for event in arrival.fresh_events() {
            let line: serde_json::Value =
                serde_json::from_str(&event.to_line().replace("\\ud83d", "")).unwrap();
            assert_eq!(line["insert_id"], event.insert_id());
        }
    }
    let summary = receiver.shut_down();
    assert_eq!((summary.unique, summary.bad_requests), (6, 0));
}

const OTLP: &str = r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"swamp.repo.id","value":{"stringValue":"repo-1"}}]},"scopeLogs":[{"logRecords":[{"attributes":[{"key":"swamp.entry.id","value":{"stringValue":"a"}},{"key":"swamp.command","value":{"stringValue":"repo"}}]}]}]}]}"#;

#[test]
fn log_records_of_otlp_are_taken_at_their_path_as_json() {
    let receiver = started(ReceiverOptions::default());
    let json = "content-type: application/json\r\n";
    let protobuf = "content-type: application/x-protobuf\r\n";
    let requests = [
        request("POST /v1/logs", json, OTLP),
        request("POST /team/v1/logs", json, OTLP),
        request("POST /v1/logs", json, r#"{"resourceLogs":[]}"#),
        request("POST /v1/logs", protobuf, "\n"),
        request("POST /ingest", protobuf, "\n"),
        request("POST /v1/logs", "", OTLP),
        request("POST /v1/logs", json, &event("a")),
        request("POST /ingest", json, OTLP),
        request("PUT /v1/logs", json, OTLP),
        request("POST /v1/traces", json, OTLP),
    ];
    let told: Vec<String> = requests
        .iter()
        .map(|request| {
            let reply = exchange(&receiver, request).unwrap();
            format!("{} {}", reply.status, reply.body)
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
            200 {}
            200 {}
            200 {}
            415 {"error":"the request is OTLP as protobuf; send it as JSON: set the exporter's protocol to http/json (OTEL_EXPORTER_OTLP_PROTOCOL)","message":"the request is OTLP as protobuf; send it as JSON: set the exporter's protocol to http/json (OTEL_EXPORTER_OTLP_PROTOCOL)"}
            415 {"error":"the request's content-type is not application/json; set it to that"}
            415 {"error":"the request's content-type is not application/json; set it to that","message":"the request's content-type is not application/json; set it to that"}
            400 {"error":"resourceLogs is missing; send {\"resourceLogs\":[…]}","message":"resourceLogs is missing; send {\"resourceLogs\":[…]}"}
            400 {"error":"event is missing; it must be the string \"cli_invocation\""}
            405 {"error":"PUT is not a method of this path; send events with POST","message":"PUT is not a method of this path; send events with POST"}
            404 {"error":"/v1/traces is not a path of this receiver; send events to a path that ends in /ingest, or OTLP's logs to one that ends in /v1/logs"}
            "#);
    let arrivals = receiver.requests();
    let fresh: Vec<_> = arrivals[0].fresh_events().collect();
    assert_eq!(
        (fresh[0].distinct_id(), fresh[0].command()),
        ("repo-1", Some("repo"))
    );
    assert_eq!(arrivals[0].format, Format::Otlp);
    assert_eq!((arrivals[1].fresh(), arrivals[1].repeated()), (0, 1));
    assert_eq!(receiver.shut_down().unique, 1);
    let told = started(ReceiverOptions {
        respond: Some(202),
        ..ReceiverOptions::default()
    });
    assert_eq!(exchange(&told, &requests[0]).unwrap().status, 202);
}

fn gzipped(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_body_may_come_compressed_and_is_bounded_all_the_same() {
    let receiver = started(ReceiverOptions::default());
    let event = event("a");
    let (start, end) = event.split_at(20);
    let whole = gzipped(&event);
    let bomb = gzipped(&format!("{event}{}", " ".repeat(8 * 1024 * 1024)));
    let told: Vec<String> = [
        ("gzip", "/ingest", whole.clone()),
        ("X-GZip", "/ingest", whole.clone()),
        ("gzip", "/ingest", [gzipped(start), gzipped(end)].concat()),
        ("gzip", "/v1/logs", gzipped(OTLP)),
        ("identity", "/ingest", event.clone().into_bytes()),
        ("gzip", "/ingest", event.into_bytes()),
        ("gzip", "/ingest", whole[..whole.len() - 9].to_vec()),
        ("gzip", "/ingest", Vec::new()),
        ("gzip", "/ingest", bomb),
        ("deflate", "/ingest", whole.clone()),
        ("gzip, gzip", "/ingest", whole),
    ]
    .map(|(encoding, path, body)| {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-encoding: {encoding}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        let mut stream = connected(&receiver);
        stream.write_all(&[head.into_bytes(), body].concat()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        format!("{encoding}: {} {body}", head.split(' ').nth(1).unwrap())
    })
    .to_vec();
    insta::assert_snapshot!(told.join("\n"), @r#"
            gzip: 202 {"accepted":1,"duplicates":0}
            X-GZip: 202 {"accepted":0,"duplicates":1}
            gzip: 202 {"accepted":0,"duplicates":1}
            gzip: 200 {}
            identity: 202 {"accepted":0,"duplicates":1}
            gzip: 400 {"error":"the body is not gzip, as its content-encoding says, or is cut short; send what it says"}
            gzip: 400 {"error":"the body is not gzip, as its content-encoding says, or is cut short; send what it says"}
            gzip: 400 {"error":"the body is not gzip, as its content-encoding says, or is cut short; send what it says"}
            gzip: 413 {"error":"the body is larger than 8388608 bytes; send fewer events in one request"}
            deflate: 415 {"error":"the request's content-encoding is deflate; send the body with gzip or as it is"}
            gzip, gzip: 415 {"error":"the request's content-encoding is gzip, gzip; send the body with gzip or as it is"}
            "#);
    assert_eq!(receiver.requests()[0].body, self::event("a"));
    assert_eq!(receiver.shut_down().unique, 1);
}

#[test]
fn an_answer_is_not_lost_over_a_request_that_was_not_read() {
    let receiver = started(ReceiverOptions {
        max_body: 1024,
        ..ReceiverOptions::default()
    });
    for announced in [20 << 20, 99_999_999_999_usize] {
        let mut stream = connected(&receiver);
        let head = format!(
            "POST /ingest HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {announced}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&vec![b' '; 20 << 20]).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        // A reset would be an error.
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    }
}

/// Sends one event on a connection that stays open, and reads the whole answer.
fn posted_on(stream: &mut TcpStream, path: &str, insert_id: &str) {
    let line = format!("POST {path}");
    let fields = "content-type: application/json; charset=utf-8\r\n";
    let request = request(&line, fields, &event(insert_id)).replace("connection: close\r\n", "");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(br#"{"accepted":1,"duplicates":0}"#) {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 202 "));
}

#[test]
fn an_endpoint_with_a_path_and_a_kept_connection_work() {
    let receiver = started(ReceiverOptions::default());
    let mut stream = connected(&receiver);
    for id in ["a", "b"] {
        posted_on(&mut stream, "/v1/telemetry/ingest", id);
    }
    assert_eq!(receiver.summary().unique, 2);
}

#[test]
fn a_repeated_insert_id_is_counted_and_dropped() {
    let receiver = started(ReceiverOptions::default());
    assert_eq!(
        status(posted(&receiver, &batch(&["a", "b", "a"])).as_ref()),
        Some(202)
    );
    let again = posted(&receiver, &batch(&["b", "c"])).unwrap();
    assert_eq!(again.body, r#"{"accepted":1,"duplicates":1}"#);
    let [_, arrival] = &receiver.requests()[..] else {
        panic!("two requests were sent");
    };
    assert_eq!((arrival.fresh(), arrival.repeated()), (1, 1));
    let fresh: Vec<_> = arrival
        .fresh_events()
        .map(ReceivedEvent::insert_id)
        .collect();
    assert_eq!(fresh, ["c"]);
    let summary = receiver.shut_down();
    assert_eq!(
        (summary.events, summary.unique, summary.repeated),
        (5, 3, 2)
    );
}

#[test]
fn a_bad_request_is_told_what_is_wrong_with_it() {
    let receiver = started(ReceiverOptions::default());
    let json = "content-type: application/json\r\n";
    let packed = "content-type: application/json\r\ncontent-encoding: gzip\r\n";
    let requests = [
        request("POST /ingest", json, "{}"),
        request("POST /ingest", json, &batch(&["a", ""])),
        request("POST /ingest", json, "nonsense"),
        request("POST /ingest", "", &event("a")),
        request("POST /ingest", "content-type: text/plain\r\n", &event("a")),
        request("POST /ingest", packed, &event("a")),
        request("GET /ingest", "", ""),
        request("PUT /ingest", json, &event("a")),
        request("POST /ingested", json, &event("a")),
        request("POST /", json, &event("a")),
    ];
    let told: Vec<String> = requests
        .iter()
        .map(|request| {
            let reply = exchange(&receiver, request).unwrap();
            assert_eq!(reply.head.contains("\r\nallow: POST"), reply.status == 405);
            format!("{} {}", reply.status, reply.body)
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
            400 {"error":"event is missing; it must be the string \"cli_invocation\""}
            400 {"error":"events[1].insert_id is empty; it must be a non-empty string, the same whenever this event is sent again"}
            400 {"error":"the body is not JSON (expected ident at line 1 column 2); send one event object, or {\"events\":[…]}"}
            415 {"error":"the request's content-type is not application/json; set it to that"}
            415 {"error":"the request's content-type is not application/json; set it to that"}
            400 {"error":"the body is not gzip, as its content-encoding says, or is cut short; send what it says"}
            405 {"error":"GET is not a method of this path; send events with POST"}
            405 {"error":"PUT is not a method of this path; send events with POST"}
            404 {"error":"/ingested is not a path of this receiver; send events to a path that ends in /ingest, or OTLP's logs to one that ends in /v1/logs"}
            404 {"error":"/ is not a path of this receiver; send events to a path that ends in /ingest, or OTLP's logs to one that ends in /v1/logs"}
            "#);
    let arrivals = receiver.requests();
    assert!(
        arrivals
            .iter()
            .all(|arrival| arrival.refusal.is_some() && arrival.fresh() == 0)
    );
    let summary = receiver.shut_down();
    assert_eq!(
        (summary.requests, summary.bad_requests, summary.events),
        (10, 10, 0)
    );
}

#[test]
fn without_validation_any_body_is_taken_and_the_arrival_still_says_what_is_wrong() {
    let receiver = started(ReceiverOptions {
        validate: false,
        path: String::new(),
        ..ReceiverOptions::default()
    });
    let reply = exchange(&receiver, &request("PUT /v2/track?x=1", "", "a=b")).unwrap();
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (202, r#"{"accepted":0,"duplicates":0}"#)
    );
    let arrivals = receiver.requests();
    assert_eq!(arrivals[0].path, "/v2/track?x=1");
    assert!(matches!(
        arrivals[0].events,
        Err(BodyError::Ingest(IngestError::NotJson(_)))
    ));
}

#[test]
fn a_body_over_the_limit_is_refused_however_it_is_announced_and_one_at_the_limit_is_not() {
    let event = event("a");
    let receiver = started(ReceiverOptions {
        max_body: event.len(),
        ..ReceiverOptions::default()
    });
    let json = "content-type: application/json\r\n";
    assert_eq!(status(posted(&receiver, &event).as_ref()), Some(202));
    let larger = posted(&receiver, &format!("{event} ")).unwrap();
    assert_eq!(larger.status, 413);
    assert!(
        larger.body.contains("the body is larger than"),
        "{}",
        larger.body
    );
    let chunked = format!(
        "POST /ingest HTTP/1.1\r\nhost: localhost\r\n{json}transfer-encoding: chunked\r\nconnection: close\r\n\r\n{:x}\r\n{event}\r\n1\r\n \r\n0\r\n\r\n",
        event.len()
    );
    assert_eq!(status(exchange(&receiver, &chunked).as_ref()), Some(413));
    let announced = format!(
        "POST /ingest HTTP/1.1\r\nhost: localhost\r\n{json}content-length: 99999999999\r\nconnection: close\r\n\r\n"
    );
    assert_eq!(status(exchange(&receiver, &announced).as_ref()), Some(413));
    assert!(
        receiver
            .requests()
            .iter()
            .skip(1)
            .all(|arrival| arrival.body.is_empty())
    );
    assert_eq!(receiver.shut_down().bad_requests, 3);
}

#[test]
fn a_status_that_is_no_success_takes_nothing_but_a_bad_request_is_still_400() {
    let receiver = started(ReceiverOptions {
        respond: Some(429),
        retry_after: Some(Duration::from_secs(7)),
        ..ReceiverOptions::default()
    });
    let reply = posted(&receiver, &event("a")).unwrap();
    assert_eq!(reply.status, 429);
    assert!(reply.head.contains("\r\nretry-after: 7"), "{}", reply.head);
    insta::assert_snapshot!(reply.body, @r#"{"error":"this receiver was told to answer this request with 429"}"#);
    assert_eq!(status(posted(&receiver, "{}").as_ref()), Some(400));
    let summary = receiver.shut_down();
    assert_eq!(
        (summary.events, summary.failed, summary.bad_requests),
        (0, 1, 1)
    );
}

#[test]
fn a_success_without_content_takes_events_and_has_no_body() {
    let receiver = started(ReceiverOptions {
        respond: Some(204),
        ..ReceiverOptions::default()
    });
    let reply = posted(&receiver, &event("a")).unwrap();
    assert_eq!((reply.status, reply.body.as_str()), (204, ""));
    assert_eq!(receiver.shut_down().unique, 1);
}

#[test]
fn a_request_that_fails_by_plan_is_new_when_it_is_sent_again() {
    let receiver = started(ReceiverOptions {
        fail_every: NonZeroU32::new(2),
        ..ReceiverOptions::default()
    });
    let statuses: Vec<_> = ["a", "b", "b"]
        .iter()
        .map(|id| status(posted(&receiver, &event(id)).as_ref()))
        .collect();
    assert_eq!(statuses, [Some(202), Some(503), Some(202)]);
    let summary = receiver.shut_down();
    assert_eq!(
        (summary.unique, summary.repeated, summary.failed),
        (2, 0, 1)
    );
}

#[test]
fn a_request_that_is_dropped_by_plan_was_taken_and_is_a_repetition_when_sent_again() {
    let receiver = started(ReceiverOptions {
        drop_every: NonZeroU32::new(2),
        ..ReceiverOptions::default()
    });
    let statuses: Vec<_> = ["a", "b", "b"]
        .iter()
        .map(|id| status(posted(&receiver, &event(id)).as_ref()))
        .collect();
    assert_eq!(statuses, [Some(202), None, Some(202)]);
    let answered: Vec<_> = receiver
        .requests()
        .iter()
        .map(|arrival| arrival.answered)
        .collect();
    assert_eq!(answered, statuses);
    let summary = receiver.shut_down();
    assert_eq!(
        (summary.unique, summary.repeated, summary.dropped),
        (2, 1, 1)
    );
}

#[test]
fn an_arrival_is_reported_before_its_delayed_answer_and_shutting_down_waits_for_none() {
    let receiver = started(ReceiverOptions {
        delay: Duration::from_hours(24),
        ..ReceiverOptions::default()
    });
    let arrivals = receiver.arrivals();
    let mut waiting = connected(&receiver);
    let fields = "content-type: application/json\r\n";
    waiting
        .write_all(request("POST /ingest", fields, &event("a")).as_bytes())
        .unwrap();
    assert_eq!(arrivals.recv_timeout(LONG).unwrap().answered, Some(202));
    let mut idle = connected(&receiver);
    assert_eq!(receiver.shut_down().unique, 1);
    for stream in [&mut waiting, &mut idle] {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.is_empty());
    }
    assert!(arrivals.recv().is_none());
}

#[test]
fn dropping_a_receiver_frees_its_port() {
    let receiver = started(ReceiverOptions::default());
    let listen = receiver.addr();
    drop(receiver);
    let again = started(ReceiverOptions {
        listen,
        ..ReceiverOptions::default()
    });
    assert_eq!(again.addr(), listen);
}

#[test]
fn new_events_are_saved_as_one_line_each_after_what_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let save = directory.path().join("events.jsonl");
    std::fs::write(&save, "earlier\n").unwrap();
    let receiver = started(ReceiverOptions {
        save: Some(save.clone()),
        ..ReceiverOptions::default()
    });
    for body in [batch(&["a", "a"]), batch(&["a", "b"])] {
        assert_eq!(status(posted(&receiver, &body).as_ref()), Some(202));
    }
    insta::assert_snapshot!(std::fs::read_to_string(&save).unwrap(), @r#"
    earlier
    {"event":"cli_invocation","distinct_id":"repo-1","insert_id":"a","properties":{"id":"a","invocation":{"command":"repo"}}}
    {"event":"cli_invocation","distinct_id":"repo-1","insert_id":"b","properties":{"id":"b","invocation":{"command":"repo"}}}
    "#);
}

#[cfg(target_os = "linux")]
#[test]
fn events_that_cannot_be_saved_are_not_taken() {
    let receiver = started(ReceiverOptions {
        save: Some("/dev/full".into()),
        ..ReceiverOptions::default()
    });
    for _ in 0..2 {
        let reply = posted(&receiver, &event("a")).unwrap();
        assert_eq!(reply.status, 500);
        assert!(
            reply
                .body
                .contains("could not save the events to /dev/full"),
            "{}",
            reply.body
        );
    }
    let summary = receiver.shut_down();
    assert_eq!((summary.events, summary.failed), (0, 2));
}

#[test]
fn header_values_that_may_be_secret_are_kept_out_unless_they_are_to_be_shown() {
    let fields = "content-type: application/json\r\nauthorization: Bearer hunter2\r\nX-Key: hunter3\r\nuser-agent: swamp/1\r\n";
    let seen = |options| {
        let receiver = started(options);
        exchange(&receiver, &request("POST /ingest", fields, &event("a"))).unwrap();
        let arrivals = receiver.requests();
        let wanted = ["authorization", "x-key", "user-agent"];
        let shown: Vec<String> = arrivals[0]
            .headers
            .iter()
            .filter(|(name, _)| wanted.contains(&name.as_str()))
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        shown
    };
    assert_eq!(
        seen(ReceiverOptions::default()),
        [
            "authorization: <REDACTED>",
            "x-key: <REDACTED>",
            "user-agent: swamp/1"
        ]
    );
    assert_eq!(
        seen(ReceiverOptions {
            show_headers: vec![HeaderName::from_static("x-key")],
            ..ReceiverOptions::default()
        }),
        [
            "authorization: <REDACTED>",
            "x-key: hunter3",
            "user-agent: swamp/1"
        ]
    );
}

#[test]
fn connections_over_the_limit_wait_for_a_place() {
    let receiver = started(ReceiverOptions {
        max_connections: NonZeroUsize::MIN,
        ..ReceiverOptions::default()
    });
    let arrivals = receiver.arrivals();
    let mut first = connected(&receiver);
    let mut second = connected(&receiver);
    let fields = "content-type: application/json\r\n";
    second
        .write_all(request("POST /ingest", fields, &event("second")).as_bytes())
        .unwrap();
    for id in ["a", "b", "c"] {
        posted_on(&mut first, "/ingest", id);
    }
    drop(first);
    let ids: Vec<String> = (0..4)
        .map(|_| {
            let arrival = arrivals.recv_timeout(LONG).unwrap();
            let events = arrival.events.as_ref().unwrap();
            events[0].insert_id().to_owned()
        })
        .collect();
    assert_eq!(ids, ["a", "b", "c", "second"]);
}

#[test]
fn a_stream_that_is_read_late_or_dropped_loses_no_request() {
    let large = " ".repeat(8 * 1024 * 1024);
    for reads in [true, false] {
        let receiver = started(ReceiverOptions::default());
        let arrivals = receiver.arrivals();
        let statuses: Vec<Option<u16>> = thread::scope(|scope| {
            let post = || status(posted(&receiver, &large).as_ref());
            let clients: Vec<_> = (0..4).map(|_| scope.spawn(post)).collect();
            if reads {
                for _ in &clients {
                    assert_eq!(arrivals.recv_timeout(LONG).unwrap().answered, Some(400));
                }
            } else {
                drop(arrivals);
            }
            clients
                .into_iter()
                .map(|client| client.join().unwrap())
                .collect()
        });
        assert_eq!(statuses, [Some(400); 4]);
    }
}

#[test]
fn garbage_and_clients_that_go_away_leave_it_serving() {
    let receiver = started(ReceiverOptions::default());
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01"[..],
        b"POST /ingest HTTP/1.1\r\ncontent-length: 9\r\n\r\n{",
    ] {
        connected(&receiver).write_all(bytes).unwrap();
    }
    assert_eq!(status(posted(&receiver, &event("a")).as_ref()), Some(202));
    assert_eq!(receiver.shut_down().requests, 1);
}

#[test]
fn what_cannot_be_started_says_why_and_what_to_do() {
    let why = |options| Receiver::start(options).unwrap_err().to_string();
    let running = started(ReceiverOptions::default());
    let port = running.addr().port().to_string();
    let remote = |listen: &str| ReceiverOptions {
        listen: listen.parse().unwrap(),
        ..ReceiverOptions::default()
    };
    let in_use = ReceiverOptions {
        listen: running.addr(),
        ..ReceiverOptions::default()
    };
    insta::assert_snapshot!(
        [
            why(remote("0.0.0.0:8090")),
            why(remote("[::]:8090")),
            why(remote("192.0.2.1:8090")),
            why(in_use).replace(&port, "PORT"),
            why(ReceiverOptions { respond: Some(100), ..ReceiverOptions::default() }),
            why(ReceiverOptions { save: Some("/nowhere/at/all".into()), ..ReceiverOptions::default() }),
        ]
        .join("\n"),
        @"
        could not listen on 0.0.0.0:8090: other machines may reach that address
        could not listen on [::]:8090: other machines may reach that address
        could not listen on 192.0.2.1:8090: other machines may reach that address
        could not listen on 127.0.0.1:PORT: the port is in use
        could not answer with status 100
        could not open /nowhere/at/all to save events to it: No such file or directory (os error 2)
        "
    );
}

#[test]
fn its_endpoint_is_one_that_this_machine_can_reach() {
    let receiver = started(ReceiverOptions::default());
    assert_eq!(receiver.endpoint(), format!("http://{}", receiver.addr()));
    for (listening, endpoint) in [
        ("127.0.0.1:8090", "http://127.0.0.1:8090"),
        ("[::1]:8090", "http://[::1]:8090"),
        ("0.0.0.0:8090", "http://127.0.0.1:8090"),
        ("[::]:8090", "http://[::1]:8090"),
        ("192.0.2.1:8090", "http://192.0.2.1:8090"),
    ] {
        assert_eq!(endpoint_at(listening.parse().unwrap()), endpoint);
    }
}

fn with_page() -> Receiver {
    started(ReceiverOptions {
        page: true,
        ..ReceiverOptions::default()
    })
}

fn asked(receiver: &Receiver, line: &str, fields: &str) -> Reply {
    let request = format!("{line} HTTP/1.1\r\n{fields}connection: close\r\n\r\n");
    exchange(receiver, &request).unwrap()
}

#[test]
fn the_page_is_for_loopback_names_and_is_no_arrival() {
    let receiver = with_page();
    let page = asked(&receiver, "GET /", "host: localhost:8090\r\n");
    assert_eq!(page.status, 200);
    let nonce = page.head.split("script-src 'nonce-").nth(1).unwrap();
    let nonce = nonce.split('\'').next().unwrap();
    assert!(page.body.contains(&format!("<script nonce=\"{nonce}\">")));
    assert!(page.head.contains("default-src 'none'; "));
    assert!(!page.head.contains("access-control-"));
    let again = asked(&receiver, "GET /", "host: localhost:8090\r\n");
    assert!(
        !again.head.contains(nonce),
        "each answer has a nonce of its own"
    );
    assert_eq!(asked(&receiver, "HEAD /", "host: [::1]\r\n").status, 200);
    for fields in [
        "host: evil.example\r\n",
        "host: 192.168.0.1:8090\r\n",
        "host: localhost\r\nhost: localhost\r\n",
    ] {
        for line in ["GET /", "GET /events"] {
            let reply = asked(&receiver, line, fields);
            assert_eq!(reply.status, 403, "{line} {fields}");
        }
    }
    for fields in [
        "host: localhost\r\norigin: http://evil.example\r\n",
        "host: localhost\r\nsec-fetch-site: same-site\r\n",
    ] {
        assert_eq!(asked(&receiver, "GET /events", fields).status, 403);
    }
    assert_eq!(receiver.summary(), Summary::default());
    // Events may come by any name, as from a container.
    let from_container = request(
        "POST /ingest",
        "content-type: application/json\r\n",
        &event("a"),
    )
    .replace("host: localhost", "host: host.docker.internal:8090");
    assert_eq!(
        status(exchange(&receiver, &from_container).as_ref()),
        Some(202)
    );
    // Without the page, its address is one like any other.
    let plain = started(ReceiverOptions::default());
    assert_eq!(asked(&plain, "GET /", "host: localhost\r\n").status, 404);
}

/// Opens the stream behind the page, and reads it until `end` has come.
fn streamed(receiver: &Receiver, seen: &str, end: &str) -> String {
    let mut stream = connected(receiver);
    write!(
        stream,
        "GET /events HTTP/1.1\r\nhost: localhost\r\n{seen}\r\n"
    )
    .unwrap();
    let mut text = Vec::new();
    while !String::from_utf8_lossy(&text).contains(end) {
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).unwrap();
        assert_ne!(length, 0, "the stream ended before {end}");
        text.extend_from_slice(&piece[..length]);
    }
    String::from_utf8(text).unwrap()
}

#[test]
fn the_stream_tells_what_is_kept_and_goes_on_where_it_was_left() {
    let receiver = with_page();
    posted(&receiver, &batch(&["a", "b"]));
    posted(&receiver, &batch(&["b", "c"]));
    let first = streamed(&receiver, "", "event: summary");
    assert!(first.contains("content-type: text/event-stream"));
    let all = streamed(&receiver, "", "\"insert_id\\\":\\\"c\\\"");
    let id = |number: u64| {
        let run = all.split("\"run\":\"").nth(1).unwrap();
        format!("{}-{number}", &run[..32])
    };
    assert!(all.contains(&format!("id: {}\nevent: arrival\n", id(0))));
    posted(&receiver, &batch(&["d"]));
    let rest = streamed(&receiver, &format!("last-event-id: {}\r\n", id(1)), &id(2));
    assert!(!rest.contains(&id(0)) && !rest.contains(&id(1)), "{rest}");
}

#[test]
fn a_reader_that_stands_still_holds_nobody_up_and_too_many_are_refused() {
    let receiver = with_page();
    let open: Vec<TcpStream> = (0..16)
        .map(|_| {
            let mut stream = connected(&receiver);
            write!(stream, "GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
            let mut start = [0; 15];
            stream.read_exact(&mut start).unwrap();
            assert_eq!(&start, b"HTTP/1.1 200 OK");
            stream
        })
        .collect();
    let fields = "host: localhost\r\n";
    assert_eq!(asked(&receiver, "GET /events", fields).status, 503);
    for number in 0..200 {
        let ids: Vec<String> = (0..25).map(|event| format!("{number}-{event}")).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        assert_eq!(status(posted(&receiver, &batch(&ids)).as_ref()), Some(202));
    }
    drop(open);
    assert_eq!(receiver.shut_down().unique, 5000);
}
