//! Work that takes longer than a second says on a terminal what it is and for how long it has been going on.

use std::fs::File;
use std::io::Read as _;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::{fs, thread};

use nix::sys::signal::{Signal, kill};

use crate::compiling::{check, compiler_of};
use crate::support::{AMPLE, SWAMP, TestRepo, not_installed, run};

/// A command on a terminal of its own.
struct OnTerminal {
    script: Child,
    screen: Receiver<Vec<u8>>,
    shown: String,
}

impl OnTerminal {
    fn start(repo: &TestRepo, args: &str) -> Self {
        let like = repo.command(&[]);
        let set = like
            .get_envs()
            .filter_map(|(key, value)| Some((key, value?)));
        let mut script = Command::new("script")
            .args([
                "-qfec",
                &format!("stty rows 50 cols 100; {SWAMP} {args}"),
                "/dev/null",
            ])
            .current_dir(repo.root())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(set)
            .env("XDG_CACHE_HOME", repo.home().join("cache"))
            .env("SWAMP_TELEMETRY_FLUSH", "off")
            .env("SHELL", "/bin/sh")
            .env("TERM", "xterm")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = script.stdout.take().unwrap();
        let (shows, screen) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = vec![0; 4096];
            while let Ok(length @ 1..) = output.read(&mut bytes) {
                if shows.send(bytes[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            script,
            screen,
            shown: String::new(),
        }
    }

    /// Waits until it shows this, behind some seconds.
    fn wait_for(&mut self, what: &str) {
        let is_shown = |shown: &str| {
            let mut before = shown.match_indices(what).map(|(place, _)| &shown[..place]);
            before.any(|before| before.trim_end().ends_with('s'))
        };
        while !is_shown(&self.shown) {
            let bytes = self.screen.recv_timeout(AMPLE);
            let bytes =
                bytes.unwrap_or_else(|why| panic!("no {what:?} in {:?}: {why}", self.shown));
            self.shown += &String::from_utf8_lossy(&bytes);
        }
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        self.script.wait().ok();
    }
}

fn is_there() -> bool {
    let is_there = Command::new("script").arg("--version").output().is_ok();
    if !is_there {
        not_installed("script");
    }
    is_there
}

#[test]
fn whoever_waits_for_a_compiler_sees_it() {
    if !is_there() {
        return;
    }
    let repo = TestRepo::new();
    run(repo
        .command(&["version"])
        .env("SWAMP_TELEMETRY_FLUSH", "off"));
    let marker = repo.marker() + "telemetrySender: slow.wasm\n";
    fs::write(repo.root().join(".swamp.yaml"), marker).unwrap();
    // All others wait for this one's compiler, which does not go on for now.
    let mut first = check(&repo).stderr(Stdio::null()).spawn().unwrap();
    let compiler = compiler_of(&first);
    kill(compiler, Signal::SIGSTOP).unwrap();
    let mut waiting: Vec<_> = [
        ("sender check slow.wasm", "compiling slow.wasm"),
        ("sender test slow.wasm", "compiling slow.wasm"),
        ("sender use slow.wasm", "compiling slow.wasm"),
        ("doctor", "compiling slow.wasm"),
        ("telemetry flush", "sending to "),
    ]
    .into_iter()
    .map(|(args, what)| (OnTerminal::start(&repo, args), what))
    .collect();
    for (command, what) in &mut waiting {
        command.wait_for(what);
    }
    kill(compiler, Signal::SIGCONT).unwrap();
    first.wait().unwrap();
}

#[test]
fn whoever_waits_for_the_spool_or_the_endpoint_sees_it() {
    if !is_there() {
        return;
    }
    // It takes connections and says nothing, so that TLS never begins.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("https://{}", silent.local_addr().unwrap());
    let repo = TestRepo::of_server(&endpoint, "");
    run(repo
        .command(&["version"])
        .env("SWAMP_TELEMETRY_FLUSH", "off"));
    let lock = File::create(repo.spool().join(".lock")).unwrap();
    lock.lock().unwrap();
    let mut purge = OnTerminal::start(&repo, "telemetry purge --yes");
    purge.wait_for("waiting for a flush to end");
    drop(lock);
    let mut doctor = OnTerminal::start(&repo, "doctor");
    doctor.wait_for(&format!("connecting to {endpoint}"));
    drop(silent);
}

#[test]
fn the_demo_shows_how_far_it_is() {
    if !is_there() {
        return;
    }
    let repo = TestRepo::new();
    let mut demo = OnTerminal::start(&repo, "demo");
    while let Ok(bytes) = demo.screen.recv_timeout(AMPLE) {
        demo.shown += &String::from_utf8_lossy(&bytes);
    }
    assert!(
        demo.shown.contains("/30 commands in 0s"),
        "{:?}",
        demo.shown
    );
}
