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

#[cfg(unix)]
#[test]
fn an_entry_tells_where_its_invocation_took_place() {
    let repo = TestRepo::new();
    let nested = format!("{} exec --name inner -- true", crate::support::SWAMP);
    let run = run(repo
        .command(&["exec", "--name", "outer", "--", "sh", "-c", &nested])
        .env("PATH", PATH)
        .env("SWAMP_TELEMETRY_FLUSH", "off")
        .env("CLAUDECODE", "1")
        .env("CI", "true"));
    assert_eq!(run.code, 0, "{run:?}");
    let entries = repo.entry_values();
    let of = |name: &str| {
        let is_it = |entry: &&Value| entry["invocation"]["command"] == name;
        entries.iter().find(is_it).unwrap()
    };
    assert_eq!(of("inner")["parentInvocationId"], of("outer")["id"]);
    assert_eq!(of("outer")["parentInvocationId"], Value::Null);
    assert_eq!(
        of("inner")["invocationContext"],
        json!({
            "isInteractive": false,
            "isCi": true,
            "agentSessionDetected": true,
            "detectedAiTool": "claude",
        })
    );
    let record = ["telemetry", "record", "--command=a", "--status=success"];
    assert_eq!(swamp(&repo, &record).code, 0);
    let entries = repo.entry_values();
    let recorded = entries
        .iter()
        .find(|entry| entry["invocation"]["command"] == "a");
    assert_eq!(recorded.unwrap()["invocationContext"]["isCi"], false);
}

#[test]
fn an_install_id_is_recorded_only_while_the_user_wants_one() {
    let repo = TestRepo::new();
    let ids = || -> Vec<Value> {
        swamp(&repo, &["version"]);
        let ids = repo
            .entry_values()
            .into_iter()
            .map(|entry| entry["installId"].clone());
        let ids = ids.collect();
        repo.swamp(&["--no-telemetry", "telemetry", "purge", "--yes"]);
        ids
    };
    let install_id = |args: &[&str]| {
        let args = [
            &["--no-telemetry", "--json", "telemetry", "install-id"],
            args,
        ]
        .concat();
        let answer: Value = serde_json::from_str(&swamp(&repo, &args).stdout).unwrap();
        answer["installId"].clone()
    };
    assert_eq!((ids(), install_id(&[])), (vec![Value::Null], Value::Null));
    let id = install_id(&["on"]);
    assert!(id.is_string());
    assert_eq!(install_id(&["on"]), id, "it stays the same");
    assert_eq!(ids(), std::slice::from_ref(&id));
    let status = swamp(&repo, &["--no-telemetry", "telemetry", "status"]);
    assert!(status.stdout.contains(id.as_str().unwrap()), "{status:?}");
    assert_eq!(
        (install_id(&["off"]), ids()),
        (Value::Null, vec![Value::Null])
    );
    assert_ne!(install_id(&["on"]), id, "a new one is another");
}

/// The commands that the README gives a team lead, in their order.
const WALK: [&str; 5] = [
    "swamp telemetry receive --listen 127.0.0.1:8097 --save events.jsonl",
    "swamp init --endpoint http://127.0.0.1:8097",
    "swamp telemetry install-id on",
    "swamp exec --subcommands run,rollback -- ./deploy.sh run production",
    "swamp telemetry stats --from events.jsonl",
];

#[cfg(unix)]
#[test]
fn five_commands_lead_from_nothing_to_which_subcommand_failed_how_often_on_how_many_machines() {
    use std::fs;
    use std::io::{BufRead as _, BufReader};
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::{Command, Stdio};

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let mut rest = readme.as_str();
    for command in WALK {
        let at = rest.find(&format!("    $ {command}\n"));
        rest = &rest[at.unwrap_or_else(|| panic!("the README lacks {command}"))..];
    }

    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("deploy.sh");
    // It fails on the first machine when it rolls back.
    let text = "#!/bin/sh\ncase $1-$HOME in rollback-*/one) exit 3;; esac\n";
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let command = |machine: &str, line: &str| {
        let mut words = line.split(' ').skip(1);
        let mut command = Command::new(crate::support::SWAMP);
        command
            .args(words.by_ref())
            .current_dir(dir.path())
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", dir.path().join(machine))
            .env("XDG_CACHE_HOME", crate::support::cache_home())
            .env("SWAMP_TELEMETRY_FLUSH", "inline")
            .stdin(Stdio::null());
        command
    };
    let listen = WALK[0].replace("8097", "0");
    let mut receive = command("lead", &listen)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = String::new();
    let mut lines = BufReader::new(receive.stderr.take().unwrap());
    lines.read_line(&mut told).unwrap();
    let port = told
        .split(&['/', ':', ';', ' '][..])
        .find_map(|part| part.parse::<u16>().ok());
    let init = WALK[1].replace("8097", &port.unwrap().to_string());
    assert!(command("lead", &init).output().unwrap().status.success());
    for machine in ["one", "two"] {
        assert!(command(machine, WALK[2]).output().unwrap().status.success());
        for line in [
            WALK[3].replace("run production", "rollback"),
            WALK[3].to_owned(),
        ] {
            command(machine, &line).output().unwrap();
        }
    }
    kill(Pid::from_raw(receive.id().cast_signed()), Signal::SIGINT).unwrap();
    receive.wait().unwrap();
    let stats = run(&mut command("lead", WALK[4]));
    let words = stats.stdout.lines().skip(2).take(3);
    let words: Vec<Vec<_>> = words
        .map(|line| line.split_whitespace().take(6).collect())
        .collect();
    insta::assert_snapshot!(words.iter().map(|line| line.join(" ")).collect::<Vec<_>>().join("\n"), @r"
    command count errors user errors machines
    deploy.sh rollback 2 1 0 2
    deploy.sh run 2 0 0 2
    ");
}
