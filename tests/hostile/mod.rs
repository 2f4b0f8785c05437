//! Senders that mean harm, or are broken beyond repair: whatever one does, the host goes on, the batch is kept, and
//! one sentence says what happened.
//!
//! Most of them are `fixtures/hostile/hostile.wasm`, which does what the option `do` says; its source is beside it.
//! What no compiler would emit is written in WAT, see [`wat`].

#[cfg(unix)]
mod cache;
mod computing;
mod concurrency;
mod files;
mod flow;
mod linking;
mod requests;
mod wat;

use std::fmt::Display;
use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use swamp::config::SenderLimits;
use swamp::domain::{
    Deadline, Endpoint, EntryName, SendError, SenderFailure, SpooledEntry, TelemetrySender as _,
};
use swamp::egress::{Environment, Network, Reach};
use swamp::process::timer::Timer;
use swamp::sender::{Compiled, ComponentFile, ComponentSender, SenderConfig};

use crate::requests::read_head;
use crate::support::{AMPLE, SWAMP, TestRepo, cache, compiler, run};

/// What a sender gets that would never end by itself.
const BRIEF: Duration = Duration::from_millis(300);

/// Nothing listens there, and what is denied never gets there.
const NOWHERE: &str = "http://127.0.0.1:9";

/// The component that does what the option `do` says.
pub(crate) fn hostile_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/hostile/hostile.wasm")
}

fn hostile() -> ComponentFile {
    ComponentFile::read(&hostile_path(), "hostile.wasm").unwrap()
}

/// The kind of failure of a flush by this component with these options, in a process with 1.5 GB of address space.
#[cfg(target_os = "linux")]
fn end_with_little_memory(component: &Path, options: &str) -> String {
    let repo = TestRepo::new();
    fs::copy(component, repo.root().join("ours.wasm")).unwrap();
    repo.configure(&format!(
        "telemetrySender: ours.wasm\ntelemetrySenderOptions: {options}\n"
    ));
    run(repo
        .command(&["version"])
        .env("SWAMP_TELEMETRY_FLUSH", "off"));
    let mut limited = Command::new("bash");
    limited
        .args([
            "-c",
            r#"ulimit -v 1500000; exec "$0" telemetry flush --json"#,
            SWAMP,
        ])
        .current_dir(repo.root())
        .env_clear()
        .env("HOME", repo.home())
        .env("PATH", "/usr/bin:/bin");
    let flush = run(&mut limited);
    let answer: Value =
        serde_json::from_str(&flush.stdout).unwrap_or_else(|error| panic!("{error}: {flush:?}"));
    answer["failure"]["kind"].as_str().unwrap().to_owned()
}

/// One batch for a sender that misbehaves.
struct Attack {
    config: SenderConfig,
    time: Duration,
}

impl Attack {
    /// The hostile component doing `what`, with all the time that it wants.
    fn new(what: &str) -> Self {
        let limits = SenderLimits {
            memory_mib: 32,
            deadline: AMPLE,
        };
        let config = SenderConfig {
            endpoint: Endpoint::parse(NOWHERE).unwrap(),
            user_agent: "swamp/test".into(),
            options: vec![("do".into(), what.into())],
            limits,
            network: Network::live(Environment::read(|_| None)),
            reach: Reach::default(),
            headers: Vec::new(),
            timer: Timer::default(),
        };
        Self {
            config,
            time: AMPLE,
        }
    }

    fn to(mut self, endpoint: &str) -> Self {
        self.config.endpoint = Endpoint::parse(endpoint).unwrap();
        self
    }

    fn with(mut self, key: &str, value: impl Display) -> Self {
        self.config.options.push((key.into(), format!("{value}")));
        self
    }

    fn briefly(mut self) -> Self {
        self.time = BRIEF;
        self.config.limits.deadline = BRIEF;
        self
    }

    /// The same sender, for batch after batch.
    fn sender(&self, file: &ComponentFile) -> Result<ComponentSender, SenderFailure> {
        let compiled = Compiled::obtain(file, &cache(), &compiler())?;
        ComponentSender::new(&compiled, self.config.clone())
    }

    /// Why the batch was not delivered by `file`.
    fn error_of(&self, file: &ComponentFile) -> SendError {
        let sent = self
            .sender(file)
            .map_err(SendError::from)
            .and_then(|mut sender| batch(&mut sender, self.time));
        let error = sent.expect_err("nothing was delivered");
        assert_is_a_sentence(&error);
        error
    }

    /// Why the batch was not delivered by the hostile component.
    fn error(&self) -> SendError {
        self.error_of(&hostile())
    }

    fn said(&self) -> String {
        self.error().to_string()
    }

    fn result(&self) -> Result<(), SendError> {
        batch(&mut self.sender(&hostile())?, self.time)
    }
}

fn batch(sender: &mut ComponentSender, time: Duration) -> Result<(), SendError> {
    let name = EntryName::parse("telemetry-2026-02-11-entry.json").unwrap();
    let entry = SpooledEntry::parse(name, br#"{"id":"entry"}"#.to_vec()).unwrap();
    let delivered = sender.send_batch(&[entry], "the-repo", Deadline::after(time))?;
    delivered.in_full()
}

/// One line of bounded length in plain words, with nothing in it that a terminal would act on.
fn assert_is_a_sentence(error: &SendError) {
    let text = error.to_string();
    assert!(!text.contains(char::is_control), "{text:?}");
    assert!(!text.contains('\u{202e}'), "{text:?}");
    assert!(text.len() < 8_000, "{} bytes", text.len());
    for dump in [" { ", "Some(", "Error(", "backtrace", "wasm trap:"] {
        assert!(!text.contains(dump), "a debug dump: {text}");
    }
}

/// An endpoint that reads the head of each request and then does what it is told, each connection on a thread.
fn endpoint(conduct: impl Fn(TcpStream) + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let conduct = conduct.clone();
            thread::spawn(move || {
                if read_head(&mut &stream).is_ok() {
                    conduct(stream);
                }
            });
        }
    });
    format!("http://{address}")
}

/// Writes until the other side has had enough.
fn write_for_ever(mut stream: &TcpStream, piece: &[u8]) {
    while stream.write_all(piece).is_ok() {}
}

fn name(error: &SendError) -> &'static str {
    error.kind()
}

/// The text of a sender of our contract whose `send-batch` is this.
pub(crate) fn sender_with_body(body: &'static str) -> String {
    wat::Sender {
        body,
        ..wat::Sender::default()
    }
    .text()
}

/// The text of a sender of our contract, but for `from` in its types, which is `to` there.
pub(crate) fn sender_with_types(from: &str, to: &str) -> String {
    wat::Sender::with_types(from, to).text()
}
