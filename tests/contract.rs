//! Contract 0.2.0, by a sender that tells of each entry what became of it: `fixtures/sorting-sender`, with its source.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use swamp::receiver::ReceiverOptions;

use crate::support::{Run, TestRepo, run};

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/fixtures/sorting-sender/sorting-sender.wasm")
}

/// A repository that the sender delivers for, doing `what`.
fn repo(what: &str) -> TestRepo {
    let repo = TestRepo::with_receiver(ReceiverOptions {
        path: String::new(),
        validate: false,
        ..ReceiverOptions::default()
    });
    fs::copy(fixture(), repo.root().join("sorting.wasm")).unwrap();
    repo.configure(&format!(
        "telemetrySender: sorting.wasm\ntelemetrySenderOptions: {{do: {what}, colour: red}}\n"
    ));
    repo
}

/// Spools an entry of today whose subcommand says what is to become of it.
fn spool(repo: &TestRepo, id: &str, subcommand: &str) {
    let today = chrono::Utc::now().format("%F");
    repo.spool_entry(
        &format!("telemetry-{today}-{id}.json"),
        &format!(
            r#"{{"id":"{id}","invocation":{{"command":"x","subcommand":"{subcommand}","args":["a"],"optionKeys":["--json"]}},"durationMs":12}}"#
        ),
    );
}

fn flush(repo: &TestRepo) -> (Run, Value) {
    let flushed = repo.swamp(&["telemetry", "flush", "--json"]);
    let answer = serde_json::from_str(&flushed.stdout).unwrap_or_default();
    (flushed, answer)
}

fn told(repo: &TestRepo) -> String {
    let requests = repo.receiver.requests();
    let bodies = requests
        .iter()
        .map(|request| String::from_utf8_lossy(&request.body));
    bodies.collect::<Vec<_>>().concat()
}

#[test]
fn each_entry_is_dealt_with_by_what_the_sender_says_of_it() {
    let repo = repo("sort");
    for (id, subcommand) in [
        ("a", "take"),
        ("b", "refuse"),
        ("c", "later"),
        ("d", "take"),
    ] {
        spool(&repo, id, subcommand);
    }
    let (run, answer) = flush(&repo);
    assert_eq!(run.code, 1, "{run:?}");
    assert_eq!(
        (&answer["delivered"], &answer["quarantined"]),
        (&2.into(), &1.into()),
        "{answer}"
    );
    assert_eq!(answer["failure"]["kind"], "later", "{answer}");
    let left = repo.entries();
    let is_left = |end: &str| left.iter().any(|name| name.ends_with(end));
    assert!(
        is_left("-c.json") && is_left("-b.quarantined.json"),
        "{left:?}"
    );
    assert_eq!(left.len(), 2, "{left:?}");
    let told = told(&repo);
    assert_eq!(told.matches("command: Some(\"x\")").count(), 4, "{told}");
    assert!(told.contains(r#"option-keys: Some(["json"])"#), "{told}");
    assert!(told.contains("duration-ms: Some(12)"), "{told}");
}

#[test]
fn an_entry_that_the_sender_loops_over_is_set_aside_once_three_flushes_have_failed_with_it() {
    let repo = repo("sort");
    let marker = repo.marker();
    // An entry has a tenth of it once it is searched for.
    repo.write_marker(&format!(
        "{marker}telemetrySenderLimits: {{deadlineMs: 3000}}\n"
    ));
    for (id, subcommand) in [("a", "take"), ("b", "loop"), ("c", "take")] {
        spool(&repo, id, subcommand);
    }
    for _ in 0..3 {
        let (run, answer) = flush(&repo);
        assert_eq!((run.code, &answer["delivered"]), (1, &0.into()), "{answer}");
        assert_eq!(answer["failure"]["kind"], "out-of-time", "{answer}");
        assert_eq!(repo.entries().len(), 3);
    }
    let (run, answer) = flush(&repo);
    assert_eq!(
        (run.code, &answer["delivered"], &answer["quarantined"]),
        (0, &2.into(), &1.into()),
        "{answer}"
    );
    let left = repo.entries();
    assert!(left[0].ends_with("-b.quarantined.json"), "{left:?}");
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn no_outcome_is_believed_that_the_host_has_not_seen_itself() {
    for (what, kind, why) in [
        (
            "take without a request",
            "unconfirmed",
            "the host saw no 2xx answer",
        ),
        (
            "refuse without a request",
            "out-of-contract",
            "the host saw no answer",
        ),
        (
            "tell of one less",
            "out-of-contract",
            "it answered for 1 entries, and was given 2",
        ),
        (
            "ask for an entry too many",
            "trapped",
            "it asked for the fields of entry 2 of 2",
        ),
    ] {
        let repo = repo(what);
        spool(&repo, "a", "take");
        spool(&repo, "b", "take");
        let (run, answer) = flush(&repo);
        assert_eq!(
            (run.code, &answer["delivered"]),
            (1, &0.into()),
            "{what}: {answer}"
        );
        assert_eq!(answer["failure"]["kind"], kind, "{what}: {answer}");
        let reason = answer["failure"]["reason"].as_str().unwrap_or_default();
        assert!(reason.contains(why), "{what}: {reason}");
        assert_eq!(repo.entries().len(), 2, "{what}");
    }
}

#[test]
fn what_a_sender_logs_is_in_the_debug_log_with_its_level() {
    let repo = repo("log");
    spool(&repo, "a", "take");
    let run = repo.swamp(&["--log-level", "debug", "telemetry", "flush"]);
    for line in [
        "sorting.wasm logged trace: sorting: one line",
        "sorting.wasm logged info: sorting: one line",
        "sorting.wasm logged warning: sorting: one line",
        "sorting.wasm logged critical error: sorting: one line",
        r#"("colour", "red")"#,
    ] {
        assert!(run.stderr.contains(line), "{line}: {}", run.stderr);
    }
}

#[test]
fn a_sender_says_what_it_is_and_which_options_it_takes() {
    let repo = repo("sort");
    let check = repo.swamp(&["--no-telemetry", "sender", "check", "sorting.wasm"]);
    for line in [
        "contract    0.2.0 (this host runs 0.1.0, 0.2.0 and 0.3.0)",
        "about       sorting 0.0.0: Tells of each entry\\u{1b}[31m what became of it",
        "homepage    https://sorting.invalid",
        "license     Apache-2.0",
        "option      do: What to do",
        "option      colour: The colour of all that is sent (required; one of red, blue)",
        "option      format: The format of all that is sent (default json)",
    ] {
        assert!(check.stdout.contains(line), "{line}: {}", check.stdout);
    }
    let show = repo.swamp(&["--no-telemetry", "sender", "show", "--json"]);
    let show: Value = serde_json::from_str(&show.stdout).unwrap();
    assert_eq!(show["description"]["options"][1]["allowed"][1], "blue");
}

#[test]
fn an_option_that_the_sender_does_not_take_is_refused_or_told() {
    let repo = repo("sort");
    let marker = repo.marker();
    for (option, why) in [
        (
            "color=red",
            "the sender takes no option color (it takes do, colour, format)",
        ),
        ("colour=green", "the option colour must be one of red, blue"),
        (
            "do=sort",
            "the sender needs the option colour: The colour of all that is sent",
        ),
    ] {
        let run = repo.swamp(&[
            "--no-telemetry",
            "sender",
            "use",
            "sorting.wasm",
            "--option",
            option,
        ]);
        assert_eq!(run.code, 2, "{option}: {run:?}");
        assert!(run.stderr.contains(why), "{option}: {}", run.stderr);
        assert_eq!(repo.marker(), marker, "{option}");
    }
    let args = [
        "--no-telemetry",
        "sender",
        "use",
        "sorting.wasm",
        "--option",
        "colour=blue",
    ];
    let used = repo.swamp(&args);
    assert_eq!(used.code, 0, "{used:?}");
    let line = r#"telemetrySenderOptions: {"colour": "blue"}"#;
    assert!(repo.marker().contains(line), "{}", repo.marker());

    repo.write_marker(&repo.marker().replace("blue", "green"));
    let warning = "the option colour must be one of red, blue";
    let status = repo.swamp(&["--no-telemetry", "telemetry", "status"]);
    assert!(status.stdout.contains(warning), "{}", status.stdout);
    let doctor = repo.swamp(&["--no-telemetry", "doctor"]);
    assert!(doctor.stdout.contains(warning), "{}", doctor.stdout);
}

#[test]
fn a_sender_is_asked_whether_it_can_work_with_the_destination() {
    let repo = repo("sort");
    let endpoint = repo.receiver.endpoint();
    repo.write_marker(
        &repo
            .marker()
            .replace(&endpoint, &format!("{endpoint}/nobody")),
    );
    let marker = repo.marker();
    let used = run(&mut repo.command(&["--no-telemetry", "sender", "use", "sorting.wasm"]));
    assert_eq!(used.code, 1, "{used:?}");
    assert!(
        used.stderr
            .contains("there is nobody at /nobody; name another path"),
        "{used:?}"
    );
    assert_eq!(repo.marker(), marker);
}
