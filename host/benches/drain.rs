//! What draining a spool through the component costs, next to a native loop that does the same.
//!
//!     cargo bench -p swamp --bench drain [-- ENTRIES]
//!
//! Both read the same files, oldest first, post the same bytes over one loopback connection in batches of 25, and
//! remove each file once its batch was answered with 202. They take turns within one run; what counts is the ratio.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops where something is wrong"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use swamp::domain::{Invocation, InvocationResult, TelemetryEntry, TelemetryRepository as _};
use swamp::infrastructure::spool::FileSpool;

const BATCH: usize = 25;
const ROUNDS: usize = 3;

fn main() {
    let entries: usize = std::env::args()
        .find_map(|arg| arg.parse().ok())
        .unwrap_or(100_000);
    let server = serve();
    let scratch = tempfile::tempdir().unwrap();
    let repo = Repo::init(scratch.path(), server);
    // The component is compiled once, and not measured.
    repo.fill(1);
    repo.drain_through_the_component();

    let mut ratios = Vec::new();
    for round in 1..=ROUNDS {
        repo.fill(entries);
        let component = repo.drain_through_the_component();
        repo.fill(entries);
        let native = repo.drain_natively(server);
        let rate =
            |took: Duration| u32::try_from(entries).map_or(0.0, f64::from) / took.as_secs_f64();
        let ratio = rate(component) / rate(native);
        println!(
            "round {round}: component {:>7.0} entries/s, native {:>7.0} entries/s, {:.0} % of native",
            rate(component),
            rate(native),
            ratio * 100.0
        );
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "{}",
        serde_json::json!({ "entries": entries, "medianRatio": ratios[ROUNDS / 2] })
    );
}

struct Repo {
    root: PathBuf,
    home: PathBuf,
}

impl Repo {
    fn init(scratch: &Path, server: SocketAddr) -> Self {
        let repo = Self {
            root: scratch.join("repo"),
            home: scratch.join("home"),
        };
        fs::create_dir(&repo.root).unwrap();
        fs::create_dir(&repo.home).unwrap();
        let endpoint = format!("http://{server}");
        repo.swamp(&["--no-telemetry", "init", "--endpoint", &endpoint]);
        repo
    }

    fn fill(&self, entries: usize) {
        let spool = FileSpool::create(&self.root).unwrap();
        let now = Utc::now();
        for n in 0..entries {
            let invocation = Invocation {
                command: "version".into(),
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

    fn swamp(&self, args: &[&str]) {
        let status = Command::new(env!("CARGO_BIN_EXE_swamp"))
            .args(args)
            .current_dir(&self.root)
            .env_clear()
            .env("HOME", &self.home)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
    }

    fn drain_through_the_component(&self) -> Duration {
        let began = Instant::now();
        self.swamp(&["telemetry", "flush", "--all"]);
        let took = began.elapsed();
        assert_eq!(self.entries().len(), 0);
        took
    }

    fn drain_natively(&self, server: SocketAddr) -> Duration {
        let began = Instant::now();
        let mut stream = TcpStream::connect(server).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut answers = BufReader::new(stream.try_clone().unwrap());
        for batch in self.entries().chunks(BATCH) {
            let events: Vec<_> = batch
                .iter()
                .map(|path| {
                    let name = path.file_stem().unwrap().to_str().unwrap();
                    let id = &name["telemetry-YYYY-MM-DD-".len()..];
                    let properties = fs::read_to_string(path).unwrap();
                    format!(
                        r#"{{"event":"cli_invocation","distinct_id":"00000000-0000-4000-8000-000000000000","insert_id":"{id}","properties":{properties}}}"#
                    )
                })
                .collect();
            let body = format!(r#"{{"events":[{}]}}"#, events.join(","));
            write!(
                stream,
                "POST /ingest HTTP/1.1\r\nhost: {server}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
            .unwrap();
            read_head(&mut answers).unwrap();
            for path in batch {
                fs::remove_file(path).unwrap();
            }
        }
        let took = began.elapsed();
        assert_eq!(self.entries().len(), 0);
        took
    }

    /// The entries, oldest first: our ids sort by time.
    fn entries(&self) -> Vec<PathBuf> {
        let mut paths: Vec<_> = fs::read_dir(self.root.join(".swamp/telemetry"))
            .unwrap()
            .map(|file| file.unwrap().path())
            .filter(|path| {
                path.file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with("telemetry-"))
            })
            .collect();
        paths.sort();
        paths
    }
}

/// A server that answers 202 to everything, and costs next to nothing itself.
fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                stream.set_nodelay(true).unwrap();
                let mut requests = BufReader::new(stream.try_clone().unwrap());
                let mut body = Vec::new();
                while let Some(length) = read_head(&mut requests) {
                    body.resize(length, 0);
                    requests.read_exact(&mut body).unwrap();
                    stream
                        .write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
                        .unwrap();
                }
            });
        }
    });
    address
}

/// Reads a message's head. Gives its content length, or `None` at the end of the connection.
fn read_head(from: &mut impl BufRead) -> Option<usize> {
    let mut length = 0;
    let mut line = String::new();
    loop {
        line.clear();
        if from.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().ok()?;
            }
            None if line.trim_end().is_empty() => return Some(length),
            _ => {}
        }
    }
}
