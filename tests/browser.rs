//! A browser without a window, driven by the `WebDriver` protocol.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::AMPLE;

/// A name that leads to the loopback in this browser, as it does where an attacker answers for the name.
pub(crate) const REBOUND: &str = "rebound.example";

/// A running Chromium. It ends with this.
pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
    /// The driver's, the browser's profile below it. The driver writes to its stdout as long as it runs.
    home: TempDir,
    _output: std::io::Lines<BufReader<ChildStdout>>,
}

impl Browser {
    /// `None` where no Chromium and its driver are installed.
    pub(crate) fn start() -> Option<Self> {
        let home = tempfile::tempdir().unwrap();
        // It looks for a free port before it takes it, and ends where another one was faster.
        let start = || {
            let mut driver = Command::new("chromedriver")
                .arg("--port=0")
                .env("HOME", home.path())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .ok()?;
            let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
            let port = lines.find_map(|line| {
                let line = line.unwrap();
                let (_, port) = line.split_once("successfully on port ")?;
                port.trim_end_matches('.').parse().ok()
            });
            if port.is_none() {
                driver.wait().unwrap();
            }
            Some(port.map(|port| (driver, port, lines)))
        };
        let mut tried = 0;
        let (driver, port, lines) = loop {
            if let Some(started) = start()? {
                break started;
            }
            tried += 1;
            assert!(tried < 10, "chromedriver ends before it listens");
        };
        let mut browser = Self {
            driver,
            port,
            session: String::new(),
            home,
            _output: lines,
        };
        let profile = browser.home.path().join("profile");
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1280,1000",
            &format!("--host-resolver-rules=MAP {REBOUND} 127.0.0.1"),
            &format!("--user-data-dir={}", profile.display()),
        ];
        let started = browser.call(
            "POST",
            "/session",
            &json!({"capabilities": {"alwaysMatch": {
                "goog:chromeOptions": {"args": arguments},
                "goog:loggingPrefs": {"browser": "ALL"},
                "timeouts": {"script": AMPLE.as_millis()},
            }}}),
        );
        started["sessionId"]
            .as_str()
            .unwrap()
            .clone_into(&mut browser.session);
        Some(browser)
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if method == "POST" {
            body.to_string()
        } else {
            String::new()
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            self.port,
            body.len()
        );
        let (head, body) = exchange(self.port, &request).unwrap();
        let mut answer: Value = serde_json::from_slice(&body).unwrap();
        assert!(head.contains(" 200 "), "{method} {path}: {answer}");
        answer["value"].take()
    }

    fn in_session(&self, method: &str, path: &str, body: &Value) -> Value {
        self.call(method, &format!("/session/{}{path}", self.session), body)
    }

    pub(crate) fn open(&self, url: &str) {
        self.in_session("POST", "/url", &json!({ "url": url }));
    }

    /// What an expression is in the page.
    pub(crate) fn get(&self, expression: &str) -> Value {
        let script = format!("return ({expression});");
        self.in_session(
            "POST",
            "/execute/sync",
            &json!({"script": script, "args": []}),
        )
    }

    pub(crate) fn text(&self, expression: &str) -> String {
        let value = self.get(expression);
        value
            .as_str()
            .unwrap_or_else(|| panic!("{expression}: {value}"))
            .to_owned()
    }

    /// What a promise in the page comes to.
    pub(crate) fn promised(&self, promise: &str) -> Value {
        let script = format!(
            "const done = arguments[0]; ({promise}).then(done, (error) => done(String(error)));"
        );
        self.in_session(
            "POST",
            "/execute/async",
            &json!({"script": script, "args": []}),
        )
    }

    /// Waits until an expression is true, which a change of the page makes it.
    pub(crate) fn until(&self, expression: &str) {
        self.promised(&format!(
            "new Promise((done) => {{
               const look = () => {{ if ({expression}) {{ watcher.disconnect(); done(true); }} }};
               const watcher = new MutationObserver(look);
               watcher.observe(document, {{subtree: true, childList: true, characterData: true, attributes: true}});
               look();
             }})"
        ));
    }

    /// Types keys, with the `WebDriver` protocol's code points for special ones, wherever the focus is.
    pub(crate) fn keys(&self, keys: &str) {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|key| {
                [
                    json!({"type": "keyDown", "value": key}),
                    json!({"type": "keyUp", "value": key}),
                ]
            })
            .collect();
        self.in_session(
            "POST",
            "/actions",
            &json!({"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]}),
        );
    }

    /// A command of the browser's own protocol.
    pub(crate) fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.in_session(
            "POST",
            "/goog/cdp/execute",
            &json!({"cmd": command, "params": parameters}),
        )
    }

    /// Shows the page in a window of this width, by day or by night.
    pub(crate) fn look(&self, width: u32, height: u32, scheme: &str) {
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            &json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}),
        );
        self.devtools(
            "Emulation.setEmulatedMedia",
            &json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]}),
        );
    }

    /// Keeps a picture of the page as `target/page/NAME.png`.
    pub(crate) fn picture(&self, name: &str) -> PathBuf {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("page");
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("{name}.png"));
        let picture = self.in_session("GET", "/screenshot", &Value::Null);
        std::fs::write(&file, from_base64(picture.as_str().unwrap())).unwrap();
        file
    }

    /// What the browser complained of since it was last asked.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.in_session("POST", "/se/log", &json!({"type": "browser"}));
        let entries = log.as_array().unwrap().iter();
        entries
            .map(|entry| entry["message"].as_str().unwrap().to_owned())
            .collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() && !std::thread::panicking() {
            self.in_session("DELETE", "", &Value::Null);
        }
        // Asked to end, the driver ends its browser too.
        let shutdown = format!(
            "GET /shutdown HTTP/1.1\r\nhost: 127.0.0.1:{}\r\n\r\n",
            self.port
        );
        let _ = exchange(self.port, &shutdown);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// The driver does not close its connections: an answer is as long as it says.
fn exchange(port: u16, request: &str) -> std::io::Result<(String, Vec<u8>)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(AMPLE))?;
    stream.write_all(request.as_bytes())?;
    let mut stream = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let begin = head.len();
        stream.read_line(&mut head)?;
        let line = head[begin..].trim_end().to_ascii_lowercase();
        if let Some(number) = line.strip_prefix("content-length:") {
            length = number.trim().parse().unwrap_or(0);
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok((head, body))
}

fn from_base64(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u32> = text
        .bytes()
        .filter(|byte| *byte != b'=')
        .map(|byte| u32::from(digit(byte)))
        .collect();
    let group = |group: &[u32]| {
        let whole = group.iter().fold(0, |sum, digit| sum << 6 | digit) << (6 * (4 - group.len()));
        whole.to_be_bytes()[1..group.len()].to_vec()
    };
    digits.chunks(4).flat_map(group).collect()
}
