//! Recording entries of other programs.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Run, SWAMP, TestRepo, not_installed, run};

/// `telemetry record` with these arguments, which leaves the flush for later.
fn command(repo: &TestRepo, args: &[&str]) -> Command {
    let mut command = repo.command(&["telemetry", "record"]);
    command.args(args).env("SWAMP_TELEMETRY_FLUSH", "off");
    command
}

fn record(repo: &TestRepo, args: &[&str], input: &[u8]) -> Run {
    let mut child = command(repo, args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who does not read it has said why.
    child.stdin.take().unwrap().write_all(input).ok();
    let output = child.wait_with_output().unwrap();
    Run {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

const ENTRY: &str = r#"{"invocation":{"command":"build"},"result":{"exitCode":0}}"#;

fn with_id(id: &str) -> String {
    ENTRY.replacen('{', &format!(r#"{{"id":"{id}","#), 1)
}

#[test]
fn an_entry_from_options_is_spooled_and_delivered() {
    let repo = TestRepo::new();
    let args = [
        "--command=build",
        "--subcommand=all",
        "--exit-code=3",
        "--error-type=Compile",
        "--error-message=it did not compile\nsecret",
        "--option-key=release",
        "--option-key=--target",
        "--global-option=verbose",
        "--args=2",
        "--duration-ms=1500",
        "--tool-version=9.1",
    ];
    let run = record(&repo, &args, b"");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let entries = repo.entry_values();
    let [entry] = &entries[..] else {
        panic!("{entries:?}")
    };
    assert_eq!(run.stdout, format!("{}\n", entry["id"].as_str().unwrap()));
    assert_eq!(
        entry["invocation"],
        json!({
            "command": "build",
            "subcommand": "all",
            "args": ["<REDACTED>", "<REDACTED>"],
            "optionKeys": ["--release", "--target"],
            "globalOptions": ["--verbose"],
            "commandPath": ["build", "all"],
        })
    );
    assert_eq!(
        entry["result"],
        json!({
            "status": "error",
            "errorType": "Compile",
            "errorMessage": "it did not compile",
            "exitCode": 3,
        })
    );
    assert_eq!(
        (&entry["durationMs"], &entry["swampVersion"]),
        (&1500.into(), &"9.1".into())
    );
    repo.swamp(&["telemetry", "flush"]);
    assert_eq!(repo.arrived(), ["build all"]);
}

#[test]
fn recording_starts_the_flush_and_is_no_invocation_itself() {
    let repo = TestRepo::new();
    let run = repo.swamp(&[
        "telemetry",
        "record",
        "--command=build",
        "--status=user_error",
    ]);
    assert_eq!(run.code, 0);
    assert_eq!(repo.arrived(), ["build"]);
    assert_eq!(repo.entries(), [""; 0]);
}

#[test]
fn each_line_is_taken_or_refused_by_itself() {
    let repo = TestRepo::new();
    let spread = "{\n  \"invocation\": {\n    \"command\": \"spread\"\n  },\n  \"result\": {\"exitCode\": 1}\n}";
    let wrong = r#"{"invocation":{"command":"x"},"result":{"exitCode":"s3cret"}}"#;
    let long = format!(r#"{{"x":"{}"}}"#, "x".repeat(256 * 1024));
    // It grows by the white space that makes it readable.
    let grows = ENTRY.replace(
        "\"build\"",
        &format!("\"build\",\"args\":[{}0]", "\"\",".repeat(20_000)),
    );
    let grows = grows.replace(",0]", "]");
    let input = format!(
        "{ENTRY}\n{wrong}\n\n{spread}\n{long}\n{grows}\nnonsense\n{}",
        with_id("last")
    );
    let run = record(&repo, &[], input.as_bytes());
    assert_eq!(run.code, 1);
    insta::assert_snapshot!(run.stderr, @"
    error: could not record line 2: result.exitCode must be a whole number of 32 bits
    error: could not record line 10: it is larger than 256 KiB
    error: could not record line 11: the entry is larger than 256 KiB
    error: could not record line 12: it is not valid JSON at line 1, column 2
    error: recorded 3 entries and refused 4
    ");
    assert_eq!(run.stdout.lines().count(), 3);
    assert_eq!(run.stdout.lines().last(), Some("last"));
    let recorded = repo.entry_values();
    let mut ids: Vec<_> = recorded
        .iter()
        .map(|entry| entry["id"].as_str().unwrap())
        .collect();
    let mut printed: Vec<_> = run.stdout.lines().collect();
    ids.sort_unstable();
    printed.sort_unstable();
    assert_eq!(ids, printed);

    let run = record(
        &repo,
        &["--json"],
        format!("{}\n{wrong}\n", with_id("j")).as_bytes(),
    );
    assert_eq!(run.code, 1);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let reason = "result.exitCode must be a whole number of 32 bits";
    assert_eq!(
        report,
        json!({"recorded": ["j"], "refused": [{"line": 2, "reason": reason}]})
    );
}

#[test]
fn an_entry_is_recorded_once_however_often_it_is_given() {
    let repo = TestRepo::new();
    let entry = with_id("mine");
    let input = format!("{entry}\n{entry}\n");
    let run = record(&repo, &[], input.as_bytes());
    assert_eq!((run.code, run.stdout.as_str()), (0, "mine\nmine\n"));
    let stored = repo.entry_values();
    assert_eq!(record(&repo, &[], entry.as_bytes()).code, 0);
    let other = entry.replace("build", "test");
    let refused = record(&repo, &[], other.as_bytes());
    assert_eq!(refused.code, 1);
    assert!(
        refused
            .stderr
            .contains("line 1: id must be new: a different entry has mine"),
        "{}",
        refused.stderr
    );
    assert_eq!(repo.entry_values(), stored, "nothing was overwritten");
    let hidden = fs::read_dir(repo.spool()).unwrap().count();
    assert_eq!(
        hidden, 3,
        "only the entry, .gitignore and the clean-up's stamp"
    );
}

#[test]
fn several_that_record_the_same_entry_at_once_record_it_once() {
    let repo = TestRepo::new();
    let runs: Vec<_> = std::thread::scope(|scope| {
        let record = |_| scope.spawn(|| record(&repo, &[], with_id("one").as_bytes()));
        let threads: Vec<_> = (0..8).map(record).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    for run in runs {
        assert_eq!((run.code, run.stdout.as_str()), (0, "one\n"), "{run:?}");
    }
    assert_eq!(repo.entries().len(), 1);
}

#[test]
fn an_entry_that_another_is_just_recording_is_recorded_already() {
    let repo = TestRepo::new();
    record(&repo, &[], with_id("one").as_bytes());
    let entry = repo.spool().join(&repo.entries()[0]);
    // As it is until the other one has taken away the name that it wrote under.
    fs::hard_link(entry, repo.spool().join(".tmp-other")).unwrap();
    let again = record(&repo, &[], with_id("one").as_bytes());
    assert_eq!(
        (again.code, again.stdout.as_str()),
        (0, "one\n"),
        "{again:?}"
    );
}

#[test]
fn what_was_printed_is_on_disk_while_more_is_awaited() {
    let repo = TestRepo::new();
    let mut child = command(&repo, &[])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for id in ["a", "b"] {
        writeln!(stdin, "{}", with_id(id)).unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), id);
    }
    stdin.write_all(&with_id("half").as_bytes()[..20]).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let entries = repo.entry_values();
    let ids: Vec<_> = entries
        .iter()
        .map(|entry| entry["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["a", "b"]);
}

#[test]
fn nothing_is_taken_where_telemetry_is_off_or_nothing_is_a_repository() {
    let repo = TestRepo::new();
    let off = record(&repo, &["--no-telemetry"], ENTRY.as_bytes());
    assert_eq!(
        (off.code, off.stderr.as_str()),
        (1, "error: telemetry is off (--no-telemetry)\n")
    );
    repo.swamp(&["telemetry", "disable"]);
    let off = record(&repo, &["--command=a", "--status=success"], b"");
    assert_eq!(off.code, 1);
    assert!(
        off.stderr
            .contains("telemetryDisabled is true in .swamp.yaml"),
        "{}",
        off.stderr
    );
    assert_eq!(repo.entries(), [""; 0]);
    let home = repo.home();
    let nowhere = record(&repo, &["-C", home.to_str().unwrap()], ENTRY.as_bytes());
    assert_eq!(nowhere.code, 1);
    assert!(nowhere.stderr.contains("swamp init"), "{}", nowhere.stderr);
}

#[test]
fn wrong_options_are_refused() {
    let repo = TestRepo::new();
    for (args, code) in [
        (&["--subcommand=x"][..], 2),
        (&["--command=a", "--status=odd"], 2),
        (&["--command=a", "--exit-code=x"], 2),
        (&["--command=a"], 1),
        (&["--command=a", "--status=error", "--started-at=noon"], 1),
        (
            &["--command=a", "--status=error", "--option-key=--key=value"],
            1,
        ),
        (&["--command=a", "--status=error", "--id=../a"], 1),
    ] {
        assert_eq!(record(&repo, args, b"").code, code, "{args:?}");
    }
    let entries = repo.entry_values();
    assert!(
        entries
            .iter()
            .all(|entry| entry["invocation"]["command"] != "a"),
        "{entries:?}"
    );
    assert_eq!(record(&repo, &[], b"").code, 0, "no entries are all taken");
}

#[test]
fn the_example_is_recorded_as_it_is_and_needs_no_repository_to_be_printed() {
    let repo = TestRepo::new();
    let home = repo.home();
    let outside = |option: &str| {
        let printed = record(
            &repo,
            &["-C", home.to_str().unwrap(), "--no-telemetry", option],
            b"",
        );
        assert_eq!((printed.code, printed.stderr.as_str()), (0, ""), "{option}");
        printed.stdout
    };
    let example = outside("--example");
    for _ in 0..2 {
        let recorded = record(&repo, &[], example.as_bytes());
        assert_eq!((recorded.code, recorded.stderr.as_str()), (0, ""));
    }
    let entries = repo.entry_values();
    assert_eq!(entries.len(), 2);
    assert_eq!(
        entries[0]["invocation"]["commandPath"],
        json!(["deploy", "rollback"])
    );
    let schema: Value = serde_json::from_str(&outside("--schema")).unwrap();
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    let described = schema["properties"].as_object().unwrap();
    for key in serde_json::from_str::<Value>(&example)
        .unwrap()
        .as_object()
        .unwrap()
        .keys()
    {
        assert!(described.contains_key(key), "{key}");
    }
}

#[test]
fn what_is_wrong_is_said_of_the_options_that_were_typed() {
    let repo = TestRepo::new();
    assert_eq!(
        record(&repo, &["--command=a", "--exit-code=0", "--id=taken"], b"").code,
        0
    );
    let said: Vec<String> = [
        &["--exit-code=0"][..],
        &["--command=", "--exit-code=0"],
        &["--exit-code=0", "--subcommand=a\tb"],
        &[],
        &["--exit-code=0", "--started-at=noon"],
        &["--exit-code=0", "--started-at=2020-01-01T00:00:00Z"],
        &["--exit-code=0", "--started-at=2220-01-01T00:00:00Z"],
        &["--exit-code=0", "--duration-ms=99999999999999"],
        &["--exit-code=0", "--duration-ms=9999999999999999"],
        &["--exit-code=0", "--option-key=--key=value"],
        &["--exit-code=0", "--global-option=---x"],
        &["--exit-code=0", "--error-type="],
        &["--exit-code=0", "--tool-version="],
        &["--exit-code=0", "--id=../a"],
        &["--exit-code=1", "--id=taken"],
    ]
    .into_iter()
    .map(|args| {
        let command: &[&str] = if args.iter().any(|arg| arg.starts_with("--command")) {
            &[]
        } else {
            &["--command=a"]
        };
        let refused = record(&repo, &[command, args].concat(), b"");
        refused.stderr
    })
    .collect();
    insta::assert_snapshot!(said.concat());
}

/// The three lines in this language that the README gives.
fn snippet(language: &str) -> String {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    let fence = format!("\n```{language}\n");
    let mut blocks = readme.split(&fence).skip(1);
    let block = blocks
        .next()
        .and_then(|rest| rest.split("\n```\n").next())
        .unwrap();
    assert_eq!(blocks.next(), None, "one snippet in {language}");
    assert_eq!(block.lines().count(), 3, "{block}");
    block.to_owned()
}

#[cfg(unix)]
#[test]
fn the_snippets_of_the_readme_record_a_run() {
    use std::os::unix::fs::PermissionsExt as _;
    let repo = TestRepo::new();
    let script = repo.root().join("deploy.sh");
    fs::write(&script, "#!/bin/sh\nexit 3\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let programs = repo.home().join("bin");
    fs::create_dir(&programs).unwrap();
    std::os::unix::fs::symlink(SWAMP, programs.join("swamp")).unwrap();
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", programs.display());
    for (language, program, code) in [("bash", "bash", 3), ("python", "python3", 0)] {
        let is_installed = Command::new(program).arg("--version").output().is_ok();
        if !is_installed {
            not_installed(program);
            continue;
        }
        // With the environment of a test repository, whose flush is waited for.
        let like = repo.command(&[]);
        let mut command = Command::new(program);
        command
            .args(["-c", &snippet(language)])
            .current_dir(repo.root())
            .env_clear();
        command.envs(
            like.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        let run = run(command.env("PATH", &path));
        assert_eq!(
            (run.code, run.stdout.as_str(), run.stderr.as_str()),
            (code, "", ""),
            "{language}"
        );
    }
    let batches = repo.batches();
    let recorded: Vec<_> = batches.iter().flatten().collect();
    assert_eq!(recorded.len(), 2);
    for event in recorded {
        let entry: Value = serde_json::from_str(&event.properties).unwrap();
        assert_eq!(entry["invocation"]["command"], "deploy");
        assert_eq!(entry["result"], json!({"status": "error", "exitCode": 3}));
        assert!(entry["durationMs"].is_u64(), "{entry}");
    }
}
