//! Completions, asked of the real shells.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{SWAMP, TestRepo, not_installed};

fn is_there(shell: &str) -> bool {
    let there = Command::new(shell).args(["-c", "exit 0"]).output().is_ok();
    if !there {
        not_installed(&format!("{shell}, for its completions"));
    }
    there
}

/// The `PATH` of this machine with the binary under test in front.
fn path() -> OsString {
    let own = Path::new(SWAMP).parent().unwrap().to_owned();
    let dirs: Vec<PathBuf> = std::iter::once(own)
        .chain(std::env::split_paths(
            &std::env::var_os("PATH").unwrap_or_default(),
        ))
        .collect();
    std::env::join_paths(dirs).unwrap()
}

/// A repository with a few files, among them the shell's script.
fn repo(shell: &str) -> TestRepo {
    let repo = TestRepo::new();
    for file in ["my sender.wasm", "notes.txt", "ours.wasm"] {
        fs::write(repo.root().join(file), "").unwrap();
    }
    let script = repo.swamp(&["completions", shell]);
    assert_eq!((script.code, script.stderr.as_str()), (0, ""));
    fs::write(repo.root().join("script"), script.stdout).unwrap();
    repo
}

fn run_in(repo: &TestRepo, shell: &str, script: &str) -> String {
    let output = Command::new(shell)
        .args(["-c", script])
        .current_dir(repo.root())
        .env_clear()
        .env("HOME", repo.home())
        .env("PATH", path())
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    assert!(repo.entries().is_empty(), "a completion was recorded");
    String::from_utf8(output.stdout).unwrap()
}

/// What bash completes a line with; `words` are the line as readline splits it.
fn bash(repo: &TestRepo, line: &str, words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let script = format!(
        "source ./script
         COMP_LINE='{line}' COMP_POINT={} COMP_WORDS=({}) COMP_CWORD={}
         _swamp
         printf '%s\\n' \"${{COMPREPLY[@]}}\" | grep -v '^-'",
        line.len(),
        words.join(" "),
        words.len() - 1
    );
    run_in(repo, "bash", &script)
}

#[test]
fn bash_completes_commands_sender_names_and_files() {
    if !is_there("bash") {
        return;
    }
    let repo = repo("bash");
    assert_eq!(bash(&repo, "swamp sen", &["swamp", "sen"]), "sender\n");
    insta::assert_snapshot!(bash(&repo, "swamp sender use ", &["swamp", "sender", "use", ""]), @r"
            builtin:ingest
            builtin:otlp
            my\ sender.wasm
            ours.wasm
            ");
    assert_eq!(
        bash(
            &repo,
            r"swamp sender use my\ s",
            &["swamp", "sender", "use", r"my\ s"]
        ),
        "my sender.wasm\n"
    );
}

#[test]
fn bash_quotes_what_it_would_run() {
    if !is_there("bash") {
        return;
    }
    let repo = repo("bash");
    fs::create_dir(repo.root().join("d$(touch ran)")).unwrap();
    let split = ["swamp", "--repo-dir", "=", "d"];
    assert_eq!(
        bash(&repo, "swamp --repo-dir=d", &split),
        "d\\$\\(touch\\ ran\\)/\n"
    );
    assert!(!repo.root().join("ran").exists());
}

#[test]
fn bash_completes_what_it_splits_at_a_colon_or_an_equals_sign() {
    if !is_there("bash") {
        return;
    }
    let repo = repo("bash");
    let split = ["swamp", "sender", "check", "builtin", ":", "in"];
    assert_eq!(
        bash(&repo, "swamp sender check builtin:in", &split),
        "ingest\n"
    );
    let split = ["swamp", "--log-level", "=", "w"];
    assert_eq!(bash(&repo, "swamp --log-level=w", &split), "warning\n");
}

#[test]
fn fish_completes_commands_sender_names_and_files() {
    if !is_there("fish") {
        return;
    }
    let repo = repo("fish");
    let complete = |line: &str| {
        let script =
            format!("source ./script; complete -C '{line}' | string match -v -- '-*' | cat");
        run_in(&repo, "fish", &script)
    };
    assert_eq!(
        complete("swamp sen"),
        "sender\tInspect, test and choose the sender component\n"
    );
    assert!(
        complete("swamp sender use ")
            .starts_with("builtin:ingest\nbuiltin:otlp\nmy sender.wasm\nours.wasm\n")
    );
    assert_eq!(complete("swamp sender check builtin:i"), "builtin:ingest\n");
}

/// Zsh completes only for a terminal; what its script makes of the answer is seen in place of the menu.
#[test]
fn zsh_completes_commands_sender_names_and_files() {
    if !is_there("zsh") {
        return;
    }
    let repo = repo("zsh");
    let complete = |words: &str, current: usize| {
        let script = format!(
            "compdef() {{ }}
             _describe() {{ print -rl -- ${{(P)3}} }}
             source ./script
             words=({words}) CURRENT={current}
             _clap_dynamic_completer_swamp | grep -v '^-'"
        );
        run_in(&repo, "zsh", &script)
    };
    assert_eq!(
        complete("swamp sen", 2),
        "sender:Inspect, test and choose the sender component\n"
    );
    insta::assert_snapshot!(complete("swamp sender use ''", 4), @r"
    builtin\:ingest
    builtin\:otlp
    my sender.wasm
    ours.wasm
    ");
}

/// What a shell is asked after `exec --`, for short forms, and for the values that the repository has.
const ASKED: [(&[&str], &str, &str); 8] = [
    (&["exec", "--"], "gr", "greet-me"),
    (&["exec", "--"], "./pro", "./program"),
    (&["exec", "--", "greet-me"], "no", "notes.txt"),
    (&[], "sta", "stats"),
    (&["flush"], "--al", "--all"),
    (&["config", "get"], "telemetryEnd", "telemetryEndpoint"),
    (&["exec", "--name"], "depl", "deploy.py"),
    (
        &["sender", "test", "ours.wasm", "--only"],
        "status-40",
        "status-404",
    ),
];

/// A repository of [`ASKED`], and the directory of a program on `PATH`.
fn asked(shell: &str) -> TestRepo {
    use std::os::unix::fs::PermissionsExt as _;
    let repo = repo(shell);
    repo.configure("telemetryTools: {deploy.py: {name: deploy}}\n");
    let bin = repo.home().join("bin");
    fs::create_dir(&bin).unwrap();
    for file in [bin.join("greet-me"), repo.root().join("program")] {
        fs::write(&file, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::write(bin.join("green-data"), "no program").unwrap();
    repo
}

#[test]
fn bash_completes_programs_files_short_forms_and_what_the_repository_names() {
    if !is_there("bash") {
        return;
    }
    let repo = asked("bash");
    for (before, current, expected) in ASKED {
        let words = [&["swamp"], before, &[current]].concat();
        let line = words.join(" ");
        let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        let script = format!(
            "PATH=$HOME/bin:$PATH; source ./script
             COMP_LINE='{line}' COMP_POINT={} COMP_WORDS=({}) COMP_CWORD={}
             _swamp
             printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            line.len(),
            quoted.join(" "),
            words.len() - 1
        );
        let answer = run_in(&repo, "bash", &script);
        assert!(
            answer.lines().any(|line| line == expected),
            "{line}: {answer}"
        );
        assert!(!answer.contains("green-data"), "{answer}");
    }
}

#[test]
fn fish_completes_programs_files_short_forms_and_what_the_repository_names() {
    if !is_there("fish") {
        return;
    }
    let repo = asked("fish");
    for (before, current, expected) in ASKED {
        let line = [&["swamp"], before, &[current]].concat().join(" ");
        let script =
            format!("set -x PATH $HOME/bin $PATH; source ./script; complete -C '{line}' | cat");
        let answer = run_in(&repo, "fish", &script);
        let mut values = answer.lines().filter_map(|line| line.split('\t').next());
        assert!(values.any(|value| value == expected), "{line}: {answer}");
        assert!(!answer.contains("green-data"), "{answer}");
    }
}

#[test]
fn zsh_completes_programs_files_short_forms_and_what_the_repository_names() {
    if !is_there("zsh") {
        return;
    }
    let repo = asked("zsh");
    for (before, current, expected) in ASKED {
        let words = [&["swamp"], before, &[current]].concat();
        let script = format!(
            "PATH=$HOME/bin:$PATH
             compdef() {{ }}
             _describe() {{ print -rl -- ${{(P)3}} }}
             source ./script
             words=({}) CURRENT={}
             _clap_dynamic_completer_swamp",
            words.join(" "),
            words.len()
        );
        let answer = run_in(&repo, "zsh", &script);
        let mut values = answer.lines().filter_map(|line| line.split(':').next());
        assert!(values.any(|value| value == expected), "{words:?}: {answer}");
        assert!(!answer.contains("green-data"), "{answer}");
    }
}

#[test]
fn powershell_asks_the_program() {
    let repo = repo("powershell");
    let script = fs::read_to_string(repo.root().join("script")).unwrap();
    assert!(script.starts_with("Register-ArgumentCompleter -Native -CommandName swamp"));
    assert!(script.contains("$env:SWAMP_COMPLETE = \"powershell\""));
    let answer = repo
        .command(&["--", "swamp", "sender", "use", "b"])
        .env("SWAMP_COMPLETE", "powershell")
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(answer.stdout).unwrap(),
        "builtin:ingest\nbuiltin:otlp\n"
    );
}
