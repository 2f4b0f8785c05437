//! A thousand commands, 64 at once, with the flush in the background as it is by default.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use nix::sys::signal::Signal;

use crate::processes::{kill, processes_in, wait_until_nothing_runs_in};
use crate::support::{AMPLE, TestRepo, run};
use crate::unruly::{Plan, Unruly};

const COMMANDS: usize = 1_000;
const AT_ONCE: usize = 64;

#[test]
fn a_thousand_commands_at_once_are_delivered_exactly_once_under_one_id() {
    let server = Unruly::always(Plan::Accept);
    let repo = TestRepo::with_marker(&format!("telemetryEndpoint: {}\n", server.endpoint()));
    let started = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while started.fetch_add(1, Ordering::SeqCst) < COMMANDS {
                    let run = run(repo
                        .command(&["version"])
                        .env_remove("SWAMP_TELEMETRY_FLUSH"));
                    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
                }
            });
        }
    });
    wait_until_nothing_runs_in(&repo.root());
    let flush = repo.swamp(&["telemetry", "flush", "--all"]);
    assert_eq!((flush.code, flush.stderr.as_str()), (0, ""));
    assert_eq!(repo.entries(), [""; 0]);
    wait_until_nothing_runs_in(&repo.root());

    let stored = server.stored();
    assert_eq!(stored.len(), COMMANDS, "each is sent exactly once");
    assert_eq!(server.events().len(), COMMANDS);
    let repo_ids: BTreeSet<_> = stored.iter().map(|event| &event.distinct_id).collect();
    assert_eq!(repo_ids.len(), 1);
    let marker = repo.marker();
    assert_eq!(marker.matches("repoId").count(), 1, "{marker}");
    assert!(
        marker.contains(repo_ids.first().unwrap().as_str()),
        "{marker}"
    );
    let hidden: Vec<_> = fs::read_dir(repo.spool())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".tmp"))
        .collect();
    assert_eq!(hidden, [""; 0]);
    assert_eq!(server.most_unanswered(), 1, "one flusher sends at a time");
}

#[test]
fn commands_pile_up_no_flushers_behind_one_that_hangs_and_it_starts_none_itself() {
    let server = Unruly::always(Plan::StoreThenSilence);
    let repo = TestRepo::with_marker(&format!("telemetryEndpoint: {}\n", server.endpoint()));
    let moments = server.watch();
    let command = || {
        let run = run(repo
            .command(&["version"])
            .env_remove("SWAMP_TELEMETRY_FLUSH"));
        assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    };
    command();
    moments.recv_timeout(AMPLE).unwrap();
    let mut recorded = 1;
    // On a slow machine the deadline can pass meanwhile, and the next flusher is started as it should.
    while recorded < 10 && server.connections() == 1 {
        command();
        recorded += 1;
        let running = processes_in(&repo.root());
        if server.connections() == 1 && !running.is_empty() {
            assert_eq!(running.len(), 1, "{running:?}");
            assert_eq!(running[0].1, "flush");
        }
    }
    for (pid, _) in processes_in(&repo.root()) {
        kill(pid, Signal::SIGKILL);
    }
    wait_until_nothing_runs_in(&repo.root());
    assert_eq!(repo.entries().len(), recorded);
}
