//! The compiled senders against a real socket: what they post, and what they say of the answers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use swamp::config::{BuiltinSender, SenderLimits};
use swamp::domain::{
    Deadline, Delivered, Endpoint, EntryName, SendError, SpooledEntry, TelemetrySender as _,
};
use swamp::egress::{Environment, Network, Reach};
use swamp::process::timer::Timer;
use swamp::receiver::{Receiver, ReceiverOptions};
use swamp::sender::{Compiled, ComponentFile, ComponentSender, SenderConfig};

use crate::support::{AMPLE, cache, compiler, dead_endpoint};
use crate::unruly::{Plan, Unruly};

/// The built-in sender, the ones that each toolchain compiled for each version of the contract, and the one that
/// this run is about.
fn senders() -> Vec<ComponentFile> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/senders/0.1.0");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(fixtures)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    assert!(paths.len() >= 2);
    paths.extend(std::env::var_os("SWAMP_TEST_COMPONENT").map(PathBuf::from));
    let files = paths.iter().map(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        ComponentFile::read(path, &*name).unwrap()
    });
    std::iter::once(ComponentFile::builtin(BuiltinSender::Ingest))
        .chain(files)
        .collect()
}

fn sender(file: &ComponentFile, endpoint: &str) -> ComponentSender {
    let compiled = Compiled::obtain(file, &cache(), &compiler()).unwrap();
    let config = SenderConfig {
        endpoint: Endpoint::parse(endpoint).unwrap(),
        user_agent: "swamp/test".into(),
        options: Vec::new(),
        limits: SenderLimits::default(),
        network: Network::live(Environment::read(|_| None)),
        reach: Reach::default(),
        headers: Vec::new(),
        timer: Timer::default(),
    };
    ComponentSender::new(&compiled, config).unwrap()
}

fn entry(n: usize) -> SpooledEntry {
    let name = EntryName::parse(&format!("telemetry-2026-02-11-entry_{n}.json")).unwrap();
    let json =
        format!("{{\n  \"id\": \"entry_{n}\",\n  \"odd\": [1.0, \"\\u0000é\u{1f980}\"]\n}}\n");
    SpooledEntry::parse(name, json.into_bytes()).unwrap()
}

fn entries(count: usize) -> Vec<SpooledEntry> {
    (0..count).map(entry).collect()
}

fn send(file: &ComponentFile, endpoint: &str, count: usize) -> Result<(), SendError> {
    let deadline = Deadline::after(AMPLE);
    let delivered = sender(file, endpoint).send_batch(&entries(count), "the-repo", deadline)?;
    delivered.in_full()
}

fn responding(status: u16) -> Receiver {
    Receiver::start(ReceiverOptions {
        respond: Some(status),
        ..ReceiverOptions::default()
    })
    .unwrap()
}

#[test]
fn one_entry_is_posted_as_a_bare_event_with_its_json_to_the_byte() {
    for file in senders() {
        let receiver = Receiver::start(ReceiverOptions::default()).unwrap();
        send(&file, &receiver.endpoint(), 1).unwrap();
        let requests = receiver.requests();
        assert_eq!(requests.len(), 1, "{}", file.name());
        let expected = format!(
            r#"{{"event":"cli_invocation","distinct_id":"the-repo","insert_id":"entry_0","properties":{}}}"#,
            entry(0).data
        );
        assert_eq!(String::from_utf8_lossy(&requests[0].body), expected);
        assert_eq!(
            (requests[0].method.as_str(), requests[0].path.as_str()),
            ("POST", "/ingest")
        );
        let header = |name: &str| {
            let found = requests[0].headers.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.clone())
        };
        assert_eq!(header("content-type").as_deref(), Some("application/json"));
        assert_eq!(header("user-agent").as_deref(), Some("swamp/test"));
    }
}

#[test]
fn several_entries_are_posted_as_one_list_in_their_order() {
    for file in senders() {
        let receiver = Receiver::start(ReceiverOptions::default()).unwrap();
        send(&file, &receiver.endpoint(), 25).unwrap();
        let requests = receiver.requests();
        assert_eq!(requests.len(), 1, "{}", file.name());
        let events = requests[0].events.as_ref().unwrap();
        assert!(requests[0].body.starts_with(br#"{"events":[{"event":"#));
        assert_eq!(events.len(), 25);
        for (n, event) in events.iter().enumerate() {
            assert_eq!(event.insert_id(), format!("entry_{n}"));
            assert_eq!(event.properties().trim(), entry(n).data.trim());
        }
    }
}

#[test]
fn an_endpoint_may_have_a_path_and_a_trailing_slash() {
    for file in senders() {
        for path in ["/v1/things", "/v1/things/", "/"] {
            let receiver = Receiver::start(ReceiverOptions::default()).unwrap();
            send(&file, &format!("{}{path}", receiver.endpoint()), 1).unwrap();
            let expected = format!("{}/ingest", path.trim_end_matches('/'));
            assert_eq!(receiver.requests()[0].path, expected, "{}", file.name());
        }
    }
}

#[test]
fn only_a_202_is_success() {
    for file in senders() {
        for status in [200, 204, 302, 400, 401, 404, 413, 500] {
            let receiver = responding(status);
            match send(&file, &receiver.endpoint(), 2) {
                Err(SendError::Rejected { status: told, .. }) => assert_eq!(told, status),
                other => panic!("{} said {other:?} of a {status}", file.name()),
            }
        }
        assert_eq!(send(&file, &responding(202).endpoint(), 2), Ok(()));
    }
}

#[test]
fn a_throttled_batch_says_for_how_long() {
    for file in senders() {
        for status in [429, 503] {
            let receiver = Receiver::start(ReceiverOptions {
                respond: Some(status),
                retry_after: Some(Duration::from_secs(17)),
                ..ReceiverOptions::default()
            })
            .unwrap();
            assert_eq!(
                send(&file, &receiver.endpoint(), 1),
                Err(SendError::Throttled {
                    retry_after: Some(Duration::from_secs(17))
                })
            );
        }
    }
}

#[test]
fn a_dead_endpoint_is_named() {
    for file in senders() {
        let endpoint = dead_endpoint();
        let error = send(&file, &endpoint, 1).unwrap_err();
        let address = endpoint.strip_prefix("http://").unwrap();
        assert_eq!(
            error.to_string(),
            format!("connection refused by {address}"),
            "{}",
            file.name()
        );
    }
}

#[test]
fn one_instance_serves_batch_after_batch_over_one_connection() {
    let receiver = Receiver::start(ReceiverOptions::default()).unwrap();
    for file in senders() {
        let mut sender = sender(&file, &receiver.endpoint());
        for _ in 0..5 {
            let sent = sender.send_batch(&entries(3), "the-repo", Deadline::after(AMPLE));
            assert_eq!(sent, Ok(Delivered::Whole), "{}", file.name());
        }
    }
}

#[test]
fn no_entries_need_no_request() {
    for file in senders() {
        let receiver = Receiver::start(ReceiverOptions::default()).unwrap();
        send(&file, &receiver.endpoint(), 0).ok();
        assert!(receiver.requests().is_empty(), "{}", file.name());
    }
}

#[track_caller]
fn assert_keeps_no_memory(builtin: BuiltinSender, answer: fn(&str) -> String, is_success: bool) {
    let server = Unruly::always(Plan::Reply(answer));
    let mut sender = sender(&ComponentFile::builtin(builtin), &server.endpoint());
    let mut memory_after = |batches| {
        for _ in 0..batches {
            let sent = sender.send_batch(&entries(25), "the-repo", Deadline::after(AMPLE));
            assert_eq!(sent.is_ok(), is_success, "{sent:?}");
        }
        sender.peak_memory()
    };
    let after_one = memory_after(1);
    assert_eq!(memory_after(200), after_one);
}

#[test]
fn the_built_in_senders_keep_no_memory_of_the_batches_that_are_over() {
    fn answer(status: &str) -> String {
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{{}}")
    }
    assert_keeps_no_memory(BuiltinSender::Ingest, |_| answer("202 Accepted"), true);
    assert_keeps_no_memory(BuiltinSender::Ingest, |_| answer("401 Unauthorized"), false);
    assert_keeps_no_memory(BuiltinSender::Otlp, |_| answer("200 OK"), true);
    assert_keeps_no_memory(BuiltinSender::Otlp, |_| answer("401 Unauthorized"), false);
}
