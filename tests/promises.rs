//! What must hold of the project's own files.

use std::fs;
use std::path::Path;

fn at_the_top(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

#[test]
fn wasmtime_is_not_older_than_the_version_that_mends_what_guests_could_abort() {
    let lock = fs::read_to_string(at_the_top("Cargo.lock")).unwrap();
    let version = lock
        .split("name = \"wasmtime\"\nversion = \"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap();
    let numbers: Vec<u32> = version
        .split('.')
        .map(|part| part.parse().unwrap())
        .collect();
    assert!(numbers >= vec![48, 0, 8], "{version}");
}

#[test]
fn the_built_in_sender_is_at_most_150_kb() {
    let component = fs::metadata(at_the_top("guest-sender/prebuilt/ingest.wasm")).unwrap();
    assert!(component.len() <= 150_000, "{} bytes", component.len());
}
