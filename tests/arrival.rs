//! What was recorded arrives: each situation in which it was lost, held up or sent in vain, and what is right there.

use std::fs;
use std::process::Command;

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use swamp::receiver::ReceiverOptions;

use crate::processes::wait_until_nothing_runs_in;
use crate::support::{AMPLE, Run, TestRepo, dead_endpoint, run};
use crate::unruly::{Moment, Plan, Unruly};

fn repo_of(server: &Unruly) -> TestRepo {
    TestRepo::with_marker(&format!(
        "telemetryEndpoint: {}\nrepoId: 550e8400-e29b-41d4-a716-446655440000\n",
        server.endpoint()
    ))
}

fn day(days_ago: i64) -> String {
    (Utc::now() - TimeDelta::days(days_ago))
        .date_naive()
        .to_string()
}

/// Spools an entry of so many days ago.
fn spool(repo: &TestRepo, id: &str, days_ago: i64) -> String {
    let day = day(days_ago);
    let name = format!("telemetry-{day}-{id}.json");
    let entry = format!(r#"{{"id":"{id}","startedAt":"{day}T00:00:00.000Z"}}"#);
    repo.spool_entry(&name, &entry);
    name
}

fn spool_many(repo: &TestRepo, count: usize, days_ago: i64) {
    for n in 0..count {
        spool(repo, &format!("entry-{n:03}"), days_ago);
    }
}

fn status(repo: &TestRepo) -> Value {
    let run = repo.swamp(&["--no-telemetry", "telemetry", "status", "--json"]);
    serde_json::from_str(&run.stdout).unwrap()
}

/// A command whose flush, if there is any, goes on in the background; waits for its end.
fn in_background(repo: &TestRepo, args: &[&str]) -> Run {
    let mut command = repo.command(args);
    let done = run(command.env_remove("SWAMP_TELEMETRY_FLUSH"));
    wait_until_nothing_runs_in(&repo.root());
    done
}

fn cleaned_up(repo: &TestRepo, stamp: &Value) {
    fs::write(repo.spool().join(".last-clean-up"), stamp.to_string()).unwrap();
}

fn ago(time: TimeDelta) -> String {
    (Utc::now() - time).to_rfc3339()
}

#[test]
fn what_a_flush_could_not_deliver_yet_is_not_expired_by_its_own_clean_up() {
    let server = Unruly::always(Plan::Accept);
    let repo = repo_of(&server);
    spool_many(&repo, 60, 3);
    assert_eq!(repo.swamp(&["version"]).code, 0);
    assert_eq!(server.events().len(), 25);
    let told = status(&repo);
    assert_eq!(
        (&told["pending"], &told["pastRetention"]),
        (&json!(36), &json!(35))
    );
    for _ in 0..2 {
        assert_eq!(repo.swamp(&["version"]).code, 0);
    }
    assert_eq!(server.events().len(), 63);
    assert_eq!(repo.entries(), [""; 0]);
    assert_eq!(status(&repo)["totals"]["expiredUnsent"], 0);
}

#[test]
fn unsent_entries_can_be_kept_for_longer_than_sent_ones() {
    let repo = TestRepo::with_marker(&format!(
        "telemetryEndpoint: {}\ntelemetryUnsentRetentionDays: 9\n",
        dead_endpoint()
    ));
    let kept = [spool(&repo, "kept", 9)];
    spool(&repo, "gone", 10);
    spool(&repo, "tomorrow", 8);
    repo.spool_entry(&format!("telemetry-{}-sent.flushed.json", day(3)), "{}");
    assert_eq!(repo.swamp(&["version"]).code, 0);
    let left = repo.entries();
    assert!(left.starts_with(&kept), "{left:?}");
    assert_eq!(left.len(), 3, "{left:?}");
    let told = status(&repo);
    assert_eq!(told["pastRetention"], 0);
    assert_eq!(told["expiringWithinDay"], 1);
    assert_eq!(told["totals"]["expiredUnsent"], 1);
}

#[test]
fn what_was_set_aside_is_kept_for_30_days() {
    let repo = TestRepo::new();
    for (id, days) in [("look", 30), ("gone", 31)] {
        let name = format!("telemetry-{}-{id}.quarantined.json", day(days));
        repo.spool_entry(&name, "{}");
    }
    assert_eq!(repo.swamp(&["version"]).code, 0);
    let look = format!("telemetry-{}-look.quarantined.json", day(30));
    assert_eq!(repo.entries(), [look]);
}

/// What is done, the marker of it, the command, and what is kept of three days ago.
type Case = (
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

#[test]
fn without_a_flush_a_background_process_removes_what_has_expired_once_an_hour() {
    let off = "telemetryDisabled: true\n";
    let cases: [Case; 4] = [
        ("failed", "", &["init"], &["late"]),
        ("misused", "", &["version", "--bogus"], &["late"]),
        ("off by the marker", off, &["version"], &[]),
        ("failed and off", off, &["init"], &[]),
    ];
    for (what, marker, args, kept) in cases {
        let repo = TestRepo::new();
        repo.configure(marker);
        spool(&repo, "very-late", 5);
        spool(&repo, "late", 3);
        spool(&repo, "young", 1);
        let sent = format!("telemetry-{}-sent.flushed.json", day(3));
        repo.spool_entry(&sent, "{}");
        in_background(&repo, args);
        assert!(repo.entries().contains(&sent), "{what}: within the hour");
        cleaned_up(&repo, &json!({ "at": ago(TimeDelta::hours(1)) }));
        in_background(&repo, args);
        let left = repo.entries();
        let old: Vec<_> = left
            .iter()
            .filter_map(|name| name.strip_prefix(&format!("telemetry-{}-", day(3))))
            .map(|name| name.trim_end_matches(".json"))
            .collect();
        assert_eq!(old, kept, "{what}: {left:?}");
        assert!(
            left.iter().all(|name| !name.contains("very-late")),
            "{what}"
        );
        assert!(left.iter().any(|name| name.contains("young")), "{what}");
        assert_eq!(repo.batches().len(), 0, "{what}");
    }
}

#[test]
fn with_the_flush_off_or_an_endpoint_that_is_none_old_entries_go_all_the_same() {
    for (mode, endpoint) in [("off", "http://127.0.0.1:9"), ("background", "gopher://x")] {
        let repo = TestRepo::with_marker(&format!("telemetryEndpoint: {endpoint}\n"));
        spool(&repo, "very-late", 5);
        spool(&repo, "late", 3);
        cleaned_up(&repo, &json!({ "at": ago(TimeDelta::hours(2)) }));
        let mut command = repo.command(&["version"]);
        assert_eq!(run(command.env("SWAMP_TELEMETRY_FLUSH", mode)).code, 0);
        wait_until_nothing_runs_in(&repo.root());
        let left = repo.entries();
        assert_eq!(left.len(), 2, "{mode}: {left:?}");
        assert!(left[0].ends_with("-late.json"), "{mode}: {left:?}");
    }
}

#[test]
fn an_inline_flush_delivers_what_failed() {
    let repo = TestRepo::new();
    assert_eq!(repo.swamp(&["init"]).code, 1);
    assert_eq!(repo.swamp(&["version", "--bogus"]).code, 2);
    assert_eq!(repo.arrived(), ["init", "version"]);
    assert_eq!(repo.entries(), [""; 0]);
}

#[test]
fn however_many_are_too_old_for_the_endpoint_newer_ones_arrive() {
    let server = Unruly::always(Plan::RefuseWhatHolds("old", "400 Bad Request"));
    let repo = repo_of(&server);
    for n in 0..40 {
        spool(&repo, &format!("old-{n:02}"), 1);
    }
    for n in 0..20 {
        spool(&repo, &format!("new-{n:02}"), 0);
    }
    assert_eq!(repo.swamp(&["version"]).code, 0);
    assert_eq!(server.events().len(), 21);
    assert_eq!(status(&repo)["quarantined"], 40);
    assert_eq!(status(&repo)["pending"], 0);
}

#[test]
fn an_endpoint_that_refuses_everything_is_asked_8_times_a_command_at_most() {
    let server = Unruly::always(Plan::Refuse("400 Bad Request", String::new()));
    let repo = repo_of(&server);
    spool_many(&repo, 40, 0);
    for commands in 1..=3 {
        assert_eq!(repo.swamp(&["version"]).code, 0);
        assert!(server.connections() <= 8 * commands);
    }
    assert_eq!(repo.entries().len(), 43);
}

#[test]
fn one_entry_that_is_always_refused_with_another_status_blocks_nothing_for_long() {
    for status_line in [
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "500 Internal Server Error",
        "503 Service Unavailable",
    ] {
        let server = Unruly::always(Plan::RefuseWhatHolds("poison", status_line));
        let repo = repo_of(&server);
        spool(&repo, "poison", 1);
        spool_many(&repo, 10, 1);
        for flush in 0..3 {
            assert_eq!(repo.swamp(&["version"]).code, 0);
            assert_eq!(server.connections(), flush + 1, "{status_line}");
        }
        assert_eq!(repo.entries().len(), 14, "{status_line}");
        assert_eq!(repo.swamp(&["version"]).code, 0);
        assert_eq!(server.events().len(), 14, "{status_line}");
        let aside = format!("telemetry-{}-poison.quarantined.json", day(1));
        assert_eq!(repo.entries(), [aside], "{status_line}");
    }
}

#[test]
fn an_endpoint_that_comes_back_in_the_middle_of_a_flush_costs_nothing() {
    for down in 1..12 {
        let server = Unruly::start(move |n| match n {
            n if n < down => Plan::Refuse("500 Internal Server Error", String::new()),
            _ => Plan::Accept,
        });
        let repo = repo_of(&server);
        spool_many(&repo, 5, 0);
        for _ in 0..12 {
            assert_eq!(repo.swamp(&["version"]).code, 0);
        }
        assert_eq!(repo.entries(), [""; 0], "{down}");
        assert_eq!(server.events().len(), 17, "{down}");
    }
}

#[test]
fn a_clock_that_has_jumped_removes_nothing_unsent_until_a_day_later() {
    let day_later = TimeDelta::days(1) + TimeDelta::seconds(1);
    let stamp = |at: TimeDelta| json!({ "at": ago(at) });
    for (what, stamp, spared) in [
        ("from ten years ago", stamp(TimeDelta::days(3650)), true),
        ("from the future", stamp(-TimeDelta::days(3650)), true),
        ("from a holiday ago", stamp(TimeDelta::days(29)), false),
        (
            "in doubt since this morning",
            json!({ "at": ago(TimeDelta::hours(3)), "doubtedSince": ago(TimeDelta::hours(4)) }),
            true,
        ),
        (
            "in doubt since yesterday",
            json!({ "at": ago(TimeDelta::hours(3)), "doubtedSince": ago(day_later) }),
            false,
        ),
    ] {
        let repo = TestRepo::with_marker(&format!("telemetryEndpoint: {}\n", dead_endpoint()));
        spool(&repo, "waiting", 300);
        cleaned_up(&repo, &stamp);
        assert_eq!(repo.swamp(&["version"]).code, 0);
        let left = repo.entries();
        assert_eq!(left[0].contains("waiting"), spared, "{what}: {left:?}");
    }
}

#[test]
fn the_entries_of_a_hard_linked_copy_are_delivered_from_both() {
    let server = Unruly::always(Plan::Accept);
    let repo = repo_of(&server);
    spool_many(&repo, 3, 0);
    let mut recorded = repo.command(&["version"]);
    run(recorded.env("SWAMP_TELEMETRY_FLUSH", "off"));
    let copy = repo.home().join("backup");
    let linked = Command::new("cp")
        .arg("-al")
        .args([&repo.root(), &copy])
        .status();
    assert!(linked.unwrap().success());
    assert_eq!(repo.swamp(&["version"]).code, 0);
    assert_eq!(repo.entries(), [""; 0]);
    assert_eq!(server.events().len(), 5);
    let mut flush = repo.command(&["telemetry", "flush"]);
    assert_eq!(run(flush.current_dir(&copy)).code, 0);
    assert_eq!(server.stored().len(), 9);
    assert_eq!(server.events().len(), 5);
}

#[test]
fn valid_json_arrives_byte_for_byte_whatever_it_holds() {
    let repo = TestRepo::new();
    let today = day(0);
    let entries = [
        r#"{ "id" : "cut", "invocation": {"command": "x\ud83d"} }"#.to_owned(),
        r#"{"id":"large","durationMs":1e400,"n":123456789012345678901234567890}"#.to_owned(),
        r#"{"id":"other-than-its-name"}"#.to_owned(),
        r#"{"id":"with.dots.in.it"}"#.to_owned(),
        format!(r#"{{"id":"{}"}}"#, "l".repeat(128)),
        format!(r#"{{"id":"big","x":"{}"}}"#, "x".repeat(1024 * 1024 - 20)),
    ];
    for (n, entry) in entries.iter().enumerate() {
        let id = match n {
            2 => "name".to_owned(),
            _ => serde_json::from_str::<Value>(&entry.replace("\\ud83d", "").replace("1e400", "1"))
                .unwrap()["id"]
                .as_str()
                .unwrap()
                .to_owned(),
        };
        repo.spool_entry(&format!("telemetry-{today}-{id}.json"), entry);
    }
    assert_eq!(repo.swamp(&["version"]).code, 0);
    assert_eq!(repo.entries(), [""; 0]);
    let arrived: Vec<_> = repo.batches().into_iter().flatten().collect();
    for entry in &entries {
        let event = arrived.iter().find(|event| event.properties == *entry);
        let event = event.unwrap_or_else(|| panic!("{}", &entry[..entry.len().min(80)]));
        let id = format!(r#""{}""#, event.insert_id);
        assert!(entry.contains(&id), "{id}");
    }
}

#[test]
fn what_contract_0_1_does_not_promise_waits_for_a_sender_that_comes_with_the_program() {
    let repo = TestRepo::new();
    let component = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/fixtures/senders/0.1.0/rust-wasm32-wasip2.wasm"
    );
    fs::copy(component, repo.root().join("ours.wasm")).unwrap();
    let marker = repo.marker();
    repo.configure("telemetrySender: ours.wasm\n");
    spool(&repo, "with.a.dot", 1);
    spool(&repo, &"l".repeat(65), 1);
    let big = format!(
        r#"{{"id":"big","startedAt":"{}T00:00:00.000Z","x":"{}"}}"#,
        day(0),
        "x".repeat(256 * 1024)
    );
    repo.spool_entry(&format!("telemetry-{}-big.json", day(0)), &big);
    spool_many(&repo, 30, 0);
    // The first one may take long, since it compiles.
    assert_eq!(repo.swamp(&["telemetry", "flush"]).code, 0);
    assert_eq!(repo.batches()[0].len(), 25);
    assert_eq!(repo.swamp(&["version"]).code, 0);
    assert_eq!(repo.entries().len(), 3);
    assert_eq!(status(&repo)["beyondContract"], 3);
    repo.write_marker(&marker);
    assert_eq!(repo.swamp(&["version"]).code, 0);
    assert_eq!(repo.entries(), [""; 0]);
    assert_eq!(status(&repo)["beyondContract"], 0);
}

#[test]
fn large_entries_go_in_as_many_requests_as_they_need() {
    let repo = TestRepo::new();
    for n in 0..20 {
        let entry = format!(r#"{{"id":"big-{n:02}","x":"{}"}}"#, "x".repeat(1_000_000));
        repo.spool_entry(&format!("telemetry-{}-big-{n:02}.json", day(0)), &entry);
    }
    assert_eq!(repo.swamp(&["version"]).code, 0);
    let sizes: Vec<_> = repo.batches().iter().map(Vec::len).collect();
    assert_eq!(sizes, [7, 7, 7]);
    assert_eq!(repo.entries(), [""; 0]);
}

#[test]
fn a_command_that_waits_waits_for_the_flush_of_another_and_tells_how_it_went() {
    let server = Unruly::start(|n| match n {
        0 => Plan::Drip(std::time::Duration::from_millis(10)),
        _ => Plan::Accept,
    });
    let repo = repo_of(&server);
    let moments = server.watch();
    let mut first = repo.command(&["version"]);
    assert_eq!(run(first.env_remove("SWAMP_TELEMETRY_FLUSH")).code, 0);
    assert_eq!(moments.recv_timeout(AMPLE), Ok(Moment::Connected));
    // The first is at work now, and holds the lock.
    let second = repo.swamp(&["--log-level", "debug", "version"]);
    assert_eq!(second.code, 0);
    assert!(
        second.stderr.contains("delivered 1 entries to"),
        "{}",
        second.stderr
    );
    assert_eq!(repo.entries(), [""; 0]);
    assert_eq!(server.events().len(), 2);
}

#[test]
fn a_repository_is_named_by_the_environment_as_by_the_option() {
    let repo = TestRepo::with_receiver(ReceiverOptions::default());
    let mut elsewhere = repo.command(&["version"]);
    elsewhere
        .current_dir(repo.home())
        .env("SWAMP_REPO_DIR", repo.root());
    assert_eq!(run(&mut elsewhere).code, 0);
    assert_eq!(repo.arrived(), ["version"]);
    let mut option = repo.command(&["-C", "nowhere", "telemetry", "status"]);
    let refused = run(option.env("SWAMP_REPO_DIR", repo.root()));
    assert_eq!(refused.code, 1, "the option comes first");
}

#[test]
fn what_cannot_be_printed_is_a_failure() {
    let repo = TestRepo::new();
    for args in [
        &["--help"][..],
        &["--version"],
        &["help"],
        &["telemetry", "--help"],
        &["version"],
    ] {
        let full = fs::File::create("/dev/full").unwrap();
        let status = repo.command(args).stdout(full).status().unwrap();
        assert_eq!(status.code(), Some(1), "{args:?}");
    }
}

#[test]
fn where_no_file_may_be_written_the_entry_is_lost_and_the_command_is_not() {
    let repo = TestRepo::new();
    let mut limited = Command::new("bash");
    limited
        .args([
            "-c",
            r#"ulimit -f 0; exec "$0" "$@""#,
            crate::support::SWAMP,
        ])
        .args(["--log-level", "debug", "version"])
        .current_dir(repo.root())
        .env_clear()
        .env("HOME", repo.home())
        .env("SWAMP_TELEMETRY_FLUSH", "off");
    let run = run(&mut limited);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(!run.stdout.is_empty());
    assert!(run.stderr.contains("could not write"), "{}", run.stderr);
    assert_eq!(repo.entries(), [""; 0]);
}
