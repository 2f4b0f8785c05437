//! System calls that fail, by strace: a flush says what failed, and nothing is lost or sent under another id.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use crate::support::{SWAMP, TestRepo, cache_home, not_installed};
use crate::unruly::{Plan, Unruly};

/// What a flush asks of the system, and how often it is tried: the loader's calls come first.
const CALLS: [(&str, usize); 14] = [
    ("openat", 16),
    ("openat2", 8),
    ("statx", 20),
    ("read", 10),
    ("getdents64", 4),
    ("renameat", 3),
    ("unlinkat", 6),
    ("flock", 2),
    ("socket", 1),
    ("connect", 1),
    ("sendto", 1),
    ("recvfrom", 1),
    ("epoll_create1", 1),
    ("fsync", 1),
];

/// `telemetry flush`, in which what `inject` says fails.
fn flush(repo: &TestRepo, inject: &[&str]) -> Option<Output> {
    let traced = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null"])
        .args(inject)
        .args([SWAMP, "telemetry", "flush"])
        .current_dir(repo.root())
        .env_clear()
        .env("HOME", repo.home())
        .env("XDG_CACHE_HOME", cache_home())
        .output();
    if traced.is_err() {
        not_installed("strace");
    }
    traced.ok()
}

fn spool(repo: &TestRepo) -> BTreeSet<String> {
    let today = chrono::Utc::now().date_naive();
    for id in ["one", "two", "three"] {
        let entry = format!(r#"{{"id":"{id}","startedAt":"{today}T00:00:00.000Z"}}"#);
        repo.spool_entry(&format!("telemetry-{today}-{id}.json"), &entry);
    }
    ["one", "two", "three"].map(str::to_owned).into()
}

#[test]
fn whatever_call_fails_the_flush_says_so_or_does_without_and_nothing_is_lost() {
    for (call, times) in CALLS {
        for when in 1..=times {
            let server = Unruly::always(Plan::Accept);
            let repo = TestRepo::of_server(&server.endpoint(), "");
            let spooled = spool(&repo);
            let inject = format!("inject={call}:error=EIO:when={when}");
            let Some(failed) = flush(&repo, &["-e", &inject]) else {
                return;
            };
            let told = String::from_utf8(failed.stderr).unwrap();
            match failed.status.code() {
                // 127: the loader did not find its libraries.
                Some(0 | 127) => {}
                Some(1) => assert!(told.starts_with("error: "), "{inject}: {told}"),
                other => panic!("{inject}: {other:?}: {told}"),
            }
            assert!(
                repo.entries()
                    .iter()
                    .all(|name| !name.contains("quarantined"))
            );
            repo.swamp(&["telemetry", "flush"]);
            assert_eq!(repo.entries(), [""; 0], "{inject}");
            let arrived: BTreeSet<_> = server.events().into_keys().collect();
            assert_eq!(arrived, spooled, "{inject}");
        }
    }
}

#[test]
fn an_entry_that_cannot_be_read_is_passed_over_and_told() {
    let server = Unruly::always(Plan::Accept);
    let repo = TestRepo::of_server(&server.endpoint(), "");
    spool(&repo);
    let unreadable = repo.entries()[0].clone();
    let path = repo.spool().join(&unreadable);
    let inject = ["-P", path.to_str().unwrap(), "-e", "inject=read:error=EIO"];
    let Some(failed) = flush(&repo, &inject) else {
        return;
    };
    let told = String::from_utf8(failed.stderr).unwrap();
    assert_eq!(failed.status.code(), Some(1), "{told}");
    let expected = format!("could not read {}", path.display());
    assert!(
        told.contains(&expected) && told.contains("Input/output error"),
        "{told}"
    );
    assert_eq!(repo.entries(), [unreadable]);
    assert_eq!(server.events().len(), 2);
}
