//! Advice: a hint beside each failure, wherever the failure is shown.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{TestRepo, dead_endpoint, run, wasm};

/// A failure to deliver: how it is brought about, and the hint that it has.
struct Failing {
    what: &'static str,
    marker: &'static str,
    variable: (&'static str, &'static str),
    hint: &'static str,
}

const FAILING: [Failing; 5] = [
    Failing {
        what: "a SOCKS proxy",
        marker: "",
        variable: ("http_proxy", "socks5://127.0.0.1:1080"),
        hint: "name an http or https proxy, or put the host in no_proxy",
    },
    Failing {
        what: "a proxy that is no address",
        marker: "",
        variable: ("http_proxy", "quic://127.0.0.1"),
        hint: "write the proxy as http://HOST:PORT",
    },
    Failing {
        what: "a core module",
        marker: "telemetrySender: module.wasm\n",
        variable: ("SWAMP_TEST_UNUSED", "1"),
        hint: "build it for wasm32-wasip2, or convert it with `swamp sender wrap`",
    },
    Failing {
        what: "the text format",
        marker: "telemetrySender: text.wat\n",
        variable: ("SWAMP_TEST_UNUSED", "1"),
        hint: "translate it with `wasm-tools parse`",
    },
    Failing {
        what: "another contract",
        marker: "telemetrySender: other.wasm\n",
        variable: ("SWAMP_TEST_UNUSED", "1"),
        hint: "build it for a version of the contract that this host runs",
    },
];

const OTHER: &str =
    r#"(component (instance $i) (export "swamp:telemetry/sender@9.0.0" (instance $i)))"#;

impl Failing {
    fn repo(&self) -> TestRepo {
        let repo = TestRepo::of_server(&dead_endpoint(), self.marker);
        fs::write(repo.root().join("module.wasm"), wasm("(module)")).unwrap();
        fs::write(repo.root().join("text.wat"), "(component) ;; as text").unwrap();
        fs::write(repo.root().join("other.wasm"), wasm(OTHER)).unwrap();
        repo
    }

    fn command(&self, repo: &TestRepo, args: &[&str]) -> Command {
        let mut command = repo.command(args);
        let (name, value) = self.variable;
        command.env_remove("no_proxy").env(name, value);
        command
    }
}

#[test]
fn a_hint_is_shown_wherever_its_failure_is_and_is_no_part_of_it() {
    for failing in &FAILING {
        let repo = failing.repo();
        let run = |args: &[&str]| run(&mut failing.command(&repo, args));
        let said = run(&["--log-level", "debug", "version"]).stderr;
        let logged = format!("debug: hint: {}\n", failing.hint);
        assert_eq!(said.matches(&logged).count(), 1, "{}: {said}", failing.what);

        // Twice: the second time, what is wrong with a component comes from the cache.
        for _ in 0..2 {
            let flush = run(&["telemetry", "flush"]);
            let told = flush.stderr.contains(&format!("hint: {}\n", failing.hint));
            assert!(told, "{}: {flush:?}", failing.what);
        }
        let status = run(&["telemetry", "status"]).stdout;
        let row = status.lines().find(|line| line.starts_with("hint"));
        let row = row.unwrap_or_else(|| panic!("{}: {status}", failing.what));
        assert!(row.contains(failing.hint), "{}: {row}", failing.what);
        let status: Value =
            serde_json::from_str(&run(&["--json", "telemetry", "status"]).stdout).unwrap();
        let hint = status["hint"].as_str().unwrap();
        assert!(hint.contains(failing.hint), "{}: {hint}", failing.what);
        let reason = status["lastFlush"]["failure"]["reason"].as_str().unwrap();
        assert!(!reason.contains(failing.hint), "{}: {reason}", failing.what);
        let doctor = run(&["doctor"]).stdout;
        assert!(
            doctor.contains(&format!("fix: {}", failing.hint)),
            "{}: {doctor}",
            failing.what
        );
    }
}

#[test]
fn a_record_of_an_older_or_a_newer_version_is_read_and_shown() {
    let repo = TestRepo::of_server(&dead_endpoint(), "");
    run(repo
        .command(&["version"])
        .env("SWAMP_TELEMETRY_FLUSH", "inline"));
    let file = repo.spool().join(".last-flush.json");
    let mut record: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let older = "the certificate of x is not valid yet; check this machine's clock";
    for (failure, reason, hint) in [
        (json!({"kind": "unreachable", "reason": older}), older, None),
        (
            json!({"kind": "unreachable", "reason": "no way", "cause": "of-another-version"}),
            "no way",
            None,
        ),
        (
            json!({"kind": "unreachable", "reason": "no way", "cause": "certificate-not-yet-valid"}),
            "no way",
            Some("check this machine's clock"),
        ),
    ] {
        record["failure"] = failure;
        fs::write(&file, record.to_string()).unwrap();
        let status = repo.swamp(&["--no-telemetry", "--json", "telemetry", "status"]);
        let status: Value = serde_json::from_str(&status.stdout).unwrap();
        assert_eq!(status["lastFlush"]["failure"]["reason"], reason);
        assert_eq!(status["hint"].as_str(), hint, "{status}");
    }
}

#[test]
fn a_log_line_about_headers_that_are_left_out_has_its_hint() {
    let repo = TestRepo::new();
    let config = repo.home().join(".config/swamp");
    fs::create_dir_all(&config).unwrap();
    let status = repo.swamp(&["--no-telemetry", "--json", "telemetry", "status"]);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    let endpoint = status["endpoint"]["url"].as_str().unwrap();
    let headers = format!("headers:\n  {endpoint}:\n    X-Key: 1\n");
    fs::write(config.join("config.yaml"), headers).unwrap();
    fs::copy(
        concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../guest-sender/prebuilt/ingest.wasm"
        ),
        repo.root().join("copy.wasm"),
    )
    .unwrap();
    repo.configure("telemetrySender: copy.wasm\n");
    let said = repo.swamp(&["--log-level", "debug", "version"]).stderr;
    let mut lines = said.lines();
    let line = lines.find(|line| line.starts_with("debug: your headers are left out: "));
    let line = line.unwrap_or_else(|| panic!("{said}"));
    assert!(!line.contains("untrusted-sender"), "{line}");
    let hint = "debug: hint: run `swamp trust` if the sender may send them";
    assert_eq!(lines.next(), Some(hint), "{said}");
}

#[cfg(unix)]
#[test]
fn a_file_that_others_can_write_is_told_with_the_command_that_forbids_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let repo = TestRepo::new();
    let config = repo.home().join(".config/swamp/config.yaml");
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    fs::write(&config, "telemetryDisabled: false\n").unwrap();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o666)).unwrap();
    let hint = "run `chmod o-w` on it";
    let flush = repo.swamp(&["telemetry", "flush"]).stderr;
    assert!(flush.contains(&format!("hint: {hint}\n")), "{flush}");
    assert!(!flush.contains(&format!("; {hint}")), "{flush}");
    for args in [&["telemetry", "status"][..], &["doctor"]] {
        let shown = repo.swamp(args).stdout;
        assert!(shown.contains(hint), "{args:?}: {shown}");
    }
}
