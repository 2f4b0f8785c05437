//! Ctrl-C, which reaches a command and everything that it has started: SIGINT itself ends the command, with one line or
//! none, and nothing is left behind.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, Stdio};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use swamp::receiver::ReceiverOptions;

use crate::compiling::slow;
use crate::support::{AMPLE, TestRepo, run, wait_until};

const COMPONENT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../tests/fixtures/senders/0.1.0/rust-cargo-component.wasm"
);

/// A command that is at work, in a process group of its own as a shell would start it.
struct AtWork<'a> {
    repo: &'a TestRepo,
    child: Child,
}

impl<'a> AtWork<'a> {
    fn start(repo: &'a TestRepo, args: &[&str]) -> Self {
        Self::of(repo, &mut repo.command(args))
    }

    fn of(repo: &'a TestRepo, command: &mut Command) -> Self {
        fs::create_dir_all(repo.home().join("tmp")).unwrap();
        let child = command
            .env("TMPDIR", repo.home().join("tmp"))
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { repo, child }
    }

    fn group(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// Presses Ctrl-C, and gives what the command prints to stderr after that.
    fn ctrl_c(self) -> String {
        killpg(self.group(), Signal::SIGINT).unwrap();
        self.ends()
    }

    /// Sends SIGINT to the command alone, as `kill -INT` does.
    fn kill_int(self) -> String {
        kill(self.group(), Signal::SIGINT).unwrap();
        self.ends()
    }

    fn ends(mut self) -> String {
        let mut said = String::new();
        let group = self.group();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        // Nobody reads what else there is.
        drop(self.child.stdout.take());
        let status = self.child.wait().unwrap();
        assert_eq!(
            status.signal(),
            Some(Signal::SIGINT as i32),
            "{status:?}: {said}"
        );
        wait_until("its last process has ended", || {
            killpg(group, None) == Err(Errno::ESRCH)
        });
        let left: Vec<_> = fs::read_dir(self.repo.home().join("tmp"))
            .unwrap()
            .collect();
        assert!(left.is_empty(), "{left:?}");
        assert!(!said.contains('\x1b'), "{said:?}");
        said
    }
}

#[test]
fn ctrl_c_ends_the_demo_at_any_moment() {
    let repo = TestRepo::new();
    // After so many of its invocations, which it makes one after the other.
    for after in [0, 1, 4] {
        let demo = AtWork::start(&repo, &["demo"]);
        let spool = || {
            let scratch = fs::read_dir(repo.home().join("tmp"))
                .ok()?
                .flatten()
                .next()?;
            let spool = scratch.path().join("repo/.swamp/telemetry");
            Some(fs::read_dir(spool).ok()?.count())
        };
        wait_until("the demo is at work", || {
            spool().is_some_and(|files| files >= after)
        });
        let said = demo.ctrl_c();
        assert_eq!(
            said, "error: interrupted; removed the scratch directory\n",
            "{after}"
        );
    }
}

#[test]
fn ctrl_c_ends_the_receiver() {
    let repo = TestRepo::new();
    let args = ["telemetry", "receive", "--listen", "127.0.0.1:0"];
    let mut receive = AtWork::start(&repo, &args);
    let mut first = String::new();
    let mut stderr = BufReader::with_capacity(1, receive.child.stderr.take().unwrap());
    stderr.read_line(&mut first).unwrap();
    assert!(first.starts_with("listening on "), "{first}");
    receive.child.stderr = Some(stderr.into_inner());
    assert_eq!(receive.ctrl_c(), "");
}

#[test]
fn ctrl_c_ends_a_flush_and_what_it_sent_is_told() {
    let repo = TestRepo::with_receiver(ReceiverOptions {
        delay: std::time::Duration::from_millis(300),
        ..ReceiverOptions::default()
    });
    for _ in 0..2 {
        run(repo
            .command(&["version"])
            .env("SWAMP_TELEMETRY_FLUSH", "off"));
    }
    let arrivals = repo.receiver.arrivals();
    let flush = AtWork::start(&repo, &["telemetry", "flush", "--all"]);
    arrivals.recv_timeout(AMPLE).unwrap();
    let said = flush.ctrl_c();
    assert!(said.lines().count() <= 1, "{said}");
    assert_eq!(repo.swamp(&["telemetry", "flush", "--all"]).code, 0);
    assert_eq!(repo.receiver.summary().unique, 2);
}

#[test]
fn ctrl_c_ends_the_conformance_tests() {
    let repo = TestRepo::new();
    let mut test = AtWork::start(&repo, &["sender", "test", "builtin:ingest"]);
    let mut first = String::new();
    let mut stdout = BufReader::new(test.child.stdout.take().unwrap());
    stdout.read_line(&mut first).unwrap();
    assert!(first.starts_with("pass "), "{first}");
    assert_eq!(test.ctrl_c(), "");
}

#[test]
fn ctrl_c_ends_a_watch_while_it_waits() {
    let repo = TestRepo::new();
    let args = [
        "sender",
        "test",
        COMPONENT,
        "--watch",
        "--only",
        "status-400",
    ];
    let mut watch = AtWork::start(&repo, &args);
    let mut first = String::new();
    let mut stderr = BufReader::with_capacity(1, watch.child.stderr.take().unwrap());
    stderr.read_line(&mut first).unwrap();
    assert!(first.starts_with("waiting for "), "{first}");
    watch.child.stderr = Some(stderr.into_inner());
    assert_eq!(watch.ctrl_c(), "");
}

#[test]
fn ctrl_c_ends_a_check_while_it_compiles_and_its_compiler_with_it() {
    let repo = TestRepo::new();
    let cache = repo.home().join("cache");
    let mut command = repo.command(&["sender", "check", COMPONENT]);
    let check = AtWork::of(&repo, command.env("XDG_CACHE_HOME", &cache));
    wait_until("its compiler has started", || is_compiling(&check));
    assert_eq!(check.ctrl_c(), "");
    assert_eq!(kept(&repo), 0, "something half compiled was kept");
}

fn is_compiling(command: &AtWork<'_>) -> bool {
    let group = command.group().to_string();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let in_group = processes.filter(|process| {
        let stat = fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        let (_, fields) = stat.rsplit_once(')').unwrap_or_default();
        fields.split_whitespace().nth(2) == Some(&group)
    });
    in_group.count() == 2
}

/// How much there is in the cache of its own that a command was given.
fn kept(repo: &TestRepo) -> usize {
    let components = repo.home().join("cache/swamp/components");
    fs::read_dir(components).map_or(0, Iterator::count)
}

/// None waits for a compiler that goes on: it has not compiled to its end, which would be in the cache.
#[test]
fn sigint_to_the_command_alone_ends_it_while_it_compiles() {
    let repo = TestRepo::new();
    run(repo
        .command(&["version"])
        .env("SWAMP_TELEMETRY_FLUSH", "off"));
    let slow = slow(&repo);
    let slow = slow.to_str().unwrap();
    let marker = repo.marker() + "telemetrySender: slow.wasm\n";
    fs::write(repo.root().join(".swamp.yaml"), marker).unwrap();
    for (args, said) in [
        (&["sender", "check", slow][..], ""),
        (&["sender", "test", slow], ""),
        (&["sender", "use", slow], ""),
        (
            &["telemetry", "flush"],
            "error: interrupted: 1 entry still pending\n",
        ),
    ] {
        let args = [&["--no-telemetry"], args].concat();
        let args = if args.contains(&"flush") {
            &args[1..]
        } else {
            &args[..]
        };
        let mut command = repo.command(args);
        let command = command.env("XDG_CACHE_HOME", repo.home().join("cache"));
        let command = AtWork::of(&repo, command);
        wait_until("its compiler has started", || is_compiling(&command));
        assert_eq!(command.kill_int(), said, "{args:?}");
        assert_eq!(kept(&repo), 0, "{args:?}: it was compiled to the end");
    }
}

#[test]
fn ctrl_c_ends_the_doctor_while_it_connects() {
    // It takes connections and says nothing, so that TLS never begins.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("https://{}", silent.local_addr().unwrap());
    let repo = TestRepo::of_server(&endpoint, "");
    let doctor = AtWork::start(&repo, &["doctor"]);
    let _connection = silent.accept().unwrap();
    assert_eq!(doctor.ctrl_c(), "");
}
