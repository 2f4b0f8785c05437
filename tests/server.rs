//! Servers that misbehave: nobody is bothered, nothing is lost, and `telemetry status` says why.

use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::TestRepo;
use crate::unruly::{Plan, Unruly};

/// What was said about the last flush: its kind of failure and the reason, without the address.
fn reason(repo: &TestRepo, server: &Unruly) -> Option<(String, String)> {
    let status = repo.swamp(&["--no-telemetry", "telemetry", "status", "--json"]);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    let failure = status["lastFlush"]["failure"].as_object()?;
    let text = |key: &str| failure[key].as_str().unwrap().to_owned();
    let address = server.endpoint().replace("http://", "");
    Some((text("kind"), text("reason").replace(&address, "ADDRESS")))
}

/// A repository that sends to this server.
/// Runs a command against a server of each plan, all at once, and returns what is known about the flush.
fn against(
    plans: &[(&str, Plan)],
    marker: &str,
    entry_is_kept: bool,
) -> Vec<(String, Option<(String, String)>)> {
    let try_one = |name: &str, plan: Plan| {
        let server = Unruly::always(plan);
        let repo = TestRepo::of_server(&server.endpoint(), marker);
        let run = repo.swamp(&["version"]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{name}");
        assert_eq!(repo.entries().len(), usize::from(entry_is_kept), "{name}");
        let only_ingest = server
            .targets()
            .iter()
            .all(|target| target == "post /ingest");
        assert!(only_ingest, "{name}: {:?}", server.targets());
        assert!(server.connections() > 0, "{name}");
        let reason = reason(&repo, &server);
        if entry_is_kept {
            let (_, reason) = reason.as_ref().unwrap();
            assert!(
                !reason.is_empty() && !reason.contains('\n'),
                "{name}: {reason}"
            );
            assert!(reason.chars().count() < 1000, "{name}: {reason}");
        } else {
            assert_eq!(server.events().len(), 1, "{name}");
        }
        (name.to_owned(), reason)
    };
    thread::scope(|scope| {
        let tries: Vec<_> = plans
            .iter()
            .map(|(name, plan)| scope.spawn(move || try_one(name, plan.clone())))
            .collect();
        tries.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

#[test]
fn a_server_that_answers_wrongly_gets_nothing_but_a_sentence_about_it() {
    let refuse = |status| Plan::Refuse(status, String::new());
    let redirect = |status| Plan::Refuse(status, "location: /elsewhere\r\n".into());
    let plans = [
        ("400", refuse("400 Bad Request")),
        ("401", refuse("401 Unauthorized")),
        ("404", refuse("404 Not Found")),
        ("500", refuse("500 Internal Server Error")),
        ("999", refuse("999 Whatever")),
        ("200", refuse("200 OK")),
        (
            "204",
            Plan::CloseMidResponse("HTTP/1.1 204 No Content\r\n\r\n"),
        ),
        ("301", redirect("301 Moved Permanently")),
        ("302", redirect("302 Found")),
        ("307", redirect("307 Temporary Redirect")),
        ("308", redirect("308 Permanent Redirect")),
        ("reset before reading", Plan::ResetBeforeReading),
        ("reset instead of an answer", Plan::StoreThenReset),
        ("closed instead of an answer", Plan::StoreThenClose),
        ("garbage", Plan::Garbage),
        ("half a status line", Plan::CloseMidResponse("HTTP/1.1 20")),
        (
            "half a head",
            Plan::CloseMidResponse("HTTP/1.1 202 Accepted\r\ncontent-le"),
        ),
        (
            "two lengths",
            Plan::CloseMidResponse(
                "HTTP/1.1 500 No\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx",
            ),
        ),
        (
            "half a refusal",
            Plan::CloseMidResponse("HTTP/1.1 500 No\r\ncontent-length: 100\r\n\r\nhalf"),
        ),
        ("endless head", Plan::EndlessHead),
    ];
    let reasons = against(&plans, "", true);
    let lines: Vec<_> = reasons
        .into_iter()
        .map(|(name, reason)| {
            let (kind, reason) = reason.unwrap();
            format!("{name}: {kind}: {reason}")
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
            400: rejected: the endpoint refused the batch with status 400: sorry
            401: rejected: the endpoint refused the batch with status 401: sorry
            404: rejected: the endpoint refused the batch with status 404: there is no endpoint at /ingest: sorry
            500: rejected: the endpoint refused the batch with status 500: sorry
            999: rejected: the endpoint refused the batch with status 999: sorry
            200: rejected: the endpoint refused the batch with status 200: sorry
            204: rejected: the endpoint refused the batch with status 204
            301: rejected: the endpoint refused the batch with status 301: it redirects to /elsewhere, and redirects are not followed: sorry
            302: rejected: the endpoint refused the batch with status 302: it redirects to /elsewhere, and redirects are not followed: sorry
            307: rejected: the endpoint refused the batch with status 307: it redirects to /elsewhere, and redirects are not followed: sorry
            308: rejected: the endpoint refused the batch with status 308: it redirects to /elsewhere, and redirects are not followed: sorry
            reset before reading: unreachable: http://ADDRESS reset the connection
            reset instead of an answer: unreachable: http://ADDRESS reset the connection
            closed instead of an answer: unreachable: http://ADDRESS closed the connection before it answered
            garbage: unreachable: the answer from http://ADDRESS is not HTTP: invalid HTTP version parsed
            half a status line: unreachable: http://ADDRESS closed the connection before it answered
            half a head: unreachable: http://ADDRESS closed the connection before it answered
            two lengths: unreachable: the answer from http://ADDRESS is not HTTP: invalid content-length parsed
            half a refusal: rejected: the endpoint refused the batch with status 500: half
            endless head: unreachable: the head of the answer from http://ADDRESS is longer than 16384 bytes or has too many fields
            ");
}

#[test]
fn a_server_that_never_comes_to_an_end_costs_no_more_than_the_deadline() {
    let plans = [
        ("silence", Plan::Silence),
        ("silence after the request", Plan::StoreThenSilence),
        ("one byte a second", Plan::Drip(Duration::from_secs(1))),
        ("interim answers", Plan::Interim),
    ];
    let reasons = against(&plans, "telemetrySenderLimits: {deadlineMs: 500}\n", true);
    for (name, reason) in reasons {
        let (kind, reason) = reason.unwrap();
        assert_eq!(kind, "out-of-time", "{name}: {reason}");
    }
}

#[test]
fn an_answer_without_end_is_cut_short() {
    let plans = [("refusal", Plan::EndlessBody("500 No"))];
    let (_, reason) = against(&plans, "", true).remove(0);
    let (kind, reason) = reason.unwrap();
    assert_eq!(kind, "rejected");
    assert!(reason.contains("status 500: xxx"), "{reason}");
}

#[test]
fn a_server_that_is_merely_odd_gets_the_entry() {
    let plans = [
        ("slow", Plan::Drip(Duration::from_millis(1))),
        ("HTTP/1.0", Plan::Http10),
        ("endless body after a 202", Plan::StoreThenEndlessBody),
    ];
    for (name, reason) in against(&plans, "", false) {
        assert_eq!(reason, None, "{name}");
    }
}

#[test]
fn after_every_fault_the_next_command_delivers_all_that_waits() {
    let faults = [
        Plan::ResetBeforeReading,
        Plan::StoreThenReset,
        Plan::Garbage,
    ];
    let server = Unruly::start(move |n| faults.get(n).cloned().unwrap_or(Plan::Accept));
    let repo = TestRepo::of_server(&server.endpoint(), "");
    for _ in 0..4 {
        assert_eq!(repo.swamp(&["version"]).code, 0);
    }
    assert_eq!(repo.entries(), [""; 0]);
    assert_eq!(server.events().len(), 4);
    assert_eq!(reason(&repo, &server), None);
}
