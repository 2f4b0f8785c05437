//! What a checkout that brought its marker may not do, until its user allows it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use http::HeaderName;
use serde_json::Value;
use swamp::receiver::ReceiverOptions;

use crate::support::{Run, SWAMP, TestRepo, not_installed, run, wasm};

const SECRET: &str = "s3cret-value";
const ID: &str = "550e8400-e29b-41d4-a716-446655440000";
const ENTRY: &str = "telemetry-2099-02-11-01a20e41-164b-7c42-a06a-fa78f6ad1127.json";

fn component() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/fixtures/senders/0.1.0/rust-cargo-component.wasm")
}

fn git(repo: &TestRepo, line: &str) -> String {
    let mut git = Command::new("git");
    git.current_dir(repo.root())
        .args(["-c", "user.name=a", "-c", "user.email=a@example.com"])
        .args(line.split(' '))
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null");
    let output = git.output().unwrap();
    assert!(output.status.success(), "git {line}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A repository as a clone is: git's index names the marker, a sender, and an entry. Its user has a secret header for
/// the endpoint.
fn checkout(lines: &str) -> TestRepo {
    let repo = TestRepo::with_receiver(ReceiverOptions {
        show_headers: vec![HeaderName::from_static("x-api-key")],
        ..ReceiverOptions::default()
    });
    // Nothing of `init`'s is remembered.
    fs::remove_dir_all(repo.home().join(".local")).unwrap();
    fs::remove_dir_all(repo.root().join(".swamp")).unwrap();
    repo.write_marker(&format!(
        "repoId: {ID}\ntelemetryEndpoint: ENDPOINT\n{lines}"
    ));
    fs::copy(component(), repo.root().join("ours.wasm")).unwrap();
    repo.spool_entry(ENTRY, r#"{"id": "01a20e41-164b-7c42-a06a-fa78f6ad1127"}"#);
    git(&repo, "init -q");
    git(&repo, "add -f .");
    let config = repo.home().join(".config/swamp");
    fs::create_dir_all(&config).unwrap();
    let headers = format!(
        "headers:\n  {}:\n    X-Api-Key: ${{API_KEY}}\n",
        repo.receiver.endpoint()
    );
    fs::write(config.join("config.yaml"), headers).unwrap();
    repo
}

fn with_key(repo: &TestRepo, args: &[&str]) -> Run {
    run(repo.command(args).env("API_KEY", SECRET))
}

fn keys(repo: &TestRepo) -> Vec<bool> {
    let requests = repo.receiver.requests();
    let has_key = |headers: &[(String, String)]| headers.iter().any(|(_, value)| value == SECRET);
    requests
        .iter()
        .map(|request| has_key(&request.headers))
        .collect()
}

fn status(repo: &TestRepo) -> Value {
    let status = with_key(repo, &["--json", "telemetry", "status"]);
    serde_json::from_str(&status.stdout).unwrap_or_else(|_| panic!("{status:?}"))
}

fn trust(repo: &TestRepo) {
    let trust = with_key(repo, &["--no-telemetry", "trust", "--yes"]);
    assert_eq!(trust.code, 0, "{trust:?}");
}

#[test]
fn a_checkout_spends_no_header_until_it_is_trusted_and_none_after_untrust() {
    let repo = checkout("");
    with_key(&repo, &["version"]);
    assert_eq!(keys(&repo), [false]);
    let told = status(&repo);
    assert_eq!(told["known"], false);
    assert_eq!(told["knownBecause"], "its .swamp.yaml came with a checkout");
    assert_eq!(told["sender"]["trusted"], false);
    let show = || with_key(&repo, &["sender", "show"]).stdout;
    let (why, shown) = ("its .swamp.yaml came with a checkout", show());
    assert!(
        shown.contains(&format!("known       no: {why}\ntrusted     no")),
        "{shown}"
    );
    trust(&repo);
    assert_eq!(status(&repo)["sender"]["trusted"], true);
    let (why, shown) = ("you allowed it on this machine", show());
    assert!(
        shown.contains(&format!("known       yes: {why}\ntrusted     yes")),
        "{shown}"
    );
    with_key(&repo, &["version"]);
    assert_eq!(keys(&repo).last(), Some(&true));
    assert_eq!(with_key(&repo, &["--no-telemetry", "untrust"]).code, 0);
    with_key(&repo, &["version"]);
    assert_eq!(keys(&repo).last(), Some(&false));
}

#[test]
fn a_component_of_a_checkout_reaches_no_local_service_until_it_is_trusted() {
    let repo = checkout("telemetrySender: ours.wasm\n");
    let flush = |repo: &TestRepo| {
        with_key(repo, &["version"]);
        with_key(repo, &["telemetry", "flush"])
    };
    let refused = flush(&repo);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("swamp trust"), "{}", refused.stderr);
    assert!(repo.receiver.requests().is_empty());
    trust(&repo);
    assert_eq!(flush(&repo).code, 0);
    assert!(!repo.receiver.requests().is_empty());
}

/// What is pulled into a repository that its user knows is no word of the user's.
#[test]
fn a_known_repository_gains_nothing_by_naming_another_local_service() {
    let repo = checkout("telemetrySender: ours.wasm\n");
    trust(&repo);
    with_key(&repo, &["version"]);
    assert_eq!(repo.receiver.requests().len(), 1);
    let other = TestRepo::new();
    let marker = repo
        .marker()
        .replace(&repo.receiver.endpoint(), &other.receiver.endpoint());
    fs::write(repo.root().join(".swamp.yaml"), marker).unwrap();
    // Another sender than the one that was trusted, too.
    let built = [&fs::read(component()).unwrap()[..], &[0, 1, 0]].concat();
    fs::write(repo.root().join("ours.wasm"), built).unwrap();
    with_key(&repo, &["version"]);
    let flush = with_key(&repo, &["telemetry", "flush"]);
    assert!(flush.stderr.contains("public addresses only"), "{flush:?}");
    assert!(other.receiver.requests().is_empty());
    assert_eq!(repo.receiver.requests().len(), 1);
}

#[test]
fn a_sender_in_the_marker_that_init_made_works_at_once_and_after_each_build_in_git_too() {
    let repo = TestRepo::new();
    repo.configure("telemetrySender: ours.wasm\n");
    git(&repo, "init -q");
    let built = fs::read(component()).unwrap();
    for build in [&[][..], &[0, 1, 0]] {
        fs::write(repo.root().join("ours.wasm"), [&built[..], build].concat()).unwrap();
        git(&repo, "add -f .");
        git(&repo, "commit -q -m all");
        let before = repo.receiver.requests().len();
        assert_eq!(repo.swamp(&["version"]).stderr, "");
        assert_eq!(repo.receiver.requests().len(), before + 1);
    }
}

#[test]
fn a_marker_that_is_written_by_hand_works_at_once_in_git_too() {
    let repo = checkout("");
    git(&repo, "rm -q --cached .swamp.yaml");
    repo.configure("telemetrySender: ours.wasm\n");
    with_key(&repo, &["version"]);
    assert_eq!(repo.receiver.requests().len(), 1);
    assert_eq!(status(&repo)["known"], true);
}

#[test]
fn the_endpoint_and_the_directory_of_the_environment_are_the_users_word() {
    let repo = checkout("telemetrySender: ours.wasm\n");
    let endpoint = repo.receiver.endpoint();
    let root = repo.root();
    for (variable, value) in [
        ("SWAMP_TELEMETRY_ENDPOINT", endpoint.as_str()),
        ("SWAMP_TRUST_DIRECTORY", root.to_str().unwrap()),
    ] {
        let before = repo.receiver.requests().len();
        let version = run(repo.command(&["version"]).env(variable, value));
        assert_eq!(version.code, 0);
        assert!(repo.receiver.requests().len() > before, "{variable}");
    }
}

#[test]
fn a_checkout_raises_no_log_level_and_a_known_repository_does() {
    let repo = checkout("logLevel: debug\n");
    assert_eq!(with_key(&repo, &["version"]).stderr, "");
    trust(&repo);
    assert!(with_key(&repo, &["version"]).stderr.contains("delivered"));
}

#[test]
fn a_checkout_raises_no_memory_of_its_sender_and_a_known_repository_does() {
    // 300 MiB: more than a sender has, and less than this marker wants for it.
    let greedy = crate::hostile::sender_with_body(
        "(if (i32.eq (memory.grow (i32.const 4800)) (i32.const -1)) (then unreachable)) i32.const 0",
    );
    let repo = checkout("telemetrySender: greedy.wasm\ntelemetrySenderLimits: {memoryMiB: 512}\n");
    fs::write(repo.root().join("greedy.wasm"), wasm(&greedy)).unwrap();
    let failure = |repo: &TestRepo| {
        with_key(repo, &["telemetry", "flush"]);
        status(repo)["lastFlush"]["failure"].clone()
    };
    run(repo
        .command(&["version"])
        .env("SWAMP_TELEMETRY_FLUSH", "off"));
    let reason = failure(&repo)["reason"].to_string();
    assert!(reason.contains("ran out of memory at 256 MiB"), "{reason}");
    trust(&repo);
    // It has what it wants, and says that it has delivered what it has not.
    assert_eq!(failure(&repo)["kind"], "unconfirmed");
}

/// Nor is it compiled, and what a person names on the command line is.
#[test]
fn a_sender_of_wasi_0_3_runs_in_a_checkout_only_once_it_is_trusted() {
    const REFUSED: &str = "the sender ours.wasm may not run: it is built for WASI 0.3, and this repository is not known";
    let repo = checkout("telemetrySender: ours.wasm\n");
    fs::copy(crate::wasi_0_3::fixture(), repo.root().join("ours.wasm")).unwrap();
    run(repo
        .command(&["version"])
        .env("SWAMP_TELEMETRY_FLUSH", "off"));
    for args in [&["telemetry", "flush"][..], &["version"]] {
        with_key(&repo, args);
        let failure = status(&repo)["lastFlush"]["failure"].clone();
        assert_eq!(failure["kind"], "not-trusted", "{args:?}: {failure}");
        assert_eq!(failure["reason"], REFUSED, "{args:?}");
    }
    let flush = with_key(&repo, &["telemetry", "flush"]);
    assert_eq!(flush.code, 1, "{flush:?}");
    assert!(flush.stderr.contains(REFUSED), "{flush:?}");
    let doctor = with_key(&repo, &["--no-telemetry", "doctor"]);
    assert!(doctor.stdout.contains(REFUSED), "{doctor:?}");
    assert!(repo.entries().iter().any(|name| name == ENTRY));
    assert_eq!(repo.receiver.requests().len(), 0);

    let check = with_key(&repo, &["--no-telemetry", "sender", "check", "ours.wasm"]);
    assert_eq!(check.code, 0, "{check:?}");
    // What is in the cache by now is not run either.
    with_key(&repo, &["telemetry", "flush"]);
    assert_eq!(status(&repo)["lastFlush"]["failure"]["kind"], "not-trusted");
    let show = with_key(&repo, &["--no-telemetry", "sender", "show"]);
    assert_eq!(show.code, 0, "{show:?}");

    trust(&repo);
    with_key(&repo, &["telemetry", "flush"]);
    assert!(!keys(&repo).is_empty(), "{:?}", status(&repo));
    assert!(keys(&repo).into_iter().all(|has_key| has_key));
}

/// No marker can raise the deadline: the most that one can have is what all have by default.
#[test]
fn no_repository_raises_the_deadline_of_its_sender_and_each_can_lower_it() {
    let lowered = "telemetrySender: ours.wasm\ntelemetrySenderOptions: {do: spin}\ntelemetrySenderLimits: {deadlineMs: 200}\n";
    let repo = checkout(lowered);
    fs::copy(
        crate::hostile::hostile_path(),
        repo.root().join("ours.wasm"),
    )
    .unwrap();
    run(repo
        .command(&["version"])
        .env("SWAMP_TELEMETRY_FLUSH", "off"));
    for known in [false, true] {
        if known {
            trust(&repo);
        }
        let flush = with_key(&repo, &["telemetry", "flush"]);
        let said = "ran out of time after 200 ms";
        assert!(flush.stderr.contains(said), "{known}: {flush:?}");
    }
    let marker = repo.marker().replace("deadlineMs: 200", "deadlineMs: 5001");
    repo.write_marker(&marker);
    let flush = with_key(&repo, &["telemetry", "flush"]);
    assert!(flush.stderr.contains("from 100 to 5000"), "{flush:?}");
}

#[test]
fn a_change_of_sender_or_endpoint_leaves_the_headers_out_and_status_says_which() {
    let repo = checkout("telemetrySender: ours.wasm\n");
    trust(&repo);
    with_key(&repo, &["version"]);
    assert_eq!(keys(&repo), [true]);
    let built = fs::read(component()).unwrap();
    // An empty custom section: another digest, the same sender.
    fs::write(
        repo.root().join("ours.wasm"),
        [&built[..], &[0, 1, 0]].concat(),
    )
    .unwrap();
    with_key(&repo, &["version"]);
    assert_eq!(keys(&repo), [true, false]);
    let because = status(&repo)["sender"]["untrustedBecause"].clone();
    assert_eq!(because, "the sender has changed since you trusted it");
    fs::write(repo.root().join("ours.wasm"), built).unwrap();
    let marker = repo.marker();
    fs::write(
        repo.root().join(".swamp.yaml"),
        marker.replace("127.0.0.1", "localhost"),
    )
    .unwrap();
    let because = status(&repo)["knownBecause"].to_string();
    assert!(
        because.contains("its endpoint was http://127.0.0.1"),
        "{because}"
    );
}

#[test]
fn entries_that_came_with_a_checkout_are_held_back_and_stay() {
    let repo = checkout("");
    with_key(&repo, &["version"]);
    assert_eq!(repo.arrived(), ["version"]);
    assert!(repo.entries().contains(&ENTRY.to_owned()));
    let told = status(&repo);
    assert_eq!(
        (&told["heldBack"], &told["pending"]),
        (&1.into(), &0.into())
    );
    git(&repo, "rm -q --cached -r .swamp");
    with_key(&repo, &["telemetry", "flush"]);
    assert!(!repo.entries().contains(&ENTRY.to_owned()));
}

#[test]
fn git_sees_nothing_new_after_any_command() {
    // None, one that does not know of the lock and is in git itself, and one that is not.
    for (own, added) in [
        (None, false),
        (Some("# ours\n"), true),
        (Some("cache/\n"), false),
    ] {
        let repo = checkout("");
        git(&repo, "rm -q --cached -r .swamp");
        let ignore = repo.root().join(".swamp/.gitignore");
        if let Some(text) = own {
            fs::write(&ignore, text).unwrap();
        }
        if added {
            git(&repo, "add -f .swamp/.gitignore");
        }
        git(&repo, "commit -q -m all");
        fs::write(repo.spool().join(".gitignore"), "*\n!telemetry-*\n").unwrap();
        // What a command that was killed has left.
        fs::write(repo.root().join(".swamp/marker.lock"), "").unwrap();
        for command in [
            &["version"][..],
            &["telemetry", "disable"],
            &["telemetry", "enable"],
            &["trust", "--yes"],
            &["repo", "upgrade"],
            &["config", "set", "logLevel", "error"],
            &["sender", "use", "builtin:otlp"],
            &["exec", "--", "true"],
            &["telemetry", "flush"],
            &["telemetry", "purge", "--yes"],
        ] {
            with_key(&repo, command);
            let changed = git(&repo, "status --porcelain -uall");
            let own_file = "?? .swamp/.gitignore";
            let mut news = changed.lines().filter(|line| line.contains(".swamp/"));
            let is_new = news.any(|line| added || own.is_none() || line != own_file);
            assert!(!is_new, "{command:?} with {own:?}: {changed}");
        }
        if let Some(text) = own {
            assert_eq!(fs::read_to_string(&ignore).unwrap(), text);
        }
    }
}

#[test]
fn what_others_can_write_decides_nothing_and_telemetry_is_off() {
    use std::os::unix::fs::PermissionsExt as _;
    let repo = TestRepo::new();
    for file in [".local/state/swamp/trust.json", ".config/swamp/config.yaml"] {
        let file = repo.home().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        if !file.exists() {
            fs::write(&file, "allowSenders: any\n").unwrap();
        }
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
        let status = repo.swamp(&["telemetry", "status"]);
        assert!(status.stdout.contains("off"), "{status:?}");
        assert!(
            status.stdout.contains("everybody can write it"),
            "{status:?}"
        );
        assert!(repo.entries().is_empty());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

/// What a person sees of a command on a terminal, who answers with `answer`.
#[cfg(target_os = "linux")]
fn on_a_terminal(repo: &TestRepo, line: &str, answer: &str) -> Option<String> {
    use std::io::Write as _;
    use std::process::Stdio;
    let mut script = Command::new("script");
    script
        .args(["-qfec", &format!("{SWAMP} --no-color {line}"), "/dev/null"])
        .current_dir(repo.root())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", repo.home())
        .env("SHELL", "/bin/sh")
        .env("SWAMP_TELEMETRY_FLUSH", "off")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = script.spawn().ok()?;
    let mut stdin = child.stdin.take().unwrap();
    write!(stdin, "{answer}").unwrap();
    let output = child.wait_with_output().unwrap();
    Some(String::from_utf8(output.stdout).unwrap().replace('\r', ""))
}

#[cfg(target_os = "linux")]
#[test]
fn trust_asks_on_a_terminal_and_allows_nothing_without_a_yes() {
    let repo = checkout("telemetrySender: ours.wasm\n");
    let mut said = Vec::new();
    for (answer, known) in [("n\n", false), ("\n", false), ("y\n", true)] {
        let Some(seen) = on_a_terminal(&repo, "--no-telemetry trust", answer) else {
            return not_installed("script");
        };
        for shown in [
            "endpoint",
            "ours.wasm, sha256:",
            "options",
            "limits",
            "headers",
        ] {
            assert!(seen.contains(shown), "{seen}");
        }
        assert!(seen.contains("allow this? [y/N]"), "{seen}");
        assert_eq!(status(&repo)["known"], known, "{seen}");
        said.push(seen.contains("nothing was allowed"));
    }
    assert_eq!(said, [true, true, false]);
}

#[cfg(target_os = "linux")]
#[test]
fn in_a_checkout_the_first_command_on_a_terminal_tells_once_what_is_recorded() {
    let repo = checkout("");
    let told = |seen: &str| seen.contains("swamp records its commands");
    assert!(!told(&with_key(&repo, &["version"]).stderr), "no terminal");
    let Some(first) = on_a_terminal(&repo, "version", "") else {
        return not_installed("script");
    };
    assert!(told(&first), "{first}");
    let second = on_a_terminal(&repo, "version", "").unwrap();
    assert!(!told(&second), "{second}");
}

#[test]
fn a_checkout_keeps_entries_for_no_longer_than_30_days() {
    let raised =
        "telemetryRetentionDays: 400\ntelemetryKeepFlushed: true\ntelemetrySender: ours.wasm\n";
    let repo = checkout(raised);
    let days_ago = |days| {
        let day = chrono::Utc::now() - chrono::TimeDelta::days(days);
        format!(
            "telemetry-{}-old-{days}.flushed.json",
            day.format("%Y-%m-%d")
        )
    };
    for known in [false, true] {
        fs::remove_file(repo.spool().join(".last-clean-up")).ok();
        for days in [20, 60] {
            let id = format!(r#"{{"id": "old-{days}"}}"#);
            repo.spool_entry(&days_ago(days), &id);
        }
        fs::remove_file(repo.spool().join(".last-clean-up")).ok();
        if known {
            trust(&repo);
        }
        // A flush that fails cleans up all the same.
        with_key(&repo, &["version"]);
        let left = repo.entries();
        assert!(left.contains(&days_ago(20)), "{left:?}");
        assert_eq!(left.contains(&days_ago(60)), known, "{left:?}");
    }
}
