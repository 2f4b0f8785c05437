//! An invocation's life: recorded, flushed through the component, arrived.

use std::fs;

use serde_json::Value;
use swamp::receiver::ReceiverOptions;

use crate::support::{AMPLE, TestRepo, dead_endpoint, run};

#[test]
fn a_command_is_recorded_and_delivered_and_then_its_entry_is_deleted() {
    let repo = TestRepo::new();
    let run = repo
        .command(&["version"])
        .env("SWAMP_TELEMETRY_FLUSH", "off")
        .output()
        .unwrap();
    assert!(run.status.success());
    let [entry] = &repo.entry_values()[..] else {
        panic!("{:?}", repo.entries());
    };
    assert_eq!(entry["invocation"]["command"], "version");
    assert_eq!(entry["result"]["status"], "success");
    let spooled = fs::read_to_string(repo.spool().join(&repo.entries()[0])).unwrap();

    assert_eq!(repo.swamp(&["version"]).code, 0);
    assert_eq!(repo.entries(), [""; 0]);
    let batches = repo.batches();
    assert_eq!(batches.len(), 1);
    assert_eq!(batches[0].len(), 2);
    assert_eq!(batches[0][0].properties.trim(), spooled.trim());
    assert_eq!(batches[0][0].insert_id, entry["id"].as_str().unwrap());
    assert!(repo.marker().contains(&batches[0][0].distinct_id));
}

#[test]
fn what_was_sent_is_renamed_where_the_marker_keeps_it() {
    let repo = TestRepo::new();
    repo.configure("telemetryKeepFlushed: true\n");
    repo.swamp(&["version"]);
    let entries = repo.entries();
    assert_eq!(entries.len(), 1);
    assert!(entries[0].ends_with(".flushed.json"), "{entries:?}");
    repo.swamp(&["version"]);
    assert_eq!(repo.entries().len(), 2);
    assert_eq!(
        repo.arrived(),
        ["version", "version"],
        "nothing is sent twice"
    );
}

#[test]
fn one_invocation_flushes_one_batch_of_the_25_oldest() {
    let repo = TestRepo::new();
    for n in 0..40 {
        let id = format!("2f4a7c1e-0000-4000-8000-{n:012}");
        let started_at = format!("{}T00:00:{:02}.000Z", today(), 59 - n);
        repo.spool_entry(
            &format!("telemetry-{}-{id}.json", today()),
            &format!(r#"{{"id":"{id}","startedAt":"{started_at}"}}"#),
        );
    }
    repo.swamp(&["version"]);
    let batches = repo.batches();
    assert_eq!(batches.len(), 1);
    let ids: Vec<_> = batches[0]
        .iter()
        .map(|event| event.insert_id.clone())
        .collect();
    let oldest: Vec<_> = (15..40)
        .rev()
        .map(|n| format!("2f4a7c1e-0000-4000-8000-{n:012}"))
        .collect();
    assert_eq!(ids, oldest);
    assert_eq!(repo.entries().len(), 16);
}

#[test]
fn an_entry_of_the_deno_implementation_arrives_with_all_its_fields() {
    let repo = TestRepo::new();
    let id = "0b54cd8a-6d0f-4c39-8b8e-5c0d0f5f8f11";
    let entry = format!(
        r#"{{
  "id": "{id}",
  "invocation": {{
    "command": "model",
    "subcommand": "create",
    "args": ["aws/ec2", "<REDACTED>"],
    "optionKeys": ["global-arg"],
    "globalOptions": []
  }},
  "invocationContext": {{ "agentSessionDetected": true, "isInteractive": false, "later": {{"x": [1.50]}} }},
  "result": {{ "status": "error", "errorType": "UserError", "errorMessage": "nö", "exitCode": 1 }},
  "startedAt": "{0}T10:00:00.123Z",
  "completedAt": "{0}T10:00:01.000Z",
  "durationMs": 876.5123,
  "denoVersion": "2.1.4",
  "swampVersion": "20260211.120000.0-sha.abc",
  "platform": "darwin"
}}"#,
        today()
    );
    repo.spool_entry(&format!("telemetry-{}-{id}.json", today()), &entry);
    assert_eq!(repo.swamp(&["version"]).code, 0);
    let arrived = &repo.batches()[0];
    let event = arrived.iter().find(|event| event.insert_id == id).unwrap();
    assert_eq!(event.properties, entry);
    assert_eq!(repo.entries(), [""; 0]);
}

#[test]
fn with_the_server_down_nobody_is_bothered_and_the_entry_waits() {
    let repo = TestRepo::new();
    repo.write_marker(
        &repo
            .marker()
            .replace(&repo.receiver.endpoint(), &dead_endpoint()),
    );
    let run = repo.swamp(&["version"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert_eq!(repo.entries().len(), 1);
}

#[test]
fn with_the_server_down_debug_shows_one_clear_line_about_the_flush() {
    let repo = TestRepo::new();
    let endpoint = dead_endpoint();
    repo.write_marker(&repo.marker().replace(&repo.receiver.endpoint(), &endpoint));
    repo.swamp(&["version"]);
    let run = repo.swamp(&["--log-level", "debug", "version"]);
    assert_eq!(run.code, 0);
    let address = endpoint.strip_prefix("http://").unwrap();
    let about: Vec<_> = run
        .stderr
        .lines()
        .filter(|line| line.contains("connection refused"))
        .collect();
    assert_eq!(
        about,
        [format!(
            "debug: could not deliver telemetry to {endpoint}: connection refused by {address}"
        )],
        "{}",
        run.stderr
    );
    assert_eq!(repo.entries().len(), 2);
}

#[test]
fn a_failed_command_is_recorded_but_neither_flushed_nor_cleaned_up() {
    let repo = TestRepo::new();
    let old = "telemetry-2020-01-01-old.json";
    repo.spool_entry(old, r#"{"id":"old"}"#);
    let run = |args: &[&str]| {
        let mut command = repo.command(args);
        run(command.env_remove("SWAMP_TELEMETRY_FLUSH"))
    };
    let failed = run(&["init"]);
    assert_eq!(failed.code, 1);
    let misused = run(&["version", "--endpiont=secret"]);
    assert_eq!(misused.code, 2);
    assert_eq!(repo.batches().len(), 0);
    assert!(repo.entries().contains(&old.to_owned()));
    let values = repo.entry_values();
    let results: Vec<_> = values[1..]
        .iter()
        .map(|entry| {
            let result = &entry["result"];
            (
                result["status"].as_str().unwrap(),
                result["exitCode"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(results, [("error", 1), ("user_error", 2)]);
    assert!(!format!("{values:?}").contains("secret"));
}

#[test]
fn cleaning_up_removes_both_kinds_after_two_days_whether_or_not_the_flush_succeeds() {
    for status in [202, 500] {
        let repo = TestRepo::with_receiver(ReceiverOptions {
            respond: Some(status),
            ..ReceiverOptions::default()
        });
        repo.configure("telemetryKeepFlushed: true\n");
        for name in ["a.json", "b.flushed.json", "c.quarantined.json"] {
            repo.spool_entry(&format!("telemetry-2020-01-01-{name}"), r#"{"id":"x"}"#);
        }
        repo.swamp(&["version"]);
        let left = repo.entries();
        assert!(
            left.iter().all(|name| !name.contains("2020")),
            "{status}: {left:?}"
        );
        assert_eq!(left.len(), 1);
    }
}

#[test]
fn a_repository_without_an_id_gets_one_that_stays() {
    let repo =
        TestRepo::with_marker("# mine\ntelemetryEndpoint: 'ENDPOINT' # here\r\nother: {a: 1}\n");
    let before = repo.marker();
    repo.swamp(&["version"]);
    let after = repo.marker();
    assert!(after.starts_with(&before), "{after:?}");
    repo.swamp(&["version"]);
    assert_eq!(repo.marker(), after);
    let ids: Vec<_> = repo
        .batches()
        .into_iter()
        .flatten()
        .map(|event| event.distinct_id)
        .collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1]);
    assert!(after.contains(&format!("repoId: \"{}\"", ids[0])) || after.contains(&ids[0]));
}

#[test]
fn every_off_switch_leaves_nothing_recorded_nothing_sent_and_the_marker_as_it_was() {
    let off = |what: &dyn Fn(&TestRepo) -> std::process::Command| {
        let repo = TestRepo::with_marker("telemetryEndpoint: ENDPOINT\n");
        let mut command = what(&repo);
        let marker = repo.marker();
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
        assert!(!repo.spool().exists(), "{command:?}");
        assert_eq!(repo.marker(), marker);
        assert_eq!(repo.batches().len(), 0);
    };
    off(&|repo| repo.command(&["--no-telemetry", "version"]));
    for variable in ["SWAMP_NO_TELEMETRY", "DO_NOT_TRACK"] {
        off(&|repo| {
            let mut command = repo.command(&["version"]);
            command.env(variable, "1");
            command
        });
    }
    off(&|repo| {
        let config = repo.home().join(".config/swamp");
        fs::create_dir_all(&config).unwrap();
        fs::write(config.join("config.yaml"), "telemetryDisabled: true\n").unwrap();
        repo.command(&["version"])
    });
    off(&|repo| {
        repo.write_marker("telemetryEndpoint: ENDPOINT\ntelemetryDisabled: true\n");
        repo.command(&["version"])
    });
    for value in ["", "0", "false"] {
        let repo = TestRepo::new();
        repo.command(&["version"])
            .env("DO_NOT_TRACK", value)
            .output()
            .unwrap();
        assert_eq!(repo.arrived(), ["version"], "DO_NOT_TRACK={value}");
    }
}

#[test]
fn the_environment_overrides_the_markers_endpoint() {
    let repo = TestRepo::new();
    let other = TestRepo::new();
    repo.command(&["version"])
        .env("SWAMP_TELEMETRY_ENDPOINT", other.receiver.endpoint())
        .output()
        .unwrap();
    assert_eq!(repo.arrived(), [""; 0]);
    assert_eq!(other.arrived(), ["version"]);
}

#[test]
fn telemetry_flush_sends_one_batch_and_with_all_the_rest() {
    let repo = TestRepo::new();
    for _ in 0..30 {
        let run = repo
            .command(&["version"])
            .env("SWAMP_TELEMETRY_FLUSH", "off")
            .output()
            .unwrap();
        assert!(run.status.success());
    }
    let sizes = |repo: &TestRepo| repo.batches().iter().map(Vec::len).collect::<Vec<_>>();
    let one = repo.swamp(&["telemetry", "flush"]);
    assert_eq!((one.code, one.stderr.as_str()), (0, ""));
    assert_eq!(sizes(&repo), [25]);
    let all = repo.swamp(&["telemetry", "flush", "--all", "--json"]);
    assert_eq!(all.code, 0);
    let report: Value = serde_json::from_str(&all.stdout).unwrap();
    assert_eq!(report["delivered"], 5);
    assert_eq!(sizes(&repo), [25, 5]);
    assert_eq!(repo.entries(), [""; 0]);
}

#[test]
fn telemetry_flush_fails_loudly() {
    let repo = TestRepo::new();
    repo.write_marker(
        &repo
            .marker()
            .replace(&repo.receiver.endpoint(), &dead_endpoint()),
    );
    repo.swamp(&["version"]);
    let run = repo.swamp(&["telemetry", "flush"]);
    assert_eq!(run.code, 1);
    assert!(
        run.stderr.contains("connection refused by 127.0.0.1:"),
        "{}",
        run.stderr
    );
    let off = repo.swamp(&["--no-telemetry", "telemetry", "flush"]);
    assert_eq!(off.code, 1);
    assert!(off.stderr.contains("--no-telemetry"), "{}", off.stderr);
}

#[test]
fn the_background_flush_delivers_after_the_command_has_returned() {
    let repo = TestRepo::new();
    let arrivals = repo.receiver.arrivals();
    let run = repo
        .command(&["version"])
        .env_remove("SWAMP_TELEMETRY_FLUSH")
        .output()
        .unwrap();
    assert!(run.status.success());
    let arrival = arrivals.recv_timeout(AMPLE).unwrap();
    assert_eq!(arrival.events.as_ref().unwrap().len(), 1);
}

fn today() -> String {
    chrono::Utc::now().date_naive().to_string()
}

#[test]
fn what_a_killed_flusher_left_of_its_record_does_not_keep_the_next_from_writing_one() {
    let repo = TestRepo::new();
    repo.spool_entry(".tmp-last-flush", "half a reco");
    repo.swamp(&["version"]);
    assert!(repo.spool().join(".last-flush.json").is_file());
    assert!(!repo.spool().join(".tmp-last-flush").exists());
}

/// It lists the spool once, and reckons what is left from what it did.
#[test]
fn what_a_flush_says_is_pending_is_what_status_counts() {
    let spool = |repo: &TestRepo, day: &str, count: usize| {
        for n in 0..count {
            let entry = format!(r#"{{"id":"entry-{n}","startedAt":"{day}T00:00:00.000Z"}}"#);
            repo.spool_entry(&format!("telemetry-{day}-entry-{n}.json"), &entry);
        }
    };
    let damage = |repo: &TestRepo| {
        let name = format!("telemetry-{}-damaged.json", today());
        repo.spool_entry(&name, "{");
        let path = repo.spool().join(name);
        let file = fs::File::options().write(true).open(path).unwrap();
        let old = std::time::SystemTime::now() - std::time::Duration::from_hours(1);
        file.set_modified(old).unwrap();
    };
    for (what, server, args, today_count, old_count, is_damaged, pending) in [
        ("one batch", true, &[][..], 30, 0, false, 5),
        ("all", true, &["--all"], 30, 0, false, 0),
        ("a damaged one", true, &[], 30, 0, true, 5),
        ("nothing but a damaged one", true, &[], 0, 0, true, 0),
        ("the server is down", false, &[], 3, 0, false, 3),
        ("past their time", true, &[], 3, 2, false, 0),
        ("past their time, and down", false, &[], 3, 2, false, 3),
    ] {
        let repo = if server {
            TestRepo::new()
        } else {
            TestRepo::of_server(&dead_endpoint(), "")
        };
        spool(&repo, &today(), today_count);
        spool(&repo, "2026-01-01", old_count);
        if is_damaged {
            damage(&repo);
        }
        let json = |args: &[&str]| -> Value {
            let args = [&["--json", "telemetry"], args].concat();
            serde_json::from_str(&repo.swamp(&args).stdout).unwrap()
        };
        let flushed = json(&[&["flush"], args].concat());
        assert_eq!(flushed["pending"], pending, "{what}: {flushed}");
        let args = ["--no-telemetry", "--json", "telemetry", "status"];
        let status: Value = serde_json::from_str(&repo.swamp(&args).stdout).unwrap();
        assert_eq!(status["pending"], pending, "{what}: {status}");
    }
}
