//! Who holds what: the lock of a flusher that died or stands still, what a flusher inherited, and its own file.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::processes::{NothingLeftIn, kill, processes_in, wait_until_nothing_runs_in};
use crate::support::{AMPLE, SWAMP, TestRepo, cache_home, run, say};
use crate::unruly::{Moment, Plan, Unruly};

/// A repository whose server hangs the first flush, and takes all others.
fn hanging_first() -> (TestRepo, Unruly) {
    let server = Unruly::start(|n| match n {
        0 => Plan::Silence,
        _ => Plan::Accept,
    });
    (TestRepo::of_server(&server.endpoint(), ""), server)
}

/// A command whose flush goes on in the background.
fn in_background(repo: &TestRepo) -> Command {
    let mut command = repo.command(&["version"]);
    command.env_remove("SWAMP_TELEMETRY_FLUSH");
    command
}

/// Starts the flusher that hangs, and returns its process id.
fn start_hanging(repo: &TestRepo, server: &Unruly) -> u32 {
    let moments = server.watch();
    let run = run(&mut in_background(repo));
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert_eq!(moments.recv_timeout(AMPLE), Ok(Moment::Connected));
    hanging_in(&repo.root())
}

fn hanging_in(root: &Path) -> u32 {
    let [(pid, task)] = &processes_in(root)[..] else {
        panic!("{:?}", processes_in(root));
    };
    assert_eq!(task, "flush");
    *pid
}

/// Ends whatever still flushes the repository.
fn end(repo: &TestRepo) {
    for (pid, _) in processes_in(&repo.root()) {
        kill(pid, Signal::SIGKILL);
    }
    wait_until_nothing_runs_in(&repo.root());
}

#[test]
fn the_lock_of_a_flusher_that_was_killed_is_free() {
    let (repo, server) = hanging_first();
    let flusher = start_hanging(&repo, &server);
    kill(flusher, Signal::SIGKILL);
    wait_until_nothing_runs_in(&repo.root());
    assert_eq!(repo.swamp(&["version"]).code, 0);
    assert_eq!(repo.entries(), [""; 0]);
    assert_eq!(server.events().len(), 2);
}

#[test]
fn a_flusher_that_stands_still_keeps_nobody_and_gathers_no_others() {
    let (repo, server) = hanging_first();
    let flusher = start_hanging(&repo, &server);
    let _guard = NothingLeftIn(repo.root());
    kill(flusher, Signal::SIGSTOP);
    for _ in 0..20 {
        let run = run(&mut in_background(&repo));
        assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    }
    assert_eq!(processes_in(&repo.root()), [(flusher, "flush".to_owned())]);
    let inline = repo.swamp(&["version"]);
    assert_eq!((inline.code, inline.stderr.as_str()), (0, ""));
    assert_eq!(server.connections(), 1);
    end(&repo);
    assert_eq!(repo.swamp(&["version"]).code, 0);
    assert_eq!(server.events().len(), 23);
    assert_eq!(repo.entries(), [""; 0]);
}

#[test]
fn a_lock_of_the_shell_is_free_when_the_shell_closes_it() {
    let (repo, server) = hanging_first();
    let moments = server.watch();
    let lock = repo.home().join("lock");
    let gate = repo.home().join("gate");
    assert!(
        Command::new("mkfifo")
            .arg(&gate)
            .status()
            .unwrap()
            .success()
    );
    // The gate opens once the flusher has connected: before that it may not even have begun.
    let script = r#"exec 9>"$1"; flock 9 || exit 3; "$2" version || exit 4
        read -r _ < "$3"; exec 9>&-; flock -n "$1" true"#;
    let mut shell = Command::new("bash");
    shell
        .args(["-c", script, "bash"])
        .args([&lock, Path::new(SWAMP), &gate])
        .current_dir(repo.root())
        .env_clear()
        .env("HOME", repo.home())
        .env("PATH", "/usr/bin:/bin")
        .env("XDG_CACHE_HOME", cache_home())
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let mut shell = shell.spawn().unwrap();
    assert_eq!(moments.recv_timeout(AMPLE), Ok(Moment::Connected));
    fs::write(&gate, "go\n").unwrap();
    assert_eq!(
        shell.wait().unwrap().code(),
        Some(0),
        "the lock was held by somebody else"
    );
    hanging_in(&repo.root());
    end(&repo);
}

#[test]
fn a_pipe_on_stdout_ends_with_the_command() {
    let (repo, server) = hanging_first();
    let moments = server.watch();
    // Reading to the end ends only once nobody holds the other end of the pipes.
    let run = run(&mut in_background(&repo));
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert!(!run.stdout.is_empty());
    assert_eq!(moments.recv_timeout(AMPLE), Ok(Moment::Connected));
    hanging_in(&repo.root());
    end(&repo);
}

#[test]
fn a_flusher_survives_the_hangup_and_the_interrupt_of_the_commands_group() {
    let server = Unruly::always(Plan::Drip(std::time::Duration::from_millis(10)));
    let repo = TestRepo::of_server(&server.endpoint(), "");
    let moments = server.watch();
    let mut child = in_background(&repo)
        .process_group(0)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let group = Pid::from_raw(i32::try_from(child.id()).unwrap());
    assert_eq!(moments.recv_timeout(AMPLE), Ok(Moment::Connected));
    // The flusher runs by now. If the command is gone, so is its group, which is just as well.
    for signal in [Signal::SIGHUP, Signal::SIGINT] {
        nix::sys::signal::killpg(group, signal).ok();
    }
    child.wait().unwrap();
    wait_until_nothing_runs_in(&repo.root());
    assert_eq!(repo.entries(), [""; 0]);
    assert_eq!(server.events().len(), 1);
}

#[test]
fn a_binary_that_is_removed_or_replaced_meanwhile_is_nobodys_business() {
    let copies = repo_copies();
    for n in 0..12 {
        let what = ["removed", "replaced"][n % 2];
        let server = Unruly::always(Plan::Accept);
        let repo = TestRepo::of_server(&server.endpoint(), "");
        let binary = copies.path().join(format!("swamp-{n}"));
        fs::hard_link(copies.path().join("swamp"), &binary).unwrap();
        let mut command = Command::new(&binary);
        command
            .arg("version")
            .current_dir(repo.root())
            .env_clear()
            .env("HOME", repo.home())
            .env("XDG_CACHE_HOME", cache_home())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        if what == "replaced" {
            let other = copies.path().join(format!("other-{n}"));
            File::create(&other).unwrap();
            fs::rename(&other, &binary).unwrap();
        } else {
            fs::remove_file(&binary).unwrap();
        }
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{what}: {output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{what}");
        wait_until_nothing_runs_in(&repo.root());
        assert_eq!(
            server.events().len(),
            1,
            "{what}: the flusher is the image that was started"
        );
        assert_eq!(repo.entries(), [""; 0], "{what}");
    }
}

fn repo_copies() -> tempfile::TempDir {
    // Beside the binary, so that a link will do for a copy.
    let directory = tempfile::tempdir_in(Path::new(SWAMP).parent().unwrap()).unwrap();
    fs::hard_link(SWAMP, directory.path().join("swamp")).unwrap();
    directory
}

#[test]
fn where_no_process_can_be_started_the_entry_waits() {
    if !nix::unistd::geteuid().is_root() {
        return say(
            "not root: a limit on processes is not tested, since others of this user would count",
        );
    }
    let server = Unruly::always(Plan::Accept);
    let repo = TestRepo::of_server(&server.endpoint(), "");
    // A user that nobody else is, so that one process is all it has.
    let user = "61234";
    let root = repo.root();
    let parent = root.parent().unwrap();
    let owned = Command::new("chown")
        .args(["-R", user])
        .arg(parent)
        .status();
    assert!(owned.unwrap().success());
    let binary = parent.join("swamp");
    fs::copy(SWAMP, &binary).unwrap();
    let script = r#"ulimit -u 1; exec "$1" version"#;
    let mut command = Command::new("setpriv");
    command
        .args([
            "--reuid",
            user,
            "--clear-groups",
            "--",
            "bash",
            "-c",
            script,
            "bash",
        ])
        .arg(&binary)
        .current_dir(&root)
        .env_clear()
        .env("HOME", repo.home())
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null());
    let run = run(&mut command);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    wait_until_nothing_runs_in(&root);
    assert_eq!(repo.entries().len(), 1);
    assert_eq!(server.connections(), 0, "a process was started after all");
}
