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

/// Names of files that do something else where a shell takes them for more than a name, each with how it begins.
#[cfg(target_os = "linux")]
const NASTY: [(&str, &str); 8] = [
    ("xa", "xa$(touch ran).wasm"),
    ("xb", "xb;touch ran.wasm"),
    ("xc", "xc'\"&touch ran&.wasm"),
    ("xd", "xd`touch ran`.wasm"),
    ("xe", "xe|touch ran.wasm"),
    ("xf", "xf>ran.wasm"),
    ("xg", "xg \\ $HOME ~ *.wasm"),
    ("xh", "xh{1,2}[a-z]!#?.wasm"),
];

/// Types in a shell on a terminal: completes each of [`NASTY`], and runs the line. What the program is then given must
/// be the file's name, and nothing else may have been run.
#[cfg(target_os = "linux")]
fn nothing_runs_of_what_is_completed(shell: &str, arguments: &str, load: &str) {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Stdio;

    use crate::support::wait_until;

    if !is_there(shell) {
        return;
    }
    let repo = repo(shell);
    let bin = repo.home().join("bin");
    fs::create_dir(&bin).unwrap();
    let program = format!(
        "#!/bin/sh\n[ -n \"$SWAMP_COMPLETE\" ] && exec '{SWAMP}' \"$@\"\nprintf '%s\\n' \"$3\" >> \"$HOME/given\"\n"
    );
    fs::write(bin.join("swamp"), program).unwrap();
    fs::set_permissions(bin.join("swamp"), fs::Permissions::from_mode(0o755)).unwrap();
    for (_, name) in NASTY {
        fs::write(repo.root().join(name), "").unwrap();
    }
    let mut script = Command::new("script");
    script
        .args(["-qfec", &format!("{shell} {arguments}"), "/dev/null"])
        .current_dir(repo.root())
        .env_clear()
        .env("HOME", repo.home())
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
        .env("SHELL", "/bin/sh")
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    let Ok(mut terminal) = script.spawn() else {
        return not_installed("script");
    };
    let mut keys = terminal.stdin.take().unwrap();
    let ready = repo.home().join("ready");
    let mut asked = 0;
    wait_until("the shell has read its script", || {
        // What is typed before a shell listens can be lost.
        if asked % 500 == 0 {
            writeln!(keys, "{load}; touch ~/ready").unwrap();
        }
        asked += 1;
        ready.exists()
    });
    let given = || fs::read_to_string(repo.home().join("given")).unwrap_or_default();
    for (number, (start, name)) in NASTY.into_iter().enumerate() {
        writeln!(keys, "swamp sender check {start}\t").unwrap();
        wait_until(&format!("{shell} runs the line with {name}"), || {
            given().lines().count() > number
        });
        assert_eq!(given().lines().nth(number), Some(name), "{shell}");
    }
    writeln!(keys, "exit").unwrap();
    drop(keys);
    terminal.wait().unwrap();
    let files = fs::read_dir(repo.root()).unwrap();
    let mut names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let ran = names.find(|name| name.starts_with("ran"));
    assert_eq!(ran, None, "{shell} ran a part of a name");
}

#[cfg(target_os = "linux")]
#[test]
fn bash_runs_nothing_of_a_name_that_it_completes() {
    nothing_runs_of_what_is_completed("bash", "--norc -i", "source ./script");
}

#[cfg(target_os = "linux")]
#[test]
fn zsh_runs_nothing_of_a_name_that_it_completes() {
    let load = "autoload -U compinit; compinit -u -D; source ./script";
    nothing_runs_of_what_is_completed("zsh", "-f -i", load);
}

#[cfg(target_os = "linux")]
#[test]
fn fish_runs_nothing_of_a_name_that_it_completes() {
    nothing_runs_of_what_is_completed("fish", "--no-config -i", "source ./script");
}
