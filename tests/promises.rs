//! What must hold of the project's own files.

use std::fs;
use std::path::Path;

use swamp::domain::variables::DOCUMENTED;

use crate::support::TestRepo;

fn at_the_top(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Before 48.0.9, guests can abort a build of wasmtime that lacks the features `gc` and `threads`.
#[test]
fn wasmtime_is_one_that_no_guest_can_abort() {
    let lock = fs::read_to_string(at_the_top("Cargo.lock")).unwrap();
    let version = lock
        .split(
            "name = \"wasmtime\"
version = \"",
        )
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap();
    let numbers: Vec<u32> = version
        .split('.')
        .map(|part| part.parse().unwrap())
        .collect();
    let manifest = fs::read_to_string(at_the_top("host/Cargo.toml")).unwrap();
    let features = manifest
        .split("wasmtime = {")
        .nth(1)
        .and_then(|rest| rest.split('}').next())
        .unwrap();
    let has_both = features.contains("\"gc\"") && features.contains("\"threads\"");
    assert!(
        numbers >= vec![48, 0, 9] || has_both,
        "{version}: {features}"
    );
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
        // The names of variables are in capitals, and so are those in paths.
        .filter(|name| !name.contains(|c: char| c.is_ascii_uppercase()))
        .collect();
    assert!(named.len() > 30, "{named:?}");
    for name in named {
        assert!(code.contains(&format!("fn {name}(")), "{name}");
    }
}

#[test]
fn every_documented_variable_is_in_the_guide_and_in_the_manual() {
    let guide = fs::read_to_string(at_the_top("docs/configuration.md")).unwrap();
    let repo = TestRepo::new();
    let pages = repo.home().join("man");
    let run = repo.swamp(&["--no-telemetry", "man", pages.to_str().unwrap()]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let page = fs::read_to_string(pages.join("swamp.1")).unwrap();
    for (name, _) in DOCUMENTED {
        assert!(guide.contains(&format!("| `{name}` |")), "{name}");
        assert!(page.contains(&format!("\\fB{name}\\fR")), "{name}");
    }
}
