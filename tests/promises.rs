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
fn the_built_in_senders_are_small() {
    for (sender, most) in [("ingest", 150_000), ("otlp", 250_000)] {
        let component = at_the_top("guest-sender/prebuilt").join(format!("{sender}.wasm"));
        let bytes = fs::metadata(component).unwrap().len();
        assert!(bytes <= most, "{sender}: {bytes} bytes");
    }
}

/// All Rust sources below `path`, one after the other.
fn sources(path: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text += &sources(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text += &fs::read_to_string(&path).unwrap();
        }
    }
    text
}

#[test]
fn every_test_that_the_security_page_names_is_there() {
    let page = fs::read_to_string(at_the_top("host/SECURITY.md")).unwrap();
    let code = sources(&at_the_top("host/src")) + &sources(&at_the_top("tests"));
    let named: Vec<_> = page
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| name.contains('_') && name.len() > 1)
        .collect();
    assert!(named.len() > 30, "{named:?}");
    for name in named {
        assert!(code.contains(&format!("fn {name}(")), "{name}");
    }
}
