//! Cold compilation: how much it may use, that one at a time does it, and what happens when it is killed.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{SWAMP, TestRepo, wait_until, wasm};

/// A component that takes a second or so to compile.
pub(crate) fn slow(repo: &TestRepo) -> PathBuf {
    let path = repo.root().join("slow.wasm");
    if path.exists() {
        return path;
    }
    let mut text = String::from("(component (core module");
    for n in 0..1500 {
        write!(
            text,
            "(func (export \"f{n}\") (param i32) (result i32) local.get 0"
        )
        .unwrap();
        for step in 0..60 {
            write!(text, " i32.const {step} i32.mul local.get 0 i32.xor").unwrap();
        }
        text.push(')');
    }
    text.push_str("))");
    fs::write(&path, wasm(&text)).unwrap();
    path
}

/// `sender check` of it, with a cache of its own.
pub(crate) fn check(repo: &TestRepo) -> Command {
    let mut command = repo.command(&["--no-telemetry", "--log-level", "debug", "sender", "check"]);
    command
        .arg(slow(repo))
        .env("XDG_CACHE_HOME", repo.home().join("cache"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// The process that `parent` has started to compile.
pub(crate) fn compiler_of(parent: &Child) -> Pid {
    let id = parent.id();
    let mut found = None;
    wait_until("a compiler is at work", || {
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        let children = children.unwrap_or_default();
        // Before it is the program that it starts, it still is its parent.
        let is_worker = |child: &&str| {
            fs::read(format!("/proc/{child}/cmdline")).is_ok_and(|line| line == b"swamp\0")
        };
        // What ends it with its parent is set before its limits.
        let is_bounded = |child: &&str| {
            fs::read_to_string(format!("/proc/{child}/limits")).is_ok_and(|limits| {
                let mut lines = limits.lines();
                lines.any(|line| line.starts_with("Max cpu time") && line.contains(" 60 "))
            })
        };
        let mut children = children.split_whitespace();
        let worker = children.find(|child| is_worker(child) && is_bounded(child));
        found = worker.map(|worker| worker.parse().unwrap());
        found.is_some()
    });
    Pid::from_raw(found.unwrap())
}

fn is_alive(process: Pid) -> bool {
    fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn a_component_is_compiled_by_one_process_at_a_time_and_once() {
    let repo = TestRepo::new();
    let checks: Vec<_> = (0..4).map(|_| check(&repo).spawn().unwrap()).collect();
    let told: Vec<_> = checks
        .into_iter()
        .map(|check| String::from_utf8(check.wait_with_output().unwrap().stderr).unwrap())
        .collect();
    let compiled = told
        .iter()
        .filter(|told| told.contains("compiling the sender"));
    assert_eq!(compiled.count(), 1, "{told:#?}");
    // It has no contract: whoever says so has its machine code.
    let inspected = told
        .iter()
        .filter(|told| told.contains("does not run on this host"));
    assert_eq!(inspected.count(), 4, "{told:#?}");
    let left = fs::read_dir(repo.home().join("cache/swamp/components")).unwrap();
    let left: Vec<_> = left.map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn a_compilation_that_is_killed_lets_the_next_one_go_on() {
    for whom in ["the compiler", "who wanted it"] {
        let repo = TestRepo::new();
        let mut first = check(&repo).spawn().unwrap();
        let compiler = compiler_of(&first);
        kill(compiler, Signal::SIGSTOP).unwrap();
        let mut second = check(&repo).spawn().unwrap();
        let mut lines = BufReader::new(second.stderr.take().unwrap())
            .lines()
            .map(Result::unwrap);
        assert!(
            lines.any(|line| line.contains("waiting for another process")),
            "{whom}"
        );
        match whom {
            "the compiler" => kill(compiler, Signal::SIGKILL).unwrap(),
            _ => first.kill().unwrap(),
        }
        let first = first.wait_with_output().unwrap();
        if whom == "the compiler" {
            let told = String::from_utf8(first.stderr).unwrap();
            assert!(told.contains("its compiler was ended by SIGKILL"), "{told}");
        }
        assert!(
            lines.any(|line| line.contains("compiling the sender")),
            "{whom}"
        );
        assert!(
            lines.any(|line| line.contains("does not run on this host")),
            "{whom}"
        );
        second.wait().unwrap();
        wait_until("no compiler is left", || !is_alive(compiler));
    }
}

#[test]
fn a_compiler_is_bounded_by_its_processor_time_and_its_memory() {
    const MIB: u64 = 1024 * 1024;
    for (limit, cpu) in [("unlimited", ["60", "65"]), ("5", ["5", "5"])] {
        for task in ["compile", "compile-awaited"] {
            let mut compiler = Command::new("sh")
                .args(["-c", &format!(r#"ulimit -t {limit}; exec "$0""#), SWAMP])
                .env("SWAMP_WORKER", task)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let space = (1024 * MIB).to_string();
            let bounds = |name: &str| -> Vec<String> {
                let limits = fs::read_to_string(format!("/proc/{}/limits", compiler.id()));
                let limits = limits.unwrap();
                let line = limits.lines().find_map(|line| line.strip_prefix(name));
                line.unwrap()
                    .split_whitespace()
                    .take(2)
                    .map(str::to_owned)
                    .collect()
            };
            wait_until("the compiler is bounded", || {
                bounds("Max address space") == [space.as_str(), &space]
                    && bounds("Max cpu time") == cpu
            });
            compiler.kill().unwrap();
            compiler.wait().unwrap();
        }
    }
}

#[test]
fn only_a_compilation_that_a_person_waits_for_takes_more_than_one_processor() {
    let repo = TestRepo::new();
    let component = slow(&repo);
    let mut made = Vec::new();
    for (task, takes_more) in [("compile", false), ("compile-awaited", true)] {
        let mut compiler = Command::new(SWAMP)
            .env("SWAMP_WORKER", task)
            .stdin(fs::File::open(&component).unwrap())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let threads = format!("/proc/{}/task", compiler.id());
        let is_compiling = |thread: fs::DirEntry| {
            let name = fs::read_to_string(thread.path().join("comm"));
            name.is_ok_and(|name| name.starts_with("compile-"))
        };
        let mut code = compiler.stdout.take().unwrap();
        let reader = thread::spawn(move || {
            let mut bytes = Vec::new();
            code.read_to_end(&mut bytes).unwrap();
            bytes
        });
        let mut were_seen = false;
        while compiler.try_wait().unwrap().is_none() {
            let threads = fs::read_dir(&threads).into_iter().flatten().flatten();
            were_seen |= threads.into_iter().any(is_compiling);
        }
        assert_eq!(were_seen, takes_more, "{task}");
        made.push(reader.join().unwrap());
    }
    assert!(!made[0].is_empty());
    assert!(made[0] == made[1], "the machine code depends on who waits");
}
