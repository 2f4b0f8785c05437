//! The walks of three newcomers who have read the README and nothing else: what each sees at each step, on terminals of
//! 40, 80 and 160 columns and in a pipe.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use swamp::receiver::{Receiver, ReceiverOptions};
use tempfile::TempDir;

use crate::support::{SWAMP, TestRepo, cache_home, not_installed};

/// What a step is seen on.
#[derive(Clone, Copy)]
enum Seen {
    Terminal(usize),
    Pipe,
}

/// The machine of a newcomer: a home, an empty directory, `swamp` on the path, and an endpoint.
struct Newcomer {
    dir: TempDir,
    receiver: Receiver,
    seen: Seen,
    /// What was seen so far.
    walk: String,
}

impl Newcomer {
    fn new(seen: Seen) -> Self {
        // Its home has the secret by which the senders that all tests have compiled are known.
        let made = TestRepo::new();
        let dir = tempfile::tempdir().unwrap();
        for name in ["bin", "project", "home/.local/state/swamp"] {
            fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        let key = "home/.local/state/swamp/cache.key";
        fs::copy(
            made.home().join(".local/state/swamp/cache.key"),
            dir.path().join(key),
        )
        .unwrap();
        std::os::unix::fs::symlink(SWAMP, dir.path().join("bin/swamp")).unwrap();
        Self {
            dir,
            receiver: Receiver::start(ReceiverOptions::default()).unwrap(),
            seen,
            walk: String::new(),
        }
    }

    fn project(&self) -> PathBuf {
        self.dir.path().join("project")
    }

    /// Types `line`, in which `URL` stands for the endpoint, in `place` below the project.
    fn types_in(&mut self, place: &str, line: &str) {
        let endpoint = self.receiver.endpoint();
        let full = line.replace("URL", &endpoint);
        let mut command = match self.seen {
            Seen::Terminal(columns) => {
                let mut script = Command::new("script");
                let sized = format!("stty rows 50 cols {columns}; {full}");
                script.args(["-qfec", &sized, "/dev/null"]);
                script
            }
            Seen::Pipe => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("{{ {full}; }} 2>&1")]);
                shell
            }
        };
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut path: Vec<_> = std::env::split_paths(&path).collect();
        path.insert(0, self.dir.path().join("bin"));
        let output = command
            .current_dir(self.project().join(place))
            .env_clear()
            .env("PATH", std::env::join_paths(path).unwrap())
            .env("HOME", self.dir.path().join("home"))
            .env("XDG_CACHE_HOME", cache_home())
            .env("SHELL", "/bin/sh")
            .env("TERM", "xterm")
            .env("NO_COLOR", "1")
            // What a walk leads to is sent when it says so, and not while its next step is looked at.
            .env("SWAMP_TELEMETRY_FLUSH", "off")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let shown = String::from_utf8(output.stdout).unwrap().replace('\r', "");
        assert!(!shown.contains('\x1b'), "{shown:?}");
        writeln!(self.walk, "$ {line}\n{}", self.filtered(&shown)).unwrap();
    }

    fn types(&mut self, line: &str) {
        self.types_in("", line);
    }

    fn filtered(&self, shown: &str) -> String {
        let directory = self.dir.path().canonicalize().unwrap();
        shown
            .replace(&self.receiver.endpoint(), "URL")
            .replace(directory.to_str().unwrap(), "DIR")
    }
}

/// What differs from run to run, or with each build of the built-in senders.
const FILTERS: [(&str, &str); 13] = [
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID"),
    (r"sha256:[0-9a-f]{64}", "sha256:DIGEST"),
    (r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "TIME"),
    (r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?", "DATE"),
    // Another test may have compiled it already.
    (r"compiled    found in the cache, in", "compiled    in"),
    (r"just now|\d+ s ago", "just now"),
    (r" +\d+(\.\d+)? (ms|s)\b", " N ms"),
    (r" +(took|median|p95)\b", " $1"),
    (r"memory \d+\.\d", "memory N"),
    (r"batch \d+ of", "batch N of"),
    (r"\d+ MiB are free", "N MiB are free"),
    (r"\d+ bytes", "N bytes"),
    (r"bytes     \d+ → \d+", "bytes     N → N"),
];

/// Who types commands in a terminal, and wants to know what becomes of them.
fn user(newcomer: &mut Newcomer) {
    for line in [
        "swamp init --endpoint URL",
        "swamp version",
        "swamp status",
        "swamp --help",
        "swamp exec --name build -- false",
        "swamp list",
        "swamp flush",
        "swamp stats",
        "swamp config list",
        "swamp doctor",
        "swamp telemetry disable",
        "swamp flush",
        "swamp telemetry purge --dry-run",
        "swamp statsu",
    ] {
        newcomer.types(line);
    }
}

/// Who writes a sender. The build itself is the one step that is not taken, since not every machine has the target: a
/// component that was built from such a project stands in, and the walk says so.
fn author(newcomer: &mut Newcomer) {
    newcomer.types("swamp --json sender new ours | grep -c directory");
    let built = newcomer.project().join("ours/target/wasm32-wasip2/release");
    fs::create_dir_all(&built).unwrap();
    let fixture = "../tests/fixtures/senders/0.1.0/rust-wasm32-wasip2.wasm";
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join(fixture);
    fs::copy(fixture, built.join("ours.wasm")).unwrap();
    newcomer.walk += "# not run: cargo build --release; target/wasm32-wasip2/release/ours.wasm was built before\n\n";
    let component = "target/wasm32-wasip2/release/ours.wasm";
    for line in [
        format!("swamp sender check {component}"),
        format!("swamp sender test {component} --only 'status-4*'"),
        format!("swamp sender use {component}"),
        "swamp init --endpoint URL".to_owned(),
        format!("swamp sender use {component}"),
        "swamp sender show".to_owned(),
        "swamp telemetry flush --dry-run --json | grep url".to_owned(),
        "swamp flush".to_owned(),
    ] {
        newcomer.types_in("ours", &line);
    }
    // Another repository takes a copy.
    fs::create_dir(newcomer.project().join("other")).unwrap();
    newcomer.types_in("other", "swamp init --endpoint URL");
    newcomer.types_in("other", &format!("swamp sender use ../ours/{component}"));
    newcomer.types_in("other", "swamp sender use builtin:ingest");
}

/// Who wants to see how the tools of a team are used.
fn lead(newcomer: &mut Newcomer) {
    fs::write(
        newcomer.project().join("deploy.sh"),
        "#!/bin/sh\n[ \"$1\" = run ]\n",
    )
    .unwrap();
    for line in [
        "swamp init --endpoint URL",
        "swamp telemetry install-id on",
        "swamp exec --name deploy --tool-version 2.3 --subcommands run,rollback -- sh deploy.sh run production",
        "swamp exec --name deploy --subcommands run,rollback -- sh ./deploy.sh rollback production",
        "swamp telemetry record --command deploy --status error --exit-code 3 --duration-ms 1200",
        "swamp list",
        "swamp flush --all",
        "swamp stats",
        "swamp stats --by result",
        "swamp trust --yes",
        "swamp untrust --dry-run",
        "swamp telemetry install-id off --dry-run",
        "swamp config set telemetryRetentionDays 7",
        "swamp config set telemetryRetentionDay 7",
    ] {
        newcomer.types(line);
    }
}

/// Walks, on all that it can be seen on.
fn walk(name: &str, steps: fn(&mut Newcomer)) {
    if Command::new("script").arg("--version").output().is_err() {
        return not_installed("script");
    }
    for (seen, on) in [
        (Seen::Terminal(40), "40"),
        (Seen::Terminal(80), "80"),
        (Seen::Terminal(160), "160"),
        (Seen::Pipe, "pipe"),
    ] {
        let mut newcomer = Newcomer::new(seen);
        steps(&mut newcomer);
        insta::with_settings!({filters => FILTERS}, {
            insta::assert_snapshot!(format!("{name}-{on}"), newcomer.walk);
        });
    }
}

#[test]
fn a_terminal_user_finds_out_what_is_sent_and_turns_it_off() {
    walk("user", user);
}

#[test]
fn an_author_of_a_sender_gets_it_used() {
    walk("author", author);
}

#[test]
fn a_team_lead_sees_how_tools_are_used() {
    walk("lead", lead);
}

/// What takes longer than a second is told on a terminal, and nowhere else.
#[test]
fn a_slow_flush_says_what_it_does_and_for_how_long_on_a_terminal_only() {
    let slow = || ReceiverOptions {
        delay: std::time::Duration::from_millis(2500),
        ..ReceiverOptions::default()
    };
    if Command::new("script").arg("--version").output().is_err() {
        return not_installed("script");
    }
    for seen in [Seen::Terminal(80), Seen::Pipe] {
        let repo = TestRepo::with_receiver(slow());
        crate::support::run(
            repo.command(&["version"])
                .env("SWAMP_TELEMETRY_FLUSH", "off"),
        );
        let line = format!("{SWAMP} telemetry flush");
        let mut command = match seen {
            Seen::Terminal(_) => {
                let mut script = Command::new("script");
                script.args([
                    "-qfec",
                    &format!("stty rows 50 cols 80; {line}"),
                    "/dev/null",
                ]);
                script
            }
            Seen::Pipe => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("{line} 2>&1")]);
                shell
            }
        };
        let output = command
            .current_dir(repo.root())
            .env("HOME", repo.home())
            .env("XDG_CACHE_HOME", cache_home())
            .env("SHELL", "/bin/sh")
            .env("TERM", "xterm")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        let told = format!("sending to {}", repo.receiver.endpoint());
        let is_terminal = matches!(seen, Seen::Terminal(_));
        assert_eq!(shown.contains(&told), is_terminal, "{shown:?}");
        assert!(shown.contains("delivered 1 entry"), "{shown:?}");
        assert_eq!(shown.contains('\x1b'), is_terminal, "{shown:?}");
    }
}
