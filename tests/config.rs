//! `config`: every setting with who set it, and changes of single bytes.

use std::fs;

use serde_json::Value;

use crate::support::{TestRepo, run};

/// A setting as `config list` has it: value and source.
fn setting(repo: &TestRepo, args: &[&str], env: &[(&str, &str)], key: &str) -> (String, String) {
    let mut command = repo.command(&["--json", "config", "list"]);
    command.args(args).envs(env.iter().copied());
    let run = run(&mut command);
    assert_eq!(run.code, 0, "{run:?}");
    let list: Value = serde_json::from_str(&run.stdout).unwrap();
    let found = list
        .as_array()
        .unwrap()
        .iter()
        .find(|setting| setting["key"] == key)
        .unwrap();
    let text = |key: &str| found[key].as_str().unwrap_or("-").to_owned();
    (text("value"), text("source"))
}

#[test]
fn each_setting_says_who_set_it() {
    let repo = TestRepo::with_marker("telemetryEndpoint: ENDPOINT\nlogLevel: error\n");
    let endpoint = repo.receiver.endpoint();
    let expect = |args: &[&str], env: &[(&str, &str)], key: &str, value: &str, source: &str| {
        assert_eq!(
            setting(&repo, args, env, key),
            (value.to_owned(), source.to_owned()),
            "{key}"
        );
    };
    expect(&[], &[], "telemetryEndpoint", &endpoint, "marker");
    let other = "http://127.0.0.1:9";
    expect(
        &[],
        &[("SWAMP_TELEMETRY_ENDPOINT", other)],
        "telemetryEndpoint",
        other,
        "environment",
    );
    expect(&[], &[], "telemetryRetentionDays", "2", "default");
    expect(&[], &[], "logLevel", "error", "marker");
    expect(
        &[],
        &[("SWAMP_LOG_LEVEL", "info")],
        "logLevel",
        "info",
        "environment",
    );
    expect(
        &["--log-level", "warning"],
        &[],
        "logLevel",
        "warning",
        "option",
    );
    expect(&[], &[], "telemetryDisabled", "false", "default");
    expect(
        &[],
        &[("DO_NOT_TRACK", "1")],
        "telemetryDisabled",
        "true",
        "environment",
    );
    expect(
        &["--no-telemetry"],
        &[],
        "telemetryDisabled",
        "true",
        "option",
    );
    expect(&[], &[], "allowSenders", "any", "default");
}

#[test]
fn secrets_are_not_shown() {
    let repo = TestRepo::new();
    let dir = repo.home().join(".config/swamp");
    fs::create_dir_all(&dir).unwrap();
    fs::write(
        dir.join("config.yaml"),
        format!(
            "headers:\n  {}:\n    X-Key: s3cret\n",
            repo.receiver.endpoint()
        ),
    )
    .unwrap();
    for args in [
        &["config", "list"][..],
        &["config", "get", "headers"],
        &["--json", "config", "list"],
    ] {
        let run = repo.swamp(args);
        assert_eq!(run.code, 0);
        assert!(!format!("{run:?}").contains("s3cret"), "{run:?}");
        let named = format!("x-key for {}", repo.receiver.endpoint());
        assert!(run.stdout.contains(&named), "{run:?}");
    }
}

#[test]
fn set_and_unset_change_their_own_bytes_and_refuse_what_cannot_be() {
    let marker = "# ours\r\ntelemetryEndpoint: 'ENDPOINT' # here\r\nvaults: {a: 1}\r\n";
    let repo = TestRepo::with_marker(marker);
    let before = repo.marker();
    let set = repo.swamp(&[
        "--no-telemetry",
        "config",
        "set",
        "telemetryEndpoint",
        "http://127.0.0.1:9/x",
    ]);
    assert_eq!(set.code, 0, "{set:?}");
    assert_eq!(
        set.stdout,
        "telemetryEndpoint                 http://127.0.0.1:9/x (marker)\n"
    );
    assert_eq!(
        repo.marker(),
        before.replace(&repo.receiver.endpoint(), "http://127.0.0.1:9/x")
    );
    assert_eq!(
        repo.swamp(&[
            "--no-telemetry",
            "config",
            "set",
            "telemetryRetentionDays",
            "7"
        ])
        .code,
        0
    );
    assert!(repo.marker().ends_with("telemetryRetentionDays: 7\r\n"));
    assert_eq!(
        repo.swamp(&[
            "--no-telemetry",
            "config",
            "unset",
            "telemetryRetentionDays"
        ])
        .code,
        0
    );
    assert!(!repo.marker().contains("Retention"));
    let after = repo.marker();
    for (args, says) in [
        (["set", "telemetryRetentionDays", "0"], "from 1 to 65535"),
        (["set", "telemetryDisabled", "perhaps"], "true or false"),
        (["set", "logLevel", "loud"], "trace, debug"),
        (["set", "telemetryEndpoint", "ftp://x"], "ftp://x"),
        (
            ["set", "telemetrySender", "builtin:nothing"],
            "telemetrySender",
        ),
        (["set", "repoId", "x"], "edit the file"),
        (["set", "allowSenders", "any"], "add --user"),
        (["set", "telemetryEndpint", "x"], "telemetryEndpoint"),
    ] {
        let mut command = repo.command(&["--no-telemetry", "config"]);
        let run = run(command.args(args));
        assert!(
            run.code != 0 && run.stderr.contains(says),
            "{args:?} {run:?}"
        );
    }
    assert_eq!(repo.marker(), after);
}

#[test]
fn the_users_file_is_made_and_changed() {
    let repo = TestRepo::new();
    let file = repo.home().join(".config/swamp/config.yaml");
    let config = |args: &[&str]| run(repo.command(&["--no-telemetry", "config"]).args(args));
    assert_eq!(
        config(&["set", "--user", "allowSenders", "trusted"]).code,
        0
    );
    assert_eq!(
        setting(&repo, &[], &[], "allowSenders"),
        ("trusted".into(), "user".into())
    );
    let text = fs::read_to_string(&file).unwrap();
    let refused = config(&["set", "--user", "allowSenders", "some"]);
    assert!(
        refused.code == 1 && refused.stderr.contains("any, trusted or builtin"),
        "{refused:?}"
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    assert_eq!(
        config(&["set", "--user", "telemetryDisabled", "true"]).code,
        0
    );
    assert_eq!(
        setting(&repo, &[], &[], "telemetryDisabled"),
        ("true".into(), "user".into())
    );
    assert_eq!(config(&["unset", "--user", "telemetryDisabled"]).code, 0);
    assert_eq!(
        setting(&repo, &[], &[], "telemetryDisabled"),
        ("false".into(), "default".into())
    );
}

#[test]
fn init_with_an_endpoint_in_a_repository_names_the_command_that_changes_it() {
    let repo = TestRepo::new();
    let run = repo.swamp(&["init", "--endpoint", "http://127.0.0.1:9"]);
    assert_eq!(run.code, 1);
    assert!(
        run.stderr
            .contains(" config set telemetryEndpoint http://127.0.0.1:9` to"),
        "{run:?}"
    );
}
