//! `doctor`: what is wrong is found, and told with what mends it.

use std::fs;
use std::path::Path;

use serde_json::Value;
use swamp::receiver::ReceiverOptions;

use crate::support::{Run, TestRepo, dead_endpoint, run};

fn report(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|why| panic!("{why}: {run:?}"))
}

#[test]
fn a_healthy_repository_passes_and_a_test_event_arrives() {
    let repo = TestRepo::new();
    let before = repo.batches().len();
    let plain = repo.swamp(&["--no-color", "doctor"]);
    assert_eq!((plain.code, plain.stderr.as_str()), (0, ""), "{plain:?}");
    assert!(
        plain.stdout.lines().all(|line| line.starts_with("ok  ")),
        "{plain:?}"
    );

    let run = repo.swamp(&["doctor", "--send", "--json"]);
    assert_eq!(run.code, 0, "{run:?}");
    let report = report(&run);
    assert_eq!(report["ok"], true);
    let names: Vec<_> = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| check["name"].as_str().unwrap())
        .collect();
    insta::assert_snapshot!(names.join(" "), @"repository ownership keys user config environment telemetry known spool last flush endpoint connection sender cache test event clock disk");
    // The doctor's event, and the invocations of both runs.
    assert!(repo.batches().len() > before);
    assert!(
        repo.arrived()
            .iter()
            .filter(|command| *command == "doctor")
            .count()
            >= 3
    );
}

/// A fault: how it is planted, the check that finds it, what is found, and what mends it.
struct Fault {
    plant: fn(&TestRepo),
    env: &'static [(&'static str, &'static str)],
    args: &'static [&'static str],
    check: &'static str,
    found: &'static str,
    fix: &'static str,
}

const NOTHING: Fault = Fault {
    plant: |_| {},
    env: &[],
    args: &[],
    check: "",
    found: "",
    fix: "",
};

fn user_config(repo: &TestRepo, text: &str) {
    let dir = repo.home().join(".config/swamp");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("config.yaml"), text).unwrap();
}

fn sender_file(repo: &TestRepo, content: &[u8]) {
    fs::write(repo.root().join("ours.wasm"), content).unwrap();
    repo.configure("telemetrySender: ours.wasm\n");
}

fn component() -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-sender/prebuilt/ingest.wasm"))
        .unwrap()
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
fn faults() -> Vec<Fault> {
    vec![
        Fault {
            plant: |repo| fs::remove_file(repo.root().join(".swamp.yaml")).unwrap(),
            check: "repository",
            found: "there is no .swamp.yaml",
            fix: "swamp init --endpoint URL",
            ..NOTHING
        },
        Fault {
            plant: |repo| repo.write_marker("{: not yaml"),
            check: "repository",
            found: ".swamp.yaml",
            fix: "edit ",
            ..NOTHING
        },
        Fault {
            plant: |repo| repo.configure("telemetryKeepFlushed: perhaps\n"),
            check: "repository",
            found: "telemetryKeepFlushed",
            fix: "edit ",
            ..NOTHING
        },
        Fault {
            plant: |repo| repo.configure("telemetrySenderOptions: {level: [1]}\n"),
            check: "repository",
            found: "telemetrySenderOptions.level",
            fix: "edit ",
            ..NOTHING
        },
        Fault {
            plant: |repo| repo.write_marker("telemetryEndpint: ENDPOINT\n"),
            check: "keys",
            found: "did you mean telemetryEndpoint?",
            fix: "write telemetryEndpoint in line 1",
            ..NOTHING
        },
        Fault {
            plant: |repo| repo.write_marker("telemetryEndpint: ENDPOINT\n"),
            check: "endpoint",
            found: "the default, since the key in .swamp.yaml is misspelled",
            fix: "swamp config set telemetryEndpoint URL",
            ..NOTHING
        },
        Fault {
            plant: |repo| repo.configure("logLevel: loud\n"),
            check: "keys",
            found: "logLevel is none of trace, debug",
            fix: "change line 5",
            ..NOTHING
        },
        Fault {
            plant: |repo| repo.configure("telemetrySenderLimits: {memoryMiB: 1}\n"),
            check: "repository",
            found: "memoryMiB",
            fix: "edit ",
            ..NOTHING
        },
        Fault {
            plant: |repo| user_config(repo, "[no, mapping]\n"),
            check: "user config",
            found: "config.yaml",
            fix: "edit ",
            ..NOTHING
        },
        Fault {
            plant: |repo| user_config(repo, "allowSender: any\n"),
            check: "user config",
            found: "did you mean allowSenders?",
            fix: "write allowSenders in line 1",
            ..NOTHING
        },
        Fault {
            env: &[("SWAMP_TELEMETRY_FLUSH", "sometimes")],
            check: "environment",
            found: "must be background, inline or off",
            fix: "unset SWAMP_TELEMETRY_FLUSH",
            ..NOTHING
        },
        Fault {
            env: &[("SWAMP_LOG_LEVEL", "loud")],
            check: "environment",
            found: "is not a log level",
            fix: "unset SWAMP_LOG_LEVEL",
            ..NOTHING
        },
        Fault {
            env: &[("DO_NOT_TRACK", "1")],
            check: "telemetry",
            found: "DO_NOT_TRACK is set",
            fix: "unset DO_NOT_TRACK",
            ..NOTHING
        },
        Fault {
            plant: |repo| repo.configure("telemetryDisabled: true\n"),
            check: "telemetry",
            found: "telemetryDisabled is true in .swamp.yaml",
            fix: "swamp telemetry enable",
            ..NOTHING
        },
        Fault {
            plant: |repo| user_config(repo, "telemetryDisabled: true\n"),
            check: "telemetry",
            found: "telemetryDisabled is true in your config.yaml",
            fix: "swamp telemetry enable --global",
            ..NOTHING
        },
        Fault {
            plant: |repo| repo.write_marker("telemetryEndpoint: ftp://127.0.0.1\n"),
            check: "endpoint",
            found: "ftp://127.0.0.1",
            fix: "swamp config set telemetryEndpoint URL",
            ..NOTHING
        },
        Fault {
            env: &[("SWAMP_TELEMETRY_ENDPOINT", "nonsense")],
            check: "endpoint",
            found: "SWAMP_TELEMETRY_ENDPOINT",
            fix: "set SWAMP_TELEMETRY_ENDPOINT to",
            ..NOTHING
        },
        Fault {
            plant: |repo| repo.write_marker(&format!("telemetryEndpoint: {}\n", dead_endpoint())),
            check: "connection",
            found: "connection refused",
            fix: "start the endpoint",
            ..NOTHING
        },
        Fault {
            plant: |repo| {
                repo.write_marker(&format!(
                    "telemetryEndpoint: {}\n",
                    repo.receiver.endpoint().replace("http:", "https:")
                ));
            },
            check: "connection",
            found: "TLS",
            fix: "start the endpoint",
            ..NOTHING
        },
        Fault {
            env: &[("http_proxy", "http://127.0.0.1:1")],
            check: "connection",
            found: "connection refused by 127.0.0.1:1",
            fix: "start the endpoint",
            ..NOTHING
        },
        Fault {
            plant: |repo| repo.configure("telemetrySender: gone.wasm\n"),
            check: "sender",
            found: "gone.wasm",
            fix: "swamp sender use FILE",
            ..NOTHING
        },
        Fault {
            plant: |repo| {
                sender_file(repo, &component());
                repo.configure(&format!(
                    "telemetrySenderDigest: sha256:{}\n",
                    "0".repeat(64)
                ));
            },
            check: "sender",
            found: "ours.wasm",
            fix: "swamp sender use ours.wasm",
            ..NOTHING
        },
        Fault {
            plant: |repo| {
                sender_file(repo, &component());
                user_config(repo, "allowSenders: builtin\n");
            },
            check: "sender",
            found: "ours.wasm",
            fix: "swamp config set --user allowSenders any",
            ..NOTHING
        },
        Fault {
            plant: |repo| sender_file(repo, b"no component"),
            check: "sender",
            found: "ours.wasm",
            fix: "swamp sender check",
            ..NOTHING
        },
        Fault {
            plant: |repo| repo.configure("telemetrySenderOptions: {level: high}\n"),
            check: "options",
            found: "takes no option level (it takes none)",
            fix: "correct telemetrySenderOptions",
            ..NOTHING
        },
        Fault {
            plant: |repo| {
                user_config(
                    repo,
                    &format!(
                        "headers:\n  {}:\n    X-Key: ${{NO_SUCH_VARIABLE}}\n",
                        repo.receiver.endpoint()
                    ),
                );
            },
            check: "headers",
            found: "NO_SUCH_VARIABLE",
            fix: "set that environment variable",
            ..NOTHING
        },
        Fault {
            plant: |repo| {
                sender_file(repo, &component());
                user_config(
                    repo,
                    &format!(
                        "headers:\n  {}:\n    X-Key: literal\n",
                        repo.receiver.endpoint()
                    ),
                );
            },
            check: "headers",
            found: "is not trusted",
            fix: "swamp trust",
            ..NOTHING
        },
        Fault {
            plant: |repo| {
                fs::remove_dir_all(repo.spool()).unwrap();
                fs::write(repo.spool(), "").unwrap();
            },
            check: "spool",
            found: "telemetry",
            fix: "move ",
            ..NOTHING
        },
        Fault {
            plant: |repo| {
                use std::os::unix::fs::PermissionsExt as _;
                fs::set_permissions(repo.spool(), fs::Permissions::from_mode(0o755)).unwrap();
            },
            check: "privacy",
            found: "its mode is 755",
            fix: "chmod 700",
            ..NOTHING
        },
        Fault {
            plant: |repo| {
                repo.spool_entry("telemetry-2026-11-20-a.quarantined.json", r#"{"id":"a"}"#);
            },
            check: "spool",
            found: "1 entry quarantined",
            fix: "swamp telemetry purge",
            ..NOTHING
        },
        Fault {
            plant: |repo| {
                let marker = repo.marker();
                repo.write_marker(&format!("telemetryEndpoint: {}\n", dead_endpoint()));
                repo.spool_entry("telemetry-2026-11-27-b.json", r#"{"id":"b"}"#);
                assert_eq!(repo.swamp(&["telemetry", "flush"]).code, 1);
                repo.write_marker(&marker);
            },
            check: "last flush",
            found: "connection refused",
            fix: "swamp telemetry flush",
            ..NOTHING
        },
        Fault {
            plant: |repo| {
                repo.swamp(&["version"]);
                let file = repo.spool().join(".last-flush.json");
                let mut last: Value =
                    serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
                last["at"] = "2199-01-01T00:00:00Z".into();
                fs::write(file, last.to_string()).unwrap();
            },
            check: "clock",
            found: "in the future",
            fix: "set the clock",
            ..NOTHING
        },
        Fault {
            // As a checkout that brought its marker along.
            plant: |repo| {
                let git = |args: &[&str]| {
                    let mut git = std::process::Command::new("git");
                    let output = git.args(args).current_dir(repo.root()).output().unwrap();
                    assert!(output.status.success(), "{output:?}");
                };
                git(&["init", "-q"]);
                git(&["add", ".swamp.yaml"]);
                fs::remove_dir_all(repo.home().join(".local")).unwrap();
            },
            check: "known",
            found: "",
            fix: "swamp trust",
            ..NOTHING
        },
        Fault {
            env: &[("XDG_CACHE_HOME", "/dev/null")],
            check: "cache",
            found: "could not be cached",
            fix: "XDG_CACHE_HOME",
            ..NOTHING
        },
    ]
}

#[test]
fn each_planted_fault_is_found_and_its_remedy_named() {
    let mut missed = Vec::new();
    let faults = faults();
    assert!(faults.len() >= 20);
    for fault in faults {
        let repo = TestRepo::new();
        (fault.plant)(&repo);
        let mut command = repo.command(&["--json", "doctor"]);
        command.args(fault.args).envs(fault.env.iter().copied());
        let run = run(&mut command);
        let report = report(&run);
        let checks = report["checks"].as_array().unwrap();
        let is_found = checks.iter().any(|check| {
            let says =
                |key: &str, what: &str| check[key].as_str().is_some_and(|text| text.contains(what));
            check["name"] == fault.check
                && check["ok"] == false
                && says("found", fault.found)
                && says("fix", fault.fix)
        });
        if !(is_found && run.code == 1 && report["ok"] == false) {
            missed.push(format!("{}: {:?}\n{run:?}", fault.check, fault.found));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n\n"));
}

#[test]
fn a_test_event_that_the_endpoint_refuses_is_told() {
    let repo = TestRepo::with_receiver(ReceiverOptions {
        respond: Some(403),
        ..ReceiverOptions::default()
    });
    let run = repo.swamp(&["--json", "--no-color", "doctor", "--send"]);
    assert_eq!(run.code, 1);
    let report = report(&run);
    let last = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["name"] == "test event")
        .unwrap();
    assert!(last["found"].as_str().unwrap().contains("403"), "{last}");
    // Off means that nothing leaves, not even on request.
    let requests = repo.receiver.requests().len();
    let off = repo.swamp(&["--no-telemetry", "doctor", "--send"]);
    assert_eq!(off.code, 1);
    assert_eq!(repo.receiver.requests().len(), requests);
}

#[test]
fn what_is_misspelled_is_told_by_status_and_at_debug_level_and_never_otherwise() {
    let repo = TestRepo::new();
    repo.configure("logLevl: debug\ntelemetrySenderLimits: {memory: 64}\n");
    let status = repo.swamp(&["telemetry", "status"]);
    assert_eq!(status.code, 0);
    let told = [
        "line 5: logLevl is not a known key; did you mean logLevel?",
        "line 6: telemetrySenderLimits.memory is not a known key",
    ];
    let json = repo.swamp(&["--json", "telemetry", "status"]);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    let debug = repo.swamp(&["--log-level", "debug", "version"]);
    for told in told {
        assert!(status.stdout.contains(told), "{status:?}");
        assert!(json["warnings"].to_string().contains(told), "{json}");
        assert!(debug.stderr.contains(told), "{debug:?}");
    }
    let plain = repo.swamp(&["version"]);
    assert_eq!((plain.code, plain.stderr.as_str()), (0, ""));
}
