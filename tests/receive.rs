//! `telemetry receive`, as a person who watches it sees it.

use std::fs;
use std::io::{BufRead as _, BufReader, Lines, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, ChildStdout, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::support::{AMPLE, TestRepo, run};

/// The command, running. It is killed when it is dropped.
struct Receive {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: BufReader<ChildStderr>,
}

impl Drop for Receive {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Receive {
    fn start(repo: &TestRepo, args: &[&str]) -> Self {
        let mut child = repo
            .command(&[&["telemetry", "receive"], args].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            stdout: BufReader::new(child.stdout.take().unwrap()).lines(),
            stderr: BufReader::new(child.stderr.take().unwrap()),
            child,
        }
    }

    /// Where it says that it listens.
    fn endpoint(&mut self) -> String {
        let mut line = String::new();
        self.stderr.read_line(&mut line).unwrap();
        let rest = line.strip_prefix("listening on ");
        let rest = rest.unwrap_or_else(|| panic!("{line}"));
        rest.split(';').next().unwrap().to_owned()
    }

    /// The next line, with the time of day and what differs from run to run put in words.
    fn line(&mut self) -> String {
        let line = self.stdout.next().unwrap().unwrap();
        match line.split_once("  ") {
            Some((time, rest)) if time.len() == 8 && time.contains(':') => format!("TIME  {rest}"),
            _ => line,
        }
    }

    fn interrupt(&self) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap());
        kill(pid, Signal::SIGINT).unwrap();
    }
}

fn post(endpoint: &str, path: &str, kind: &str, body: &str) -> String {
    let address = endpoint.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(AMPLE)).unwrap();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn event(id: Option<&str>, command: &str, result: &Value) -> Value {
    let mut event = json!({
        "event": "cli_invocation",
        "distinct_id": "550e8400-e29b-41d4-a716-446655440000",
        "properties": {"invocation": {"command": command}, "result": result, "durationMs": 1234},
    });
    if let Some(id) = id {
        event["insert_id"] = id.into();
    }
    event
}

const OTLP: &str = r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"swamp.repo.id","value":{"stringValue":"4ae17994-0b1c"}}]},"scopeLogs":[{"logRecords":[
    {"attributes":[{"key":"swamp.entry.id","value":{"stringValue":"r"}},{"key":"swamp.command","value":{"stringValue":"build"}},
      {"key":"swamp.status","value":{"stringValue":"error"}},{"key":"process.exit.code","value":{"intValue":"101"}},
      {"key":"swamp.option_keys","value":{"arrayValue":{"values":[{"stringValue":"release"}]}}}]},
    {"body":{"stringValue":"a record of another program"}}]}]}]}"#;

#[test]
fn columns_have_a_header_and_what_is_wrong_is_told_between_them() {
    let repo = TestRepo::new();
    let mut receive = Receive::start(&repo, &["--listen", "0"]);
    let endpoint = receive.endpoint();
    let json = "application/json";
    let good = json!({"status": "success", "exitCode": 0});
    let bad = json!({"status": "user_error", "exitCode": 64});
    let bodies = [
        event(Some("a"), "version", &good),
        json!({"events": [event(Some("b"), "version", &bad), event(None, "build", &json!({}))]}),
        event(Some("a"), "version", &good),
        json!({"event": "other"}),
    ];
    for body in bodies {
        post(&endpoint, "/ingest", json, &body.to_string());
    }
    let answer = post(&endpoint, "/v1/logs", json, OTLP);
    assert!(
        answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("{}"),
        "{answer}"
    );
    let answer = post(&endpoint, "/v1/logs", "application/x-protobuf", "\n");
    assert!(answer.starts_with("HTTP/1.1 415"), "{answer}");
    let lines: Vec<_> = (0..10).map(|_| receive.line()).collect();
    receive.interrupt();
    let lines = [lines, vec![receive.line()]].concat();
    insta::assert_snapshot!(lines.join("\n"), @r#"
            time      repo      result  exit    duration  command
            TIME  550e8400  ok         0       1.2 s  version
            TIME  550e8400  failed    64       1.2 s  version
            TIME  550e8400  -          -       1.2 s  build
            TIME  warning POST /ingest: events[1].insert_id is missing, so the event counts again if it is sent again; send the id of the entry
            TIME  1 entry received before
            TIME  400 POST /ingest: event is "other"; it must be the string "cli_invocation"
            TIME  4ae17994  failed   101           -  build
            TIME  4ae17994  -          -           -  a record of another program
            TIME  415 POST /v1/logs: the request is OTLP as protobuf; send it as JSON: set the exporter's protocol to http/json (OTEL_EXPORTER_OTLP_PROTOCOL)
            6 requests, 6 events: 5 different, 1 repeated; 2 bad requests
            "#);
}

#[test]
fn a_line_of_json_tells_the_format_and_the_warnings() {
    let repo = TestRepo::new();
    let saved = repo.root().join("events.jsonl");
    let mut receive = Receive::start(
        &repo,
        &[
            "--listen",
            "127.0.0.1:0",
            "--json",
            "--save",
            saved.to_str().unwrap(),
        ],
    );
    let listening: Value = serde_json::from_str(&receive.line()).unwrap();
    let endpoint = listening["endpoint"].as_str().unwrap();
    let without = event(None, "version", &json!({"status": "success"}));
    post(
        endpoint,
        "/ingest",
        "application/json",
        &without.to_string(),
    );
    post(endpoint, "/v1/logs", "application/json", OTLP);
    let lines = [receive.line(), receive.line()];
    let [ingest, otlp] = lines.map(|line| serde_json::from_str::<Value>(&line).unwrap());
    assert_eq!(
        (&ingest["format"], &ingest["fresh"]),
        (&"ingest".into(), &1.into())
    );
    let warning = ingest["warnings"][0].as_str().unwrap();
    assert!(warning.starts_with("insert_id is missing"), "{warning}");
    assert!(ingest["events"][0]["insert_id"].is_string());
    assert_eq!(
        (&otlp["format"], &otlp["fresh"]),
        (&"otlp".into(), &2.into())
    );
    assert_eq!(otlp["warnings"], json!([]));
    let record = &otlp["events"][0];
    assert_eq!(record["properties"]["invocation"]["command"], "build");
    assert_eq!(
        record["properties"]["invocation"]["optionKeys"],
        json!(["release"])
    );
    assert_eq!(
        record["logRecord"]["attributes"][0]["key"],
        "swamp.entry.id"
    );
    assert_eq!(record["resource"]["attributes"][0]["key"], "swamp.repo.id");
    // Both are counted from the file alike.
    let text = fs::read_to_string(&saved).unwrap();
    assert_eq!(text.lines().count(), 3);
    let stats = repo.swamp(&[
        "--json",
        "telemetry",
        "stats",
        "--from",
        saved.to_str().unwrap(),
    ]);
    let stats: Value = serde_json::from_str(&stats.stdout).unwrap();
    assert_eq!(stats["ownInvocations"], 3, "{stats}");
}

#[test]
fn a_port_alone_is_one_of_this_machine() {
    let repo = TestRepo::new();
    for (listen, expected) in [
        ("0", "http://127.0.0.1:"),
        ("localhost:0", "http://127.0.0.1:"),
        ("127.0.0.1:0", "http://127.0.0.1:"),
        ("[::1]:0", "http://[::1]:"),
    ] {
        let mut receive = Receive::start(&repo, &["--listen", listen]);
        let endpoint = receive.endpoint();
        assert!(endpoint.starts_with(expected), "{listen}: {endpoint}");
        let delivered = repo
            .command(&["version"])
            .env("SWAMP_TELEMETRY_ENDPOINT", &endpoint)
            .output();
        assert!(delivered.unwrap().status.success());
        assert!(receive.line().starts_with("time "), "{listen}");
        assert!(receive.line().ends_with("  version"), "{listen}");
    }
    // A port that was free a moment ago.
    let mut receive = Receive::start(&repo, &["--listen", "0"]);
    let endpoint = receive.endpoint();
    let port = endpoint.rsplit(':').next().unwrap();
    drop(receive);
    let mut receive = Receive::start(&repo, &["--listen", port]);
    assert_eq!(receive.endpoint(), endpoint);
}

#[test]
fn an_address_that_is_none_is_answered_with_those_that_are() {
    let repo = TestRepo::new();
    for wrong in [
        "",
        "localhost",
        "::1",
        "127.0.0.1",
        "65536",
        ":8091",
        "example.com:80",
        "http://127.0.0.1:1",
    ] {
        let mut command = repo.command(&["telemetry", "receive", "--listen", wrong]);
        let refused = run(&mut command);
        assert_eq!(refused.code, 2, "{wrong}: {refused:?}");
        assert!(
            refused
                .stderr
                .contains("such as 8091, localhost:8091 or [::1]:8091"),
            "{wrong}: {}",
            refused.stderr
        );
    }
}
