//! A spool of 100,000 entries, and entries whose times make no sense.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use chrono::{Days, TimeDelta, Utc};
use nix::sys::signal::Signal;
use swamp::domain::{EntryId, EntryName};
use swamp::receiver::ReceiverOptions;

use crate::processes::kill;
use crate::support::{AMPLE, TestRepo, not_installed, run, wait_until};

/// Fills the spool with entries of ours, a millisecond apart and the oldest first. Gives their ids.
fn fill(repo: &TestRepo, count: i64) -> Vec<String> {
    let begin = Utc::now() - TimeDelta::milliseconds(count);
    (0..count)
        .map(|n| {
            let started_at = begin + TimeDelta::milliseconds(n);
            let name = EntryName::pending(started_at, EntryId::generate(started_at));
            let id = name.id.to_string();
            repo.spool_entry(&name.to_string(), &format!(r#"{{"id":"{id}"}}"#));
            id
        })
        .collect()
}

/// The ids of the entries that arrived first.
fn first_batch(repo: &TestRepo) -> Vec<String> {
    let batch = repo.batches().remove(0);
    batch.into_iter().map(|event| event.insert_id).collect()
}

#[test]
fn the_25_oldest_of_100000_entries_are_found_by_opening_few_files() {
    let repo = TestRepo::in_memory();
    let ids = fill(&repo, 100_000);
    let trace = repo.home().join("trace");
    let flush = repo.command(&["telemetry", "flush"]);
    let mut traced = Command::new("strace");
    traced
        .args(["-f", "-qq", "-e", "trace=open,openat,openat2", "-o"])
        .arg(&trace)
        .arg(flush.get_program())
        .args(flush.get_args())
        .current_dir(repo.root());
    traced.env_clear();
    for (key, value) in flush.get_envs() {
        traced.env(key, value.unwrap_or_default());
    }
    if traced.output().is_err() {
        not_installed("strace");
        return;
    }
    let arrived = first_batch(&repo);
    assert_eq!(arrived, ids[..25]);
    let trace = fs::read_to_string(trace).unwrap();
    let before_sending = trace
        .lines()
        .take_while(|line| !line.contains("\".last-flush.json\""))
        .filter(|line| line.contains("\"telemetry-"))
        .count();
    assert!(
        before_sending <= 30,
        "{before_sending} files were opened to choose 25"
    );
}

#[test]
fn foreign_entries_are_read_only_on_the_days_that_are_needed() {
    let repo = TestRepo::new();
    let today = Utc::now().date_naive();
    let yesterday = today - Days::new(1);
    for (day, prefix) in [(yesterday, "old"), (today, "new")] {
        for n in 0..60 {
            let id = format!("{prefix}-{n}");
            let entry = format!(r#"{{"id":"{id}","startedAt":"{day}T00:00:{n:02}Z"}}"#);
            repo.spool_entry(&format!("telemetry-{day}-{id}.json"), &entry);
        }
    }
    repo.swamp(&["telemetry", "flush"]);
    let arrived = first_batch(&repo);
    let oldest: Vec<_> = (0..25).map(|n| format!("old-{n}")).collect();
    assert_eq!(arrived, oldest);
}

#[test]
fn a_drain_that_is_interrupted_loses_nothing_and_sends_nothing_twice() {
    let repo = TestRepo::with_receiver(ReceiverOptions {
        // So that there is a moment for the interrupt; all of it would take ten seconds.
        delay: Duration::from_millis(100),
        ..ReceiverOptions::default()
    });
    let ids = fill(&repo, 2_500);
    let drain = repo
        .command(&["--no-color", "telemetry", "flush", "--all"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("something has arrived", || !repo.batches().is_empty());
    kill(drain.id(), Signal::SIGINT);
    let output = drain.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(2), "{output:?}");
    let arrived = || -> Vec<_> {
        let events = repo.batches().into_iter().flatten();
        events.map(|event| event.insert_id).collect()
    };
    let waiting = repo.entries().len();
    assert_eq!(arrived(), ids[..ids.len() - waiting]);
    assert!(waiting > 0, "the interrupt came too late");
    let said = format!("error: interrupted: {waiting} entries still pending\n");
    assert_eq!(String::from_utf8_lossy(&output.stderr), said);

    let rest = repo.swamp(&["telemetry", "flush", "--all"]);
    assert_eq!((rest.code, rest.stderr.as_str()), (0, ""));
    assert_eq!(arrived(), ids);
    assert_eq!(repo.entries(), [""; 0]);
}

#[test]
fn a_drain_ends_where_telemetry_is_switched_off_meanwhile_and_what_waits_stays() {
    for batches in [1, 3] {
        let repo = TestRepo::with_receiver(ReceiverOptions {
            // So that there is a moment to switch it off in.
            delay: Duration::from_secs(1),
            ..ReceiverOptions::default()
        });
        let ids = fill(&repo, 200);
        let arrivals = repo.receiver.arrivals();
        let drain = repo
            .command(&["telemetry", "flush", "--all"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        for _ in 0..batches {
            arrivals.recv_timeout(AMPLE).unwrap();
        }
        repo.configure("telemetryDisabled: true\n");
        drain.wait_with_output().unwrap();
        let events = repo.batches().into_iter().flatten();
        let arrived: Vec<_> = events.map(|event| event.insert_id).collect();
        assert_eq!(arrived, ids[..batches * 25]);
        assert_eq!(repo.entries().len(), ids.len() - arrived.len());
    }
}

#[test]
fn entries_whose_times_make_no_sense_are_delivered_and_never_expire_today() {
    let repo = TestRepo::new();
    let today = Utc::now().date_naive();
    let future = today + Days::new(400);
    for (day, id, started_at) in [
        (today, "none", "null"),
        (today, "nonsense", "\"yesterday\""),
        (today, "number", "17"),
        (today, "ancient", "\"1970-01-01T00:00:00Z\""),
        (future, "future", "\"2999-01-01T00:00:00Z\""),
    ] {
        let entry = format!(r#"{{"id":"{id}","startedAt":{started_at}}}"#);
        repo.spool_entry(&format!("telemetry-{day}-{id}.json"), &entry);
    }
    // Retention runs before anything can be delivered.
    let dead = repo
        .marker()
        .replace(&repo.receiver.endpoint(), &crate::support::dead_endpoint());
    let alive = repo.marker();
    repo.write_marker(&dead);
    assert_eq!(repo.swamp(&["version"]).code, 0);
    assert_eq!(repo.entries().len(), 6);
    repo.write_marker(&alive);
    assert_eq!(run(&mut repo.command(&["telemetry", "flush"])).code, 0);
    assert_eq!(repo.entries(), [""; 0]);
    let arrived = repo.batches().remove(0);
    assert_eq!(arrived.len(), 6);
    assert_eq!(
        arrived.last().unwrap().insert_id,
        "future",
        "by the day in its name"
    );
}
