//! Making a repository.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::{SWAMP, TestRepo, run};

fn swamp(dir: &std::path::Path, args: &[&str]) -> crate::support::Run {
    run(Command::new(SWAMP)
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("HOME", dir)
        // The first command of a repository that names no loopback endpoint must not reach the default one.
        .env("SWAMP_TELEMETRY_ENDPOINT", "http://127.0.0.1:9")
        .env("SWAMP_TELEMETRY_FLUSH", "off"))
}

#[test]
fn init_in_a_fresh_directory_writes_a_marker_with_an_id() {
    let dir = tempfile::tempdir().unwrap();
    let made = swamp(
        dir.path(),
        &["init", "--endpoint", "http://LOCALHOST:8090/"],
    );
    assert_eq!(made.code, 0, "{made:?}");
    assert_eq!(made.stderr, "", "nobody is there who would be told");
    let marker = fs::read_to_string(dir.path().join(".swamp.yaml")).unwrap();
    let keys: Vec<_> = marker
        .lines()
        .filter_map(|line| line.split(':').next())
        .collect();
    assert_eq!(
        keys,
        [
            "swampVersion",
            "initializedAt",
            "repoId",
            "telemetryEndpoint"
        ]
    );
    assert!(marker.contains("\"http://localhost:8090\""), "{marker}");
    let ignore = fs::read_to_string(dir.path().join(".swamp/telemetry/.gitignore")).unwrap();
    assert_eq!(ignore, "*\n");
}

#[test]
fn repo_init_makes_the_directory_that_it_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let made = swamp(dir.path(), &["--quiet", "--json", "repo", "init", "a/b"]);
    assert_eq!((made.code, made.stderr.as_str()), (0, ""));
    let answer: Value = serde_json::from_str(&made.stdout).unwrap();
    let marker = fs::read_to_string(dir.path().join("a/b/.swamp.yaml")).unwrap();
    assert!(marker.contains(answer["repoId"].as_str().unwrap()));
}

#[test]
fn init_refuses_an_endpoint_that_is_none_and_makes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let refused = swamp(
        dir.path(),
        &["init", "here", "--endpoint", "localhost:8090"],
    );
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains("not an http or https URL"),
        "{}",
        refused.stderr
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn upgrade_changes_its_own_keys_and_no_other_byte() {
    let repo = TestRepo::with_marker(
        "# ours\r\nswampVersion: '2025' # old\r\nteam:   [a,  b]\r\ntelemetryEndpoint: ENDPOINT\r\nrepoId: 550e8400-e29b-41d4-a716-446655440000",
    );
    let before = repo.marker();
    let run = repo.swamp(&["repo", "upgrade"]);
    assert_eq!(run.stdout, "upgraded the repository from 2025 to 0.1.0\n");
    let after = repo.marker();
    let expected = before.replace("'2025'", "'0.1.0'");
    let added = after.strip_prefix(&expected).unwrap();
    assert!(added.starts_with("\r\nupgradedAt: "), "{added:?}");
    assert!(!added.ends_with('\n'), "{added:?}");
    let again = repo.swamp(&["repo", "upgrade"]);
    assert_eq!(again.stdout, "the repository is already at 0.1.0\n");
}

#[test]
fn a_command_outside_a_repository_leaves_nothing_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(swamp(dir.path(), &["version"]).code, 0);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    let status = swamp(dir.path(), &["telemetry", "status"]);
    assert_eq!(status.code, 1);
    assert!(
        status.stderr.contains("run `swamp init`"),
        "{}",
        status.stderr
    );
}

/// What a person with the home `home` sees who types these lines in `dir`, in a terminal.
#[cfg(target_os = "linux")]
fn typed(dir: &std::path::Path, home: &std::path::Path, lines: &[&str]) -> Option<Vec<String>> {
    let shown = |line: &&str| {
        let line = line.replace("swamp", SWAMP);
        let mut script = Command::new("script");
        script
            .args([
                "-qfec",
                &format!("stty rows 24 cols 160; {line}"),
                "/dev/null",
            ])
            .current_dir(dir)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home)
            .env("SHELL", "/bin/sh")
            .env("SWAMP_TELEMETRY_FLUSH", "off");
        let output = script.output().ok()?;
        Some(String::from_utf8(output.stdout).unwrap().replace('\r', ""))
    };
    lines.iter().map(shown).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn a_person_is_told_once_in_three_lines_where_telemetry_goes() {
    let (dir, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let lines = [
        "swamp --no-color init --endpoint http://127.0.0.1:9",
        "swamp --no-color version",
    ];
    let Some(shown) = typed(dir.path(), home.path(), &lines) else {
        crate::support::not_installed("script");
        return;
    };
    let notice: Vec<_> = shown[0].lines().skip(1).collect();
    insta::assert_snapshot!(notice.join("\n"), @"
    swamp records its commands and sends them to http://127.0.0.1:9; what cannot be sent is deleted after two to four days.
    Recorded are command name, option names, result, duration, and whether a person, CI or an agent ran it; never values, paths or output, and no id of this machine unless you run `swamp telemetry install-id on`.
    `swamp telemetry list` shows them. To turn it off, run `swamp telemetry disable` (--global for all your repositories) or set DO_NOT_TRACK=1.
    ");
    assert_eq!(shown[1], "swamp 0.1.0\n", "told twice");
}

/// Who misspells the key finds out from the very first command where telemetry goes.
#[cfg(target_os = "linux")]
#[test]
fn the_first_command_in_a_repository_of_others_tells_the_endpoint_that_is_used() {
    let home = tempfile::tempdir().unwrap();
    for (marker, told) in [
        (
            "telemetryEndpoint: http://127.0.0.1:9\n",
            "http://127.0.0.1:9",
        ),
        (
            "telemetryEndpint: http://127.0.0.1:9\n",
            "https://telemetry.swamp.club",
        ),
    ] {
        let repo = tempfile::tempdir().unwrap();
        fs::write(repo.path().join(".swamp.yaml"), marker).unwrap();
        let lines = ["swamp version", "swamp version"];
        let Some(shown) = typed(repo.path(), home.path(), &lines) else {
            crate::support::not_installed("script");
            return;
        };
        assert!(
            shown[0].contains(&format!("sends them to {told};")),
            "{}",
            shown[0]
        );
        assert_eq!(shown[0].lines().count(), 4, "{}", shown[0]);
        assert_eq!(shown[1].lines().count(), 1, "{}", shown[1]);
    }
}
