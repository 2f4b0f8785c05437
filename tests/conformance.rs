//! The conformance kit: what is right passes it, and each fault is found by the scenario that is about it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;

use glob::Pattern;
use serde_json::Value;
use swamp::config::SenderLimits;
use swamp::conformance::{Kit, Listed, Outcome};
use swamp::domain::{Deadline, Endpoint, EntryName, SpooledEntry, TelemetrySender as _};
use swamp::egress::{Environment, Network, Reach};
use swamp::process::timer::Timer;
use swamp::receiver::{Format, Receiver, ReceiverOptions};
use swamp::sender::{Compiled, ComponentFile, ComponentSender, SenderConfig};

use crate::support::{AMPLE, Run, TestRepo, cache, compiler, wasm};

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
    // It takes as long as all others together, and is about memory.
    let is_wanted = |name: &String| name != "large-batch" || fault == "hoards";
    let wanted = kit.scenario_names().into_iter().filter(is_wanted);
    kit.only = wanted.map(|name| Pattern::new(&name).unwrap()).collect();
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

/// What a sender of the ingest format can do wrong, with what the scenario `one-entry` says of it.
const INGEST_FAULTS: [&str; 12] = [
    "ingest-as-text",
    "ingest-by-put",
    "ingest-with-an-insert-id-of-its-own",
    "ingest-with-another-distinct-id",
    "ingest-with-another-event",
    "ingest-with-fewer-properties",
    "ingest-with-properties-as-text",
    "ingest-with-properties-in-one-line",
    "ingest-without-distinct-id",
    "ingest-without-insert-id",
    "ingest-without-properties",
    "ingest",
];

/// What `telemetry receive` says to the entry that a sender with this fault sends it, if anything.
fn objection(compiled: &Compiled, fault: &str) -> Option<String> {
    let receiver = Receiver::start(ReceiverOptions::default()).unwrap();
    let config = SenderConfig {
        endpoint: Endpoint::parse(&receiver.endpoint()).unwrap(),
        user_agent: "swamp/test".into(),
        options: vec![("fault".into(), fault.into())],
        limits: SenderLimits::default(),
        network: Network::live(Environment::read(|_| None)),
        reach: Reach::default(),
        headers: Vec::new(),
        timer: Timer::default(),
    };
    let mut sender = ComponentSender::new(compiled, config).unwrap();
    let name = EntryName::parse("telemetry-2026-02-11-entry_1.json").unwrap();
    let json = "{\n  \"id\": \"entry_1\",\n  \"n\": 1.0\n}\n".to_owned();
    let entry = SpooledEntry::parse(name, json.into_bytes()).unwrap();
    let _ = sender.send_batch(&[entry], "repo-2", Deadline::after(AMPLE));
    let arrival = &receiver.requests()[0];
    let warning = arrival.warnings().next().map(str::to_owned);
    arrival.refusal.clone().or(warning)
}

#[test]
fn what_the_receiver_warns_of_or_refuses_the_kit_fails_and_more() {
    let file = ComponentFile::read(&wrong_sender(), "wrong-sender.wasm").unwrap();
    let compiled = Compiled::obtain(&file, &cache(), &compiler()).unwrap();
    let mut lines = Vec::new();
    for fault in INGEST_FAULTS {
        let mut kit = kit(fault);
        kit.only = ["one-entry", "25-entries", "data-verbatim"]
            .map(|name| Pattern::new(name).unwrap())
            .to_vec();
        let report = kit.run(&compiled, |_| {}).unwrap();
        assert_eq!(report.format, Some(Format::Ingest));
        let of_receiver = objection(&compiled, fault);
        let is_good = report.count(Outcome::Passed) == 3;
        assert!(
            is_good || report.count(Outcome::Failed) == 3,
            "{fault}: {report:?}"
        );
        assert!(
            !is_good || of_receiver.is_none(),
            "{fault}: {of_receiver:?}"
        );
        assert_eq!(is_good, fault == "ingest");
        if let Some(received) = &report.scenarios[0].received {
            lines.push(format!("{fault}: {received}"));
        }
        if let Some(of_receiver) = of_receiver {
            lines.push(format!("  receive: {of_receiver}"));
        }
    }
    insta::with_settings!({filters => vec![
        (r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
    ]}, {
        insta::assert_snapshot!(lines.join("\n"), @r#"
            ingest-as-text: 415: the request's content-type is not application/json; set it to that
              receive: the request's content-type is not application/json; set it to that
            ingest-by-put: 405: PUT is not a method of this path; send events with POST
              receive: PUT is not a method of this path; send events with POST
            ingest-with-an-insert-id-of-its-own: a warning: insert_id is not the id in properties; send the id of the entry, which is the same whenever it is sent again
              receive: insert_id is not the id in properties; send the id of the entry, which is the same whenever it is sent again
            ingest-with-another-distinct-id: repo-1
            ingest-with-another-event: 400: event is "page_view"; it must be the string "cli_invocation"
              receive: event is "page_view"; it must be the string "cli_invocation"
            ingest-with-fewer-properties: {"id":"UUID"}
            ingest-with-properties-as-text: 400: properties is a string; it must be an object
              receive: properties is a string; it must be an object
            ingest-with-properties-in-one-line: the same with other white space
            ingest-without-distinct-id: 400: distinct_id is missing; it must be a non-empty string, the repository's id
              receive: distinct_id is missing; it must be a non-empty string, the repository's id
            ingest-without-insert-id: a warning: insert_id is missing, so the event counts again if it is sent again; send the id of the entry
              receive: insert_id is missing, so the event counts again if it is sent again; send the id of the entry
            ingest-without-properties: 400: properties is missing; it must be an object
              receive: properties is missing; it must be an object
            "#);
    });
}

#[test]
fn a_sender_for_collectors_is_held_to_what_collectors_answer() {
    let file = ComponentFile::read(&wrong_sender(), "wrong-sender.wasm").unwrap();
    let compiled = Compiled::obtain(&file, &cache(), &compiler()).unwrap();
    let mut lines = Vec::new();
    for fault in [
        "otlp",
        "otlp-in-no-resource",
        "otlp-knows-one-spelling",
        "otlp-reads-no-body",
        "otlp-takes-200-only",
        "otlp-takes-a-hint-for-a-refusal",
        "otlp-takes-pages",
        "takes-any-2xx",
    ] {
        let kit = Kit {
            accept_status: 200,
            only: ["one-entry", "otlp-*"]
                .map(|name| Pattern::new(name).unwrap())
                .to_vec(),
            ..kit(fault)
        };
        let report = kit.run(&compiled, |_| {}).unwrap();
        let with = |outcome| {
            let found = report.scenarios.iter().filter(|one| one.outcome == outcome);
            let names: Vec<_> = found.map(|one| one.name.as_str()).collect();
            names.join(" ")
        };
        lines.push(format!(
            "{fault}: failed [{}], skipped [{}]",
            with(Outcome::Failed),
            with(Outcome::Skipped)
        ));
    }
    insta::assert_snapshot!(lines.join("\n"), @r"
            otlp: failed [], skipped []
            otlp-in-no-resource: failed [one-entry otlp-status-202 otlp-status-204 otlp-partial-success-of-all], skipped []
            otlp-knows-one-spelling: failed [otlp-partial-success-in-the-other-spelling], skipped []
            otlp-reads-no-body: failed [otlp-partial-success otlp-partial-success-in-the-other-spelling otlp-partial-success-of-some otlp-web-page], skipped []
            otlp-takes-200-only: failed [otlp-status-202 otlp-status-204], skipped []
            otlp-takes-a-hint-for-a-refusal: failed [otlp-partial-success-of-all], skipped []
            otlp-takes-pages: failed [otlp-web-page], skipped []
            takes-any-2xx: failed [], skipped [otlp-status-202 otlp-status-204 otlp-partial-success otlp-partial-success-in-the-other-spelling otlp-partial-success-of-some otlp-partial-success-of-all otlp-web-page]
            ");
}

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
    let never_failed: Vec<_> = names(|listed| listed.contracts.contains(&"0.1.0"))
        .into_iter()
        .filter(|name| !found.contains(name))
        .collect();
    // That one takes another component.
    assert_eq!(never_failed, ["imports-what-is-granted"]);
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_sender_that_delivers_nothing_passes_no_scenario_that_gives_it_a_batch() {
    let file = ComponentFile::read(&crate::wasi_0_3::fixture(), "async.wasm").unwrap();
    // It exits in every batch, or gives every batch back without a request.
    for what in ["exit", "sandbox"] {
        let compiled = Compiled::obtain(&file, &cache(), &compiler()).unwrap();
        let kit = Kit {
            options: vec![("do".into(), what.into())],
            ..kit("")
        };
        let report = kit.run(&compiled, |_| {}).unwrap();
        let passed = report
            .scenarios
            .iter()
            .filter(|one| one.outcome == Outcome::Passed);
        let passed: Vec<_> = passed.map(|one| one.name.as_str()).collect();
        let without_a_batch = [
            "imports-what-is-granted",
            "description-without-a-request",
            "description-stays-the-same",
            "description-of-options",
            "check-config",
        ];
        assert_eq!(passed, without_a_batch, "{what}");
    }
}

/// The names of the scenarios of which this is true.
fn names(is_wanted: fn(&Listed) -> bool) -> Vec<String> {
    let all = Kit::list(202).into_iter().filter(is_wanted);
    all.map(|listed| listed.name).collect()
}

/// What a sender of contract 0.2.0 can do wrong beside that, and what is right although few do it.
const FAULTS_SINCE_0_2: [&str; 21] = [
    "",
    "checks-for-ever",
    "checks-with-a-trap",
    "describes-a-default-that-it-does-not-allow",
    "describes-an-option-twice",
    "describes-an-option-without-a-meaning",
    "describes-itself-anew",
    "describes-itself-by-a-request",
    "describes-itself-for-ever",
    "ignores-a-missing-option",
    "ignores-a-wrong-value",
    "one-by-one",
    "one-by-one-and-fails-as-a-whole",
    "one-by-one-and-rejects-what-is-wanted-later",
    "one-by-one-and-takes-all",
    "otlp",
    "otlp-guesses-which",
    "refuses-a-value-that-it-allows",
    "remembers-what-it-sent",
    "tells-of-an-entry-less",
    "tells-of-an-entry-too-many",
];

#[test]
fn each_fault_of_a_sender_of_contract_0_2_fails_the_scenarios_that_are_about_it() {
    let path = wrong_sender().with_file_name("../wrong-sender-0.2/wrong-sender-0.2.wasm");
    let file = ComponentFile::read(&path, "wrong-sender-0.2.wasm").unwrap();
    let since_0_2 = names(|listed| !listed.contracts.contains(&"0.1.0"));
    let mut lines = Vec::new();
    let mut found = BTreeSet::new();
    for fault in FAULTS_SINCE_0_2 {
        let compiled = Compiled::obtain(&file, &cache(), &compiler()).unwrap();
        let others = [
            "no-entries",
            "one-entry",
            "repeated-batch",
            "otlp-partial-*",
        ];
        let only = since_0_2.iter().map(String::as_str).chain(others);
        let mut kit = kit(fault);
        kit.options.push(("team".into(), "ours".into()));
        kit.accept_status = if fault.starts_with("otlp") { 200 } else { 202 };
        kit.only = only.map(|name| Pattern::new(name).unwrap()).collect();
        let report = kit.run(&compiled, |_| {}).unwrap();
        let with = |outcome| {
            let found = report.scenarios.iter().filter(|one| one.outcome == outcome);
            found.map(|one| one.name.clone()).collect::<Vec<_>>()
        };
        lines.push(format!(
            "{fault}: failed [{}], skipped [{}]",
            with(Outcome::Failed).join(" "),
            with(Outcome::Skipped).join(" ")
        ));
        for scenario in &report.scenarios {
            if let (Outcome::Failed, Some(expected), Some(received)) =
                (scenario.outcome, &scenario.expected, &scenario.received)
            {
                lines.push(format!("  {expected}\n  {received}"));
                break;
            }
        }
        found.extend(with(Outcome::Failed));
    }
    for name in since_0_2 {
        assert!(found.contains(&name), "{name}");
    }
    insta::with_settings!({filters => vec![
        (r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
    ]}, {
        insta::assert_snapshot!(lines.join("\n"));
    });
}

#[test]
fn options_that_a_sender_does_not_take_or_needs_are_a_usage_error() {
    let repo = TestRepo::new();
    let file = wrong_sender().with_file_name("../wrong-sender-0.2/wrong-sender-0.2.wasm");
    fs::copy(file, repo.root().join("ours.wasm")).unwrap();
    let test = |options: &[&str]| {
        let options = options.iter().flat_map(|option| ["--option", option]);
        let args = ["sender", "test", "ours.wasm", "--only", "one-entry"];
        repo.swamp(&args.into_iter().chain(options).collect::<Vec<_>>())
    };
    let told = [&[][..], &["team=ours", "colour=red"], &["team=ours"]].map(|options| {
        let run = test(options);
        format!("{}: {}", run.code, run.stderr)
    });
    insta::assert_snapshot!(told.concat(), @r"
    2: error: could not test ours.wasm: the sender needs the option team: Whose entries these are
    hint: set its options with --option KEY=VALUE; `swamp sender check ours.wasm` lists them
    2: error: could not test ours.wasm: the sender takes no option colour (it takes fault, team, format)
    hint: set its options with --option KEY=VALUE; `swamp sender check ours.wasm` lists them
    0:
    ");
}

#[test]
fn what_is_not_for_the_contract_of_a_sender_is_skipped_and_listed_with_its_contracts() {
    let run = wrong(
        "",
        &["--only", "some-taken-*", "--only", "one-entry", "--json"],
    );
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let count = |key: &str| report[key].as_u64();
    assert_eq!(
        (count("passed"), count("skipped")),
        (Some(1), Some(2)),
        "{run:?}"
    );
    assert_eq!(report["scenarios"][1]["received"], "not for contract 0.1.0");

    let repo = TestRepo::new();
    let listed = repo.swamp(&["sender", "test", "--list"]);
    assert!(
        listed
            .stdout
            .contains("in their order. (since contract 0.2.0)\n"),
        "{}",
        listed.stdout
    );
    let listed = repo.swamp(&["sender", "test", "--list", "--json"]);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let all = listed.as_array().unwrap();
    let is_for_0_1 = |name: &str| {
        let found = all.iter().find(|one| one["name"] == name).unwrap();
        let contracts = found["contracts"].as_array().unwrap();
        assert!(contracts.contains(&"0.2.0".into()), "{name}");
        contracts.contains(&"0.1.0".into())
    };
    assert!(is_for_0_1("one-entry"));
    assert!(!is_for_0_1("check-config"));
}

#[test]
fn a_component_that_asks_for_more_fails_and_is_put_through_nothing_else() {
    let repo = TestRepo::new();
    let greedy = r#"(component (import "wasi:keyvalue/store@0.2.0" (instance)))"#;
    fs::write(repo.root().join("greedy.wasm"), wasm(greedy)).unwrap();
    let run = repo.swamp(&["sender", "test", "greedy.wasm", "--only", "one-entry"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stdout.contains("skip  one-entry"), "{}", run.stdout);
    let run = repo.swamp(&["sender", "test", "greedy.wasm", "--json"]);
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
    fs::copy(wrong_sender(), repo.root().join("wrong.wasm")).unwrap();
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
              time      computed N ms, waited N ms
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
        "201",
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
    assert_eq!(failed, ["status-200", "status-202", "status-204"]);
}

#[test]
fn what_is_not_understood_is_a_usage_error_that_says_what_would_be() {
    let repo = TestRepo::new();
    let run = repo.swamp(&["sender", "test", "builtin:ingest", "--only", "everything"]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    assert!(
        run.stderr.contains(
            "there is no scenario everything\nhint: use one of imports-what-is-granted, one-entry,"
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

fn wrong(fault: &str, more: &[&str]) -> Run {
    let repo = TestRepo::new();
    let file = wrong_sender();
    let option = format!("fault={fault}");
    let args = [
        "sender",
        "test",
        file.to_str().unwrap(),
        "--option",
        &option,
    ];
    repo.swamp(&[&args, more].concat())
}

#[test]
fn only_takes_patterns_and_list_shows_what_they_stand_for() {
    let repo = TestRepo::new();
    let listed = repo.swamp(&["sender", "test", "--list"]);
    assert_eq!(listed.code, 0, "{listed:?}");
    let names: Vec<_> = listed
        .stdout
        .lines()
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .collect();
    assert_eq!(names, kit("").scenario_names());
    let json = repo.swamp(&["sender", "test", "--list", "--json"]);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json.as_array().unwrap().len(), names.len());
    assert_eq!(json[1]["name"], "one-entry");

    let run = repo.swamp(&[
        "sender",
        "test",
        "builtin:ingest",
        "--only",
        "endpoint-*",
        "--json",
    ]);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["passed"], 4, "{run:?}");
}

#[test]
fn a_failure_shows_what_the_sender_wrote_and_how_long_it_computed() {
    let run = wrong("needs-a-command", &["--only", "optional-fields-absent"]);
    assert_eq!(run.code, 1);
    assert!(
        run.stdout.contains("      time      computed "),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("      wrote     "), "{}", run.stdout);
}

#[test]
fn a_sender_that_computes_for_ever_is_not_blamed_on_the_endpoint() {
    let repo = TestRepo::new();
    let hostile = wrong_sender().with_file_name("../hostile/hostile.wasm");
    let run = repo.swamp(&[
        "sender",
        "test",
        hostile.to_str().unwrap(),
        "--option",
        "do=post-then-spin",
        "--only",
        "one-entry",
        "--json",
    ]);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let scenario = &report["scenarios"][0];
    let received = scenario["received"].as_str().unwrap();
    assert!(received.contains("while computing"), "{received}");
    assert!(!received.contains("is the endpoint up"), "{received}");
    assert!(scenario["computedMs"].as_u64() > Some(1000), "{scenario}");
}

#[test]
fn junit_has_a_case_for_every_scenario() {
    let repo = TestRepo::new();
    let file = repo.root().join("report.xml");
    let run = repo.swamp(&[
        "sender",
        "test",
        "builtin:ingest",
        "--only",
        "status-4*",
        "--only",
        "one-entry",
        "--junit",
        file.to_str().unwrap(),
    ]);
    assert_eq!(run.code, 0, "{run:?}");
    let xml = fs::read_to_string(file).unwrap();
    assert_eq!(
        xml.matches("<testcase ").count(),
        run.stdout.matches("pass  ").count()
    );
    assert!(
        xml.contains(r#"<testcase name="one-entry" classname="swamp.sender""#),
        "{xml}"
    );
    assert!(xml.contains(r#"failures="0""#), "{xml}");
    let run = repo.swamp(&[
        "sender",
        "test",
        "builtin:ingest",
        "--only",
        "one-entry",
        "--junit",
        "/no/such/report.xml",
    ]);
    assert_eq!(run.code, 1);
    assert!(
        run.stderr
            .contains("could not write the report /no/such/report.xml"),
        "{}",
        run.stderr
    );
}

#[test]
fn watch_runs_again_when_the_file_changes() {
    let repo = TestRepo::new();
    let file = repo.root().join("ours.wasm");
    fs::write(&file, wasm("(component)")).unwrap();
    let mut child = repo
        .command(&[
            "sender",
            "test",
            "ours.wasm",
            "--watch",
            "--only",
            "one-entry",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
    let waits = |stderr: &mut Lines<_>| {
        stderr.any(|line: io::Result<String>| line.unwrap().contains("waiting for ours.wasm"))
    };
    assert!(waits(&mut stderr));
    fs::copy(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("prebuilt/ingest.wasm"),
        &file,
    )
    .unwrap();
    assert!(waits(&mut stderr));
    child.kill().unwrap();
    let output = io::read_to_string(child.stdout.take().unwrap()).unwrap();
    child.wait().unwrap();
    assert!(output.contains("FAIL  imports-what-is-granted"), "{output}");
    assert!(output.contains("pass  one-entry"), "{output}");
}
