//! A storm of kills at any moment of recording and flushing, against a server that has moods. Whatever was
//! recorded has arrived or still waits, and what arrived twice is the same both times.
//!
//! `SWAMP_TEST_KILLS` says how many kills, `SWAMP_TEST_SEED` repeats a run's choices, though not its timing.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;

use crate::processes::{kill, processes_in, wait_until_nothing_runs_in};
use crate::support::{TestRepo, run, say};
use crate::unruly::{Moment, Plan, Unruly};

const BATCH: usize = 25;

/// `splitmix64`.
#[derive(Clone)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// When a flush is killed.
#[derive(Clone, Copy)]
enum Aim {
    After(Duration),
    On(Moment),
    OnFirstUnlink,
}

/// When kills really came, as is known from what was left.
#[derive(Debug, Default)]
struct Kills {
    while_recording: usize,
    before_the_post: usize,
    during_the_post: usize,
    between_202_and_unlink: usize,
    among_unlinks: usize,
    after_the_unlinks: usize,
}

impl Kills {
    fn total(&self) -> usize {
        self.while_recording
            + self.before_the_post
            + self.during_the_post
            + self.between_202_and_unlink
            + self.among_unlinks
            + self.after_the_unlinks
    }
}

struct Storm {
    repo: TestRepo,
    server: Unruly,
    moments: Receiver<Moment>,
    dice: Dice,
    /// Every entry that was ever seen in the spool, by its id.
    known: BTreeMap<String, String>,
    recorded: usize,
    written: usize,
    kills: Kills,
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok()?.parse().ok()
}

fn id_of(name: &str) -> &str {
    const BEFORE_ID: usize = "telemetry-YYYY-MM-DD-".len();
    name[BEFORE_ID..].trim_end_matches(".json")
}

impl Storm {
    fn new(seed: u64, calm: Arc<AtomicBool>) -> Self {
        let mut moods = Dice(seed ^ 0xfeed);
        let server = Unruly::start(move |_| {
            if calm.load(Ordering::SeqCst) {
                return Plan::Accept;
            }
            match moods.below(12) {
                0..6 => Plan::Accept,
                6..8 => Plan::Drip(Duration::from_micros(200)),
                8 => Plan::StoreThenReset,
                9 => Plan::StoreThenClose,
                10 => Plan::ResetBeforeReading,
                _ => Plan::Refuse("500 Internal Server Error", String::new()),
            }
        });
        let repo = TestRepo::with_marker(&format!(
            "telemetryEndpoint: {}\nrepoId: 550e8400-e29b-41d4-a716-446655440000\n",
            server.endpoint()
        ));
        // The first one makes the spool; what a kill does to that is looked at elsewhere, point by point.
        let first = run(repo
            .command(&["version"])
            .env("SWAMP_TELEMETRY_FLUSH", "off"));
        assert_eq!((first.code, first.stderr.as_str()), (0, ""));
        Self {
            moments: server.watch(),
            repo,
            server,
            dice: Dice(seed),
            known: BTreeMap::new(),
            recorded: 1,
            written: 0,
            kills: Kills::default(),
        }
    }

    fn pending(&self) -> BTreeSet<String> {
        let names = self.repo.entries();
        let pending: BTreeSet<_> = names.iter().map(|name| id_of(name).to_owned()).collect();
        assert!(
            pending.iter().all(|id| !id.contains('.')),
            "set aside: {names:?}"
        );
        pending
    }

    /// Remembers what waits, and checks that all that is known has arrived or waits.
    fn take_stock(&mut self) -> BTreeSet<String> {
        let pending = self.pending();
        for name in self.repo.entries() {
            let content = fs::read_to_string(self.repo.spool().join(&name)).unwrap();
            let id = id_of(&name).to_owned();
            let before = self.known.insert(id, content.clone());
            assert!(
                before.is_none_or(|before| before == content),
                "{name} has changed"
            );
        }
        let arrived = self.server.events();
        for id in self.known.keys() {
            assert!(
                pending.contains(id) || arrived.contains_key(id),
                "{id} is lost"
            );
        }
        for (id, event) in arrived {
            let spooled = self.known.get(&id).map(|content| content.trim());
            assert_eq!(Some(event.properties.trim()), spooled, "{id}");
        }
        pending
    }

    fn start(command: &mut Command) -> Child {
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Records an invocation, and perhaps does not let it end.
    fn record(&mut self) {
        let mut child = Self::start(
            self.repo
                .command(&["version"])
                .env("SWAMP_TELEMETRY_FLUSH", "off"),
        );
        if self.dice.below(3) == 0 {
            // The moment is random, so no event can tell it.
            thread::sleep(Duration::from_micros(self.dice.below(12_000)));
            child.kill().unwrap();
        }
        let status = child.wait().unwrap();
        if was_killed(status) {
            self.kills.while_recording += 1;
        } else {
            assert_eq!(status.code(), Some(0));
            self.recorded += 1;
        }
    }

    /// Fills the spool up to a batch, as other programs do.
    fn fill_up(&mut self) {
        let today = chrono::Utc::now().date_naive();
        for _ in self.pending().len()..BATCH {
            self.written += 1;
            let id = format!("written-{}", self.written);
            let entry = format!(
                r#"{{"id":"{id}","startedAt":"{today}T00:00:00.000Z","n":{}}}"#,
                self.written
            );
            self.repo
                .spool_entry(&format!("telemetry-{today}-{id}.json"), &entry);
        }
    }

    fn flush(&mut self) {
        let before = self.take_stock();
        let stored_before = self.server.stored().len();
        while self.moments.try_recv().is_ok() {}
        let aim = match self.dice.below(5) {
            0 => Aim::After(Duration::from_micros(self.dice.below(60_000))),
            1 => Aim::On(Moment::Connected),
            2 => Aim::On(Moment::Requested),
            3 => Aim::On(Moment::Accepted),
            _ => Aim::OnFirstUnlink,
        };
        let in_background = self.dice.below(4) == 0;
        let mut child = if in_background {
            // Its own invocation is recorded as well.
            Self::start(
                self.repo
                    .command(&["version"])
                    .env_remove("SWAMP_TELEMETRY_FLUSH"),
            )
        } else {
            Self::start(&mut self.repo.command(&["telemetry", "flush"]))
        };
        let mut seen = Vec::new();
        let killed = if in_background {
            self.recorded += usize::from(child.wait().unwrap().success());
            self.aim(aim, &before, &mut seen, || {
                processes_in(&self.repo.root()).is_empty()
            });
            let running = processes_in(&self.repo.root());
            for (pid, _) in &running {
                kill(*pid, Signal::SIGKILL);
            }
            wait_until_nothing_runs_in(&self.repo.root());
            !running.is_empty()
        } else {
            let pid = child.id();
            self.aim(aim, &before, &mut seen, || {
                child.try_wait().unwrap().is_some()
            });
            if child.try_wait().unwrap().is_none() {
                kill(pid, Signal::SIGKILL);
            }
            was_killed(child.wait().unwrap())
        };
        seen.extend(self.moments.try_iter());
        let after = self.take_stock();
        if !killed {
            return;
        }
        let sent: BTreeSet<String> = self.server.stored()[stored_before..]
            .iter()
            .map(|event| event.insert_id.clone())
            .collect();
        let still_there = sent.intersection(&after).count();
        let kills = &mut self.kills;
        *match (
            seen.contains(&Moment::Requested),
            seen.contains(&Moment::Accepted),
        ) {
            (false, _) => &mut kills.before_the_post,
            (true, false) => &mut kills.during_the_post,
            (true, true) if still_there == sent.len() => &mut kills.between_202_and_unlink,
            (true, true) if still_there > 0 => &mut kills.among_unlinks,
            (true, true) => &mut kills.after_the_unlinks,
        } += 1;
    }

    /// Waits for the moment, or until there is nobody left to be killed.
    fn aim(
        &self,
        aim: Aim,
        before: &BTreeSet<String>,
        seen: &mut Vec<Moment>,
        mut has_ended: impl FnMut() -> bool,
    ) {
        let wanted = match aim {
            Aim::After(delay) => return thread::sleep(delay),
            Aim::On(moment) => moment,
            Aim::OnFirstUnlink => Moment::Accepted,
        };
        loop {
            match self.moments.recv_timeout(Duration::from_millis(2)) {
                Ok(moment) => {
                    seen.push(moment);
                    if moment == wanted {
                        break;
                    }
                }
                Err(RecvTimeoutError::Timeout) if has_ended() => return,
                Err(_) => {}
            }
        }
        if matches!(aim, Aim::OnFirstUnlink) {
            let count = || {
                fs::read_dir(self.repo.spool())
                    .unwrap()
                    .filter(|file| {
                        let name = file.as_ref().unwrap().file_name();
                        name.to_str().is_some_and(|name| {
                            !name.starts_with('.') && before.contains(id_of(name))
                        })
                    })
                    .count()
            };
            while count() == before.len() && !has_ended() {}
        }
    }

    /// The wind drops: everything arrives, and nothing else is left.
    fn end(mut self) -> Kills {
        let long_ago = SystemTime::now() - Duration::from_hours(1);
        for file in fs::read_dir(self.repo.spool()).unwrap() {
            let path = file.unwrap().path();
            if path
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with(".tmp")
            {
                File::open(path).unwrap().set_modified(long_ago).unwrap();
            }
        }
        self.take_stock();
        let flush = self.repo.swamp(&["telemetry", "flush", "--all"]);
        assert_eq!((flush.code, flush.stderr.as_str()), (0, ""));
        assert_eq!(self.take_stock().len(), 0);
        assert!(
            self.known.len() >= self.recorded + self.written,
            "a recorded entry never appeared"
        );
        assert_eq!(self.server.events().len(), self.known.len());
        let mut hidden: Vec<_> = fs::read_dir(self.repo.spool())
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        hidden.sort();
        assert_eq!(
            hidden,
            [
                ".gitignore",
                ".history.json",
                ".last-clean-up",
                ".last-flush.json",
                ".lock"
            ]
        );
        let again = self.server.stored().len() - self.known.len();
        say(&format!(
            "{} entries, of which {again} arrived again",
            self.known.len()
        ));
        self.kills
    }
}

fn was_killed(status: ExitStatus) -> bool {
    status.signal() == Some(Signal::SIGKILL as i32)
}

#[test]
fn no_kill_loses_an_entry_or_makes_two_of_it() {
    let wanted = usize::try_from(number("SWAMP_TEST_KILLS").unwrap_or(60)).unwrap();
    let seed = number("SWAMP_TEST_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        now.as_secs() ^ u64::from(now.subsec_nanos()).rotate_left(32)
    });
    say(&format!("SWAMP_TEST_SEED={seed}"));
    let calm = Arc::new(AtomicBool::new(false));
    let mut storm = Storm::new(seed, Arc::clone(&calm));
    while storm.kills.total() < wanted {
        for _ in 0..storm.dice.below(3) {
            storm.record();
        }
        storm.fill_up();
        storm.flush();
    }
    calm.store(true, Ordering::SeqCst);
    let kills = storm.end();
    say(&format!("{} kills: {kills:?}", kills.total()));
    if wanted >= 1_000 {
        for (when, count) in [
            ("while recording", kills.while_recording),
            ("before the POST", kills.before_the_post),
            ("during the POST", kills.during_the_post),
            (
                "between the 202 and the first unlink",
                kills.between_202_and_unlink,
            ),
            ("among the unlinks", kills.among_unlinks),
        ] {
            assert!(count > 0, "no kill came {when}");
        }
    }
}
