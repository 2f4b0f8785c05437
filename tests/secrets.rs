//! What the host does with the headers of this user, beyond who gets them.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::requests::read_request;
use crate::support::{TestRepo, run};

const SECRET: &str = "t0p/s3cret+value";

fn write_config(repo: &TestRepo, config: &str) {
    let dir = repo.home().join(".config/swamp");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("config.yaml"), config).unwrap();
}

fn sent_in_a_dry_run(repo: &TestRepo) -> Vec<String> {
    let dry = repo.swamp(&["--json", "telemetry", "flush", "--dry-run"]);
    assert_eq!(dry.code, 0, "{dry:?}");
    let requests: Value = serde_json::from_str(&dry.stdout).unwrap();
    let headers = requests[0]["headers"].as_array().unwrap().iter();
    headers
        .map(|header| header[0].as_str().unwrap().to_owned())
        .collect()
}

fn one_entry(repo: &TestRepo) {
    let recorded = run(repo
        .command(&["version"])
        .env("SWAMP_TELEMETRY_FLUSH", "off"));
    assert_eq!(recorded.code, 0);
}

/// Answers each request with a refusal that says how it was asked, in several spellings.
fn echoing_endpoint() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (asked, _) = read_request(&mut stream).unwrap();
            let key = asked
                .lines()
                .find(|line| line.starts_with("x-api-key"))
                .unwrap_or("none");
            let escaped: Vec<_> = key.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let escaped = escaped.concat();
            let json = serde_json::to_string(key).unwrap().replace('/', "\\/");
            let body = format!("got {key} {json} {escaped} {} and", STANDARD.encode(key));
            let answer = format!(
                "HTTP/1.1 401 {key}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    format!("http://{address}")
}

#[test]
fn a_key_that_the_endpoint_echoes_is_neither_shown_nor_stored() {
    let repo = TestRepo::new();
    let endpoint = echoing_endpoint();
    write_config(
        &repo,
        &format!("headers:\n  {endpoint}: {{X-Api-Key: \"{SECRET}\"}}\n"),
    );
    let with_echo = |args: &[&str]| {
        run(repo
            .command(args)
            .env("SWAMP_TELEMETRY_ENDPOINT", &endpoint))
    };
    let seen = [
        with_echo(&["--log-level", "trace", "version"]),
        with_echo(&["telemetry", "flush"]),
        with_echo(&["telemetry", "status"]),
        with_echo(&["--json", "telemetry", "status"]),
    ];
    let stored = fs::read_to_string(repo.spool().join(".last-flush.json")).unwrap();
    let mut shown: Vec<String> = seen
        .iter()
        .map(|run| run.stdout.clone() + &run.stderr)
        .collect();
    shown.push(stored);
    let tail = &STANDARD.encode(format!("x-api-key: {SECRET}"))[20..];
    for text in &shown[..2] {
        assert!(text.contains("<redacted>"), "{text}");
    }
    for text in shown {
        assert!(text.contains("401"), "{text}");
        for spelling in [SECRET, &SECRET.replace('/', "\\/"), "%74%30%70", tail] {
            assert!(!text.contains(spelling), "{spelling} is in {text}");
        }
    }
}

#[test]
fn a_header_is_for_what_is_at_or_below_its_url() {
    let repo = TestRepo::new();
    let endpoint = repo.receiver.endpoint();
    one_entry(&repo);
    for (below, expected) in [
        ("", true),
        ("/", true),
        ("/ingest", true),
        ("/ing", false),
        ("/team", false),
    ] {
        write_config(
            &repo,
            &format!("headers:\n  {endpoint}{below}: {{X-Api-Key: k}}\n"),
        );
        let sent = sent_in_a_dry_run(&repo);
        assert_eq!(
            sent.iter().any(|name| name == "x-api-key"),
            expected,
            "{below:?} {sent:?}"
        );
    }
}

#[test]
fn over_plain_http_to_another_machine_a_header_goes_only_where_that_is_allowed_and_status_warns() {
    let repo = TestRepo::with_marker("telemetryEndpoint: http://telemetry.invalid\n");
    one_entry(&repo);
    let mut warnings = Vec::new();
    for (beside, expected) in [
        ("", false),
        ("allowPlain: false, ", false),
        ("allowPlain: true, ", true),
    ] {
        let config = format!("headers:\n  http://telemetry.invalid: {{{beside}X-Api-Key: k}}\n");
        write_config(&repo, &config);
        let sent = sent_in_a_dry_run(&repo);
        assert_eq!(
            sent.iter().any(|name| name == "x-api-key"),
            expected,
            "{beside:?}"
        );
        let status = repo.swamp(&["--no-telemetry", "telemetry", "status"]);
        let warning = status
            .stdout
            .lines()
            .find(|line| line.starts_with("headers"));
        warnings.push(warning.unwrap().to_owned());
    }
    insta::assert_snapshot!(warnings.join("\n"), @r"
            headers         warning: those for http://telemetry.invalid:80 are not sent, since everybody on the way could read them; use https, or write `allowPlain: true` beside them in your config.yaml
            headers         warning: those for http://telemetry.invalid:80 are not sent, since everybody on the way could read them; use https, or write `allowPlain: true` beside them in your config.yaml
            headers         warning: those for http://telemetry.invalid:80 are sent unencrypted, as allowPlain in your config.yaml says; use https where you can
            ");
    write_config(
        &repo,
        "headers:\n  https://telemetry.invalid: {X-Api-Key: k}\n",
    );
    let status = repo.swamp(&["--no-telemetry", "telemetry", "status"]);
    assert!(!status.stdout.contains("headers"), "{}", status.stdout);
}
