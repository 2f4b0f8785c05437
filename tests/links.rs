//! Somebody who can write where a command works exchanges what it uses for a link to what he cannot write, over and
//! over while the command runs. Nothing behind the link changes, nothing of it is sent, and the command notices nothing.
//!
//! `SWAMP_TEST_SWAPS` says how many commands each path is tried with.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread::{self, JoinHandle};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::support::{Run, TestRepo, is_strace_there, run, say, wait_until, wasm};

const ROUNDS: usize = 12;

/// Whether strace is there, to slow commands down.
static STRACE: LazyLock<bool> = LazyLock::new(is_strace_there);

/// The last round in which a command can be slowed down, which takes it five times as long.
const MOST_SLOWED: usize = 60;

const ID: &str = "550e8400-e29b-41d4-a716-446655440000";

/// Another user's id, for tests that root runs.
const STRANGER: u32 = 12345;

fn rounds() -> usize {
    let wanted = std::env::var("SWAMP_TEST_SWAPS").ok();
    wanted.map_or(ROUNDS, |rounds| rounds.parse().unwrap())
}

/// Two paths that are exchanged until this is dropped. Then each is what it was.
struct Swap {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Swap {
    fn start(one: &Path, other: &Path, count: &Arc<AtomicUsize>) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (one, other) = (one.to_owned(), other.to_owned());
        let (is_over, count) = (Arc::clone(&over), Arc::clone(count));
        let thread = thread::spawn(move || {
            let swap = || {
                found(&one).is_some_and(|one| {
                    renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).is_ok()
                })
            };
            let mut swapped = false;
            while !is_over.load(Ordering::Relaxed) {
                // While the command has removed or renamed one of them, there is nothing to exchange.
                if swap() {
                    swapped = !swapped;
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
            if swapped {
                swap();
            }
        });
        Self {
            over,
            thread: Some(thread),
        }
    }
}

impl Drop for Swap {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// The path, or where its name ends with `*`, one that begins so.
fn found(path: &Path) -> Option<PathBuf> {
    let Some(start) = path.to_str().unwrap().strip_suffix('*') else {
        return Some(path.to_owned());
    };
    let mut files = fs::read_dir(path.parent().unwrap()).ok()?;
    files.find_map(|file| {
        let path = file.ok()?.path();
        path.to_str()?.starts_with(start).then_some(path)
    })
}

/// What is put in a path's place.
#[derive(Clone, Copy, Debug)]
enum Bait {
    /// A symbolic link to this in the victim's directory.
    Link(&'static str),
    /// Another name of this file in the victim's directory.
    HardLink(&'static str),
    /// What would be waited for.
    Fifo,
}

struct Case {
    /// Relative to the directory of the repository, or empty for that itself.
    path: &'static str,
    bait: Bait,
    args: &'static [&'static str],
    /// Whether what was recorded is flushed.
    flushes: bool,
}

const RECORD: &[&str] = &["version"];

const fn case(path: &'static str, bait: Bait) -> Case {
    Case {
        path,
        bait,
        args: RECORD,
        flushes: true,
    }
}

const CASES: &[Case] = &[
    case(".swamp.yaml", Bait::Link("credentials.yaml")),
    case(".swamp.yaml", Bait::Link("credentials-to-be.yaml")),
    case(".swamp.yaml", Bait::HardLink("credentials.yaml")),
    case(".swamp.yaml", Bait::Fifo),
    case(".swamp", Bait::Link("")),
    case(".swamp/marker.lock", Bait::Link("new.lock")),
    case(".swamp/marker.lock", Bait::HardLink("credentials.yaml")),
    case(".swamp/marker.lock", Bait::Fifo),
    case(".swamp/telemetry", Bait::Link("telemetry")),
    case(".swamp/telemetry/.gitignore", Bait::Link("new.ignore")),
    case(".swamp/telemetry/.lock", Bait::Link("new.lock")),
    case(".swamp/telemetry/.lock", Bait::HardLink("credentials.yaml")),
    case(".swamp/telemetry/.lock", Bait::Fifo),
    case(
        ".swamp/telemetry/.last-flush.json",
        Bait::Link("credentials.yaml"),
    ),
    case(".swamp/telemetry/.last-flush.json", Bait::Fifo),
    case(
        ".swamp/telemetry/.history.json",
        Bait::Link("credentials.yaml"),
    ),
    case(".swamp/telemetry/.history.json", Bait::Fifo),
    case(ENTRY, Bait::Link(VICTIMS_ENTRY)),
    case(ENTRY, Bait::Fifo),
    case("sender.wasm", Bait::Fifo),
    Case {
        path: ".swamp/telemetry/.open",
        bait: Bait::Link("telemetry"),
        args: &["exec", "--", "true"],
        flushes: true,
    },
    Case {
        path: "",
        bait: Bait::Link(""),
        args: &["-C", "../repo", "version"],
        flushes: false,
    },
];

const ENTRY: &str = ".swamp/telemetry/telemetry-2026-02-11-mine.json";

const VICTIMS_ENTRY: &str = "telemetry/telemetry-2020-01-01-theirs.json";

/// Fills the victim's directory with what each of the commands would like to write, delete, send or give away.
fn fill(victim: &Path) {
    fs::create_dir_all(victim.join("telemetry")).unwrap();
    for name in [
        "credentials.yaml",
        ".bashrc",
        ".lock",
        "marker.lock",
        ".last-flush.json",
    ] {
        fs::write(victim.join(name), "token: mine\n").unwrap();
        fs::write(victim.join("telemetry").join(name), "token: mine\n").unwrap();
    }
    fs::write(victim.join(VICTIMS_ENTRY), r#"{"id":"theirs"}"#).unwrap();
}

/// Everything about every path below that a command could change.
fn state(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for file in fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        let about = fs::symlink_metadata(&path).unwrap();
        let content = if about.is_dir() {
            found.extend(state(&path));
            String::new()
        } else {
            fs::read_to_string(&path).unwrap()
        };
        found.push(format!(
            "{} {:o} {}:{} {content:?}",
            path.display(),
            about.mode(),
            about.uid(),
            about.gid(),
        ));
    }
    found.sort();
    found
}

/// Removes it, also from under a flusher that the command before has left and that still writes there.
fn remove(path: &Path) {
    if fs::symlink_metadata(path).is_ok_and(|about| about.is_dir()) {
        wait_until(
            "the directory stays empty while it is removed",
            || match fs::remove_dir_all(path) {
                Ok(()) => true,
                Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => false,
                Err(error) => panic!("{}: {error}", path.display()),
            },
        );
    } else {
        fs::remove_file(path).ok();
    }
}

/// A repository as it is before each command: with a marker to be migrated, a spool with an entry, and all locks.
fn set_up(repo: &TestRepo) {
    let root = repo.root();
    remove(&root.join(".swamp"));
    remove(&root.join(".swamp.yaml"));
    fs::create_dir_all(root.join(".swamp/telemetry/.open")).unwrap();
    fs::set_permissions(root.join(".swamp"), fs::Permissions::from_mode(0o700)).unwrap();
    for name in ["marker.lock", "telemetry/.lock", "telemetry/.gitignore"] {
        fs::write(root.join(".swamp").join(name), "").unwrap();
    }
    fs::write(root.join(".swamp/telemetry/.last-flush.json"), "{}").unwrap();
    fs::write(root.join(ENTRY), r#"{"id":"mine"}"#).unwrap();
    let sender = if root.join("sender.wasm").exists() {
        "telemetrySender: sender.wasm\n"
    } else {
        ""
    };
    repo.write_marker(&format!("telemetryEndpoint: ENDPOINT\n{sender}"));
    if nix::unistd::geteuid().is_root() {
        // Whose directory it is decides whom root gives what it makes.
        for name in ["", ".swamp", ".swamp/telemetry", ".swamp/telemetry/.open"] {
            chown(root.join(name), Some(STRANGER), Some(STRANGER)).unwrap();
        }
    }
}

/// Runs the command. Some of the time each of its calls that name a path is followed by a moment in which the paths are
/// exchanged several times over: on a machine with much to do, the exchanges come before and after what the command
/// does, and hardly ever in between.
fn run_slowly(mut command: Command, round: usize) -> Run {
    if round % 3 != 1 || round > MOST_SLOWED || !*STRACE {
        return run(&mut command);
    }
    let mut slowed = Command::new("strace");
    slowed
        .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=%file"])
        .args([
            "-e",
            "inject=%file:delay_exit=200",
            "-e",
            "signal=none",
            "--",
        ])
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(command.get_current_dir().unwrap())
        .env_clear()
        .stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        slowed.env(name, value.unwrap());
    }
    run(&mut slowed)
}

fn lay(bait: Bait, victim: &Path, at: &Path) {
    remove(at);
    match bait {
        Bait::Link(target) => symlink(victim.join(target), at).unwrap(),
        Bait::HardLink(target) => fs::hard_link(victim.join(target), at).unwrap(),
        Bait::Fifo => nix::unistd::mkfifo(at, nix::sys::stat::Mode::S_IRWXU).unwrap(),
    }
}

fn command(repo: &TestRepo, case: &Case, round: usize) -> Run {
    let mut command = repo.command(case.args);
    command.env("PATH", "/usr/bin:/bin");
    if !case.flushes {
        command.env("SWAMP_TELEMETRY_FLUSH", "off");
    }
    run_slowly(command, round)
}

#[test]
fn what_is_exchanged_for_a_link_under_a_running_command_leads_it_nowhere() {
    for case in CASES {
        let repo = TestRepo::with_marker("telemetryEndpoint: ENDPOINT\n");
        let victim = repo.home().join("victim");
        fill(&victim);
        let before = state(&victim);
        if case.path == "sender.wasm" {
            fs::write(repo.root().join(case.path), wasm("(component)")).unwrap();
        }
        let swaps = Arc::new(AtomicUsize::new(0));
        for round in 0..rounds() {
            set_up(&repo);
            let path = match case.path {
                "" => repo.root(),
                path => repo.root().join(path),
            };
            let bait = repo.home().join("bait");
            lay(case.bait, &victim, &bait);
            let run = {
                let _swap = Swap::start(&path, &bait, &swaps);
                command(&repo, case, round)
            };
            let what = format!("{} exchanged for {:?}", case.path, case.bait);
            assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{what}");
            remove(&bait);
            assert_eq!(state(&victim), before, "{what}");
        }
        let sent: Vec<_> = repo.batches().into_iter().flatten().collect();
        assert!(
            sent.iter().all(|event| event.insert_id != "theirs"),
            "{sent:?}"
        );
        let swaps = swaps.load(Ordering::Relaxed);
        assert!(swaps > 0, "{} was never exchanged", case.path);
        say(&format!(
            "{}: exchanged {swaps} times for {:?}",
            case.path, case.bait
        ));
    }
}

/// What a marker that is a link leads to changes only where nobody else could have laid the link.
#[test]
fn a_link_below_which_others_can_exchange_what_they_like_is_never_written_through() {
    let repo = TestRepo::with_marker("");
    let root = repo.root();
    let victim = repo.home().join("victim");
    fill(&victim);
    fs::write(victim.join("real.yaml"), "token: mine\n").unwrap();
    let before = state(&victim);
    fs::create_dir(root.join("sub")).unwrap();
    fs::write(root.join("sub/real.yaml"), format!("repoId: {ID}\n")).unwrap();
    remove(&root.join(".swamp.yaml"));
    symlink("sub/real.yaml", root.join(".swamp.yaml")).unwrap();
    fs::set_permissions(&root, fs::Permissions::from_mode(0o777)).unwrap();
    let bait = root.join("bait");
    symlink(&victim, &bait).unwrap();
    let swaps = Arc::new(AtomicUsize::new(0));
    let _swap = Swap::start(&root.join("sub"), &bait, &swaps);
    for _ in 0..rounds() {
        let run = repo.swamp(&["telemetry", "disable"]);
        assert_eq!(run.code, 1, "{run:?}");
        assert_eq!(state(&victim), before);
    }
}

/// A place that is no repository's, and a command that uses it.
struct Place {
    /// Below a directory in which everybody can write; a name that ends with `*` is one that begins so.
    path: &'static str,
    bait: Bait,
    args: &'static [&'static str],
}

const fn place(path: &'static str, bait: Bait, args: &'static [&'static str]) -> Place {
    Place { path, bait, args }
}

const CREDENTIALS: Bait = Bait::Link("credentials.yaml");
const SAME_CREDENTIALS: Bait = Bait::HardLink("credentials.yaml");
const TRUST: &[&str] = &["--no-telemetry", "trust", "--yes"];
const INSTALL_ID: &[&str] = &["--no-telemetry", "telemetry", "install-id", "on"];
const NO_INSTALL_ID: &[&str] = &["--no-telemetry", "telemetry", "install-id", "off"];
const DISABLE: &[&str] = &["--no-telemetry", "telemetry", "disable", "--global"];
const MAN: &[&str] = &["--no-telemetry", "man", "../home/open/man"];
const NEW: &[&str] = &["--no-telemetry", "sender", "new", "ours"];
const WRAP: &[&str] = &[
    "--no-telemetry",
    "sender",
    "wrap",
    "core.wasm",
    "-o",
    "ours.wasm",
];

/// The files that commands write outside of `.swamp`, and the directories that lead to them.
const PLACES: &[Place] = &[
    place("cache", Bait::Link(""), RECORD),
    place("cache/swamp/components", Bait::Link(""), RECORD),
    place("state", Bait::Link(""), TRUST),
    place("state/swamp", Bait::Link(""), INSTALL_ID),
    place("state/swamp", Bait::Link(""), NO_INSTALL_ID),
    place("state/swamp/trust.json", CREDENTIALS, TRUST),
    place("state/swamp/trust.json", SAME_CREDENTIALS, TRUST),
    place("state/swamp/trust.json", Bait::Fifo, TRUST),
    place("state/swamp/trust.lock", Bait::Link("new.lock"), TRUST),
    place("state/swamp/cache.key", CREDENTIALS, RECORD),
    place("state/swamp/cache.key", Bait::Fifo, RECORD),
    place("state/swamp/install-id", CREDENTIALS, INSTALL_ID),
    place("state/swamp/install-id", Bait::Fifo, NO_INSTALL_ID),
    place("config", Bait::Link(""), DISABLE),
    place("config/swamp", Bait::Link(""), DISABLE),
    place("config/swamp/config.yaml", CREDENTIALS, DISABLE),
    place("config/swamp/config.yaml", SAME_CREDENTIALS, DISABLE),
    place("config/swamp/config.yaml", Bait::Fifo, RECORD),
    place("man/swamp.1", CREDENTIALS, MAN),
    place("man/swamp.1", SAME_CREDENTIALS, MAN),
    place("man/swamp.1", Bait::Fifo, MAN),
    place("work/.ours-*", Bait::Link(""), NEW),
    place("work/ours.wasm", CREDENTIALS, WRAP),
    place("work/ours.wasm", SAME_CREDENTIALS, WRAP),
];

/// What is in the open directory before each command, all of it writable by everybody.
fn set_up_open(open: &Path) {
    if open.exists() {
        remove(open);
    }
    for name in [
        "cache/swamp/components",
        "state/swamp",
        "config/swamp",
        "man",
        "work",
    ] {
        fs::create_dir_all(open.join(name)).unwrap();
    }
    for (name, content) in [
        ("state/swamp/trust.json", &br#"{"repositories": []}"#[..]),
        ("state/swamp/trust.lock", b""),
        ("state/swamp/cache.key", &[7; 32]),
        ("state/swamp/install-id", ID.as_bytes()),
        ("config/swamp/config.yaml", b"allowSenders: any\n"),
        ("man/swamp.1", b""),
        ("work/ours.wasm", b""),
        ("work/core.wasm", &crate::wrap::core_module()),
    ] {
        fs::write(open.join(name), content).unwrap();
    }
    for name in [
        "",
        "cache",
        "cache/swamp",
        "cache/swamp/components",
        "state",
        "state/swamp",
        "config",
        "config/swamp",
        "man",
        "work",
    ] {
        fs::set_permissions(open.join(name), fs::Permissions::from_mode(0o777)).unwrap();
    }
}

#[test]
fn what_is_exchanged_for_a_link_outside_of_a_repository_leads_a_command_nowhere() {
    for Place { path, bait, args } in PLACES {
        let repo =
            TestRepo::with_marker("telemetryEndpoint: ENDPOINT\ntelemetrySender: ours.wasm\n");
        fs::write(repo.root().join("ours.wasm"), wasm("(component)")).unwrap();
        let (open, victim) = (repo.home().join("open"), repo.home().join("victim"));
        fill(&victim);
        let before = state(&victim);
        let swaps = Arc::new(AtomicUsize::new(0));
        let kind = path.split('/').next().unwrap();
        for round in 0..rounds() {
            set_up_open(&open);
            let laid = repo.home().join("bait");
            lay(*bait, &victim, &laid);
            let mut command = repo.command(args);
            match kind {
                "cache" => command.env("XDG_CACHE_HOME", open.join(kind)),
                "state" => command.env("XDG_STATE_HOME", open.join(kind)),
                "config" => command.env("XDG_CONFIG_HOME", open.join(kind)),
                "work" => command.current_dir(open.join(kind)),
                _ => &mut command,
            };
            let run = {
                let _swap = Swap::start(&open.join(path), &laid, &swaps);
                run_slowly(command, round)
            };
            let what = format!("{path} exchanged for {bait:?}");
            if *args == RECORD {
                assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{what}");
            } else {
                let refused = run.code == 1 && run.stderr.starts_with("error: could not ");
                assert!(run.code == 0 || refused, "{what}: {run:?}");
            }
            assert_eq!(state(&victim), before, "{what}");
            fs::remove_file(&laid)
                .or_else(|_| fs::remove_dir_all(&laid))
                .ok();
        }
        let swaps = swaps.load(Ordering::Relaxed);
        assert!(swaps > 0, "{path} was never exchanged");
        say(&format!("{path}: exchanged {swaps} times for {bait:?}"));
    }
}
