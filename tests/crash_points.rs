//! Every system call that changes a file or talks to the server, of recording and of flushing, is made to fail or
//! to be the last. Nothing that was recorded is lost or changed, and the next flush delivers it.
//!
//! A plain run takes every seventh point; `SWAMP_TEST_ALL_POINTS=1` takes all.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::support::{Run, SWAMP, TestRepo, is_strace_there, run, say};
use crate::unruly::{Plan, Unruly};

const CALLS: &str = "openat,openat2,mkdir,mkdirat,read,write,writev,rename,renameat,renameat2,unlink,unlinkat,\
    fsync,fdatasync,flock,fchmod,fchown,getdents64,socket,connect,sendto,sendmsg,recvfrom,recvmsg,shutdown";

const FAULTS: [&str; 5] = [
    "signal=SIGKILL",
    "error=EIO",
    "error=ENOSPC",
    "error=EROFS",
    "error=EINTR",
];

const REPO_ID: &str = "repoId: 550e8400-e29b-41d4-a716-446655440000\n";

/// What is done when the fault strikes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scene {
    /// The first invocation of a repository: its marker gets an id, its spool is made.
    FirstRecord,
    /// An invocation beside others that wait.
    Record,
    /// An explicit flush of what waits.
    Flush,
}

/// The nth of a thread's calls of this name.
type Point = (String, usize);

struct Stage {
    scene: Scene,
    repo: TestRepo,
    server: Unruly,
    tries: usize,
    log: PathBuf,
}

impl Stage {
    fn new(scene: Scene) -> Self {
        let server = Unruly::always(Plan::Accept);
        let repo = TestRepo::with_marker("");
        let log = repo.home().join("strace.log");
        Self {
            scene,
            repo,
            server,
            tries: 0,
            log,
        }
    }

    fn marker(&self) -> String {
        format!("# mine\ntelemetryEndpoint: {}\n", self.server.endpoint())
    }

    /// Makes all as it was, with new entries, and returns those by their names.
    fn set(&mut self) -> BTreeMap<String, String> {
        self.tries += 1;
        if self.scene == Scene::FirstRecord {
            fs::remove_dir_all(self.repo.root()).unwrap();
            fs::create_dir(self.repo.root()).unwrap();
            self.repo.write_marker(&self.marker());
            return BTreeMap::new();
        }
        self.repo.write_marker(&(self.marker() + REPO_ID));
        let today = chrono::Utc::now().date_naive();
        let entries = (0..3).map(|n| {
            let id = format!("entry-{}-{n}", self.tries);
            let entry = format!(r#"{{"id":"{id}","startedAt":"{today}T00:00:00.000Z"}}"#);
            (format!("telemetry-{today}-{id}.json"), entry)
        });
        let entries: BTreeMap<_, _> = entries.collect();
        for (name, entry) in &entries {
            self.repo.spool_entry(name, entry);
        }
        entries
    }

    fn traced(&self, calls: &str, fault: Option<&str>) -> Run {
        let plain = match self.scene {
            Scene::Flush => self.repo.command(&["telemetry", "flush"]),
            Scene::FirstRecord | Scene::Record => {
                let mut command = self.repo.command(&["version"]);
                command.env("SWAMP_TELEMETRY_FLUSH", "off");
                command
            }
        };
        let mut strace = Command::new("strace");
        strace
            .args(["-f", "-y", "-o"])
            .arg(&self.log)
            .arg(format!("-etrace={calls}"));
        strace.args(fault.map(|fault| format!("-einject={calls}:{fault}")));
        strace
            .arg(SWAMP)
            .args(plain.get_args())
            .current_dir(self.repo.root())
            .env_clear()
            .envs(
                plain
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            );
        run(&mut strace)
    }

    /// The points at which a whole run touches what is ours or the network.
    fn points(&mut self) -> BTreeSet<Point> {
        // The first run makes what is made once.
        self.set();
        self.traced(CALLS, None);
        self.set();
        assert_eq!(self.traced(CALLS, None).code, 0);
        let log = fs::read_to_string(&self.log).unwrap();
        let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        let mut points = BTreeSet::new();
        for line in log.lines() {
            let Some((thread, rest)) = line.split_once(' ') else {
                continue;
            };
            let Some((call, _)) = rest.trim_start().split_once('(') else {
                continue;
            };
            if !call.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                continue;
            }
            let count = counts.entry((thread, call)).or_default();
            *count += 1;
            if is_ours(line) {
                points.insert((call.to_owned(), *count));
            }
        }
        points
    }

    fn entries(&self) -> Vec<String> {
        if self.repo.spool().is_dir() {
            self.repo.entries()
        } else {
            Vec::new()
        }
    }

    /// Lets the fault strike. `None` where it did not, since this run took another course.
    fn strike(&mut self, (call, nth): &Point, fault: &str) -> Option<()> {
        let what = format!("{fault} at {call} {nth}");
        let before = self.set();
        let run = self.traced(call, Some(&format!("{fault}:when={nth}")));
        let log = fs::read_to_string(&self.log).unwrap();
        let killed = log.contains("killed by SIGKILL");
        let struck = log.lines().find(|line| line.contains("(INJECTED)"));
        // A fault in the runtime's own wake-up calls, which never fail by themselves, may end it as it likes.
        if !killed && struck.is_none_or(is_ours) {
            assert!(run.code == 0 || run.code == 1, "{what}: {run:?}");
            let told = run
                .stderr
                .lines()
                .filter(|line| !line.starts_with("hint: "));
            assert!(told.count() <= 1, "{what}: {run:?}");
            if self.scene != Scene::Flush && struck.is_some() {
                assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{what}");
                assert!(!run.stdout.is_empty(), "{what}");
            }
        }
        self.check(&what, &before);
        (killed || struck.is_some()).then_some(())
    }

    fn check(&self, what: &str, before: &BTreeMap<String, String>) {
        let marker = self.repo.marker();
        let added = marker
            .strip_prefix(&self.marker())
            .unwrap_or_else(|| panic!("{what}: {marker}"));
        assert!(
            added.is_empty() || added.starts_with("repoId: ") && added.ends_with('\n'),
            "{what}: {marker}"
        );

        let arrived = self.server.events();
        let waiting = self.entries();
        for (name, entry) in before {
            let id = name["telemetry-YYYY-MM-DD-".len()..].trim_end_matches(".json");
            let has_arrived = arrived
                .get(id)
                .is_some_and(|event| event.properties == *entry);
            let waits = waiting.contains(name)
                && fs::read_to_string(self.repo.spool().join(name)).unwrap() == *entry;
            assert!(has_arrived || waits, "{what}: {name} is lost: {waiting:?}");
        }
        // Whatever has an entry's name is a whole entry.
        let recorded = self.repo.spool();
        for name in &waiting {
            let content = fs::read_to_string(recorded.join(name)).unwrap();
            serde_json::from_str::<serde_json::Value>(&content).unwrap();
        }

        self.age_temporary_files();
        let mut next = self.repo.command(&["version"]);
        let next = run(next.env("SWAMP_TELEMETRY_FLUSH", "off"));
        assert_eq!((next.code, next.stderr.as_str()), (0, ""), "{what}");
        let flush = self.repo.swamp(&["telemetry", "flush", "--all"]);
        assert_eq!((flush.code, flush.stderr.as_str()), (0, ""), "{what}");
        assert_eq!(self.repo.entries(), [""; 0], "{what}");
        assert_eq!(
            fs::read_to_string(self.repo.spool().join(".gitignore")).unwrap(),
            "*\n",
            "{what}"
        );
        assert!(
            self.temporary_files().is_empty(),
            "{what}: {:?}",
            self.temporary_files()
        );
        let arrived = self.server.events();
        for name in before.keys().chain(&waiting) {
            let id = name["telemetry-YYYY-MM-DD-".len()..].trim_end_matches(".json");
            assert!(arrived.contains_key(id), "{what}: {name}");
        }
    }

    fn temporary_files(&self) -> Vec<PathBuf> {
        let places = [self.repo.root(), self.repo.spool()].map(fs::read_dir);
        places
            .into_iter()
            .flatten()
            .flatten()
            .map(|file| file.unwrap().path())
            .filter(|path| {
                let name = path.file_name().unwrap().to_str().unwrap();
                name.starts_with(".tmp-")
                    || Path::new(name).extension().is_some_and(|end| end == "tmp")
            })
            .collect()
    }

    fn age_temporary_files(&self) {
        let long_ago = SystemTime::now() - Duration::from_hours(1);
        for path in self.temporary_files() {
            File::open(path).unwrap().set_modified(long_ago).unwrap();
        }
    }
}

/// Whether a traced call is about the repository's own files or the network.
fn is_ours(line: &str) -> bool {
    [".swamp", "socket:[", "socket(AF_INET", "TCP:["]
        .iter()
        .any(|part| line.contains(part))
}

fn play(scene: Scene) {
    if !is_strace_there() {
        return;
    }
    let mut stage = Stage::new(scene);
    let points = stage.points();
    assert!(points.len() > 10, "{points:?}");
    let all: Vec<_> = points
        .iter()
        .flat_map(|point| FAULTS.map(|fault| (point, fault)))
        .collect();
    let step = if env::var_os("SWAMP_TEST_ALL_POINTS").is_some() {
        1
    } else {
        7
    };
    let mut struck = 0;
    let tried = all.iter().step_by(step);
    let count = tried.len();
    for (point, fault) in tried {
        struck += usize::from(stage.strike(point, fault).is_some());
    }
    say(&format!(
        "{} points: {struck} of {count} faults struck",
        points.len()
    ));
    assert!(struck * 10 >= count * 8, "too few faults struck");
}

#[test]
fn a_fault_at_any_point_of_the_first_record_leaves_the_marker_whole() {
    play(Scene::FirstRecord);
}

#[test]
fn a_fault_at_any_point_of_recording_is_nobodys_business() {
    play(Scene::Record);
}

#[test]
fn a_fault_at_any_point_of_a_flush_loses_nothing() {
    play(Scene::Flush);
}

#[test]
fn what_a_failed_flush_leaves_behind_is_on_the_disk() {
    if !is_strace_there() {
        return;
    }
    let mut stage = Stage::new(Scene::Flush);
    stage.server = Unruly::always(Plan::StoreThenReset);
    let entries = stage.set();
    assert_eq!(stage.traced("fsync", None).code, 1);
    let log = fs::read_to_string(&stage.log).unwrap();
    let synced = |name: &str| {
        log.lines()
            .any(|line| line.contains(&format!("{name}>) = 0")))
    };
    for name in entries.keys() {
        assert!(synced(name), "{name}: {log}");
    }
    assert!(synced("/.swamp/telemetry"), "the directory itself: {log}");
}
