//! What is opened, and when, as strace sees it.

use std::fs;
use std::process::{Command, Stdio};

use crate::support::{SWAMP, TestRepo, is_strace_there};

/// The calls of a command and of what it starts that open files, start threads or start programs, in their order.
fn calls(repo: &TestRepo, args: &[&str], flush: &str) -> Option<Vec<String>> {
    if !is_strace_there() {
        return None;
    }
    let log = repo.home().join("strace.log");
    let traced = Command::new("strace")
        .args(["-f", "-qq", "-e", "signal=none"])
        .args(["-e", "trace=open,openat,openat2,clone,clone3,execve", "-o"])
        .arg(&log)
        .arg(SWAMP)
        .args(args)
        .current_dir(repo.root())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", repo.home())
        .env("XDG_CACHE_HOME", crate::support::cache_home())
        .env("SWAMP_TELEMETRY_FLUSH", flush)
        .stdin(Stdio::null())
        .output();
    let traced = traced.unwrap();
    assert!(traced.status.success(), "{traced:?}");
    let log = fs::read_to_string(log).unwrap();
    Some(log.lines().map(str::to_owned).collect())
}

fn git(repo: &TestRepo, args: &[&str]) {
    let mut git = Command::new("git");
    git.current_dir(repo.root()).args(args);
    git.env("GIT_CONFIG_NOSYSTEM", "1");
    git.env("GIT_CONFIG_GLOBAL", "/dev/null");
    assert!(git.output().unwrap().status.success(), "{args:?}");
}

#[test]
fn the_watchdog_of_a_flusher_is_there_before_anything_of_the_repository_is_opened() {
    let repo = TestRepo::new();
    for (args, flush) in [
        (&["version"][..], "inline"),
        (&["telemetry", "flush"], "off"),
    ] {
        let Some(calls) = calls(&repo, args, flush) else {
            return;
        };
        // Those of the process that asks for the lock of the spool, which is the flusher.
        let lock = calls
            .iter()
            .rfind(|call| call.contains("\".lock\""))
            .unwrap();
        let process = lock.split(' ').next().unwrap();
        let own = || calls.iter().filter(|call| call.starts_with(process));
        let thread = own()
            .position(|call| call.contains("CLONE_THREAD"))
            .unwrap();
        let opened = own().position(|call| call.contains("\".swamp")).unwrap();
        if args == ["version"] {
            assert!(thread < opened, "{calls:#?}");
        }
        let locked = own().position(|call| call.contains("\".lock\"")).unwrap();
        assert!(thread < locked, "{args:?}: {calls:#?}");
    }
}

#[test]
fn the_index_of_git_is_read_by_no_command_that_only_records() {
    let repo = TestRepo::new();
    git(&repo, &["init", "-q"]);
    git(&repo, &["add", "-f", "."]);
    // Nothing of `init`'s is remembered, which would be asked first.
    fs::remove_dir_all(repo.home().join(".local")).unwrap();
    let reads = |calls: Vec<String>| {
        let reads = calls.iter().filter(|call| call.contains(".git/index"));
        reads.count()
    };
    let Some(quiet) = calls(&repo, &["version"], "off") else {
        return;
    };
    assert_eq!(reads(quiet), 0);
    // What a checkout asks for more than it may have is a reason to look.
    repo.configure("logLevel: debug\n");
    assert!(reads(calls(&repo, &["version"], "off").unwrap()) > 0);
}
