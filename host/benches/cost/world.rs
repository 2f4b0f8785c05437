//! A scratch repository with a server on the loopback, which its marker names from the first command on.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use swamp::config::ownership::Owners;
use swamp::domain::{Invocation, InvocationResult, TelemetryEntry, TelemetryRepository as _};
use swamp::process::worker::VARIABLE;
use swamp::spool::FileSpool;
use tempfile::TempDir;

/// The program that is measured, as it was linked.
pub(crate) const SWAMP: &str = env!("CARGO_BIN_EXE_swamp");

/// Longer than any flusher lives.
const AMPLE: Duration = Duration::from_mins(1);

pub(crate) struct World {
    dir: TempDir,
    pub(crate) server: SocketAddr,
    requests: Receiver<()>,
}

impl World {
    /// An empty repository, and a component that is compiled already.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (server, requests) = serve();
        let world = Self {
            dir,
            server,
            requests,
        };
        fs::create_dir(world.root()).unwrap();
        fs::create_dir(world.home()).unwrap();
        // A linker writes in pieces, and the system then keeps the file in pieces, which are slower to map. Nobody
        // runs a program from there: installing copies it.
        fs::copy(SWAMP, world.program()).unwrap();
        fs::copy(env::current_exe().unwrap(), world.benchmark()).unwrap();
        let endpoint = format!("http://{server}");
        run(&mut world.swamp(&["--no-telemetry", "init", "--endpoint", &endpoint]));
        world.fill(1);
        run(&mut world.swamp(&["telemetry", "flush"]));
        world.forget_requests();
        world
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("repo")
    }

    /// The program that is measured, as it is installed.
    pub(crate) fn program(&self) -> PathBuf {
        self.dir.path().join("swamp")
    }

    /// This executable, likewise.
    pub(crate) fn benchmark(&self) -> PathBuf {
        self.dir.path().join("cost")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// Any program in the repository, with nothing of this process's environment and without stdio.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.root())
            .env_clear()
            .env("HOME", self.home())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// The program with these arguments.
    pub(crate) fn swamp(&self, args: &[&str]) -> Command {
        let mut command = self.command(self.program());
        command.args(args);
        command
    }

    /// The flusher that a command starts in the background.
    pub(crate) fn flusher(&self) -> Command {
        let mut command = self.command(self.program());
        command.env(VARIABLE, "flush");
        command
    }

    pub(crate) fn spool(&self) -> FileSpool {
        FileSpool::create(&self.root(), Owners::Own).unwrap()
    }

    /// Records so many invocations, a millisecond after another.
    pub(crate) fn fill(&self, entries: usize) {
        self.fill_until(Utc::now(), entries);
    }

    /// The same, of invocations that lie so far back, and are on the disk.
    pub(crate) fn fill_earlier(&self, age: TimeDelta, entries: usize) {
        self.fill_until(Utc::now() - age, entries);
        self.sync();
    }

    fn fill_until(&self, now: DateTime<Utc>, entries: usize) {
        let spool = self.spool();
        for n in 0..entries {
            let invocation = Invocation {
                command: "telemetry".into(),
                subcommand: Some("status".into()),
                option_keys: vec!["--json".into()],
                ..Invocation::default()
            };
            let age = TimeDelta::milliseconds(i64::try_from(entries - n).unwrap());
            let entry = TelemetryEntry::new(
                invocation,
                InvocationResult::success(),
                now - age,
                1,
                "0.1.0",
            );
            spool.save(&entry).unwrap();
        }
    }

    /// Puts what waits on the disk: what waited for hours is there.
    pub(crate) fn sync(&self) {
        let spool = self.spool();
        let all = FileSpool::unsynced(&spool.list().unwrap(), DateTime::UNIX_EPOCH);
        spool.sync(&all).unwrap();
    }

    /// How many entries wait.
    pub(crate) fn pending(&self) -> usize {
        self.spool().list().unwrap().pending.len()
    }

    /// Waits until the flusher that was started in the background has sent its batch and gone, so that its end is
    /// no part of what is measured next.
    pub(crate) fn wait_for_flusher(&self) {
        self.requests.recv_timeout(AMPLE).unwrap();
        wait_for_orphan();
    }

    fn forget_requests(&self) {
        while self.requests.try_recv().is_ok() {}
    }
}

/// Makes this process the parent of what the commands that it runs leave behind.
#[cfg(target_os = "linux")]
pub(crate) fn adopt_orphans() {
    nix::sys::prctl::set_child_subreaper(true).unwrap();
}

/// Waits for the end of the one process that a command has left behind.
#[cfg(target_os = "linux")]
fn wait_for_orphan() {
    nix::sys::wait::wait().unwrap();
}

/// Runs a command to its success.
pub(crate) fn run(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

/// A server that answers 202 to everything, tells of each request, and costs next to nothing itself.
fn serve() -> (SocketAddr, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, requests) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, seen) = (stream.unwrap(), seen.clone());
            thread::spawn(move || answer(stream, &seen));
        }
    });
    (address, requests)
}

fn answer(mut stream: std::net::TcpStream, seen: &Sender<()>) {
    stream.set_nodelay(true).unwrap();
    let mut requests = BufReader::new(stream.try_clone().unwrap());
    while let Some(framing) = read_head(&mut requests) {
        if skip_body(&mut requests, framing).is_none() {
            return;
        }
        seen.send(()).ok();
        let answer = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";
        if stream.write_all(answer).is_err() {
            return;
        }
    }
}

/// How a message tells where its body ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Framing {
    Length(usize),
    Chunked,
}

/// Reads a message's head. `None` at the end of the connection.
pub(crate) fn read_head(from: &mut impl BufRead) -> Option<Framing> {
    let mut framing = Framing::Length(0);
    let mut line = String::new();
    loop {
        line.clear();
        if from.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                framing = Framing::Length(value.trim().parse().ok()?);
            }
            Some((name, _)) if name.eq_ignore_ascii_case("transfer-encoding") => {
                framing = Framing::Chunked;
            }
            None if line.trim_end().is_empty() => return Some(framing),
            _ => {}
        }
    }
}

fn skip_body(from: &mut impl BufRead, framing: Framing) -> Option<()> {
    match framing {
        Framing::Length(length) => skip(from, length),
        Framing::Chunked => loop {
            let mut line = String::new();
            from.read_line(&mut line).ok()?;
            let length = usize::from_str_radix(line.trim(), 16).ok()?;
            skip(from, length + 2)?;
            if length == 0 {
                return Some(());
            }
        },
    }
}

fn skip(from: &mut impl BufRead, length: usize) -> Option<()> {
    let mut body = vec![0; length];
    from.read_exact(&mut body).ok()
}
