//! What a person sees of the spool, and how it is steered.

use std::fs;
use std::io::{Read, Write};
use std::process::Stdio;

use serde_json::Value;

use crate::support::{Run, TestRepo, run};

fn quietly(repo: &TestRepo, args: &[&str]) -> Run {
    run(repo.command(args).env("SWAMP_TELEMETRY_FLUSH", "off"))
}

fn json(run: &Run) -> Value {
    assert_eq!(run.code, 0, "{run:?}");
    serde_json::from_str(&run.stdout).unwrap()
}

#[test]
fn list_shows_the_newest_first_and_what_is_damaged_and_nothing_raw() {
    let repo = TestRepo::new();
    quietly(&repo, &["repo", "upgrade"]);
    quietly(&repo, &["version", "--json"]);
    repo.spool_entry(
        "telemetry-2026-02-11-odd.json",
        "{\"id\":\"odd\",\"invocation\":{\"command\":\"\\u001b[31mred\"}}",
    );
    repo.spool_entry("telemetry-2026-02-11-bad.json", "\u{1b}[31m{");
    let list = quietly(&repo, &["--no-telemetry", "telemetry", "list"]);
    assert_eq!(list.code, 0);
    assert!(!list.stdout.contains('\x1b'), "{}", list.stdout);
    let lines: Vec<_> = list.stdout.lines().collect();
    assert!(lines[1].ends_with("version --json"), "{}", list.stdout);
    assert!(lines[2].ends_with("repo upgrade"), "{}", list.stdout);
    assert!(list.stdout.contains("damaged: it is not a JSON object"));
    let rows = json(&quietly(
        &repo,
        &["--no-telemetry", "--json", "telemetry", "list"],
    ));
    assert_eq!(rows.as_array().unwrap().len(), 4);
    let name = rows[0]["file"].as_str().unwrap();
    let stored = fs::read_to_string(repo.spool().join(name)).unwrap();
    let stored: Value = serde_json::from_str(&stored).unwrap();
    assert_eq!(rows[0]["entry"], stored);
}

/// What `stats` tells of swamp's own commands as well.
fn stats(repo: &TestRepo, args: &[&str]) -> Value {
    let args = [
        &["--no-telemetry", "--json", "telemetry", "stats", "--all"],
        args,
    ]
    .concat();
    json(&repo.swamp(&args))
}

#[test]
fn stats_count_what_is_in_the_spool_and_what_was_sent() {
    let repo = TestRepo::new();
    quietly(&repo, &["init"]);
    repo.swamp(&["version"]);
    quietly(&repo, &["version"]);
    assert_eq!(repo.entries().len(), 1, "two were sent");
    let told = stats(&repo, &[]);
    assert_eq!(
        (
            &told["totalInvocations"],
            &told["successCount"],
            &told["errorCount"]
        ),
        (&3.into(), &2.into(), &1.into()),
        "{told}"
    );
    assert_eq!(told["commands"][0]["command"], "version");
    assert_eq!(told["daysAnalyzed"], 1);
    let apart = json(&repo.swamp(&["--no-telemetry", "--json", "telemetry", "stats"]));
    assert_eq!(
        (&apart["totalInvocations"], &apart["ownInvocations"]),
        (&0.into(), &3.into())
    );
    assert_eq!(repo.swamp(&["telemetry", "stats", "--days", "0"]).code, 2);
    repo.swamp(&["--no-telemetry", "telemetry", "purge", "--yes"]);
    assert_eq!(stats(&repo, &[])["totalInvocations"], 0);
}

#[test]
fn what_is_kept_after_it_was_sent_counts_once() {
    let repo = TestRepo::new();
    repo.configure("telemetryKeepFlushed: true\n");
    repo.spool_entry("telemetry-2026-02-11-old.flushed.json", r#"{"id":"old"}"#);
    assert_eq!(
        stats(&repo, &[])["totalInvocations"],
        1,
        "nothing was counted yet"
    );
    for _ in 0..3 {
        repo.swamp(&["version"]);
    }
    assert_eq!(stats(&repo, &["--days=1"])["totalInvocations"], 3);
}

#[test]
fn status_tells_what_waits_and_why_the_last_flush_failed() {
    let repo = TestRepo::new();
    let endpoint = crate::support::dead_endpoint();
    repo.write_marker(&repo.marker().replace(&repo.receiver.endpoint(), &endpoint));
    repo.swamp(&["version"]);
    let status = json(&repo.swamp(&["--no-telemetry", "--json", "telemetry", "status"]));
    assert_eq!(
        (&status["enabled"], &status["offBy"]),
        (&false.into(), &"option".into())
    );
    assert_eq!(status["pending"], 1);
    assert_eq!(status["lastFlush"]["failure"]["kind"], "unreachable");
    let words = repo
        .swamp(&["--no-telemetry", "telemetry", "status"])
        .stdout;
    let reason = format!("not delivered: connection refused by {}", &endpoint[7..]);
    assert!(words.contains(&reason), "{words}");
}

#[test]
fn disable_and_enable_change_one_key_and_are_obeyed() {
    let repo = TestRepo::new();
    quietly(&repo, &["version"]);
    let before = repo.marker();
    let off = repo.swamp(&["telemetry", "disable"]);
    assert_eq!(off.code, 0);
    assert!(
        off.stdout.contains("swamp telemetry purge"),
        "{}",
        off.stdout
    );
    assert_eq!(repo.marker(), format!("{before}telemetryDisabled: true\n"));
    repo.swamp(&["version"]);
    assert_eq!(
        repo.entries().len(),
        1,
        "nothing is recorded, and nothing sent"
    );
    assert!(repo.batches().is_empty());
    let on = json(&repo.swamp(&["--json", "telemetry", "enable"]));
    assert_eq!(on["enabled"], true);
    assert_eq!(repo.marker(), format!("{before}telemetryDisabled: false\n"));
    assert_eq!(repo.arrived(), ["version", "telemetry enable"]);
}

#[test]
fn disable_global_is_for_every_repository_of_this_user() {
    let repo = TestRepo::new();
    assert_eq!(repo.swamp(&["telemetry", "disable", "--global"]).code, 0);
    repo.swamp(&["version"]);
    assert_eq!(repo.entries(), [""; 0]);
    let on = repo.swamp(&["telemetry", "enable"]);
    assert!(
        on.stdout
            .contains("still off (telemetryDisabled is true in your config.yaml"),
        "{}",
        on.stdout
    );
    assert_eq!(repo.swamp(&["telemetry", "enable", "--global"]).code, 0);
    repo.swamp(&["version"]);
    assert_eq!(repo.arrived(), ["telemetry enable", "version"]);
}

#[test]
fn purge_asks_first_and_then_deletes_everything() {
    let repo = TestRepo::new();
    quietly(&repo, &["version"]);
    repo.spool_entry("telemetry-2026-02-11-a.flushed.json", "{}");
    let refused = repo.swamp(&["--no-telemetry", "telemetry", "purge"]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("add --yes"), "{}", refused.stderr);
    assert_eq!(repo.entries().len(), 2);
    let purged = json(&repo.swamp(&["--no-telemetry", "--json", "telemetry", "purge", "--yes"]));
    assert_eq!(
        (&purged["deleted"], &purged["unsent"]),
        (&2.into(), &1.into())
    );
    assert_eq!(repo.entries(), [""; 0]);
}

#[cfg(unix)]
#[test]
fn receive_prints_what_arrives_and_a_summary_at_the_end() {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    use std::io::{BufRead as _, BufReader};

    let repo = TestRepo::new();
    let mut receive = repo
        .command(&["--json", "telemetry", "receive", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(receive.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let listening = next();
    let endpoint = listening["endpoint"].as_str().unwrap().to_owned();
    repo.command(&["version"])
        .env("SWAMP_TELEMETRY_ENDPOINT", &endpoint)
        .output()
        .unwrap();
    let request = next();
    assert_eq!(
        (&request["fresh"], &request["answered"]),
        (&1.into(), &202.into())
    );
    assert_eq!(
        request["events"][0]["properties"]["invocation"]["command"],
        "version"
    );

    let mut stream = std::net::TcpStream::connect(&endpoint[7..]).unwrap();
    let body = r#"{"event":"other"}"#;
    write!(
        stream,
        "POST /ingest HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(next()["refusal"].as_str().unwrap().contains("event"));

    kill(
        Pid::from_raw(receive.id().try_into().unwrap()),
        Signal::SIGINT,
    )
    .unwrap();
    assert_eq!(next()["unique"], 1);
    // The shell that waits for it is to see that Ctrl-C ended it.
    let ended = std::os::unix::process::ExitStatusExt::signal(&receive.wait().unwrap());
    assert_eq!(ended, Some(2));
}

#[test]
fn a_dry_run_tells_what_would_be_deleted_and_deletes_nothing() {
    let repo = TestRepo::new();
    run(repo
        .command(&["version"])
        .env("SWAMP_TELEMETRY_FLUSH", "off"));
    let entries = repo.entries();
    assert_eq!(entries.len(), 1);
    let told = |args: &[&str]| {
        let all = [&["--no-telemetry"], args].concat();
        let run = repo.swamp(&all);
        assert_eq!(run.code, 0, "{run:?}");
        run.stdout
    };
    let purge = ["telemetry", "purge", "--dry-run"];
    assert_eq!(told(&purge), "would delete 1 entry (1 never sent)\n");
    assert_eq!(repo.entries(), entries);

    let untrust = ["untrust", "--dry-run"];
    assert!(
        told(&untrust).starts_with("would take back "),
        "{}",
        told(&untrust)
    );
    assert_eq!(told(&untrust), told(&untrust));
    assert_eq!(
        told(&["untrust"]),
        "took back what you had allowed for this repository\n"
    );
    assert_eq!(told(&untrust), "nothing was allowed for this repository\n");

    told(&["telemetry", "install-id", "on"]);
    let id = ["telemetry", "install-id", "off", "--dry-run"];
    assert!(told(&id).starts_with("would remove the install id "));
    assert!(told(&["telemetry", "install-id"]).starts_with("install id "));

    let before = repo.marker();
    told(&["config", "unset", "telemetryEndpoint", "--dry-run"]);
    assert_eq!(repo.marker(), before);
}
