//! The whole way through the binary: the command is as if nothing were, the entry stays, and status can say why.

use std::fs;

use serde_json::Value;

use super::hostile_path;
use super::requests::witness;
use crate::support::TestRepo;

/// A repository whose marker names the hostile component, with these options for it.
fn repo(orders: &[(&str, &str)]) -> TestRepo {
    let repo = TestRepo::new();
    fs::copy(hostile_path(), repo.root().join("hostile.wasm")).unwrap();
    let options: Vec<_> = orders
        .iter()
        .map(|(key, value)| format!("  {key}: \"{value}\"\n"))
        .collect();
    // What ends by itself has all the time that there can be.
    let endless = ["spin", "sleep", "print-for-ever"];
    let deadline = if endless.contains(&orders[0].1) {
        300
    } else {
        5_000
    };
    repo.configure(&format!(
        "telemetrySender: hostile.wasm\n\
         telemetrySenderLimits: {{memoryMiB: 32, deadlineMs: {deadline}}}\n\
         telemetrySenderOptions:\n{}",
        options.concat()
    ));
    repo
}

fn last_failure(repo: &TestRepo) -> Value {
    let text = fs::read_to_string(repo.spool().join(".last-flush.json")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["failure"].clone()
}

#[test]
fn whatever_the_sender_does_the_command_succeeds_in_silence_and_the_entry_stays() {
    for (options, kind) in [
        (&[("do", "spin")][..], "out-of-time"),
        (&[("do", "sleep")], "out-of-time"),
        (&[("do", "print-for-ever")], "out-of-time"),
        (&[("do", "recurse")], "trapped"),
        (&[("do", "grow")], "out-of-memory"),
        (&[("do", "panic"), ("message", "at the disco")], "trapped"),
        (&[("do", "exit")], "trapped"),
        (&[("do", "pollables")], "trapped"),
        (&[("do", "ok")], "unconfirmed"),
        (
            &[("do", "error"), ("kind", "other"), ("size", "200000")],
            "other",
        ),
        (&[("do", "post"), ("method", "GET")], "denied"),
        (
            &[("do", "post"), ("authority", "169.254.169.254")],
            "denied",
        ),
        (&[("do", "post"), ("size", "9000000")], "unreachable"),
    ] {
        let repo = repo(options);
        let run = repo.swamp(&["version"]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{options:?}");
        assert!(run.stdout.starts_with("swamp "));
        assert_eq!(repo.entries().len(), 1, "{options:?}");
        let failure = last_failure(&repo);
        assert_eq!(failure["kind"], kind, "{options:?}: {failure}");
        let reason = failure["reason"].as_str().unwrap();
        assert!(!reason.contains(char::is_control), "{reason:?}");
        assert!(repo.receiver.requests().is_empty(), "{options:?}");
    }
}

#[test]
fn the_entry_that_a_hostile_sender_kept_is_delivered_by_the_next_one() {
    let repo = repo(&[("do", "spin")]);
    repo.swamp(&["version"]);
    repo.write_marker(&repo.marker().replace("hostile.wasm", "builtin:ingest"));
    repo.swamp(&["version"]);
    assert_eq!(repo.arrived(), ["version", "version"]);
}

#[test]
fn the_log_shows_the_message_of_a_panic_and_the_function_that_panicked_as_it_is_written() {
    let repo = repo(&[("do", "panic"), ("message", "at the disco")]);
    let run = repo.swamp(&["--log-level", "debug", "version"]);
    assert_eq!(run.code, 0);
    for line in [
        "wrote to stderr: at the disco",
        "was in hostile::",
        "::panic_by_name",
    ] {
        assert!(run.stderr.contains(line), "{}", run.stderr);
    }
    for mangled in ["_ZN", "_R", "::h"] {
        assert!(!run.stderr.contains(mangled), "{}", run.stderr);
    }
}

#[test]
fn the_log_is_harmless_and_short_whatever_the_sender_writes() {
    for what in ["print-escapes", "print-for-ever"] {
        let repo = repo(&[("do", what)]);
        let run = repo.swamp(&["--log-level", "debug", "version"]);
        assert_eq!(run.code, 0);
        assert!(run.stderr.len() < 64 * 1024, "{} bytes", run.stderr.len());
        let unsafe_letter =
            |letter: char| letter.is_control() && letter != '\n' || letter == '\u{202e}';
        assert!(!run.stderr.contains(unsafe_letter), "{:?}", run.stderr);
        assert!(
            run.stderr.contains(r"\u{1b}]0;owned\u{7}"),
            "{}",
            run.stderr
        );
        if what == "print-escapes" {
            for line in [
                "wrote: the end of stdout",
                "wrote to stderr: the end of stderr",
            ] {
                assert!(run.stderr.contains(line), "{}", run.stderr);
            }
        }
    }
}

#[test]
fn the_log_names_no_more_than_a_few_of_the_requests_that_are_refused() {
    let repo = repo(&[("do", "many"), ("method", "GET"), ("count", "200")]);
    let run = repo.swamp(&["--log-level", "debug", "version"]);
    let refused = run.stderr.matches("refused the sender's request").count();
    assert!(
        (1..=8).contains(&refused),
        "{refused} lines:\n{}",
        run.stderr
    );
}

fn write_user_config(repo: &TestRepo, text: &str) {
    let dir = repo.home().join(".config/swamp");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("config.yaml"), text).unwrap();
}

#[test]
fn a_component_of_the_repository_never_spends_the_users_secrets() {
    let (endpoint, seen) = witness();
    let repo = repo(&[("do", "post")]);
    repo.write_marker(&repo.marker().replace(&repo.receiver.endpoint(), &endpoint));
    write_user_config(
        &repo,
        &format!("headers:\n  {endpoint}:\n    x-key: sesame\n"),
    );
    repo.swamp(&["version"]);
    assert!(
        !seen
            .recv_timeout(crate::support::AMPLE)
            .unwrap()
            .contains("sesame")
    );
    // The one that comes with the program does.
    repo.write_marker(&repo.marker().replace("hostile.wasm", "builtin:ingest"));
    repo.swamp(&["version"]);
    assert!(
        seen.recv_timeout(crate::support::AMPLE)
            .unwrap()
            .contains("x-key: sesame")
    );
}

#[test]
fn a_user_can_forbid_what_repositories_bring_along() {
    for allowed in ["builtin", "trusted"] {
        let repo = repo(&[("do", "spin")]);
        write_user_config(&repo, &format!("allowSenders: {allowed}\n"));
        let run = repo.swamp(&["version"]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""));
        assert_eq!(last_failure(&repo)["kind"], "not-allowed");
        assert_eq!(repo.entries().len(), 1);
    }
}
