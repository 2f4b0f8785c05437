//! Entries that the endpoint refuses for good, and endpoints that refuse everything.

use std::fs;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::support::TestRepo;
use crate::unruly::{Plan, Unruly};

const POISON: &str = "1b54cd8a-6d0f-4c39-8b8e-5c0d0f5f8f13";

fn today() -> String {
    Utc::now().date_naive().to_string()
}

fn spool(repo: &TestRepo, id: &str) {
    let entry = format!(r#"{{"id":"{id}","startedAt":"{}T00:00:00.000Z"}}"#, today());
    repo.spool_entry(&format!("telemetry-{}-{id}.json", today()), &entry);
}

fn repo_of(server: &Unruly) -> TestRepo {
    TestRepo::with_marker(&format!(
        "telemetryEndpoint: {}\nrepoId: 550e8400-e29b-41d4-a716-446655440000\n",
        server.endpoint()
    ))
}

fn last_flush(repo: &TestRepo) -> Value {
    serde_json::from_slice(&fs::read(repo.spool().join(".last-flush.json")).unwrap()).unwrap()
}

#[test]
fn an_entry_that_is_always_refused_is_set_aside_and_the_others_arrive() {
    for status in [
        "400 Bad Request",
        "413 Content Too Large",
        "422 Unprocessable Content",
    ] {
        let server = Unruly::always(Plan::RefuseWhatHolds(POISON, status));
        let repo = repo_of(&server);
        for n in 0..24 {
            spool(&repo, &format!("2f4a7c1e-0000-4000-8000-{n:012}"));
        }
        spool(&repo, POISON);
        let run = repo.swamp(&["version"]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{status}");
        let left = repo.entries();
        let aside = format!("telemetry-{}-{POISON}.quarantined.json", today());
        // The invocation itself was the 26th: being the newest, it showed that the endpoint takes others.
        assert_eq!(
            left.iter()
                .filter(|name| name.contains("quarantined"))
                .collect::<Vec<_>>(),
            [&aside]
        );
        assert_eq!(left.len(), 1, "{status}: {left:?}");
        assert_eq!(server.events().len(), 25, "{status}");
        assert_eq!(server.stored().len(), 25, "{status}: none is sent twice");
        assert_eq!(repo.swamp(&["version"]).code, 0);
        assert_eq!(repo.entries(), [aside], "{status}");
        assert_eq!(server.events().len(), 26, "{status}");
    }
}

#[test]
fn a_batch_of_nothing_but_poison_is_set_aside_once_the_endpoint_takes_another() {
    let server = Unruly::always(Plan::RefuseWhatHolds("poison", "422 Unprocessable Content"));
    let repo = repo_of(&server);
    for n in 0..25 {
        spool(&repo, &format!("poison-{n:02}"));
    }
    assert_eq!(repo.swamp(&["version"]).code, 0);
    let left = repo.entries();
    assert_eq!(left.len(), 25);
    assert!(
        left.iter().all(|name| name.ends_with(".quarantined.json")),
        "{left:?}"
    );
    assert_eq!(server.events().len(), 1);
}

#[test]
fn an_endpoint_that_refuses_everything_has_nothing_set_aside() {
    for status in [
        "400 Bad Request",
        "422 Unprocessable Content",
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "500 Internal Server Error",
    ] {
        let server = Unruly::always(Plan::Refuse(status, String::new()));
        let repo = repo_of(&server);
        for n in 0..3 {
            spool(&repo, &format!("entry-{n}"));
        }
        for _ in 0..2 {
            let run = repo.swamp(&["version"]);
            assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{status}");
        }
        let left = repo.entries();
        assert_eq!(left.len(), 5, "{status}: {left:?}");
        assert!(
            left.iter().all(|name| !name.contains("quarantined")),
            "{status}: {left:?}"
        );
        assert_eq!(last_flush(&repo)["failure"]["kind"], "rejected", "{status}");
    }
}

#[test]
fn an_endpoint_that_asks_to_be_left_alone_is_left_alone() {
    for status in ["429 Too Many Requests", "503 Service Unavailable"] {
        let server = Unruly::start(move |n| match n {
            0 => Plan::Refuse(status, "retry-after: 3600\r\n".into()),
            _ => Plan::Accept,
        });
        let repo = repo_of(&server);
        for _ in 0..3 {
            let run = repo.swamp(&["version"]);
            assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{status}");
        }
        assert_eq!(server.connections(), 1, "{status}");
        assert_eq!(repo.entries().len(), 3);

        let mut last = last_flush(&repo);
        let retry_at: DateTime<Utc> = last["retryAt"].as_str().unwrap().parse().unwrap();
        assert!(retry_at > Utc::now() + TimeDelta::minutes(50), "{last}");
        last["retryAt"] = Value::from((Utc::now() - TimeDelta::seconds(1)).to_rfc3339());
        fs::write(repo.spool().join(".last-flush.json"), last.to_string()).unwrap();
        assert_eq!(repo.swamp(&["version"]).code, 0);
        assert_eq!(repo.entries(), [""; 0], "{status}: the wait is over");
        assert_eq!(server.events().len(), 4);
        assert!(last_flush(&repo)["retryAt"].is_null());
    }
}

#[test]
fn an_explicit_flush_does_not_wait_for_retry_after() {
    let server = Unruly::start(|n| match n {
        0 => Plan::Refuse("429 Too Many Requests", "retry-after: 3600\r\n".into()),
        _ => Plan::Accept,
    });
    let repo = repo_of(&server);
    assert_eq!(repo.swamp(&["version"]).code, 0);
    assert_eq!(repo.entries().len(), 1);
    assert_eq!(repo.swamp(&["telemetry", "flush"]).code, 0);
    assert_eq!(repo.entries(), [""; 0]);
}

#[test]
fn without_retry_after_the_next_command_tries_again() {
    let server = Unruly::start(|n| match n {
        0 => Plan::Refuse("503 Service Unavailable", String::new()),
        1 => Plan::Refuse("429 Too Many Requests", "retry-after: soon\r\n".into()),
        _ => Plan::Accept,
    });
    let repo = repo_of(&server);
    for _ in 0..3 {
        assert_eq!(repo.swamp(&["version"]).code, 0);
    }
    assert_eq!(server.connections(), 3);
    assert_eq!(repo.entries(), [""; 0]);
}
