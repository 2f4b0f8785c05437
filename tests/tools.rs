//! What a team lead wants to know of the tools that are recorded: which one, which version, which subcommand.

use serde_json::{Value, json};

use crate::support::{Run, TestRepo, run};

const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The binary with these arguments, which leaves the flush for later.
fn swamp(repo: &TestRepo, args: &[&str]) -> Run {
    run(repo
        .command(args)
        .env("PATH", PATH)
        .env("SWAMP_TELEMETRY_FLUSH", "off"))
}

fn only_entry(repo: &TestRepo) -> Value {
    let entries = repo.entry_values();
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries.into_iter().next().unwrap()
}

#[cfg(unix)]
#[test]
fn exec_records_the_tool_its_version_and_a_listed_subcommand() {
    let repo = TestRepo::new();
    let args = [
        "exec",
        "--name=deploy",
        "--tool-version=2.3",
        "--subcommands=run,rollback",
        "--",
        "true",
        "--verbose",
        "run",
        "s3cret",
    ];
    assert_eq!(swamp(&repo, &args).code, 0);
    let entry = only_entry(&repo);
    assert_eq!(
        entry["invocation"],
        json!({
            "command": "deploy",
            "subcommand": "run",
            "args": ["<REDACTED>"],
            "optionKeys": ["--verbose"],
            "globalOptions": [],
            "commandPath": ["deploy", "run"],
        })
    );
    assert_eq!(entry["swampVersion"], "2.3");
}

#[cfg(unix)]
#[test]
fn the_marker_says_it_for_every_run_and_the_command_line_for_one() {
    let repo = TestRepo::new();
    repo.configure(
        "telemetryTools:\n  \"true\": {name: deploy, version: '2.3', subcommands: [remote, add], depth: 2}\n",
    );
    let recorded = |args: &[&str]| {
        let args = [&["exec"], args].concat();
        assert_eq!(swamp(&repo, &args).code, 0, "{args:?}");
        let entry = only_entry(&repo);
        repo.swamp(&["--no-telemetry", "telemetry", "purge", "--yes"]);
        let path = entry["invocation"]["commandPath"].to_string();
        format!("{path} {}", entry["swampVersion"])
    };
    let shown = [
        recorded(&["--", "true", "remote", "add", "s3cret"]),
        recorded(&["--", "/bin/true", "s3cret", "add"]),
        recorded(&["--name=true", "--", "true", "remote"]),
        recorded(&["--subcommands=x", "--", "true", "remote", "x"]),
        recorded(&["--subcommands=x", "--depth=2", "--", "true", "x", "remote"]),
        recorded(&["--tool-version=3", "--", "true"]),
        recorded(&["--", "sh", "-c", "exit", "remote"]),
    ];
    insta::assert_snapshot!(shown.join("\n"), @r#"
    ["deploy","remote","add"] "2.3"
    ["deploy"] "2.3"
    ["true","remote"] "2.3"
    ["deploy"] "2.3"
    ["deploy","x"] "2.3"
    ["deploy"] "3"
    ["sh"] "unknown"
    "#);
}

#[test]
fn record_keeps_what_the_lists_allow() {
    let repo = TestRepo::new();
    repo.configure("telemetryTools:\n  deploy.py: {version: '2.3', subcommands: [run]}\n");
    let recorded = |args: &[&str]| {
        let args = [&["telemetry", "record", "--status=success"], args].concat();
        let run = swamp(&repo, &args);
        assert_eq!(run.code, 0, "{run:?}");
        let entry = only_entry(&repo);
        repo.swamp(&["--no-telemetry", "telemetry", "purge", "--yes"]);
        let path = entry["invocation"]["commandPath"].to_string();
        format!("{path} {}", entry["swampVersion"])
    };
    let shown = [
        recorded(&["--command=deploy.py", "--subcommand=run"]),
        recorded(&["--command=deploy.py", "--subcommand=s3cret"]),
        recorded(&["--command=other", "--subcommand=free"]),
        recorded(&["--command=other", "--subcommand=free", "--subcommands=run"]),
        recorded(&["--command=deploy.py", "--tool-version=9"]),
    ];
    insta::assert_snapshot!(shown.join("\n"), @r#"
    ["deploy.py","run"] "2.3"
    ["deploy.py","<REDACTED>"] "2.3"
    ["other","free"] "unknown"
    ["other","<REDACTED>"] "unknown"
    ["deploy.py"] "9"
    "#);
}

#[test]
fn lists_that_hold_no_words_are_a_usage_error() {
    let repo = TestRepo::new();
    for option in [
        "--subcommands=",
        "--subcommands=a b",
        "--subcommands=-v",
        "--tool-version=",
        "--depth=1",
    ] {
        assert_eq!(
            swamp(&repo, &["exec", option, "--", "true"]).code,
            2,
            "{option}"
        );
    }
}
