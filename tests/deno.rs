//! What the Deno implementation promises of its repository, sender, service and redaction, from outside: a spool that
//! both use, and the same requests. What differs on purpose is in docs/configuration.md.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use swamp::receiver::ReceiverOptions;

use crate::support::{TestRepo, dead_endpoint, run};
use crate::unruly::{Plan, Unruly};

/// Records, and sends nothing.
fn record(repo: &TestRepo, args: &[&str]) -> Value {
    let before = repo.entries();
    run(repo.command(args).env("SWAMP_TELEMETRY_FLUSH", "off"));
    let after = repo.entries();
    let new: Vec<_> = after.iter().filter(|name| !before.contains(name)).collect();
    let [new] = &new[..] else {
        panic!("{args:?}: {new:?}");
    };
    serde_json::from_slice(&fs::read(repo.spool().join(new)).unwrap()).unwrap()
}

/// An entry as that implementation writes it, of so many days ago.
fn entry(id: &str, days: i64, more: &Value) -> (String, String) {
    let started = Utc::now() - TimeDelta::days(days);
    let mut entry = json!({
        "id": id,
        "invocation": {
            "command": "model", "subcommand": "create", "args": ["prompt", "<REDACTED>"],
            "optionKeys": ["--repo-dir"], "globalOptions": ["--json"]
        },
        "result": { "status": "success", "exitCode": 0 },
        "startedAt": started.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        "completedAt": started.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        "durationMs": 100,
        "swampVersion": "20260211.123456.0-sha.abcdef",
        "denoVersion": "2.1.0",
        "platform": "linux"
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        entry[key] = value.clone();
    }
    let name = format!("telemetry-{}-{id}.json", started.date_naive());
    (name, serde_json::to_string_pretty(&entry).unwrap())
}

fn spool(repo: &TestRepo, id: &str, days: i64) -> String {
    let (name, content) = entry(id, days, &Value::Null);
    repo.spool_entry(&name, &content);
    name
}

fn in_state(name: &str, state: &str) -> String {
    name.replace(".json", &format!(".{state}.json"))
}

fn arrived_ids(repo: &TestRepo) -> Vec<String> {
    let events = repo.batches().into_iter().flatten();
    events.map(|event| event.insert_id).collect()
}

#[test]
fn one_invocation_is_one_file_named_by_its_utc_date_and_its_id() {
    for zone in [
        "UTC",
        "Pacific/Kiritimati",
        "Etc/GMT+12",
        "Europe/Dublin",
        "nonsense",
    ] {
        let repo = TestRepo::new();
        let mut command = repo.command(&["version"]);
        command.env("SWAMP_TELEMETRY_FLUSH", "off").env("TZ", zone);
        assert_eq!(run(&mut command).code, 0);
        let [name] = &repo.entries()[..] else {
            panic!("{zone}: {:?}", repo.entries());
        };
        let entry = &repo.entry_values()[0];
        let text = |key: &str| entry[key].as_str().unwrap().to_owned();
        let date = text("startedAt")[..10].to_owned();
        assert_eq!(
            *name,
            format!("telemetry-{date}-{}.json", text("id")),
            "{zone}"
        );
        assert!(text("startedAt").ends_with('Z') && text("completedAt").ends_with('Z'));
        assert!(entry["durationMs"].is_u64());
        assert!(["linux", "darwin", "windows"].contains(&text("platform").as_str()));
    }
}

#[test]
fn a_spool_that_cannot_be_written_fails_no_command() {
    let repo = TestRepo::new();
    fs::remove_dir_all(repo.root().join(".swamp")).unwrap();
    fs::write(repo.root().join(".swamp"), "").unwrap();
    let done = repo.swamp(&["version"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
}

#[test]
fn what_is_no_json_is_passed_over_and_the_others_are_sent_oldest_first_up_to_25() {
    let repo = TestRepo::new();
    let ids: Vec<_> = (0..30)
        .rev()
        .map(|n| format!("limit-uuid-{n:02}"))
        .collect();
    // Saved newest first.
    for (n, id) in ids.iter().rev().enumerate() {
        let minutes = i64::try_from(n).unwrap() + 1;
        let started = (Utc::now() - TimeDelta::days(1) - TimeDelta::minutes(minutes)).to_rfc3339();
        let (_, content) = entry(id, 1, &json!({ "startedAt": started }));
        repo.spool_entry(&format!("telemetry-{}-{id}.json", &started[..10]), &content);
    }
    let yesterday = (Utc::now() - TimeDelta::days(1)).date_naive();
    for (id, content) in [
        ("invalid", "not valid json{{{"),
        ("empty", ""),
        ("list", "[]"),
    ] {
        repo.spool_entry(&format!("telemetry-{yesterday}-{id}.json"), content);
    }
    assert_eq!(repo.swamp(&["version"]).code, 0);
    assert_eq!(arrived_ids(&repo), ids[..25]);
    assert_eq!(repo.swamp(&["version"]).code, 0);
    assert_eq!(arrived_ids(&repo)[25..30], ids[25..]);
}

#[test]
fn what_was_sent_is_deleted_or_renamed_and_sent_once() {
    for keep in [false, true] {
        let repo = TestRepo::new();
        repo.configure(&format!("telemetryKeepFlushed: {keep}\n"));
        let name = spool(&repo, "flush-uuid", 0);
        let old = in_state(&spool(&repo, "sent-before", 0), "flushed");
        fs::rename(
            repo.spool().join(old.replace(".flushed", "")),
            repo.spool().join(&old),
        )
        .unwrap();
        let aside = in_state(&spool(&repo, "poison", 0), "quarantined");
        fs::rename(
            repo.spool().join(aside.replace(".quarantined", "")),
            repo.spool().join(&aside),
        )
        .unwrap();
        for _ in 0..2 {
            assert_eq!(repo.swamp(&["version"]).code, 0);
        }
        let ids = arrived_ids(&repo);
        assert_eq!(ids.len(), 3, "{ids:?}");
        assert!(ids.contains(&"flush-uuid".to_owned()));
        let left = repo.entries();
        assert!(left.contains(&old) && left.contains(&aside), "{left:?}");
        assert_eq!(left.contains(&in_state(&name, "flushed")), keep, "{left:?}");
        assert!(!left.contains(&name), "{left:?}");
    }
}

#[test]
fn what_is_older_than_its_time_goes_by_the_day_in_its_name_and_by_its_state() {
    let repo = TestRepo::with_marker(&format!("telemetryEndpoint: {}\n", dead_endpoint()));
    let mut kept = Vec::new();
    for (state, days, stays) in [
        ("flushed", 3, false),
        ("flushed", 2, true),
        ("flushed", 0, true),
        ("quarantined", 31, false),
        ("quarantined", 30, true),
        ("quarantined", 3, true),
    ] {
        let day = (Utc::now() - TimeDelta::days(days)).date_naive();
        let name = format!("telemetry-{day}-{state}.{state}.json");
        repo.spool_entry(&name, "{}");
        if stays {
            kept.push(name);
        }
    }
    kept.push(spool(&repo, "unflushed", 2));
    spool(&repo, "too-late", 3);
    spool(&repo, "much-too-late", 300);
    assert_eq!(repo.swamp(&["version"]).code, 0);
    kept.sort();
    let mut left = repo.entries();
    left.retain(|name| kept.contains(name));
    assert_eq!(left, kept);
    assert_eq!(repo.entries().len(), kept.len() + 1, "{:?}", repo.entries());
}

#[test]
fn one_entry_is_a_bare_event_and_several_are_a_list_each_with_the_same_id_whenever_it_is_sent() {
    // Taken at every other request.
    let server = Unruly::start(|n| {
        Plan::Reply(match n % 2 {
            0 => |_| {
                "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                    .into()
            },
            _ => {
                |_| "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".into()
            }
        })
    });
    let repo = TestRepo::of_server(&format!("{}/base/", server.endpoint()), "");
    spool(&repo, "uuid-1", 0);
    let flush = || repo.swamp(&["telemetry", "flush"]).code;
    assert_eq!((flush(), flush()), (1, 0));
    spool(&repo, "uuid-2", 0);
    spool(&repo, "uuid-3", 0);
    assert_eq!((flush(), flush()), (1, 0));
    assert_eq!(server.targets(), ["post /base/ingest"; 4]);
    let bodies: Vec<Value> = server
        .bodies()
        .iter()
        .map(|body| serde_json::from_str(body).unwrap())
        .collect();
    assert_eq!(bodies[0], bodies[1]);
    assert_eq!(bodies[2], bodies[3]);
    for (event, id) in [
        (&bodies[0], "uuid-1"),
        (&bodies[2]["events"][0], "uuid-2"),
        (&bodies[2]["events"][1], "uuid-3"),
    ] {
        assert_eq!(event["event"], "cli_invocation");
        assert_eq!(event["distinct_id"], "550e8400-e29b-41d4-a716-446655440000");
        assert_eq!(event["insert_id"], id);
        assert_eq!(event["properties"]["id"], id);
        assert!(event["properties"].get("$repo_id").is_none());
    }
    assert_eq!(bodies[2]["events"].as_array().unwrap().len(), 2);
}

#[test]
fn only_202_is_success_and_a_failure_has_a_reason() {
    for (status, reason) in [
        ("200 OK", "status 200"),
        ("204 No Content", "status 204"),
        ("302 Found", "status 302"),
        ("400 Bad Request", "status 400"),
        ("500 Internal Server Error", "status 500"),
    ] {
        let server = Unruly::always(Plan::Refuse(status, String::new()));
        let repo = TestRepo::of_server(&server.endpoint(), "");
        let name = spool(&repo, "uuid-1", 0);
        let flush = repo.swamp(&["--no-telemetry", "version"]);
        assert_eq!(flush.code, 0);
        let flush = repo.swamp(&["telemetry", "flush"]);
        assert_eq!(flush.code, 1, "{status}");
        assert!(flush.stderr.contains(reason), "{status}: {}", flush.stderr);
        assert!(repo.entries().contains(&name), "{status}");
    }
}

#[test]
fn a_key_of_the_users_goes_with_each_request_and_none_without_one() {
    for key in [None, Some("test-api-key-abc")] {
        let repo = TestRepo::with_receiver(ReceiverOptions {
            show_headers: vec![http::HeaderName::from_static("x-api-key")],
            ..ReceiverOptions::default()
        });
        let endpoint = repo.receiver.endpoint();
        let config = repo.home().join(".config/swamp");
        fs::create_dir_all(&config).unwrap();
        if let Some(key) = key {
            let headers = format!("headers:\n  {endpoint}:\n    x-api-key: {key}\n");
            fs::write(config.join("config.yaml"), headers).unwrap();
            fs::set_permissions(
                config.join("config.yaml"),
                fs::Permissions::from_mode(0o600),
            )
            .unwrap();
        }
        assert_eq!(repo.swamp(&["version"]).code, 0);
        let requests = repo.receiver.requests();
        let header = |name: &str| {
            let mut headers = requests[0].headers.iter();
            headers
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.clone())
        };
        assert_eq!(header("x-api-key").as_deref(), key);
        let agent = format!("swamp/{}", env!("CARGO_PKG_VERSION"));
        assert_eq!(header("user-agent"), Some(agent));
    }
}

#[test]
fn what_later_versions_know_of_an_invocation_arrives_as_it_is_and_what_is_missing_stays_missing() {
    let contexts = [
        json!({ "invocationContext": {
            "configuredAiTools": ["claude", "cursor"], "detectedAiTool": "claude",
            "agentSessionDetected": true, "isInteractive": false,
            "externalDatastoreConfigured": true, "externalVaultConfigured": false
        } }),
        json!({ "invocationContext": {
            "configuredAiTools": [], "agentSessionDetected": false, "isInteractive": true
        } }),
        json!({
            "parentInvocationId": "parent-wire",
            "workflowContext": {
                "workflowName": "deploy", "runId": "run-1", "jobName": "build",
                "stepName": "validate", "modelType": "@swamp/shell", "driver": "local"
            }
        }),
        json!({ "result": {
            "status": "user_error", "errorType": "UserError",
            "errorMessage": "vary key missing", "exitCode": 1
        } }),
        json!({}),
    ];
    for context in contexts {
        let repo = TestRepo::new();
        let (name, content) = entry("ctx-wire", 0, &context);
        repo.spool_entry(&name, &content);
        assert_eq!(repo.swamp(&["--no-telemetry", "telemetry", "list"]).code, 0);
        assert_eq!(repo.swamp(&["version"]).code, 0);
        let mut events = repo.batches().into_iter().flatten();
        let event = events.find(|event| event.insert_id == "ctx-wire").unwrap();
        assert_eq!(event.properties, content);
        let properties: Value = serde_json::from_str(&event.properties).unwrap();
        for key in ["invocationContext", "parentInvocationId", "workflowContext"] {
            assert_eq!(properties.get(key), context.get(key), "{key}");
        }
    }
}

#[test]
fn a_flush_without_entries_sends_nothing() {
    for spool_exists in [true, false] {
        let repo = TestRepo::with_receiver(ReceiverOptions::default());
        if !spool_exists {
            fs::remove_dir_all(repo.root().join(".swamp")).unwrap();
        }
        let mut flush = repo.command(&["telemetry", "flush"]);
        assert_eq!(run(&mut flush).code, 0, "{spool_exists}");
        assert_eq!(repo.batches().len(), 0);
    }
}

#[test]
fn results_are_recorded_with_status_type_message_and_code() {
    let repo = TestRepo::new();
    let success = record(&repo, &["version"]);
    assert_eq!(
        success["result"],
        json!({ "status": "success", "exitCode": 0 })
    );
    assert_eq!(success["swampVersion"], env!("CARGO_PKG_VERSION"));
    for (args, status, code) in [(&["init"][..], "error", 1), (&["foo"], "user_error", 2)] {
        let result = &record(&repo, args)["result"];
        let code = json!(code);
        assert!(
            [&json!(status), &json!("user_error")].contains(&&result["status"]),
            "{args:?}: {result}"
        );
        assert_eq!(result["exitCode"], code, "{args:?}");
        assert!(!result["errorType"].as_str().unwrap().is_empty());
        assert!(!result["errorMessage"].as_str().unwrap().contains('\n'));
    }
}

#[test]
fn options_are_recorded_by_their_keys_and_arguments_are_redacted() {
    let repo = TestRepo::new();
    for (args, command, subcommand, recorded, keys, globals) in [
        (
            &["version"][..],
            "version",
            Value::Null,
            json!([]),
            json!([]),
            json!([]),
        ),
        (
            &["--json", "--verbose", "version"],
            "version",
            Value::Null,
            json!([]),
            json!([]),
            json!(["--json", "--verbose"]),
        ),
        (
            &["--json", "version", "-q"],
            "version",
            Value::Null,
            json!([]),
            json!([]),
            json!(["--json", "--quiet"]),
        ),
        (
            &["telemetry", "stats", "--days", "3"],
            "telemetry",
            json!("stats"),
            json!([]),
            json!(["--days"]),
            json!([]),
        ),
        (
            &["telemetry", "stats", "--days=3"],
            "telemetry",
            json!("stats"),
            json!([]),
            json!(["--days"]),
            json!([]),
        ),
        (
            &["sender", "check", "/my/own/sender.wasm"],
            "sender",
            json!("check"),
            json!(["<REDACTED>"]),
            json!([]),
            json!([]),
        ),
    ] {
        let entry = record(&repo, args);
        let invocation = &entry["invocation"];
        assert_eq!(invocation["command"], command, "{args:?}");
        assert_eq!(invocation["subcommand"], subcommand, "{args:?}");
        assert_eq!(invocation["args"], recorded, "{args:?}");
        assert_eq!(invocation["optionKeys"], keys, "{args:?}");
        assert_eq!(invocation["globalOptions"], globals, "{args:?}");
    }
    for args in [
        &["foo", "bar", "baz"][..],
        &["version", "my-model"],
        &["sender", "check", "prompt", "my-model", "extra"],
        &["--no-such-option=secret", "version"],
    ] {
        let text = record(&repo, args).to_string();
        for word in ["foo", "bar", "baz", "my-model", "prompt", "extra", "secret"] {
            assert!(!text.contains(word), "{args:?}: {text}");
        }
    }
}

#[test]
fn no_telemetry_is_obeyed_wherever_it_stands() {
    let repo = TestRepo::new();
    for args in [
        &["--no-telemetry", "telemetry", "list"][..],
        &["telemetry", "--no-telemetry", "list"],
        &["telemetry", "list", "--no-telemetry"],
    ] {
        assert_eq!(repo.swamp(args).code, 0, "{args:?}");
        assert_eq!(repo.entries(), [""; 0], "{args:?}");
    }
    assert_eq!(repo.batches().len(), 0);
    assert_eq!(repo.swamp(&["version"]).code, 0);
    assert_eq!(repo.batches().len(), 1);
}

#[test]
fn statistics_are_the_same_of_the_same_entries() {
    let repo = TestRepo::new();
    let stats = || {
        let told = repo.swamp(&[
            "--no-telemetry",
            "--json",
            "telemetry",
            "stats",
            "--days",
            "2",
            "--all",
        ]);
        serde_json::from_str::<Value>(&told.stdout).unwrap()
    };
    let empty = stats();
    for key in [
        "totalInvocations",
        "successCount",
        "errorCount",
        "userErrorCount",
    ] {
        assert_eq!(empty[key], 0, "{key}");
    }
    assert_eq!(
        (empty["successRate"].as_f64(), empty["errorRate"].as_f64()),
        (Some(0.0), Some(0.0))
    );
    assert_eq!(empty["commandFrequency"], json!({}));
    let invocation = |command: &str, sub: &str, keys: &[&str], globals: &[&str]| json!({ "command": command, "subcommand": sub, "args": [], "optionKeys": keys, "globalOptions": globals });
    for (id, more) in [
        (
            "1",
            json!({ "invocation": invocation("model", "create", &["--repo-dir"], &["--json"]) }),
        ),
        (
            "2",
            json!({ "invocation": invocation("model", "create", &[], &[]), "durationMs": 200 }),
        ),
        (
            "3",
            json!({
                "invocation": invocation("workflow", "run", &[], &[]), "durationMs": 50, "platform": "darwin",
                "result": { "status": "error", "errorType": "Error", "errorMessage": "Failed", "exitCode": 1 }
            }),
        ),
    ] {
        let (name, content) = entry(id, 0, &more);
        repo.spool_entry(&name, &content);
    }
    let told = stats();
    assert_eq!(told["totalInvocations"], 3);
    assert_eq!(
        (&told["successCount"], &told["errorCount"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(told["userErrorCount"], 0);
    let percent = |key: &str| format!("{:.0}", told[key].as_f64().unwrap());
    assert_eq!(
        (percent("successRate"), percent("errorRate")),
        ("67".into(), "33".into())
    );
    assert_eq!(
        told["commandFrequency"],
        json!({ "model create": 2, "workflow run": 1 })
    );
    assert_eq!(
        told["optionFrequency"],
        json!({ "--json": 1, "--repo-dir": 1 })
    );
    assert_eq!(
        told["averageDurationByCommand"],
        json!({ "model create": 150, "workflow run": 50 })
    );
    assert_eq!(
        told["platformDistribution"],
        json!({ "darwin": 1, "linux": 2 })
    );
    assert_eq!(told["daysAnalyzed"], 2);
}
