//! A repository of a test's own, with a home, a receiver and the binary.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Once, RwLock};
use std::time::{Duration, Instant};

use serde_json::Value;
use swamp::config::BuiltinSender;
use swamp::process::worker::Program;
use swamp::receiver::{Receiver, ReceiverOptions};
use swamp::sender::{Cache, Compiled, Compiler, ComponentFile};
use tempfile::TempDir;

/// The binary under test.
pub(crate) const SWAMP: &str = env!("CARGO_BIN_EXE_swamp");

/// Longer than anything that is waited for takes.
pub(crate) const AMPLE: Duration = Duration::from_mins(1);

/// Compiled components are shared by all tests: each is compiled once.
pub(crate) fn cache_home() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache")
}

pub(crate) fn cache() -> Cache {
    let state = Path::new(env!("CARGO_TARGET_TMPDIR")).join("state");
    lay_secret(&state);
    Cache::new(cache_home().join("swamp").join("components"), state)
}

/// The secret that all homes have in common, so that what one has compiled is the others' too.
fn lay_secret(state: &Path) {
    let secret = state.join("cache.key");
    if !secret.exists() {
        fs::create_dir_all(state).unwrap();
        let mut new = tempfile::NamedTempFile::new_in(state).unwrap();
        new.write_all(&[7; 32]).unwrap();
        new.persist(secret).unwrap();
    }
}

pub(crate) fn compiler() -> Compiler {
    Compiler::new(Program::new(SWAMP))
}

/// Compiles the sender that comes with the program, once: a command waits for its flush, but not for as long as
/// a cold compilation can take while every other test wants it too.
fn warm_up() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        let sender = ComponentFile::builtin(BuiltinSender::Ingest);
        Compiled::obtain(&sender, &cache(), &compiler()).unwrap();
    });
}

/// A repository whose marker names a receiver on the loopback from its first command on.
pub(crate) struct TestRepo {
    dir: TempDir,
    pub(crate) receiver: Receiver,
}

/// What a run of the binary came to.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl TestRepo {
    /// A repository that `init` has made.
    pub(crate) fn new() -> Self {
        Self::with_receiver(ReceiverOptions::default())
    }

    pub(crate) fn with_receiver(options: ReceiverOptions) -> Self {
        let repo = Self::without_marker(options);
        let init = repo
            .command(&[
                "--no-telemetry",
                "init",
                "--endpoint",
                &repo.receiver.endpoint(),
            ])
            .output()
            .unwrap();
        assert!(init.status.success(), "{init:?}");
        repo
    }

    /// A repository with this marker, in which `ENDPOINT` stands for the receiver's.
    pub(crate) fn with_marker(marker: &str) -> Self {
        let repo = Self::without_marker(ReceiverOptions::default());
        repo.write_marker(marker);
        repo
    }

    /// A repository with an id that sends to `endpoint`, with `more` in its marker.
    pub(crate) fn of_server(endpoint: &str, more: &str) -> Self {
        Self::with_marker(&format!(
            "telemetryEndpoint: {endpoint}\nrepoId: 550e8400-e29b-41d4-a716-446655440000\n{more}"
        ))
    }

    /// A repository in memory, where there is such a place: for spools of very many files.
    pub(crate) fn in_memory() -> Self {
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        };
        let repo = Self::in_dir(dir.unwrap(), ReceiverOptions::default());
        repo.write_marker("telemetryEndpoint: ENDPOINT\n");
        repo
    }

    fn without_marker(options: ReceiverOptions) -> Self {
        Self::in_dir(tempfile::tempdir().unwrap(), options)
    }

    fn in_dir(dir: TempDir, options: ReceiverOptions) -> Self {
        warm_up();
        fs::create_dir(dir.path().join("repo")).unwrap();
        fs::create_dir(dir.path().join("home")).unwrap();
        lay_secret(&dir.path().join("home/.local/state/swamp"));
        let receiver = Receiver::start(options).unwrap();
        Self { dir, receiver }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("repo")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    pub(crate) fn write_marker(&self, marker: &str) {
        let marker = marker.replace("ENDPOINT", &self.receiver.endpoint());
        fs::write(self.root().join(".swamp.yaml"), marker).unwrap();
    }

    pub(crate) fn marker(&self) -> String {
        fs::read_to_string(self.root().join(".swamp.yaml")).unwrap()
    }

    /// Adds lines to the marker.
    pub(crate) fn configure(&self, lines: &str) {
        self.write_marker(&format!("{}{lines}", self.marker()));
    }

    /// The binary in the repository, with nothing of this process's environment, and a flush that is waited for.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(SWAMP);
        command
            .args(args)
            .current_dir(self.root())
            .env_clear()
            .env("HOME", self.home())
            .env("XDG_CACHE_HOME", cache_home())
            .env("SWAMP_TELEMETRY_FLUSH", "inline")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn swamp(&self, args: &[&str]) -> Run {
        run(&mut self.command(args))
    }

    pub(crate) fn spool(&self) -> PathBuf {
        self.root().join(".swamp").join("telemetry")
    }

    /// The names of the spool's files, sorted, without the spool's own.
    pub(crate) fn entries(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.spool())
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        names
    }

    /// The content of the spool's files, in the order of their names.
    pub(crate) fn entry_values(&self) -> Vec<Value> {
        let read = |name| fs::read_to_string(self.spool().join(name)).unwrap();
        self.entries()
            .into_iter()
            .map(|name| serde_json::from_str(&read(name)).unwrap())
            .collect()
    }

    /// Puts an entry into the spool as another program might have written it.
    pub(crate) fn spool_entry(&self, name: &str, content: &str) {
        fs::create_dir_all(self.spool()).unwrap();
        // As in a spool that was made a moment ago: no command cleans it up by itself.
        let clean_up = self.spool().join(".last-clean-up");
        if !clean_up.exists() {
            let now = chrono::Utc::now().to_rfc3339();
            fs::write(clean_up, format!(r#"{{"at":"{now}"}}"#)).unwrap();
        }
        fs::write(self.spool().join(name), content).unwrap();
    }

    /// The events that have arrived, request by request.
    pub(crate) fn batches(&self) -> Vec<Vec<Event>> {
        let requests = self.receiver.requests();
        requests
            .iter()
            .map(|request| {
                let events = request.events.as_ref().unwrap();
                events
                    .iter()
                    .map(|event| Event {
                        distinct_id: event.distinct_id().to_owned(),
                        insert_id: event.insert_id().to_owned(),
                        properties: event.properties().to_owned(),
                    })
                    .collect()
            })
            .collect()
    }

    /// The commands that have arrived, in order.
    pub(crate) fn arrived(&self) -> Vec<String> {
        self.batches()
            .iter()
            .flatten()
            .map(|event| {
                let properties: Value = serde_json::from_str(&event.properties).unwrap();
                let invocation = &properties["invocation"];
                let word = |key: &str| invocation[key].as_str().unwrap_or_default().to_owned();
                format!("{} {}", word("command"), word("subcommand"))
                    .trim()
                    .to_owned()
            })
            .collect()
    }
}

/// An event as it arrived.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) distinct_id: String,
    pub(crate) insert_id: String,
    pub(crate) properties: String,
}

pub(crate) fn run(command: &mut Command) -> Run {
    let output = command.output().unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// What this text of a component or module is in binary.
#[track_caller]
pub(crate) fn wasm(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// Waits for what gives no sign of itself, for [`AMPLE`] at most.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let limit = Instant::now() + AMPLE;
    while !is_so() {
        assert!(Instant::now() < limit, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Tells the person who runs the tests what is not tested here, or what was counted.
pub(crate) fn say(line: &str) {
    writeln!(io::stderr(), "{line}").ok();
}

/// An address on the loopback that refuses connections.
pub(crate) fn dead_endpoint() -> String {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let endpoint = format!("http://{}", socket.local_addr().unwrap());
    // Kept until the process ends: nobody else gets the port, and nobody listens on it.
    std::mem::forget(socket);
    endpoint
}

/// Held for reading by tests whose commands may look into the home directory of this account, and for writing by the one
/// that puts something there.
pub(crate) static HOME_OF_ACCOUNT: RwLock<()> = RwLock::new(());

/// Says that a test tests nothing here, and why.
#[expect(clippy::print_stderr, reason = "it is for who reads the test's output")]
pub(crate) fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

/// Whether strace is installed. Says so where it is not.
#[cfg(target_os = "linux")]
pub(crate) fn is_strace_there() -> bool {
    let version = Command::new("strace").arg("--version").output();
    let there = version.is_ok_and(|strace| strace.status.success());
    if !there {
        not_installed("strace");
    }
    there
}

/// Says that a test tests nothing here because a program is not installed. The gate installs them all, and sets
/// `SWAMP_TEST_ALL_TOOLS`, with which that is a failure.
pub(crate) fn not_installed(what: &str) {
    assert!(
        std::env::var_os("SWAMP_TEST_ALL_TOOLS").is_none(),
        "not installed: {what}"
    );
    skipped(&format!("not installed: {what}"));
}
