//! What the host's package is made of.

use std::fs;
use std::path::Path;
use std::process::Command;

fn host() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_package_contains_the_contract_the_components_and_the_licence() {
    let output = Command::new(env!("CARGO"))
        .args([
            "package",
            "--list",
            "--allow-dirty",
            "--offline",
            "--locked",
        ])
        .current_dir(host())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let listed = String::from_utf8(output.stdout).unwrap();
    for file in [
        "LICENSE",
        "README.md",
        "Cargo.lock",
        "prebuilt/ingest.wasm",
        "wit/0.1.0/sender.wit",
        "wit/0.2.0/sender.wit",
        "wit/0.3.0/sender.wit",
        "src/cli/completions/swamp.bash",
        "templates/sender/rust/lib.rs",
    ] {
        assert!(listed.lines().any(|line| line == file), "{file}\n{listed}");
    }
}

/// Calls `visit` with each Rust source below `dir`.
fn each_source(dir: &Path, visit: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            each_source(&path, visit);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            visit(&path);
        }
    }
}

#[test]
fn no_source_includes_a_file_from_outside_the_package() {
    let mut included = 0;
    each_source(&host().join("src"), &mut |source| {
        let text = fs::read_to_string(source).unwrap();
        let depth = source.strip_prefix(host()).unwrap().components().count() - 1;
        for (at, _) in text.match_indices("include_") {
            let Some(path) = ["include_bytes!(", "include_str!("]
                .iter()
                .find_map(|call| text[at..].strip_prefix(call))
                .and_then(|rest| rest.trim_start().strip_prefix('"'))
                .and_then(|rest| rest.split('"').next())
            else {
                continue;
            };
            included += 1;
            assert!(
                path.matches("../").count() <= depth,
                "{} includes {path}; link to it from host/, as to wit/",
                source.display()
            );
        }
    });
    assert!(included >= 2, "{included}");
}
