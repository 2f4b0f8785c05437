use std::fs;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::*;
use crate::domain::{Backlog, Invocation, InvocationResult, MARKER};

const OLD: Duration = Duration::from_hours(1);

struct Fixture {
    root: tempfile::TempDir,
    spool: FileSpool,
}

fn fixture() -> Fixture {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join(MARKER), "").unwrap();
    let spool = FileSpool::create(root.path(), Owners::Own).unwrap();
    Fixture { root, spool }
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn entry(started_at: &str) -> TelemetryEntry {
    let invocation = Invocation {
        command: "version".into(),
        ..Invocation::default()
    };
    TelemetryEntry::new(
        invocation,
        InvocationResult::success(),
        at(started_at),
        1,
        "1",
    )
}

impl Fixture {
    fn save(&self, started_at: &str) -> EntryName {
        let entry = entry(started_at);
        self.spool.save(&entry).unwrap();
        entry.name()
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> EntryName {
        fs::write(self.spool.path().join(name), content).unwrap();
        self.age(name);
        EntryName::parse(name).unwrap()
    }

    fn age(&self, name: &str) {
        let file = fs::File::open(self.spool.path().join(name)).unwrap();
        file.set_modified(SystemTime::now() - OLD).unwrap();
    }

    fn files(&self) -> Vec<String> {
        let mut files: Vec<_> = fs::read_dir(self.spool.path())
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != ".gitignore" && name != ".last-clean-up")
            .collect();
        files.sort();
        files
    }

    fn unflushed(&self, limit: usize) -> Vec<EntryName> {
        let mut backlog = self.spool.list().unwrap().into_backlog();
        let entries = self.spool.find_unflushed(&mut backlog, limit);
        entries.into_iter().map(|entry| entry.name).collect()
    }
}

#[test]
fn a_repository_without_a_spool_has_none() {
    let root = tempfile::tempdir().unwrap();
    assert!(FileSpool::open(root.path(), Owners::Own).unwrap().is_none());
}

#[test]
fn find_unflushed_gives_the_oldest_first_up_to_the_limit_and_nothing_that_was_flushed() {
    let fixture = fixture();
    let third = fixture.save("2026-02-11T12:00:00.002Z");
    let first = fixture.save("2026-02-10T23:59:59.999Z");
    let second = fixture.save("2026-02-11T12:00:00.001Z");
    fixture.write("telemetry-2026-02-01-sent.flushed.json", "{}");
    fixture.write("telemetry-2026-02-01-bad.quarantined.json", "{}");
    assert_eq!(fixture.unflushed(2), [first.clone(), second.clone()]);
    assert_eq!(fixture.unflushed(9), [first, second, third]);
}

#[test]
fn an_entry_that_was_read_ahead_is_not_read_again_until_it_is_asked_for_twice() {
    let fixture = fixture();
    let [first, second] = ["first", "second"].map(|id| {
        let file = format!("telemetry-2026-02-11-{id}.json");
        fixture.write(&file, format!(r#"{{"id":"{id}"}}"#))
    });
    fixture
        .spool
        .read_ahead(vec![first.clone(), second.clone()]);
    let data = |name| fixture.spool.read(name).unwrap().data;
    assert_eq!(data(&first), r#"{"id":"first"}"#);
    fixture.write(&second.to_string(), r#"{"id":"second","n":1}"#);
    assert_eq!(data(&second), r#"{"id":"second"}"#);
    assert_eq!(data(&second), r#"{"id":"second","n":1}"#);
}

#[test]
fn whatever_is_read_ahead_a_backlog_is_taken_as_without_it() {
    let taken = |ahead: fn(&Fixture, &mut Backlog)| {
        let fixture = fixture();
        for (id, content) in [
            ("a", br#"{"id":"a"}"#.to_vec()),
            ("damaged", b"{".to_vec()),
            ("foreign", b"\xff".to_vec()),
            ("gone", b"{}".to_vec()),
            ("large", vec![b' '; 1024 * 1024 + 1]),
            ("longest", vec![b' '; 9]),
            ("z", br#"{"id":"z"}"#.to_vec()),
        ] {
            fixture.write(&format!("telemetry-2026-02-11-{id}.json"), content);
        }
        let long = format!(r#"{{"id":"m","text":"{}"}}"#, "x".repeat((1 << 20) - 64));
        for day in 12..25 {
            fixture.write(&format!("telemetry-2026-02-{day}-m.json"), &long);
        }
        let mut backlog = fixture.spool.list().unwrap().into_backlog();
        let gone = fixture.spool.path().join("telemetry-2026-02-11-gone.json");
        fs::remove_file(gone).unwrap();
        let mut taken = Vec::new();
        while !backlog.is_empty() {
            ahead(&fixture, &mut backlog);
            let batch = fixture.spool.find_unflushed(&mut backlog, 3);
            taken.push(
                batch
                    .into_iter()
                    .map(|entry| entry.name)
                    .collect::<Vec<_>>(),
            );
        }
        (taken, fixture.files())
    };
    let without = taken(|_, _| {});
    assert_eq!(without.0.iter().flatten().count(), 15);
    let ways: [fn(&Fixture, &mut Backlog); 3] = [
        |fixture, backlog| fixture.spool.read_ahead(backlog.upcoming(3)),
        |fixture, backlog| fixture.spool.read_ahead(backlog.upcoming(99)),
        |fixture, backlog| {
            fixture.spool.read_ahead(backlog.upcoming(2));
            fixture.spool.read_ahead(backlog.upcoming(1));
        },
    ];
    for way in ways {
        assert_eq!(taken(way), without);
    }
}

#[test]
fn mark_flushed_deletes_or_keeps_under_the_flushed_name() {
    let fixture = fixture();
    let deleted = fixture.save("2026-02-11T12:00:00Z");
    let kept = fixture.save("2026-02-11T12:00:01Z");
    fixture.spool.mark_flushed(&deleted, false).unwrap();
    fixture.spool.mark_flushed(&kept, true).unwrap();
    fixture.spool.mark_flushed(&deleted, false).unwrap();
    assert_eq!(
        fixture.files(),
        [kept.in_state(EntryState::Flushed).to_string()]
    );
}

#[test]
fn delete_older_than_removes_all_states_by_the_day_in_the_name_and_counts_the_unsent() {
    let fixture = fixture();
    for name in [
        "telemetry-2026-02-08-a.json",
        "telemetry-2026-02-08-b.flushed.json",
        "telemetry-2026-02-08-c.quarantined.json",
        "telemetry-2026-02-09-d.json",
    ] {
        fixture.write(name, "{}");
    }
    fs::write(fixture.spool.path().join("notes-2020-01-01.json"), "").unwrap();
    let day = NaiveDate::from_ymd_opt(2026, 2, 9);
    let before = Cutoffs {
        sent: day,
        quarantined: day,
        unsent: day,
    };
    let listing = fixture.spool.list().unwrap();
    assert_eq!(
        fixture
            .spool
            .delete_older_than(&listing, &Cutoffs::default()),
        Expired::default()
    );
    let expired = fixture.spool.delete_older_than(&listing, &before);
    assert_eq!(expired, Expired { sent: 1, unsent: 2 });
    assert_eq!(
        fixture.files(),
        ["notes-2020-01-01.json", "telemetry-2026-02-09-d.json"]
    );
}

#[test]
fn temporary_files_are_removed_once_they_are_abandoned() {
    let fixture = fixture();
    for name in [".tmp-old", ".tmp-new"] {
        fs::write(fixture.spool.path().join(name), "{").unwrap();
    }
    fixture.age(".tmp-old");
    let listing = fixture.spool.list().unwrap();
    fixture
        .spool
        .delete_older_than(&listing, &Cutoffs::default());
    assert_eq!(fixture.files(), [".tmp-new"]);
}

#[test]
fn a_damaged_entry_is_set_aside_and_never_read_again() {
    let fixture = fixture();
    let huge = format!(r#"{{"id":"huge","x":"{}"}}"#, "x".repeat(1024 * 1024));
    fixture.write("telemetry-2026-02-01-empty.json", "");
    fixture.write("telemetry-2026-02-01-cut.json", r#"{"id":"cut""#);
    fixture.write("telemetry-2026-02-01-path.json", r#"{"id":"../../path"}"#);
    fixture.write("telemetry-2026-02-01-huge.json", huge);
    fixture.write("telemetry-2026-02-01-binary.json", b"\xff\xfe");
    let good = fixture.write("telemetry-2026-02-02-good.json", r#"{"id":"good"}"#);
    assert_eq!(fixture.unflushed(25), [good]);
    let files = fixture.files();
    let aside = files
        .iter()
        .filter(|name| name.ends_with(".quarantined.json"));
    assert_eq!(aside.count(), 5, "{files:?}");
}

#[test]
fn an_entry_that_may_still_be_being_written_is_left_alone() {
    let fixture = fixture();
    let name = "telemetry-2026-02-01-a.json";
    fs::write(fixture.spool.path().join(name), "").unwrap();
    assert_eq!(fixture.unflushed(25), []);
    assert_eq!(fixture.files(), [name]);
}

#[cfg(unix)]
#[test]
fn what_is_no_plain_file_is_neither_followed_nor_waited_for() {
    let fixture = fixture();
    let path = |name: &str| fixture.spool.path().join(name);
    let outside = fixture.root.path().join("outside");
    fs::write(&outside, r#"{"id":"link"}"#).unwrap();
    std::os::unix::fs::symlink(&outside, path("telemetry-2026-02-01-link.json")).unwrap();
    fs::hard_link(&outside, path("telemetry-2026-02-01-hard.json")).unwrap();
    fs::create_dir(path("telemetry-2026-02-01-dir.json")).unwrap();
    nix::unistd::mkfifo(
        &path("telemetry-2026-02-01-fifo.json"),
        nix::sys::stat::Mode::S_IRWXU,
    )
    .unwrap();
    assert_eq!(fixture.unflushed(25), []);
    for name in ["link", "hard", "dir", "fifo"] {
        let name = EntryName::parse(&format!("telemetry-2026-02-01-{name}.json")).unwrap();
        assert!(fixture.spool.load(&name).is_err(), "{name}");
    }
    assert_eq!(fixture.files().len(), 4);
    assert_eq!(fs::read_to_string(outside).unwrap(), r#"{"id":"link"}"#);
}

#[cfg(unix)]
#[test]
fn a_spool_behind_a_symlink_is_refused() {
    let elsewhere = tempfile::tempdir().unwrap();
    fs::create_dir(elsewhere.path().join("telemetry")).unwrap();
    let root = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), root.path().join(".swamp")).unwrap();
    assert!(FileSpool::create(root.path(), Owners::Own).is_err());
    assert!(FileSpool::open(root.path(), Owners::Own).is_err());
}

#[cfg(unix)]
#[test]
fn the_spool_is_private_and_git_ignores_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let fixture = fixture();
    let name = fixture.save("2026-02-11T12:00:00Z");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(fixture.spool.path()), 0o700);
    assert_eq!(mode(&fixture.spool.path().join(name.to_string())), 0o600);
    let ignored = fs::read_to_string(fixture.spool.path().join(".gitignore")).unwrap();
    assert_eq!(ignored, "*\n");
}

#[test]
fn what_was_recorded_can_be_made_to_survive_a_power_cut() {
    let fixture = fixture();
    fixture.save("2026-02-11T12:00:00Z");
    let listing = fixture.spool.list().unwrap();
    let unsynced = FileSpool::unsynced(&listing, DateTime::UNIX_EPOCH);
    assert_eq!(unsynced.0.len(), 1);
    fixture.spool.sync(&unsynced).unwrap();
}

#[test]
fn one_flusher_holds_the_lock_at_a_time() {
    let fixture = fixture();
    let held = fixture.spool.try_lock().unwrap();
    assert!(held.is_some());
    assert!(fixture.spool.try_lock().unwrap().is_none());
    drop(held);
    assert!(fixture.spool.try_lock().unwrap().is_some());
}

#[test]
fn the_last_flush_is_remembered_and_a_damaged_record_is_none() {
    let fixture = fixture();
    assert_eq!(fixture.spool.last_flush(), None);
    let last = LastFlush {
        at: at("2026-02-11T12:00:00Z"),
        duration_ms: 7,
        delivered: 25,
        quarantined: 0,
        failure: None,
        retry_at: None,
        listed_at: None,
        withheld: 0,
        refused: None,
        totals: Totals::default(),
    };
    fixture.spool.write_last_flush(&last).unwrap();
    fixture.spool.write_last_flush(&last).unwrap();
    assert_eq!(fixture.spool.last_flush(), Some(last));
    fs::write(fixture.spool.path().join(".last-flush.json"), "{").unwrap();
    assert_eq!(fixture.spool.last_flush(), None);
}

#[test]
fn what_was_recorded_since_is_known_from_names() {
    let fixture = fixture();
    let since = at("2026-02-11T12:00:00Z");
    fixture.save("2026-02-11T11:58:59Z");
    let within = [
        fixture.save("2026-02-11T11:59:00Z"),
        fixture.save("2026-02-12T00:00:00Z"),
        fixture.write("telemetry-2026-02-11-foreign.json", "{}"),
    ];
    fixture.write("telemetry-2026-02-10-foreign.json", "{}");
    let mut names = FileSpool::unsynced(&fixture.spool.list().unwrap(), since).0;
    names.sort();
    let mut expected = within.map(|name| name.to_string());
    expected.sort();
    assert_eq!(names, expected);
}

#[test]
fn a_file_with_several_links_is_an_entry_where_its_id_says_so() {
    let fixture = fixture();
    let copy = tempfile::tempdir_in(fixture.root.path()).unwrap();
    let link = |name: &str, content: &str| {
        let entry = fixture.write(name, content);
        fs::hard_link(fixture.spool.path().join(name), copy.path().join(name)).unwrap();
        entry
    };
    let same = link(
        "telemetry-2026-02-11-same.json",
        r#"{"id":"same","startedAt":"2026-02-11T12:00:00.000Z"}"#,
    );
    link(
        "telemetry-2026-02-11-day.json",
        r#"{"id":"day","startedAt":"2026-02-12T12:00:00.000Z"}"#,
    );
    let undated = link(
        "telemetry-2026-02-11-undated.json",
        r#"{"id":"undated","invocation":{"command":"model"}}"#,
    );
    link("telemetry-2026-02-11-bare.json", r#"{"id":"bare"}"#);
    link("telemetry-2026-02-11-other.json", r#"{"id":"else"}"#);
    link("telemetry-2026-02-11-none.json", "a: secret");
    let mut unflushed = fixture.unflushed(9);
    unflushed.sort();
    assert_eq!(unflushed, [same.clone(), undated.clone()]);
    fixture.spool.mark_flushed(&undated, false).unwrap();
    fixture.spool.mark_flushed(&same, false).unwrap();
    assert_eq!(
        fixture.files(),
        [
            "telemetry-2026-02-11-bare.json",
            "telemetry-2026-02-11-day.json",
            "telemetry-2026-02-11-none.json",
            "telemetry-2026-02-11-other.json"
        ],
        "nothing foreign is set aside, either"
    );
    assert_eq!(fs::read_dir(copy.path()).unwrap().count(), 6);
}

#[test]
fn an_entry_of_a_long_command_is_taken_for_recorded_when_it_ends() {
    let fixture = fixture();
    let mut long = entry("2026-02-11T12:00:00Z");
    long.end(InvocationResult::success(), 3_600_000);
    assert_eq!(long.duration(), TimeDelta::hours(1));
    fixture.spool.save(&long).unwrap();
    assert_eq!(fixture.files(), [long.name().to_string()]);
}

#[test]
fn a_new_spool_remembers_when_it_began() {
    let fixture = fixture();
    let clean_ups = fixture.spool.clean_ups().unwrap();
    assert_eq!(clean_ups.expired_unsent, 0);
    assert!(!fixture.spool.is_clean_up_due());
    fs::write(fixture.spool.path().join(".last-clean-up"), "{").unwrap();
    assert!(fixture.spool.is_clean_up_due());
}
