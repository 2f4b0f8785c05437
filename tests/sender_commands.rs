//! Choosing a sender, and what the host gives to one that the user trusts.

use std::fs;
use std::path::PathBuf;

use http::HeaderName;
use serde_json::Value;
use swamp::receiver::ReceiverOptions;

use crate::support::{Run, TestRepo, run, wasm};

const SECRET: &str = "s3cret-value";

fn fixture() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/fixtures/senders/0.1.0/rust-cargo-component.wasm")
}

/// A repository with a sender of its own, whose user has a secret header for its endpoint.
fn repo_with_a_secret() -> TestRepo {
    let repo = TestRepo::with_receiver(ReceiverOptions {
        show_headers: vec![HeaderName::from_static("x-api-key")],
        ..ReceiverOptions::default()
    });
    fs::copy(fixture(), repo.root().join("ours.wasm")).unwrap();
    let config = repo.home().join(".config/swamp");
    fs::create_dir_all(&config).unwrap();
    let headers = format!(
        "headers:\n  {}:\n    X-Api-Key: Bearer ${{API_KEY}}\n",
        repo.receiver.endpoint()
    );
    fs::write(config.join("config.yaml"), headers).unwrap();
    repo
}

fn with_key(repo: &TestRepo, args: &[&str]) -> Run {
    run(repo.command(args).env("API_KEY", SECRET))
}

fn keys_that_arrived(repo: &TestRepo) -> Vec<Option<String>> {
    let requests = repo.receiver.requests();
    requests
        .iter()
        .map(|request| {
            let mut headers = request.headers.iter();
            headers
                .find(|(name, _)| name == "x-api-key")
                .map(|(_, value)| value.clone())
        })
        .collect()
}

fn json(run: &Run) -> Value {
    assert_eq!(run.code, 0, "{run:?}");
    serde_json::from_str(&run.stdout).unwrap()
}

#[test]
fn check_tells_what_a_component_is_and_asks_for() {
    let repo = TestRepo::new();
    let check = json(&repo.swamp(&["sender", "check", "--json", fixture().to_str().unwrap()]));
    assert_eq!(check["contract"], "0.1.0");
    assert_eq!(check["runs"], true);
    assert_eq!(
        check["exports"],
        serde_json::json!(["swamp:telemetry/sender@0.1.0"])
    );
    let imports = check["imports"].as_array().unwrap();
    assert!(imports.iter().all(|import| import["offered"] == true));
    assert!(
        imports
            .iter()
            .any(|import| import["name"] == "wasi:http/outgoing-handler@0.2.4")
    );
}

#[test]
fn check_fails_with_the_reason_for_what_would_not_run() {
    let repo = TestRepo::new();
    fs::write(repo.root().join("other.wasm"), wasm("(component)")).unwrap();
    let check = repo.swamp(&["sender", "check", "other.wasm"]);
    assert_eq!(check.code, 1);
    assert!(check.stdout.contains("does not run"), "{}", check.stdout);
    assert!(
        check
            .stderr
            .contains("does not export swamp:telemetry/sender@0.2.0")
    );
    let missing = repo.swamp(&["sender", "check", "gone.wasm"]);
    assert_eq!(missing.code, 1);
    assert!(
        missing.stderr.contains("could not read gone.wasm"),
        "{}",
        missing.stderr
    );
}

/// A component that the engine refuses: it needs the component model's async, which contract 0.2.0 does not have.
const ASYNC: &str = r#"(component
    (import "wasi:http/client@0.2.0" (instance))
    (import "wasi:http/types@0.4.0" (instance))
    (import "wasi:cli/stderr@0.2.6" (instance))
    (type (stream u8))
    (instance $sender)
    (export "swamp:telemetry/sender@0.2.0" (instance $sender))
)"#;

#[test]
fn check_reads_a_component_that_the_engine_refuses_and_names_the_remedy() {
    let repo = TestRepo::new();
    fs::write(repo.root().join("async.wasm"), wasm(ASYNC)).unwrap();
    let check = repo.swamp(&["sender", "check", "async.wasm"]);
    assert_eq!(check.code, 1);
    let shown: Vec<&str> = check
        .stdout
        .lines()
        .filter(|line| !line.starts_with("digest"))
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r"
    component   async.wasm
    size        184 bytes
    contract    0.2.0 (this host runs 0.1.0, 0.2.0 and 0.3.0)
    exports     swamp:telemetry/sender@0.2.0
    compiled    no
    verdict     does not run
    imports
      wasi:http/client@0.2.0  not offered in this version: this host has 0.3
      wasi:http/types@0.4.0   not offered in this version: this host has 0.2 and 0.3
      wasi:cli/stderr@0.2.6   output: to the debug log
    ");
    insta::assert_snapshot!(check.stderr, @"
    error: async.wasm does not run on this host: it needs the component model's async, which this host has for senders of contract 0.3.0 only
    hint: build it for contract 0.3.0
    ");
}

#[test]
fn check_in_json_says_of_each_import_the_same_as_in_words() {
    let repo = TestRepo::new();
    fs::write(repo.root().join("async.wasm"), wasm(ASYNC)).unwrap();
    let check = repo.swamp(&["sender", "check", "--json", "async.wasm"]);
    assert_eq!(check.code, 1);
    let check: Value = serde_json::from_str(&check.stdout).unwrap();
    assert_eq!(check["contract"], "0.2.0");
    assert_eq!(check["runs"], false);
    assert!(check.get("compileMs").is_none(), "{check}");
    for import in check["imports"].as_array().unwrap() {
        let is_refused = import["grant"].as_str().unwrap().starts_with("not offered");
        assert_eq!(import["offered"], !is_refused, "{import}");
    }
}

#[test]
fn check_never_recommends_itself() {
    let repo = TestRepo::new();
    for (name, text) in [
        ("async.wasm", ASYNC),
        ("other.wasm", "(component)"),
        ("module.wasm", "(module)"),
        ("wants.wasm", r#"(component (import "a" (func)))"#),
    ] {
        fs::write(repo.root().join(name), wasm(text)).unwrap();
        let check = repo.swamp(&["sender", "check", name]);
        assert_eq!(check.code, 1, "{name}");
        assert!(!check.stderr.contains("sender check"), "{}", check.stderr);
        let check = repo.swamp(&["sender", "check", "--json", name]);
        assert!(!check.stdout.contains("sender check"), "{}", check.stdout);
    }
}

#[test]
fn check_finds_a_contract_of_the_same_name_with_other_types() {
    let repo = TestRepo::new();
    let other =
        crate::hostile::sender_with_types(r#"(field "status" u16)"#, r#"(field "status" u32)"#);
    fs::write(repo.root().join("other.wasm"), wasm(&other)).unwrap();
    let check = repo.swamp(&["sender", "check", "other.wasm"]);
    assert_eq!(check.code, 1, "{check:?}");
    assert!(
        check.stderr.contains("expected `u16` found `u32`"),
        "{}",
        check.stderr
    );
    assert!(repo.swamp(&["sender", "use", "other.wasm"]).code == 1);
    assert!(!repo.marker().contains("telemetrySender"));
}

#[test]
fn use_writes_path_and_digest_and_nothing_else_and_the_built_in_one_comes_back() {
    let repo = TestRepo::new();
    repo.configure("# the end");
    let before = repo.marker();
    fs::create_dir(repo.root().join("senders")).unwrap();
    fs::copy(fixture(), repo.root().join("senders/ours.wasm")).unwrap();
    let used = json(&repo.swamp(&["--json", "sender", "use", "senders/ours.wasm"]));
    let digest = used["to"]["digest"].as_str().unwrap();
    let marker = repo.marker();
    let added = marker.strip_prefix(&before).unwrap();
    assert!(
        added.contains("telemetrySender: \"senders/ours.wasm\""),
        "{added}"
    );
    assert!(
        added.contains(&format!("telemetrySenderDigest: \"{digest}\"")),
        "{added}"
    );
    let show = json(&repo.swamp(&["--json", "sender", "show"]));
    assert_eq!(
        (&show["pinMatches"], &show["trusted"]),
        (&true.into(), &true.into())
    );

    assert_eq!(repo.swamp(&["sender", "use", "builtin:ingest"]).code, 0);
    assert!(!repo.marker().contains("telemetrySenderDigest"));
    assert_eq!(
        json(&repo.swamp(&["--json", "sender", "show"]))["component"],
        "builtin:ingest"
    );
}

#[test]
fn the_users_header_goes_with_the_built_in_sender() {
    let repo = repo_with_a_secret();
    assert_eq!(with_key(&repo, &["version"]).code, 0);
    assert_eq!(keys_that_arrived(&repo), [Some(format!("Bearer {SECRET}"))]);
}

#[test]
fn a_sender_gets_the_users_header_only_once_it_is_trusted() {
    let repo = repo_with_a_secret();
    repo.configure("telemetrySender: ours.wasm\n");
    with_key(&repo, &["version"]);
    assert_eq!(keys_that_arrived(&repo), [None]);
    assert_eq!(
        with_key(&repo, &["--no-telemetry", "sender", "trust", "--yes"]).code,
        0
    );
    with_key(&repo, &["version"]);
    assert_eq!(
        keys_that_arrived(&repo),
        [None, Some(format!("Bearer {SECRET}"))]
    );
}

#[test]
fn a_header_is_for_its_exact_origin() {
    let repo = repo_with_a_secret();
    let path = repo.home().join(".config/swamp/config.yaml");
    let port = repo.receiver.addr().port();
    for (origin, expected) in [
        (format!("http://localhost:{port}"), false),
        (format!("https://127.0.0.1:{port}"), false),
        (format!("http://127.0.0.1:{}", port ^ 1), false),
        (format!("HTTP://127.0.0.1:{port}/"), true),
    ] {
        fs::write(
            &path,
            format!("headers:\n  \"{origin}\":\n    X-Api-Key: k\n"),
        )
        .unwrap();
        repo.swamp(&["version"]);
        let arrived = keys_that_arrived(&repo).pop().unwrap();
        assert_eq!(arrived.is_some(), expected, "{origin}");
    }
}

#[test]
fn a_missing_variable_is_named_and_the_entries_wait() {
    let repo = repo_with_a_secret();
    let run = repo.swamp(&["--log-level", "debug", "version"]);
    assert!(run.stderr.contains("API_KEY"), "{}", run.stderr);
    assert_eq!(repo.entries().len(), 1);
}

#[test]
fn no_log_status_or_dry_run_shows_the_value_of_a_header() {
    let repo = repo_with_a_secret();
    run(repo
        .command(&["version"])
        .env("SWAMP_TELEMETRY_FLUSH", "off"));
    let dry = with_key(&repo, &["telemetry", "flush", "--dry-run"]);
    assert!(
        dry.stdout.contains("x-api-key: <redacted>${API_KEY}"),
        "{}",
        dry.stdout
    );
    assert_eq!(repo.entries().len(), 1, "a dry run sends nothing");
    assert!(repo.receiver.requests().is_empty());
    for args in [
        &["telemetry", "flush", "--dry-run", "--json"][..],
        &["--log-level", "trace", "version"],
        &["telemetry", "status"],
        &["sender", "show"],
    ] {
        let run = with_key(&repo, args);
        assert!(!format!("{run:?}").contains(SECRET), "{args:?} {run:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_process_that_holds_a_secret_dumps_no_core_and_names_none() {
    let repo = TestRepo::with_receiver(ReceiverOptions {
        delay: crate::support::AMPLE,
        ..ReceiverOptions::default()
    });
    let config = repo.home().join(".config/swamp");
    fs::create_dir_all(&config).unwrap();
    let headers = format!(
        "headers: {{\"{}\": {{X-Api-Key: {SECRET}}}}}\n",
        repo.receiver.endpoint()
    );
    fs::write(config.join("config.yaml"), headers).unwrap();
    run(repo
        .command(&["version"])
        .env("SWAMP_TELEMETRY_FLUSH", "off"));
    let arrivals = repo.receiver.arrivals();
    let mut flush = repo.command(&["telemetry", "flush"]).spawn().unwrap();
    arrivals.recv_timeout(crate::support::AMPLE).unwrap();
    let read = |file: &str| fs::read(format!("/proc/{}/{file}", flush.id())).unwrap();
    let limits = String::from_utf8(read("limits")).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    let cmdline = String::from_utf8_lossy(&read("cmdline")).into_owned();
    flush.kill().unwrap();
    flush.wait().unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("1"), "{core}");
    assert!(!cmdline.contains(SECRET));
}

#[test]
fn a_dry_run_shows_the_very_request_that_is_then_made() {
    let repo = TestRepo::new();
    run(repo
        .command(&["version"])
        .env("SWAMP_TELEMETRY_FLUSH", "off"));
    let dry = json(&repo.swamp(&["--json", "telemetry", "flush", "--dry-run"]));
    assert_eq!(repo.swamp(&["telemetry", "flush"]).code, 0);
    let request = &repo.receiver.requests()[0];
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(dry[0]["body"], body);
    assert_eq!(
        dry[0]["url"],
        format!("{}/ingest", repo.receiver.endpoint())
    );
    let dry_headers: Vec<(String, String)> =
        serde_json::from_value(dry[0]["headers"].clone()).unwrap();
    assert_eq!(dry_headers, request.headers);
}

#[test]
fn allow_senders_decides_what_may_run() {
    for (allowed, trusted, delivered) in [
        ("any", false, true),
        ("trusted", false, false),
        ("trusted", true, true),
        ("builtin", true, false),
    ] {
        let repo = TestRepo::new();
        fs::copy(fixture(), repo.root().join("ours.wasm")).unwrap();
        repo.configure("telemetrySender: ours.wasm\n");
        let config = repo.home().join(".config/swamp");
        fs::create_dir_all(&config).unwrap();
        fs::write(
            config.join("config.yaml"),
            format!("allowSenders: {allowed}\n"),
        )
        .unwrap();
        if trusted {
            repo.swamp(&["--no-telemetry", "sender", "trust", "--yes"]);
        }
        let run = repo.swamp(&["--log-level", "debug", "version"]);
        assert_eq!(
            repo.arrived().len() == 1,
            delivered,
            "{allowed} {trusted}: {}",
            run.stderr
        );
        assert_eq!(run.stderr.contains("allowSenders"), !delivered);
    }
}

/// A repository with a component beside it.
fn repo_with_a_component_outside() -> (TestRepo, PathBuf) {
    let repo = TestRepo::new();
    let outside = repo.home().join("ours.wasm");
    fs::copy(fixture(), &outside).unwrap();
    (repo, outside)
}

#[test]
fn use_copies_what_is_outside_of_the_repository_and_again_after_a_rebuild() {
    let (repo, outside) = repo_with_a_component_outside();
    let path = outside.to_str().unwrap();
    let used = json(&repo.swamp(&["--json", "sender", "use", path]));
    assert_eq!(used["to"]["component"], ".swamp/senders/ours.wasm");
    assert_eq!(used["copiedFrom"], path);
    let copy = repo.root().join(".swamp/senders/ours.wasm");
    assert_eq!(fs::read(&copy).unwrap(), fs::read(&outside).unwrap());
    assert!(!repo.marker().contains(repo.home().to_str().unwrap()));
    assert_eq!(repo.swamp(&["telemetry", "flush"]).code, 0);

    // A rebuild: another component, the program's own.
    let rebuilt = fs::read("../guest-sender/prebuilt/ingest.wasm").unwrap();
    fs::write(&outside, &rebuilt).unwrap();
    #[cfg(unix)]
    let held = fs::File::open(&copy).unwrap();
    let used = json(&repo.swamp(&["--json", "sender", "use", "../home/ours.wasm"]));
    assert_eq!(fs::read(&copy).unwrap(), rebuilt);
    assert!(
        repo.marker()
            .contains(used["to"]["digest"].as_str().unwrap())
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let (before, after) = (held.metadata().unwrap(), fs::metadata(&copy).unwrap());
        assert_ne!(
            before.ino(),
            after.ino(),
            "it was written over a reader's head"
        );
    }
    let names = fs::read_dir(copy.parent().unwrap()).unwrap();
    assert_eq!(names.count(), 1, "a temporary file was left");
}

#[test]
fn git_sees_the_copy_and_nothing_else_that_is_new() {
    let (repo, outside) = repo_with_a_component_outside();
    let git = |args: &[&str]| {
        let output = std::process::Command::new("git")
            .args(args)
            .current_dir(repo.root())
            .env("HOME", repo.home())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    git(&["init", "-q"]);
    assert_eq!(
        repo.swamp(&["sender", "use", outside.to_str().unwrap()])
            .code,
        0
    );
    assert_eq!(
        git(&["status", "--porcelain", "-uall"]),
        "?? .swamp.yaml\n?? .swamp/senders/ours.wasm\n"
    );
}

#[test]
fn use_writes_an_absolute_path_only_where_it_is_asked_to() {
    let (repo, outside) = repo_with_a_component_outside();
    let path = outside.to_str().unwrap();
    let used = json(&repo.swamp(&["--json", "sender", "use", "--in-place", path]));
    assert_eq!(used["to"]["component"], path);
    assert!(used.get("copiedFrom").is_none());
    assert!(!repo.root().join(".swamp/senders").exists());
    // Inside, there is nothing to ask for.
    fs::copy(&outside, repo.root().join("inside.wasm")).unwrap();
    let inside = repo.root().join("inside.wasm");
    let used = json(&repo.swamp(&["--json", "sender", "use", inside.to_str().unwrap()]));
    assert_eq!(used["to"]["component"], "inside.wasm");
}

#[cfg(unix)]
#[test]
fn use_writes_through_no_link_and_changes_nothing_then() {
    use std::os::unix::fs::symlink;

    for (link, is_directory) in [
        (".swamp/senders", true),
        (".swamp/senders/ours.wasm", false),
    ] {
        let (repo, outside) = repo_with_a_component_outside();
        let elsewhere = repo.home().join("elsewhere");
        if is_directory {
            fs::create_dir(&elsewhere).unwrap();
        } else {
            fs::create_dir(repo.root().join(".swamp/senders")).unwrap();
            fs::write(&elsewhere, "precious").unwrap();
        }
        symlink(&elsewhere, repo.root().join(link)).unwrap();
        let before = repo.marker();
        let used = repo.swamp(&["sender", "use", outside.to_str().unwrap()]);
        assert_eq!(used.code, 1, "{link}");
        assert!(
            used.stderr.contains(".swamp/senders/ours.wasm: "),
            "{}",
            used.stderr
        );
        assert_eq!(repo.marker(), before);
        if is_directory {
            assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
        } else {
            assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "precious");
        }
    }
}
