//! The log on stderr: what each line has, and that one failure is told once.

use std::fs;

use serde_json::Value;

use crate::support::{Run, TestRepo, dead_endpoint, run};
use crate::unruly::{Plan, Unruly};

/// What the command itself says begins in this way, and is no line of the log.
const SAID: [&str; 2] = ["error: ", "hint: "];

fn with_log(repo: &TestRepo, level: &str, args: &[&str]) -> Run {
    let args = [&["--log-level", level], args].concat();
    run(repo.command(&args).env("SWAMP_TELEMETRY_FLUSH", "inline"))
}

fn has_time(line: &str) -> bool {
    line.split_once(' ')
        .is_some_and(|(time, _)| chrono::NaiveTime::parse_from_str(time, "%H:%M:%S%.3f").is_ok())
}

#[test]
fn each_line_has_a_time_at_trace_level_and_no_escapes_in_a_pipe() {
    let down = dead_endpoint();
    for repo in [TestRepo::new(), TestRepo::of_server(&down, "")] {
        for args in [
            &["version"][..],
            &["telemetry", "flush"],
            &["telemetry", "status"],
            &["exec", "--", "true"],
            &["sender", "check", "builtin:ingest"],
            &["telemetry", "flush", "--dry-run"],
        ] {
            let told = with_log(&repo, "trace", args).stderr;
            assert!(!told.contains('\x1b'), "{args:?}: {told:?}");
            let mut lines = told.lines();
            let odd = lines
                .find(|line| !has_time(line) && !SAID.iter().any(|said| line.starts_with(said)));
            assert_eq!(odd, None, "{args:?}");
        }
        let told = with_log(&repo, "trace", &["version"]).stderr;
        assert!(told.lines().any(has_time), "{told}");
        let told = with_log(&repo, "debug", &["version"]).stderr;
        assert!(!told.lines().any(has_time), "{told}");
    }
}

#[test]
fn one_failure_is_told_once() {
    let refusing = Unruly::always(Plan::Refuse("403 Forbidden", String::new()));
    let busy = Unruly::always(Plan::Refuse(
        "429 Too Many Requests",
        "retry-after: 0\r\n".into(),
    ));
    let zeros = "0".repeat(64);
    for (what, server, more) in [
        ("down", dead_endpoint(), String::new()),
        ("refused", refusing.endpoint(), String::new()),
        ("throttled", busy.endpoint(), String::new()),
        (
            "missing",
            dead_endpoint(),
            "telemetrySender: gone.wasm\n".into(),
        ),
        (
            "not pinned",
            dead_endpoint(),
            format!("telemetrySenderDigest: sha256:{zeros}\n"),
        ),
        (
            "no component",
            dead_endpoint(),
            "telemetrySender: .swamp.yaml\n".into(),
        ),
    ] {
        let repo = TestRepo::of_server(&server, &more);
        for args in [&["version"][..], &["telemetry", "flush"]] {
            let told = with_log(&repo, "debug", args).stderr;
            let last = fs::read(repo.spool().join(".last-flush.json")).unwrap();
            let last: Value = serde_json::from_slice(&last).unwrap();
            let reason = last["failure"]["reason"].as_str().unwrap();
            assert_eq!(told.matches(reason).count(), 1, "{what} {args:?}: {told}");
        }
    }
    let repo = TestRepo::with_marker("telemetryEndpoint: [\n");
    let told = with_log(&repo, "debug", &["version"]).stderr;
    assert_eq!(told.matches("is not valid YAML").count(), 1, "{told}");
}
