//! What `telemetry list` shows, and how much of it.

use std::process::Command;

use serde_json::Value;

use crate::support::{Run, SWAMP, TestRepo, not_installed, run};

/// A spool with entries of two tools, the newest of which took the longest.
fn repo() -> TestRepo {
    let repo = TestRepo::new();
    for (id, command, subcommand, status, millis, day) in [
        ("a", "deploy", "run", "success", 12, "2026-02-10"),
        ("b", "deploy", "rollback", "error", 33_032, "2026-02-11"),
        ("c", "build", "all", "user_error", 125_000, "2026-02-12"),
    ] {
        repo.spool_entry(
            &format!("telemetry-{day}-{id}.json"),
            &format!(
                r#"{{"id":"{id}","invocation":{{"command":"{command}","subcommand":"{subcommand}","optionKeys":["l","force","--all"]}},
                    "result":{{"status":"{status}"}},"startedAt":"{day}T12:00:00.000Z","durationMs":{millis}}}"#
            ),
        );
    }
    repo
}

fn list(repo: &TestRepo, args: &[&str]) -> Run {
    let args = [&["--no-telemetry", "telemetry", "list"], args].concat();
    repo.swamp(&args)
}

#[test]
fn options_and_durations_are_shown_as_people_write_them() {
    insta::assert_snapshot!(list(&repo(), &[]).stdout, @"
    started (UTC)        state    result       took  command
    2026-02-12 12:00:00  pending  failed  2 min 5 s  build all -l --force --all
    2026-02-11 12:00:00  pending  failed       33 s  deploy rollback -l --force --all
    2026-02-10 12:00:00  pending  ok          12 ms  deploy run -l --force --all
    ");
}

#[test]
fn a_list_is_limited_by_number_command_result_and_time() {
    let repo = repo();
    let ids = |args: &[&str]| {
        let args = [&["--json"], args].concat();
        let run = list(&repo, &args);
        assert_eq!(run.code, 0, "{run:?}");
        let rows: Vec<Value> = serde_json::from_str(&run.stdout).unwrap();
        let id = |row: &Value| row["entry"]["id"].as_str().unwrap().to_owned();
        rows.iter().map(id).collect::<String>()
    };
    for (args, expected) in [
        (&[][..], "cba"),
        (&["--limit=2"], "cb"),
        (&["--limit=0"], "cba"),
        (&["--command=deploy"], "ba"),
        (&["--command=deploy run"], "a"),
        (&["--command=run"], ""),
        (&["--result=error"], "b"),
        (&["--result=user_error"], "c"),
        (&["--since=2026-02-11"], "cb"),
        (&["--since=2026-02-11T12:00:01Z"], "c"),
        (&["--since=36500d"], "cba"),
        (&["--since=1m"], ""),
        (
            &["--since=2026-02-11", "--command=deploy", "--limit=1"],
            "b",
        ),
    ] {
        assert_eq!(ids(args), expected, "{args:?}");
    }
    let cut = list(&repo, &["--limit=1"]);
    assert!(
        cut.stdout
            .ends_with("and 2 entries more; --limit 0 lists all\n"),
        "{}",
        cut.stdout
    );
    let none = list(&repo, &["--command=x"]);
    assert_eq!(none.stdout, "no entry in the spool matches\n");
    for wrong in [
        "--since=noon",
        "--since=-1d",
        "--since=1y",
        "--since=d",
        "--result=odd",
    ] {
        assert_eq!(list(&repo, &[wrong]).code, 2, "{wrong}");
    }
}

/// What `list` shows on a terminal of this size.
fn on_a_terminal(repo: &TestRepo, lines: usize, columns: usize) -> Option<String> {
    let line = format!(
        "stty rows {lines} cols {columns}; {SWAMP} --no-telemetry --no-color telemetry list"
    );
    let mut script = Command::new("script");
    script
        .args(["-qfec", &line, "/dev/null"])
        .current_dir(repo.root())
        .env("HOME", repo.home())
        .env("SHELL", "/bin/sh");
    script.output().ok()?;
    let shown = run(&mut script);
    Some(shown.stdout.replace('\r', ""))
}

#[cfg(target_os = "linux")]
#[test]
fn a_table_fits_the_terminal_and_leaves_out_columns_in_a_stated_order() {
    let repo = repo();
    let Some(wide) = on_a_terminal(&repo, 5, 90) else {
        not_installed("script");
        return;
    };
    let narrower = [65, 50, 38, 12].map(|columns| on_a_terminal(&repo, 24, columns).unwrap());
    insta::assert_snapshot!(format!("{wide}\n{}", narrower.join("\n")));
}
