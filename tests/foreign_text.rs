//! What a repository wrote, where a person sees it.

use std::fs;
use std::process::Command;

use swamp::domain::in_shell;

use crate::support::{TestRepo, not_installed, run, wasm};

/// Clears a terminal, and changes the direction of writing.
const HOSTILE: &str = "senders/\\e[2J\\u202Eours.wasm";

#[test]
fn a_senders_name_steers_no_terminal_whatever_is_said_of_it() {
    let repo = TestRepo::new();
    let marker = format!("{}telemetrySender: \"{HOSTILE}\"\n", repo.marker());
    let component = wasm("(component)");
    for component in [None, Some(&b"(component"[..]), Some(&component)] {
        repo.write_marker(&marker);
        fs::create_dir_all(repo.root().join("senders")).unwrap();
        if let Some(bytes) = component {
            fs::write(repo.root().join("senders/\x1b[2J\u{202e}ours.wasm"), bytes).unwrap();
        }
        for args in [
            &["sender", "show"][..],
            &["--json", "sender", "show"],
            &["sender", "trust"],
            &["sender", "use", "senders/\x1b[2J\u{202e}ours.wasm"],
            &["sender", "check", "senders/\x1b[2J\u{202e}ours.wasm"],
            &["telemetry", "flush"],
            &["telemetry", "flush", "--dry-run"],
            &["telemetry", "status"],
            &["--json", "telemetry", "status"],
            &["--log-level", "trace", "version"],
            &["-C", "no\x1b[2J", "telemetry", "status"],
            &["exec", "--", "./no\x1b[2J"],
        ] {
            let seen = repo.swamp(args);
            for text in [&seen.stdout, &seen.stderr] {
                assert!(!text.contains(['\x1b', '\u{202e}']), "{args:?}: {text:?}");
            }
        }
    }
}

#[test]
fn a_command_that_is_suggested_is_quoted_for_the_shell() {
    let repo = TestRepo::new();
    fs::write(repo.root().join("a $(touch x)'.wasm"), "(component").unwrap();
    repo.configure("telemetrySender: \"a $(touch x)'.wasm\"\n");
    run(repo
        .command(&["version"])
        .env("SWAMP_TELEMETRY_FLUSH", "off"));
    let flush = repo.swamp(&["telemetry", "flush"]);
    let suggested = r"`swamp sender check 'a $(touch x)'\''.wasm'`";
    assert!(flush.stderr.contains(suggested), "{}", flush.stderr);
}

#[test]
fn a_program_that_is_not_found_has_no_name() {
    let repo = TestRepo::new();
    let record = |args: &[&str]| {
        let mut command = repo.command(&["exec"]);
        run(command.args(args).env("SWAMP_TELEMETRY_FLUSH", "off")).code
    };
    assert_eq!(record(&["--", "s3cret", "--password", "--s3cret"]), 127);
    assert_eq!(
        record(&["--name", "deploy", "--", "s3cret", "-token", "-s3cret"]),
        127
    );
    let entries = repo.entry_values();
    let mut names: Vec<_> = entries
        .iter()
        .map(|entry| entry["invocation"]["command"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["<REDACTED>", "deploy"]);
    let text = format!("{entries:?}");
    assert!(!text.contains("s3cret"), "{text}");
}

#[test]
fn a_shell_takes_a_quoted_argument_for_the_text() {
    let text = "$(touch x) `id` \\ ' \" * ? ~ ! # ; & | < > [a] {b,c} \x1b[0m \n é\u{202e}1";
    let command = format!("printf %s {}", in_shell(text));
    match Command::new("bash").args(["-c", &command]).output() {
        Ok(output) => assert_eq!(String::from_utf8_lossy(&output.stdout), text),
        Err(_) => not_installed("bash, for its arguments"),
    }
}
