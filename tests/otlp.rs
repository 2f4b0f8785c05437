//! The built-in sender for OpenTelemetry collectors.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{LazyLock, mpsc};
use std::thread;
use std::time::Instant;

use chrono::Utc;
use http::HeaderName;
use serde_json::{Value, json};
use swamp::config::BuiltinSender;
use swamp::receiver::ReceiverOptions;
use swamp::sender::{Compiled, ComponentFile};

use crate::network::free_address;
use crate::support::{AMPLE, Run, TestRepo, cache, compiler, not_installed, run};
use crate::unruly::{Plan, Unruly};

const REPO_ID: &str = "550e8400-e29b-41d4-a716-446655440000";
const POISON: &str = "1b54cd8a-6d0f-4c39-8b8e-5c0d0f5f8f13";

/// Makes a whole answer of a request's body.
type Reply = fn(&str) -> String;

/// The sender under test, as a marker names it: the built-in one, or the component that `SWAMP_TEST_OTLP_COMPONENT`
/// names. It is compiled by then: a command waits for its flush, but not for as long as that can take.
fn sender() -> &'static str {
    static NAME: LazyLock<String> = LazyLock::new(|| {
        let file = match std::env::var("SWAMP_TEST_OTLP_COMPONENT") {
            Ok(path) => ComponentFile::read(Path::new(&path), path.as_str()).unwrap(),
            Err(_) => ComponentFile::builtin(BuiltinSender::Otlp),
        };
        Compiled::obtain(&file, &cache(), &compiler()).unwrap();
        file.name().to_string()
    });
    &NAME
}

/// A repository whose endpoint is the receiver's, below a path, and answers as a collector does.
fn repo_with_collector() -> TestRepo {
    let repo = TestRepo::with_receiver(ReceiverOptions {
        path: "/v1/logs".to_owned(),
        validate: false,
        respond: Some(200),
        show_headers: vec![HeaderName::from_static("api-key")],
        ..ReceiverOptions::default()
    });
    repo.write_marker(&format!(
        "telemetryEndpoint: ENDPOINT/team/\nrepoId: {REPO_ID}\ntelemetrySender: {}\n",
        sender()
    ));
    repo
}

fn repo_with_otlp(endpoint: &str) -> TestRepo {
    TestRepo::of_server(endpoint, &format!("telemetrySender: {}\n", sender()))
}

fn record_only(repo: &TestRepo, args: &[&str]) -> Run {
    run(repo.command(args).env("SWAMP_TELEMETRY_FLUSH", "off"))
}

fn json(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{run:?}"))
}

/// The kind and the reason of the last flush's failure, without the address.
fn last_failure(repo: &TestRepo, endpoint: &str) -> Option<String> {
    let status = json(&repo.swamp(&["--no-telemetry", "--json", "telemetry", "status"]));
    let failure = status["lastFlush"]["failure"].as_object()?;
    let text = |key: &str| failure[key].as_str().unwrap();
    let reason = text("reason").replace(endpoint, "ENDPOINT");
    Some(format!("{}: {reason}", text("kind")))
}

fn spool(repo: &TestRepo, id: &str, more: &Value) {
    let today = Utc::now().date_naive();
    let mut entry = json!({"id": id, "startedAt": format!("{today}T00:00:00.000Z")});
    let fields = more.as_object().unwrap().clone();
    entry.as_object_mut().unwrap().extend(fields);
    repo.spool_entry(&format!("telemetry-{today}-{id}.json"), &entry.to_string());
}

/// All records of a request, one attribute of each.
fn of_each_record(body: &str, key: &str) -> Vec<String> {
    let body: Value = serde_json::from_str(body).unwrap();
    let records = body.pointer("/resourceLogs/0/scopeLogs/0/logRecords");
    records
        .and_then(Value::as_array)
        .unwrap()
        .iter()
        .filter_map(|record| {
            let attributes = record["attributes"].as_array().unwrap();
            let attribute = attributes.iter().find(|one| one["key"] == key)?;
            Some(attribute["value"]["stringValue"].as_str()?.to_owned())
        })
        .collect()
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn a_command_becomes_a_log_record_at_the_collector_with_the_users_key() {
    let repo = repo_with_collector();
    let is_builtin = BuiltinSender::parse(sender()).is_some();
    let config = repo.home().join(".config/swamp");
    fs::create_dir_all(&config).unwrap();
    let headers = format!(
        "allowSenders: {}\nheaders: {{\"{}\": {{api-key: s3cret}}}}\n",
        if is_builtin { "builtin" } else { "trusted" },
        repo.receiver.endpoint()
    );
    fs::write(config.join("config.yaml"), headers).unwrap();
    if !is_builtin {
        repo.swamp(&["--no-telemetry", "sender", "trust", "--yes"]);
    }
    assert_eq!(repo.swamp(&["version"]).code, 0);
    assert_eq!(repo.entries().len(), 0);
    let request = &repo.receiver.requests()[0];
    assert_eq!(request.path, "/team/v1/logs");
    let key = ("api-key".to_owned(), "s3cret".to_owned());
    assert!(request.headers.contains(&key), "{:?}", request.headers);
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let record = body.pointer("/resourceLogs/0/scopeLogs/0/logRecords/0");
    assert_eq!(
        record.unwrap()["body"],
        json!({"stringValue": "swamp version"})
    );
    let resource = &body["resourceLogs"][0]["resource"]["attributes"];
    assert_eq!(resource[2]["key"], "swamp.repo.id");
    assert_eq!(resource[2]["value"]["stringValue"], REPO_ID);
    let body = String::from_utf8_lossy(&request.body);
    assert_eq!(of_each_record(&body, "swamp.status"), ["success"]);
    assert!(
        of_each_record(&body, "swamp.entry.data").is_empty(),
        "what this program writes is told without it"
    );
}

#[test]
fn a_dry_run_shows_the_very_request_that_is_then_made() {
    let repo = repo_with_collector();
    record_only(&repo, &["version"]);
    let dry = json(&repo.swamp(&["--json", "telemetry", "flush", "--dry-run"]));
    let words = repo.swamp(&["telemetry", "flush", "--dry-run"]);
    assert!(words.stdout.contains("/team/v1/logs"), "{words:?}");
    assert_eq!((words.code, words.stderr.as_str()), (0, ""));
    assert_eq!(repo.swamp(&["telemetry", "flush"]).code, 0);
    let request = &repo.receiver.requests()[0];
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(dry[0]["body"], body);
    assert_eq!(dry.as_array().unwrap().len(), 1);
}

#[test]
fn it_is_chosen_checked_and_shown_by_its_name() {
    let repo = TestRepo::new();
    let check = repo.swamp(&["--no-telemetry", "sender", "check", "builtin:otlp"]);
    assert!(check.stdout.contains("runs"), "{check:?}");
    let used = repo.swamp(&["--no-telemetry", "sender", "use", "builtin:otlp"]);
    assert_eq!(used.code, 0, "{used:?}");
    assert!(repo.marker().contains("telemetrySender: \"builtin:otlp\""));
    assert!(!repo.marker().contains("telemetrySenderDigest"));
    let show = json(&repo.swamp(&["--no-telemetry", "--json", "sender", "show"]));
    assert_eq!(show["component"], "builtin:otlp");
    assert_eq!(show["trusted"], true);
    let status = repo.swamp(&["--no-telemetry", "telemetry", "status"]);
    assert!(status.stdout.contains("builtin:otlp"), "{status:?}");
}

#[test]
fn a_built_in_sender_that_there_is_not_is_answered_with_those_that_there_are() {
    let repo = TestRepo::new();
    for command in ["use", "check"] {
        let run = repo.swamp(&["--no-telemetry", "sender", command, "builtin:otel"]);
        assert_eq!(run.code, 1);
        insta::allow_duplicates! {
            insta::assert_snapshot!(
                run.stderr,
                @r"
                error: could not find builtin:otel: not a built-in sender
                hint: use builtin:ingest or builtin:otlp
                "
            );
        }
    }
}

#[test]
fn every_2xx_of_a_collector_is_a_success() {
    for reply in [
        (|_: &_| answer("202 Accepted", "", "{}")) as Reply,
        |_| "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n".to_owned(),
        |_| answer("200 OK", "", r#"{"partial_success":{}}"#),
    ] {
        let server = Unruly::always(Plan::Reply(reply));
        let repo = repo_with_otlp(&server.endpoint());
        assert_eq!(repo.swamp(&["version"]).code, 0);
        assert_eq!(repo.entries(), [""; 0]);
    }
}

#[test]
fn an_answer_that_is_no_success_keeps_the_entry_and_says_why() {
    let plans: [(&str, Reply); 10] = [
        ("a page", |_| {
            answer("200 OK", "", "<!doctype html><p>Sign in")
        }),
        ("400", |_| answer("400 Bad Request", "", "no")),
        ("401", |_| answer("401 Unauthorized", "", "no")),
        ("413", |_| answer("413 Content Too Large", "", "no")),
        ("429", |_| {
            answer("429 Too Many Requests", "retry-after: 120\r\n", "")
        }),
        ("502", |_| answer("502 Bad Gateway", "", "no")),
        ("503", |_| {
            answer("503 Service Unavailable", "retry-after: 30\r\n", "")
        }),
        ("504", |_| answer("504 Gateway Timeout", "", "no")),
        ("half an answer", |_| {
            "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"partialSuccess\":".to_owned()
        }),
        ("nothing taken", |_| {
            answer(
                "200 OK",
                "",
                r#"{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"too old"}}"#,
            )
        }),
    ];
    let try_one = |name: &str, reply| {
        let server = Unruly::always(Plan::Reply(reply));
        let repo = repo_with_otlp(&server.endpoint());
        let run = repo.swamp(&["version"]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{name}");
        let entries = repo.entries();
        assert_eq!(entries.len(), 1, "{name}");
        assert!(!entries[0].contains("quarantined"), "{name}");
        format!(
            "{name}: {}",
            last_failure(&repo, &server.endpoint()).unwrap()
        )
    };
    let lines: Vec<_> = thread::scope(|scope| {
        let tries: Vec<_> = plans
            .into_iter()
            .map(|(name, reply)| scope.spawn(move || try_one(name, reply)))
            .collect();
        tries.into_iter().map(|one| one.join().unwrap()).collect()
    });
    insta::assert_snapshot!(lines.join("\n"), @r"
    a page: rejected: the endpoint refused the batch with status 200: it answered with a web page, as for a sign-in, and not as a collector
    400: rejected: the endpoint refused the batch with status 400: no
    401: rejected: the endpoint refused the batch with status 401: no
    413: rejected: the endpoint refused the batch with status 413: no
    429: throttled: the endpoint asked to wait for 120 seconds
    502: rejected: the endpoint refused the batch with status 502: no
    503: throttled: the endpoint asked to wait for 30 seconds
    504: rejected: the endpoint refused the batch with status 504: no
    half an answer: unreachable: ENDPOINT closed the connection in the middle of its answer
    nothing taken: rejected: the endpoint refused the batch with status 400: too old
    ");
}

#[test]
fn a_record_that_the_collector_does_not_take_is_set_aside_and_the_others_arrive() {
    let server = Unruly::always(Plan::Reply(|request| {
        let refused = request.matches(&format!("\"{POISON}\"")).count();
        let partial = json!({"partialSuccess": {
            "rejectedLogRecords": refused.to_string(),
            "errorMessage": if refused > 0 { "too old" } else { "" },
        }});
        answer("200 OK", "", &partial.to_string())
    }));
    let repo = repo_with_otlp(&server.endpoint());
    let mut expected = BTreeSet::new();
    for n in 0..24 {
        let id = format!("2f4a7c1e-0000-4000-8000-{n:012}");
        spool(&repo, &id, &json!({}));
        expected.insert(id);
    }
    spool(&repo, POISON, &json!({}));
    assert_eq!(repo.swamp(&["telemetry", "flush"]).code, 0);
    let left = repo.entries();
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(
        left[0].contains(POISON) && left[0].contains("quarantined"),
        "{left:?}"
    );
    // What came in a request without the refused one was taken for good; nothing else was removed.
    let taken: BTreeSet<_> = server
        .bodies()
        .iter()
        .filter(|body| !body.contains(POISON))
        .flat_map(|body| of_each_record(body, "swamp.entry.id"))
        .collect();
    assert_eq!(taken, expected);
    assert_eq!(
        repo.swamp(&["telemetry", "flush"]).code,
        0,
        "nothing is blocked"
    );
}

#[test]
fn a_batch_that_is_too_large_for_one_request_arrives_in_several() {
    let server = Unruly::always(Plan::Reply(|_| answer("200 OK", "", "{}")));
    let repo = repo_with_otlp(&server.endpoint());
    // A text of an unknown field is escaped twice, and so twice as large.
    let note = "\"".repeat(90 * 1024);
    let ids: Vec<_> = (0..25)
        .map(|n| format!("2f4a7c1e-0000-4000-8000-{n:012}"))
        .collect();
    for id in &ids {
        spool(&repo, id, &json!({"note": note}));
    }
    // So much takes a busy machine more than a batch's time; the next flush has it all again.
    let limit = Instant::now() + AMPLE;
    while repo.swamp(&["telemetry", "flush"]).code != 0 {
        assert!(Instant::now() < limit, "{:?}", repo.entries());
    }
    assert!(repo.entries().is_empty());
    let mut arrived: BTreeMap<String, Value> = BTreeMap::new();
    for body in server.bodies() {
        assert!(body.len() <= 8 * 1024 * 1024);
        let data = of_each_record(&body, "swamp.entry.data");
        for (id, data) in of_each_record(&body, "swamp.entry.id")
            .into_iter()
            .zip(data)
        {
            arrived.insert(id, serde_json::from_str(&data).unwrap());
        }
    }
    assert!(server.bodies().len() > 1);
    assert_eq!(
        arrived.keys().collect::<Vec<_>>(),
        ids.iter().collect::<Vec<_>>()
    );
    assert!(arrived.values().all(|entry| entry["note"] == *note));
}

/// A collector of another make, which ends with this.
struct Rotel {
    process: Child,
    lines: mpsc::Receiver<String>,
    endpoint: String,
}

impl Rotel {
    /// Starts it where `SWAMP_TEST_ROTEL` names its binary.
    ///
    /// It takes no port 0, so it is told ports that are held for it.
    fn start(pid_file: &Path) -> Option<Self> {
        let Some(binary) = std::env::var_os("SWAMP_TEST_ROTEL") else {
            not_installed("rotel-agent, as SWAMP_TEST_ROTEL names it");
            return None;
        };
        let started = Self::start_at([free_address(), free_address()], &binary, pid_file);
        Some(started.expect("rotel ended before it listened"))
    }

    /// `None` where it ended before it listened.
    fn start_at([http, grpc]: [SocketAddr; 2], binary: &OsStr, pid_file: &Path) -> Option<Self> {
        let mut process = Command::new(binary)
            .args(["start", "--exporter", "blackhole", "--debug-log", "logs"])
            .args(["--debug-log-verbosity", "detailed"])
            .args(["--otlp-http-endpoint", &http.to_string()])
            .args(["--otlp-grpc-endpoint", &grpc.to_string()])
            .arg("--pid-file")
            .arg(pid_file)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let rotel = Self {
            process,
            lines,
            endpoint: format!("http://{http}"),
        };
        loop {
            match rotel.lines.recv_timeout(AMPLE) {
                Ok(line) if line.contains("Starting Rotel") => return Some(rotel),
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => panic!("rotel neither starts nor ends"),
            }
        }
    }

    /// All lines up to the one that holds `end`.
    fn lines_until(&self, end: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.lines.recv_timeout(AMPLE);
            let line = line.unwrap_or_else(|_| panic!("no {end} in {lines:#?}"));
            let is_last = line.contains(end);
            lines.push(line.trim_end().to_owned());
            if is_last {
                return lines;
            }
        }
    }
}

impl Drop for Rotel {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[test]
fn a_collector_of_another_make_reads_the_records_back() {
    let directory = tempfile::tempdir().unwrap();
    let Some(rotel) = Rotel::start(&directory.path().join("rotel.pid")) else {
        return;
    };
    let repo = repo_with_otlp(&rotel.endpoint);
    let entry = json!({
        "invocation": {"command": "sender", "subcommand": "use", "args": ["<REDACTED>"],
            "optionKeys": [], "globalOptions": ["json"]},
        "result": {"status": "error", "errorType": "io", "errorMessage": "it failed", "exitCode": 1},
        "startedAt": "2024-11-24T15:00:00.123Z",
        "completedAt": "2024-11-24T15:00:00.165Z",
        "durationMs": 42,
        "swampVersion": "0.1.0",
        "platform": "linux",
        "later": {"field": true},
    });
    spool(&repo, "2f4a7c1e-0000-4000-8000-000000000001", &entry);
    let flush = || repo.swamp(&["telemetry", "flush"]);
    let flushed = (0..50).map(|_| flush()).find(|run| run.code == 0);
    assert!(flushed.is_some(), "{:?}", flush());
    assert!(repo.entries().is_empty());
    insta::assert_snapshot!(rotel.lines_until("Flags").join("\n"), @r#"
    ResourceLog #0
    Resource SchemaURL:
    Resource attributes:
         -> service.name: Str(swamp)
         -> service.version: Str(0.1.0)
         -> swamp.repo.id: Str(550e8400-e29b-41d4-a716-446655440000)
         -> telemetry.sdk.name: Str(swamp)
         -> telemetry.sdk.language: Str(rust)
    ScopeLogs #0
    ScopeLogs SchemaURL:
    InstrumentationScope swamp
    LogRecord #0
    ObservedTimestamp: 1732460400165000000
    Timestamp: 1732460400123000000
    SeverityText: ERROR
    SeverityNumber: SEVERITY_NUMBER_ERROR(17)
    Body: Str(swamp sender use <REDACTED>)
    Attributes:
         -> swamp.entry.id: Str(2f4a7c1e-0000-4000-8000-000000000001)
         -> swamp.command: Str(sender)
         -> swamp.subcommand: Str(use)
         -> swamp.args: Slice(Str(<REDACTED>))
         -> swamp.option_keys: Slice()
         -> swamp.global_options: Slice(Str(json))
         -> swamp.status: Str(error)
         -> swamp.duration_ms: Int(42)
         -> process.exit.code: Int(1)
         -> error.type: Str(io)
         -> exception.message: Str(it failed)
         -> os.type: Str(linux)
         -> swamp.entry.data: Str({"id":"2f4a7c1e-0000-4000-8000-000000000001","startedAt":"2024-11-24T15:00:00.123Z","invocation":{"command":"sender","subcommand":"use","args":["<REDACTED>"],"optionKeys":[],"globalOptions":["json"]},"result":{"status":"error","errorType":"io","errorMessage":"it failed","exitCode":1},"completedAt":"2024-11-24T15:00:00.165Z","durationMs":42,"swampVersion":"0.1.0","platform":"linux","later":{"field":true}})
        Trace ID       :
        Span ID        :
    Flags: 0
    "#);
}
