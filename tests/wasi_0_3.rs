//! Contract 0.3.0 and WASI 0.3, by `fixtures/async-sender`, with its source.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use swamp::receiver::ReceiverOptions;

use crate::support::{Run, TestRepo, run, wasm};

pub(crate) fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/async-sender/async-sender.wasm")
}

/// A repository that its user knows, for which the sender delivers.
fn repo() -> TestRepo {
    let repo = TestRepo::with_receiver(ReceiverOptions {
        path: String::new(),
        validate: false,
        ..ReceiverOptions::default()
    });
    fs::copy(fixture(), repo.root().join("async.wasm")).unwrap();
    repo.configure("telemetrySender: async.wasm\ntelemetrySenderOptions: {do: sort}\n");
    repo
}

/// Spools an entry of today whose subcommand says what is to become of it.
fn spool(repo: &TestRepo, id: &str, subcommand: &str) {
    let today = chrono::Utc::now().format("%F");
    repo.spool_entry(
        &format!("telemetry-{today}-{id}.json"),
        &format!(
            r#"{{"id":"{id}","invocation":{{"command":"x","subcommand":"{subcommand}"}},"durationMs":12}}"#
        ),
    );
}

fn flush(repo: &TestRepo, args: &[&str]) -> (Run, Value) {
    let flushed = repo.swamp(&[&["telemetry", "flush", "--json"], args].concat());
    let answer = serde_json::from_str(&flushed.stdout).unwrap_or_default();
    (flushed, answer)
}

#[test]
fn an_async_sender_delivers_by_the_client_of_wasi_0_3_and_tells_of_each_entry() {
    let repo = repo();
    for (id, subcommand) in [("a", "take"), ("b", "refuse"), ("c", "later")] {
        spool(&repo, id, subcommand);
    }
    let (run, answer) = flush(&repo, &[]);
    assert_eq!(
        (&answer["delivered"], &answer["quarantined"]),
        (&1.into(), &1.into()),
        "{run:?}"
    );
    assert_eq!(answer["failure"]["kind"], "later", "{answer}");
    let requests = repo.receiver.requests();
    let told = String::from_utf8_lossy(&requests[0].body).into_owned();
    assert!(told.starts_with("a EntryFields"), "{told}");
    assert_eq!(told.matches("duration-ms: Some(12)").count(), 3, "{told}");
}

#[test]
fn an_async_sender_serves_batch_after_batch_by_one_connection() {
    let repo = repo();
    // More than two batches hold.
    for number in 10..70 {
        spool(&repo, &format!("e{number}"), "take");
    }
    let (run, answer) = flush(&repo, &["--all"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(answer["delivered"], 60, "{answer}");
    assert_eq!(repo.receiver.requests().len(), 3);
}

#[test]
fn a_dry_run_of_an_async_sender_shows_its_requests_and_sends_nothing() {
    let repo = repo();
    spool(&repo, "a", "take");
    let run = repo.swamp(&["telemetry", "flush", "--dry-run"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("POST "), "{run:?}");
    assert!(run.stdout.contains("a EntryFields"), "{run:?}");
    assert_eq!(repo.receiver.requests().len(), 0);
}

#[test]
fn an_async_sender_that_is_chosen_is_asked_about_its_configuration() {
    let repo = TestRepo::new();
    fs::copy(fixture(), repo.root().join("async.wasm")).unwrap();
    let marker = repo.marker();
    let endpoint = repo.receiver.endpoint();
    repo.write_marker(&marker.replace(&endpoint, &format!("{endpoint}/ask")));
    let used = run(&mut repo.command(&["--no-telemetry", "sender", "use", "async.wasm"]));
    assert_eq!(used.code, 1, "{used:?}");
    assert!(used.stderr.contains("there is nobody at /ask"), "{used:?}");
    repo.write_marker(&marker);
    let used = run(&mut repo.command(&["--no-telemetry", "sender", "use", "async.wasm"]));
    assert_eq!(used.code, 0, "{used:?}");
}

/// A component whose `send-batch` is as it is, async or not, whatever its contract says.
fn component(version: &str, send_batch: &str, imports: &str) -> String {
    format!(
        r#"(component
            {imports}
            (core module $m
                (func (export "send") (result i32) i32.const 0)
                (func (export "callback") (param i32 i32 i32) (result i32) i32.const 0))
            (core instance $i (instantiate $m))
            {send_batch}
            (instance $sender (export "send-batch" (func $send-batch)))
            (export "swamp:telemetry/sender@{version}" (instance $sender)))"#
    )
}

#[test]
fn a_function_that_is_async_where_its_contract_has_it_otherwise_is_told_with_the_contract_that_fits()
 {
    const ASYNC: &str = r#"(func $send-batch async (canon lift (core func $i "send") async (callback (core func $i "callback"))))"#;
    const SYNC: &str = r#"(func $send-batch (result u32) (canon lift (core func $i "send")))"#;
    // With it the component gets the engine that knows async functions.
    const OF_0_3: &str = r#"(import "wasi:random/random@0.3.0" (instance))"#;
    let repo = TestRepo::new();
    let verdict = |text: String| {
        fs::write(repo.root().join("odd.wasm"), wasm(&text)).unwrap();
        let check = repo.swamp(&["sender", "check", "odd.wasm"]);
        assert_eq!(check.code, 1, "{check:?}");
        check
            .stderr
            .replace("error: odd.wasm does not run on this host: ", "")
    };
    insta::assert_snapshot!(
        [
            component("0.2.0", ASYNC, ""),
            component("0.2.0", ASYNC, OF_0_3),
            component("0.1.0", ASYNC, OF_0_3),
            component("0.3.0", SYNC, ""),
        ]
        .map(verdict)
        .join(""),
        @r"
        it needs the component model's async, which this host has for senders of contract 0.3.0 only
        hint: build it for contract 0.3.0
        its send-batch is async, which contract 0.2.0 does not have
        hint: build it for contract 0.3.0
        its send-batch is async, which contract 0.1.0 does not have
        hint: build it for contract 0.3.0
        its send-batch is not async, and contract 0.3.0 requires that
        hint: make it async, or build it for contract 0.2.0
        "
    );
}
