//! The conformance kit: what is right passes it, and each fault is found by the scenario that is about it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::thread;

use serde_json::Value;
use swamp::conformance::{Kit, Outcome};
use swamp::sender::{Compiled, ComponentFile};

use crate::support::{TestRepo, cache, compiler};

fn wrong_sender() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/fixtures/wrong-sender/wrong-sender.wasm")
}

/// The kit for a sender with this option `fault`.
fn kit(fault: &str) -> Kit {
    Kit {
        accept_status: 202,
        endpoint_path: String::new(),
        options: vec![("fault".into(), fault.into())],
        user_agent: "swamp/test".into(),
        only: Vec::new(),
    }
}

/// The names of the scenarios that the sender with this fault fails.
fn failed_with(file: &ComponentFile, fault: &str) -> Vec<String> {
    // Each has an engine of its own: what ends one that is out of time ends all of its engine.
    let compiled = Compiled::obtain(file, &cache(), &compiler()).unwrap();
    let mut kit = kit(fault);
    kit.only = kit.scenario_names();
    // It takes as long as all others together, and is about memory.
    kit.only
        .retain(|name| name != "large-batch" || fault == "hoards");
    let report = kit.run(&compiled, |_| {}).unwrap();
    let failed = report
        .scenarios
        .into_iter()
        .filter(|scenario| scenario.outcome == Outcome::Failed);
    failed.map(|scenario| scenario.name).collect()
}

const FAULTS: [&str; 29] = [
    "allows-no-error-type",
    "chokes-on-later-fields",
    "chokes-on-options",
    "doubles-the-slash",
    "drops-the-last-entry",
    "follows-redirects",
    "forgets-retry-after",
    "forgets-the-path",
    "forgets-the-port",
    "has-no-content-type",
    "has-no-user-agent",
    "has-only-other-errors",
    "hoards",
    "invents-retry-after",
    "is-always-ok",
    "is-ok-without-an-answer",
    "keeps-the-reason-to-itself",
    "knows-no-ipv6",
    "knows-only-500",
    "needs-a-command",
    "posts-an-empty-batch",
    "reads-the-whole-answer",
    "rejects-without-asking",
    "repeats-the-first-entry",
    "sends-the-batch-twice",
    "spells-json-by-hand",
    "sulks-after-a-refusal",
    "takes-any-2xx",
    "works-once",
];

/// The kit's report on a sender that it finds nothing wrong with.
fn passes_everything(sender: &str, accept_status: &str) {
    let repo = TestRepo::new();
    let args = ["--accept-status", accept_status, "--json"];
    let run = repo.swamp(&[&["sender", "test", sender], &args[..]].concat());
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let names: Vec<_> = report["scenarios"]
        .as_array()
        .unwrap()
        .iter()
        .map(|scenario| scenario["name"].as_str().unwrap().to_owned())
        .collect();
    let kit = Kit {
        accept_status: accept_status.parse().unwrap(),
        ..kit("")
    };
    assert_eq!(names, kit.scenario_names());
    assert_eq!((run.code, &report["failed"]), (0, &0.into()), "{run:?}");
    assert!(report["memoryBytes"].as_u64().unwrap() > 0);
}

#[test]
fn the_default_sender_passes_every_scenario() {
    passes_everything("builtin:ingest", "202");
}

#[test]
fn the_sender_for_collectors_passes_every_scenario() {
    passes_everything("builtin:otlp", "200");
}

#[test]
fn each_fault_fails_the_scenarios_that_are_about_it_and_every_scenario_is_failed_by_one() {
    let file = ComponentFile::read(&wrong_sender(), "wrong-sender.wasm").unwrap();
    assert_eq!(failed_with(&file, ""), [""; 0]);
    let mut lines = Vec::new();
    let mut found = BTreeSet::new();
    for faults in FAULTS.chunks(4) {
        thread::scope(|scope| {
            let tries: Vec<_> = faults
                .iter()
                .map(|fault| (fault, scope.spawn(|| failed_with(&file, fault))))
                .collect();
            for (fault, tried) in tries {
                let failed = tried.join().unwrap();
                lines.push(format!("{fault}: {}", failed.join(" ")));
                found.extend(failed);
            }
        });
    }
    let never_failed: Vec<_> = kit("")
        .scenario_names()
        .into_iter()
        .filter(|name| !found.contains(name))
        .collect();
    // That one takes another component.
    assert_eq!(never_failed, ["imports-what-is-granted"]);
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_component_that_asks_for_more_fails_and_is_put_through_nothing_else() {
    let repo = TestRepo::new();
    let greedy = r#"(component (import "wasi:keyvalue/store@0.2.0" (instance)))"#;
    std::fs::write(repo.root().join("greedy.wat"), greedy).unwrap();
    let run = repo.swamp(&["sender", "test", "greedy.wat", "--only", "one-entry"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stdout.contains("skip  one-entry"), "{}", run.stdout);
    let run = repo.swamp(&["sender", "test", "greedy.wat", "--json"]);
    assert_eq!(run.code, 1, "{run:?}");
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        (&report["failed"], &report["passed"]),
        (&1.into(), &0.into())
    );
    assert_eq!(
        report["scenarios"][0]["received"],
        "it imports wasi:keyvalue/store@0.2.0"
    );
}

#[test]
fn a_failure_says_what_was_expected_what_came_and_by_which_rule() {
    let repo = TestRepo::new();
    std::fs::copy(wrong_sender(), repo.root().join("wrong.wasm")).unwrap();
    let run = repo.swamp(&[
        "sender",
        "test",
        "wrong.wasm",
        "--option",
        "fault=takes-any-2xx",
        "--only",
        "status-204",
        "--only",
        "status-400",
    ]);
    assert_eq!(run.code, 1);
    insta::with_settings!({filters => vec![(r" +\d+ ms\b", " N ms"), (r"\d+\.\d", "N"), (r"batch \d+", "batch N")]}, {
        insta::assert_snapshot!(format!("{}{}", run.stdout, run.stderr), @r#"
        FAIL  status-204 N ms
              expected  rejected, with status 204
              received  ok
              rule      "a 2xx that is not the success of this endpoint is a rejection too."
        pass  status-400 N ms

        1 passed, 1 failed, 0 skipped in N s
        memory N of 256 MiB, slowest delivered batch N of N ms
        error: wrong.wasm failed 1 of 2 scenarios
        "#);
    });
}

#[test]
fn the_success_of_an_endpoint_is_the_authors_to_name() {
    let repo = TestRepo::new();
    let wrong = wrong_sender();
    let run = repo.swamp(&[
        "sender",
        "test",
        wrong.to_str().unwrap(),
        "--accept-status",
        "200",
        "--endpoint-path",
        "/v1/things/",
        "--option",
        "fault=takes-any-2xx",
        "--json",
    ]);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let failed: Vec<_> = report["scenarios"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|scenario| scenario["passed"] == false)
        .map(|scenario| scenario["name"].as_str().unwrap())
        .collect();
    assert_eq!(failed, ["status-202", "status-204"]);
}

#[test]
fn what_is_not_understood_is_a_usage_error_that_says_what_would_be() {
    let repo = TestRepo::new();
    let run = repo.swamp(&["sender", "test", "builtin:ingest", "--only", "everything"]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    assert!(
        run.stderr.contains(
            "there is no scenario everything; name one of imports-what-is-granted, one-entry,"
        ),
        "{}",
        run.stderr
    );
    for wrong in [
        ["--accept-status", "302"],
        ["--endpoint-path", "v1"],
        ["--option", "fault"],
    ] {
        let args = [&["sender", "test", "builtin:ingest"], &wrong[..]].concat();
        assert_eq!(repo.swamp(&args).code, 2, "{wrong:?}");
    }
}

#[test]
fn verbose_shows_the_requests() {
    let repo = TestRepo::new();
    let run = repo.swamp(&[
        "sender",
        "test",
        "builtin:ingest",
        "--only",
        "one-entry",
        "--verbose",
    ]);
    assert_eq!(run.code, 0);
    assert!(
        run.stdout
            .contains("request   POST /ingest (application/json, "),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("user-agent: swamp/"), "{}", run.stdout);
}
