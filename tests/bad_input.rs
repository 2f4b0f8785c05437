//! Whatever is wrong with telemetry, the user's command runs as if nothing were; debug says in one sentence what to
//! fix, and nothing is deleted.

use std::fs;
use std::path::Path;

use crate::support::{Run, TestRepo, wasm};

/// A run that must not be bothered, and the same at debug level.
fn unbothered(repo: &TestRepo) -> Run {
    let run = repo.swamp(&["version"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    assert!(run.stdout.starts_with("swamp "));
    let debug = repo.swamp(&["--log-level", "debug", "version"]);
    assert_eq!(debug.code, 0);
    debug
}

fn assert_tells(debug: &Run, sentence: &str) {
    let told = debug
        .stderr
        .lines()
        .any(|line| line.starts_with("debug: ") && line.contains(sentence));
    assert!(told, "no line says {sentence:?}:\n{}", debug.stderr);
}

#[test]
fn a_marker_that_cannot_be_understood_turns_telemetry_off_and_stays_as_it_is() {
    for (marker, sentence) in [
        ("{: not yaml", ".swamp.yaml"),
        ("- a\n- list\n", ".swamp.yaml"),
        ("telemetryKeepFlushed: perhaps\n", "telemetryKeepFlushed"),
        ("telemetryEndpoint: [a]\n", "telemetryEndpoint"),
        ("repoId: {}\n", "repoId"),
        ("telemetrySender: builtin:nothing\n", "telemetrySender"),
    ] {
        let repo = TestRepo::with_marker(marker);
        let debug = unbothered(&repo);
        assert_tells(&debug, sentence);
        assert_eq!(repo.marker(), marker);
        assert!(!repo.spool().exists());
    }
}

#[test]
fn a_marker_that_cannot_be_written_lets_the_entry_be_recorded_and_nothing_be_flushed() {
    let repo = TestRepo::with_marker("telemetryEndpoint: ENDPOINT\n");
    fs::create_dir(repo.root().join(".swamp")).unwrap();
    // A directory where the lock of the marker's writers should be: nobody can write, not even root.
    fs::create_dir(repo.root().join(".swamp/marker.lock")).unwrap();
    let debug = unbothered(&repo);
    assert_tells(&debug, "marker.lock");
    assert_eq!(repo.entries().len(), 2);
    assert!(repo.batches().is_empty());
}

#[test]
fn an_endpoint_that_is_none_keeps_the_entries_and_is_named() {
    for (endpoint, sentence) in [
        (
            "nonsense",
            "could not use telemetryEndpoint in .swamp.yaml: \"nonsense\" is not a URL",
        ),
        ("ftp://127.0.0.1/", "is not an http or https URL"),
        ("http://127.0.0.1:1/?q", "contains a query"),
        (
            "http://me:pass@127.0.0.1:1/",
            "contains a user name or password",
        ),
    ] {
        let repo = TestRepo::with_marker(&format!("telemetryEndpoint: \"{endpoint}\"\n"));
        let debug = unbothered(&repo);
        assert_tells(&debug, sentence);
        assert!(!debug.stderr.contains("pass@"));
        assert_eq!(repo.entries().len(), 2);
    }
}

#[test]
fn a_sender_that_is_none_keeps_the_entries_and_is_told_apart() {
    let other_world = wasm(r"(component (core module $m) (core instance (instantiate $m)))");
    for (file, content, sentence) in [
        (
            "gone.wasm",
            None,
            "could not read the sender gone.wasm: No such file",
        ),
        (
            ".",
            None,
            "could not read the sender .: it is not a regular file",
        ),
        (
            "text.wasm",
            Some(&b"hello"[..]),
            "could not compile the sender text.wasm: it is not a WebAssembly component",
        ),
        (
            "core.wasm",
            Some(b"\0asm\x01\0\0\0"),
            "could not compile the sender core.wasm: it is a core module",
        ),
        (
            "ours.wat",
            Some(b"(component (; ours ;))"),
            "could not compile the sender ours.wat: it is WebAssembly's text format",
        ),
        (
            "other.wasm",
            Some(&other_world),
            "could not link the sender other.wasm: it does not export swamp:telemetry/sender@0.2.0",
        ),
    ] {
        let repo = TestRepo::new();
        repo.configure(&format!("telemetrySender: {file}\n"));
        if let Some(content) = content {
            fs::write(repo.root().join(file), content).unwrap();
        }
        let debug = unbothered(&repo);
        assert_tells(&debug, sentence);
        assert_eq!(repo.entries().len(), 2, "{file}");
        assert!(repo.batches().is_empty());
    }
}

#[test]
fn a_spool_that_is_no_directory_is_left_as_it_is() {
    for path in [".swamp", ".swamp/telemetry"] {
        let repo = TestRepo::with_marker("telemetryEndpoint: ENDPOINT\n");
        let path = repo.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "mine").unwrap();
        let debug = unbothered(&repo);
        assert_tells(&debug, ".swamp/telemetry");
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }
}

#[test]
fn init_in_a_repository_refuses_and_says_how_to_upgrade() {
    let repo = TestRepo::new();
    let marker = repo.marker();
    let run = repo.swamp(&["init"]);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("swamp repo upgrade"), "{}", run.stderr);
    assert_eq!(repo.marker(), marker);
}

#[test]
fn another_sender_is_named_by_its_path_in_the_marker_alone() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/fixtures/senders/0.1.0/rust-cargo-component.wasm");
    for name in ["senders/ours.wasm", "ABSOLUTE"] {
        let repo = TestRepo::new();
        fs::create_dir(repo.root().join("senders")).unwrap();
        fs::copy(&fixture, repo.root().join("senders/ours.wasm")).unwrap();
        let absolute = repo.root().join("senders/ours.wasm");
        let name = name.replace("ABSOLUTE", absolute.to_str().unwrap());
        repo.configure(&format!("telemetrySender: {name}\n"));
        assert_eq!(repo.swamp(&["version"]).code, 0);
        assert_eq!(repo.arrived(), ["version"]);
    }
}

#[test]
fn a_sender_that_the_digest_does_not_pin_is_not_run() {
    let repo = TestRepo::new();
    repo.configure(&format!(
        "telemetrySenderDigest: sha256:{}\n",
        "0".repeat(64)
    ));
    let debug = unbothered(&repo);
    assert_tells(&debug, "is not the one that telemetrySenderDigest pins");
    assert_eq!(repo.entries().len(), 2);
}
