//! The page at the receiver's address, as a browser shows it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};
use swamp::receiver::{Receiver, ReceiverOptions};

use crate::browser::{Browser, REBOUND};
use crate::support::{AMPLE, not_installed};

const HOSTILE: &str =
    r#"<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>&lt;"#;

fn receiver() -> Receiver {
    Receiver::start(ReceiverOptions {
        page: true,
        ..ReceiverOptions::default()
    })
    .unwrap()
}

fn browser() -> Option<Browser> {
    let browser = Browser::start();
    if browser.is_none() {
        not_installed("chromium and chromium-driver, for the receiver's page");
    }
    browser
}

/// Sends a request, and returns the answer from its head on.
fn send(receiver: &Receiver, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(receiver.addr()).unwrap();
    stream.set_read_timeout(Some(AMPLE)).unwrap();
    write!(
        stream,
        "{head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn post(receiver: &Receiver, events: &[Value]) {
    let head =
        "POST /ingest HTTP/1.1\r\nhost: host.docker.internal:1\r\ncontent-type: application/json";
    let answer = send(receiver, head, &json!({ "events": events }).to_string());
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
}

fn event(
    number: usize,
    command: &str,
    subcommand: Option<&str>,
    failure: Option<(&str, &str)>,
    millis: usize,
) -> Value {
    let mut properties = json!({
        "id": format!("e-{number}"),
        "invocation": {"command": command, "args": ["<REDACTED>"], "optionKeys": ["json"], "globalOptions": []},
        "result": {"status": "success", "exitCode": 0},
        "startedAt": "2026-11-24T15:45:00.000Z",
        "completedAt": "2026-11-24T15:45:00.100Z",
        "durationMs": millis,
        "swampVersion": if number.is_multiple_of(5) { "0.0.9" } else { "0.1.0" },
        "platform": "linux",
    });
    if let Some(subcommand) = subcommand {
        properties["invocation"]["subcommand"] = subcommand.into();
    }
    if let Some((kind, sentence)) = failure {
        properties["result"] =
            json!({"status": "error", "errorType": kind, "errorMessage": sentence, "exitCode": 1});
    }
    let repos = [
        "4ae17994-0b1c-4d2e-9f30-4152637485a6",
        "b031a709-9354-4e57-8d1f-2a3b4c5d6e7f",
    ];
    json!({"event": "cli_invocation", "distinct_id": repos[number % 2], "insert_id": format!("e-{number}"), "properties": properties})
}

/// A day's work, more or less.
fn work() -> Vec<Value> {
    (0..60)
        .map(|number| match number % 12 {
            0 | 5 | 7 => event(number, "version", None, None, 8 + number % 7),
            1 | 6 => event(number, "telemetry", Some("status"), None, 12 + number % 5),
            2 => event(
                number,
                "build",
                None,
                (number % 24 == 2)
                    .then_some(("ExitCode", "the program exited with a code other than 0")),
                4100 + 90 * number,
            ),
            3 => event(number, "test", None, None, 71_000 + 500 * number),
            4 | 9 => event(number, "repo", Some("upgrade"), None, 31),
            8 => event(
                number,
                "telemetry",
                Some("enable"),
                Some(("Marker", "the marker could not be read or written")),
                6,
            ),
            _ => event(number, "sender", Some("check"), None, 240),
        })
        .collect()
}

fn rows(browser: &Browser, list: &str) -> Vec<String> {
    let rows = browser.get(&format!(
        "[...document.querySelectorAll('{list} .what')].map((row) => row.textContent)"
    ));
    serde_json::from_value(rows).unwrap()
}

#[test]
fn events_arrive_live_and_are_counted_and_a_hostile_name_stays_text() {
    let Some(browser) = browser() else { return };
    let receiver = receiver();
    post(&receiver, &work()[..25]);
    browser.open(&receiver.endpoint());
    // What arrived before the page was opened, and what arrives now.
    browser.until("document.querySelectorAll('#events button').length === 25");
    post(&receiver, &work()[25..50]);
    post(&receiver, &work()[50..]);
    browser.until("document.querySelectorAll('#events button').length === 60");
    assert_eq!(
        browser.text("document.getElementById('state').textContent"),
        "live"
    );

    let table = |id: &str| {
        browser.text(&format!("[...document.querySelectorAll('#{id} tr')].map((row) => [...row.cells].slice(0, 3).map((cell) => cell.textContent).join(' | ')).join('\\n')"))
    };
    insta::assert_snapshot!(table("commands"), @r"
    telemetry enable | 5 | 5 (100%)
    build | 5 | 3 (60%)
    version | 15 | 0
    repo upgrade | 10 | 0
    sender check | 10 | 0
    telemetry status | 10 | 0
    test | 5 | 0
    ");
    insta::assert_snapshot!(table("repos"), @r"
    4ae17994-0b1c-4d2e-9f30-4152637485a6 | 30 | 8 (27%)
    b031a709-9354-4e57-8d1f-2a3b4c5d6e7f | 30 | 0
    ");
    insta::assert_snapshot!(table("tools"), @r"
    swamp 0.1.0 on linux | 48 | 6 (13%)
    swamp 0.0.9 on linux | 12 | 2 (17%)
    ");
    assert_eq!(rows(&browser, "#failures").len(), 8);

    // A request that is refused, and why.
    let answer = send(
        &receiver,
        "POST /ingest HTTP/1.1\r\nhost: a\r\ncontent-type: text/plain",
        "{}",
    );
    assert!(answer.starts_with("HTTP/1.1 415"), "{answer}");
    browser.until("document.querySelector('#refused .why')");
    assert!(
        browser
            .text("document.getElementById('refused').textContent")
            .contains("415POST /ingest2 bytesthe request's content-type is not application/json")
    );

    for (width, height, scheme, name) in [
        (1280, 1100, "light", "light"),
        (1280, 1100, "dark", "dark"),
        (400, 1800, "light", "narrow"),
        (400, 1800, "dark", "narrow-dark"),
    ] {
        browser.look(width, height, scheme);
        assert_eq!(
            browser
                .get("document.documentElement.scrollWidth > document.documentElement.clientWidth"),
            false,
            "{name} scrolls sideways"
        );
        browser.picture(name);
    }
    browser.look(1280, 1100, "light");

    let mut hostile = event(100, HOSTILE, Some(HOSTILE), Some((HOSTILE, HOSTILE)), 1);
    hostile["distinct_id"] = HOSTILE.into();
    hostile["properties"]["swampVersion"] = HOSTILE.into();
    hostile["properties"]["platform"] = HOSTILE.into();
    post(&receiver, &[hostile.clone()]);
    send(
        &receiver,
        &format!(
            "POST /{} HTTP/1.1\r\nhost: a",
            HOSTILE.replace(' ', "%20").replace(['"', '<', '>'], "%22")
        ),
        "",
    );
    browser.until("document.querySelectorAll('#events button').length === 61");
    assert_eq!(rows(&browser, "#events")[0], format!("{HOSTILE} {HOSTILE}"));
    browser.get("document.querySelector('#events button').click()");
    let shown: Value =
        serde_json::from_str(&browser.text("document.getElementById('json').textContent")).unwrap();
    assert_eq!(shown, hostile);
    browser.picture("event");
    assert_eq!(
        browser.get("document.querySelectorAll('img, iframe, object').length"),
        0
    );
    assert_eq!(browser.get("document.scripts.length"), 1);
    assert_eq!(browser.text("document.title"), "swamp receive");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn log_records_of_otlp_are_shown_like_events_and_warnings_beside_them() {
    let Some(browser) = browser() else { return };
    let receiver = receiver();
    browser.open(&receiver.endpoint());
    browser.until("document.getElementById('state').textContent === 'live'");
    assert_eq!(
        browser.get("document.getElementById('s-warnings').hidden"),
        true
    );
    let text = |key: &str, text: &str| json!({"key": key, "value": {"stringValue": text}});
    let record = json!({"attributes": [
        text("swamp.entry.id", "r-1"),
        text("swamp.command", "build"),
        text("swamp.status", "error"),
        text("error.type", "Exit"),
        text("exception.message", HOSTILE),
        {"key": "process.exit.code", "value": {"intValue": "101"}},
        {"key": "swamp.duration_ms", "value": {"intValue": "2500"}},
        text("os.type", "linux"),
    ]});
    let resource = json!({"attributes": [
        text("service.name", "cargo"), text("service.version", "1.95"), text("swamp.repo.id", "4ae17994-0b1c-4d2e"),
    ]});
    let bare = json!({"body": {"stringValue": HOSTILE}});
    let logs = json!({"resourceLogs": [
        {"resource": resource, "scopeLogs": [{"logRecords": [record]}]},
        {"scopeLogs": [{"logRecords": [bare]}]},
    ]});
    let head =
        |path: &str| format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json");
    let answer = send(&receiver, &head("/v1/logs"), &logs.to_string());
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    browser.until("document.querySelectorAll('#events button').length === 2");
    assert_eq!(rows(&browser, "#events"), [HOSTILE, "build"]);
    let shown = browser.text("document.getElementById('failures').textContent");
    for part in ["exit 101", "4ae17994…", "2.50 s", "Exit: <img"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let tools = browser.text("document.getElementById('tools').textContent");
    assert!(tools.contains("cargo 1.95 on linux"), "{tools}");
    browser.get("document.querySelectorAll('#events button')[1].click()");
    let json = browser.text("document.getElementById('json').textContent");
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["logRecord"], &json["resource"]),
        (&record, &resource)
    );
    browser.get("document.getElementById('close').click()");

    let mut without = event(1, "version", None, None, 1);
    without.as_object_mut().unwrap().remove("insert_id");
    let answer = send(&receiver, &head("/ingest"), &without.to_string());
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    browser.until("!document.getElementById('s-warnings').hidden");
    let warning = browser.text("document.getElementById('warnings').textContent");
    assert!(
        warning.contains("POST /ingestinsert_id is missing"),
        "{warning}"
    );
    assert_eq!(browser.get("document.querySelectorAll('img').length"), 0);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn the_keyboard_filters_moves_and_opens() {
    const DOWN: &str = "\u{e015}";
    const ENTER: &str = "\u{e007}";
    const ESCAPE: &str = "\u{e00c}";
    let Some(browser) = browser() else { return };
    let receiver = receiver();
    browser.open(&receiver.endpoint());
    browser.until("document.getElementById('state').textContent === 'live'");
    assert!(
        browser
            .text("document.getElementById('events').textContent")
            .contains("Nothing has arrived yet")
    );
    browser.look(1280, 800, "light");
    browser.picture("empty");
    post(&receiver, &work()[..25]);
    browser.until("document.querySelectorAll('#events button').length === 25");

    browser.keys("/telemetry fail");
    browser.until("document.querySelectorAll('#events button').length === 0");
    browser.keys("\u{e003}\u{e003}\u{e003}\u{e003}exit");
    browser.until("document.querySelectorAll('#events button').length === 2");
    browser.keys(DOWN);
    browser.keys(DOWN);
    assert_eq!(
        browser.text("document.activeElement.querySelector('.what').textContent"),
        "telemetry enable"
    );
    // What arrives meanwhile does not take the focus away.
    browser.keys(DOWN);
    post(&receiver, &work()[25..50]);
    browser.until("document.querySelectorAll('#events button').length === 4");
    let focused =
        "[...document.querySelectorAll('#events button')].indexOf(document.activeElement)";
    assert_eq!(browser.get(focused), 3);
    browser.keys(ENTER);
    assert_eq!(browser.get("document.getElementById('detail').open"), true);
    let shown: Value =
        serde_json::from_str(&browser.text("document.getElementById('json').textContent")).unwrap();
    assert_eq!(shown["insert_id"], "e-8");
    browser.keys(ESCAPE);
    assert_eq!(browser.get("document.getElementById('detail').open"), false);
    assert_eq!(browser.get(focused), 3);
    browser.keys("/");
    browser.keys(ESCAPE);
    browser.until("document.querySelectorAll('#events button').length === 50");
}

#[test]
fn a_page_keeps_the_last_ten_thousand_events_and_counts_all() {
    let Some(browser) = browser() else { return };
    let receiver = receiver();
    browser.open(&receiver.endpoint());
    browser.until("document.getElementById('state').textContent === 'live'");
    for first in (0..10_100).step_by(25) {
        let events: Vec<Value> = (first..first + 25)
            .map(|number| event(number, "x", None, None, 1))
            .collect();
        post(&receiver, &events);
    }
    browser.until("document.querySelector('#tiles dd').textContent === '10,100'");
    browser.until("document.getElementById('n-events').textContent.startsWith('10,000,')");
    // As does the receiver, for a page that is opened now.
    browser.open(&receiver.endpoint());
    browser.until("document.getElementById('n-events').textContent.startsWith('10,000,')");
    assert_eq!(
        browser.text("document.querySelector('#tiles dd').textContent"),
        "10,100"
    );
}

#[test]
fn a_page_goes_on_with_a_receiver_that_was_started_again() {
    let Some(browser) = browser() else { return };
    let first = receiver();
    let listen = first.addr();
    post(&first, &work()[..25]);
    browser.open(&first.endpoint());
    browser.until("document.querySelectorAll('#events button').length === 25");
    drop(first);
    browser.until("document.getElementById('state').className.includes('lost')");
    let again = Receiver::start(ReceiverOptions {
        page: true,
        listen,
        ..ReceiverOptions::default()
    })
    .unwrap();
    post(&again, &work()[..3]);
    browser.until("document.querySelectorAll('#events button').length === 3");
}

#[test]
fn no_other_origin_reads_the_page_or_its_stream() {
    let Some(browser) = browser() else { return };
    let (receiver, other) = (receiver(), receiver());
    post(&receiver, &work()[..1]);
    let port = receiver.addr().port();
    // A name that an attacker points at the loopback.
    for path in ["/", "/events"] {
        browser.open(&format!("http://{REBOUND}:{port}{path}"));
        let shown = browser.text("document.body.innerText");
        assert!(
            shown.contains("on the receiver's own machine only"),
            "{shown}"
        );
    }
    // A page of another server on this machine: no policy of its own holds it back.
    browser.open(&format!("{}/nothing", other.endpoint()));
    let url = |path: &str| format!("{}{path}", receiver.endpoint());
    for path in ["/", "/events", "/ingest"] {
        let read = browser.promised(&format!(
            "fetch('{}').then((answer) => answer.text())",
            url(path)
        ));
        assert_eq!(read, "TypeError: Failed to fetch", "{path}");
    }
    let stream = browser.promised(&format!(
        "new Promise((done) => {{ const source = new EventSource('{}'); source.onerror = () => done('refused'); source.addEventListener('hello', () => done('read')); }})",
        url("/events")
    ));
    assert_eq!(stream, "refused");
    let framed = browser.promised(&format!(
        "new Promise((done) => {{ const frame = document.createElement('iframe'); frame.onload = () => {{ try {{ done(frame.contentDocument.body.innerText); }} catch (error) {{ done('closed'); }} }}; frame.src = '{}'; document.body.append(frame); }})",
        url("/")
    ));
    assert!(
        framed
            .as_str()
            .is_none_or(|text| !text.contains("swamp receive")),
        "{framed}"
    );
}
