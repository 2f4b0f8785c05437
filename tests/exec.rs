//! Running a program as an invocation: as if it ran alone, and recorded.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::processes::kill;
use crate::support::{AMPLE, Run, SWAMP, TestRepo, not_installed, run};

const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// `swamp exec` with these arguments, which records and leaves the flush for later.
fn command(repo: &TestRepo, args: &[&str]) -> Command {
    let mut command = repo.command(&["exec"]);
    command
        .args(args)
        .env("PATH", PATH)
        .env("SWAMP_TELEMETRY_FLUSH", "off");
    command
}

/// Another program where `command` would run.
fn other(repo: &TestRepo, program: &str) -> Command {
    let like = command(repo, &[]);
    let set = |(key, value): (&OsStr, Option<&OsStr>)| Some((key.to_owned(), value?.to_owned()));
    let mut other = Command::new(program);
    other
        .env_clear()
        .envs(like.get_envs().filter_map(set))
        .current_dir(repo.root());
    other
}

fn exec(repo: &TestRepo, args: &[&str]) -> Run {
    run(&mut command(repo, args))
}

fn only_entry(repo: &TestRepo) -> Value {
    let entries = repo.entry_values();
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries.into_iter().next().unwrap()
}

#[test]
fn a_program_has_its_streams_and_its_exit_code_and_is_recorded_by_its_keys() {
    let repo = TestRepo::new();
    let script = "read line; echo out $line $*; echo err >&2; exit 3";
    let args = [
        "--",
        "sh",
        "-c",
        script,
        "s3cret",
        "--key=s3cret",
        "--",
        "--late",
    ];
    let mut child = command(&repo, &args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"in\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(output.stdout, b"out in --key=s3cret -- --late\n");
    assert_eq!(output.stderr, b"err\n");
    let entry = only_entry(&repo);
    assert_eq!(
        entry["invocation"],
        json!({
            "command": "sh",
            "args": ["<REDACTED>", "<REDACTED>", "<REDACTED>"],
            "optionKeys": ["-c", "--key"],
            "globalOptions": [],
            "commandPath": ["sh"],
        })
    );
    assert_eq!(
        entry["result"],
        json!({
            "status": "error",
            "errorType": "ProgramFailed",
            "errorMessage": "the program failed",
            "exitCode": 3,
        })
    );
}

#[test]
fn success_is_recorded_under_the_given_name_and_flushed() {
    let repo = TestRepo::new();
    let run = run(repo
        .command(&["exec", "--name", "deploy", "--", "true"])
        .env("PATH", PATH));
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert_eq!(repo.arrived(), ["deploy"]);
}

#[test]
fn what_the_program_makes_of_the_repository_counts_for_its_own_record() {
    let repo = TestRepo::new();
    let script = |script: &str| exec(&repo, &["--", "sh", "-c", script]);
    script("echo 'telemetryDisabled: true' >>.swamp.yaml");
    assert_eq!(repo.entries(), [""; 0], "it turned telemetry off");
    repo.swamp(&["telemetry", "enable"]);
    repo.swamp(&["telemetry", "purge", "--yes"]);
    script("rm -r .swamp");
    only_entry(&repo);
    script("mkdir inner && mv .swamp.yaml inner/.swamp.yaml");
    assert_eq!(repo.entries().len(), 1, "there is no repository any more");
}

#[test]
fn a_program_that_is_called_like_an_unrecorded_command_is_recorded() {
    let repo = TestRepo::new();
    exec(&repo, &["--name", "demo", "--", "true"]);
    assert_eq!(only_entry(&repo)["invocation"]["command"], "demo");
}

#[test]
fn every_end_of_a_program_is_told_as_shells_tell_it() {
    let repo = TestRepo::new();
    let file = |name: &str, content: &str, mode: u32| {
        let path = repo.home().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let plain = file("plain", "#!/bin/sh\n", 0o644);
    let lost = file("lost", "#!/nonexistent/interpreter\n", 0o755);
    let bare = file("bare", "exit $#\n", 0o755);
    let broken = file("broken", "\u{7f}ELF", 0o755);
    let directory = repo.home().into_os_string().into_string().unwrap();
    let ends: &[(&[&str], i32, &str, Option<&str>)] = &[
        (&["true"], 0, "success", None),
        (
            &["sh", "-c", "exit 255"],
            255,
            "error",
            Some("ProgramFailed"),
        ),
        (
            &["sh", "-c", "exit 127"],
            127,
            "error",
            Some("ProgramFailed"),
        ),
        (
            &["sh", "-c", "kill -9 $$"],
            137,
            "error",
            Some("ProgramKilled"),
        ),
        (
            &["sh", "-c", "kill -INT $$"],
            130,
            "error",
            Some("ProgramKilled"),
        ),
        (
            &["sh", "-c", "kill -34 $$"],
            162,
            "error",
            Some("ProgramKilled"),
        ),
        (
            &["sh", "-c", "exec <&- >&- 2>&-; exit 4"],
            4,
            "error",
            Some("ProgramFailed"),
        ),
        (&[&bare, "1", "2"], 2, "error", Some("ProgramFailed")),
        (
            &["no-such-program"],
            127,
            "user_error",
            Some("ProgramNotFound"),
        ),
        (
            &["./no/such/program"],
            127,
            "user_error",
            Some("ProgramNotFound"),
        ),
        (&[""], 127, "user_error", Some("ProgramNotFound")),
        (&[&lost], 127, "user_error", Some("ProgramNotFound")),
        (&[&plain], 126, "user_error", Some("ProgramNotExecutable")),
        (
            &[&directory],
            126,
            "user_error",
            Some("ProgramNotExecutable"),
        ),
    ];
    for (program, code, status, kind) in ends {
        let line = [&["--"][..], program].concat();
        let run = exec(&repo, &line);
        // A signal that ended it ends swamp too.
        let killed = *kind == Some("ProgramKilled");
        let seen = if killed { -1 } else { *code };
        assert_eq!(run.code, seen, "{program:?}: {run:?}");
        let result = only_entry(&repo)["result"].clone();
        assert_eq!(result["exitCode"], *code, "{program:?}");
        assert_eq!(result["status"], *status, "{program:?}");
        assert_eq!(result["errorType"].as_str(), *kind, "{program:?}");
        for entry in repo.entries() {
            fs::remove_file(repo.spool().join(entry)).unwrap();
        }
        let alone = [&["--no-telemetry", "--"][..], program].concat();
        let off = exec(&repo, &alone);
        assert_eq!(off.code, seen, "{program:?}: {off:?}");
        assert_eq!(off.stderr, run.stderr, "{program:?}");
        assert_eq!(repo.entries(), [""; 0]);
    }
    // What a broken file is run as is the system's to say.
    exec(&repo, &["--", &broken]);
    assert_eq!(repo.entries().len(), 1);
}

#[test]
fn a_program_that_touches_the_entry_that_stands_for_it_is_recorded_all_the_same() {
    for touch in [
        ":",
        "rm $begun",
        "rm -r .swamp/telemetry/.open",
        "cp $begun other && mv other $begun",
        "ln $begun kept",
        "echo no > $begun",
    ] {
        let repo = TestRepo::new();
        let script = format!(
            "until begun=$(ls .swamp/telemetry/.open/telemetry-* 2>/dev/null); do :; done; {touch}"
        );
        let run = exec(&repo, &["--", "sh", "-c", &script]);
        assert_eq!(run.code, 0, "{touch}: {run:?}");
        assert_eq!(
            only_entry(&repo)["result"]["status"],
            "success",
            "{touch}: {run:?}"
        );
        let text = fs::read_to_string(repo.spool().join(&repo.entries()[0])).unwrap();
        assert!(!text.ends_with(' '), "{touch}: {text:?}");
        // A second name of what was begun shows no more than that.
        if touch.contains("kept") {
            let kept = fs::read_to_string(repo.root().join("kept")).unwrap();
            assert!(kept.contains("Unfinished"), "{kept}");
        }
    }
}

#[test]
fn a_program_that_is_not_run_is_named_safely() {
    let repo = TestRepo::new();
    let run = exec(&repo, &["--", "no\u{1b}[31m"]);
    assert_eq!(
        run.stderr,
        "error: could not run no\\u{1b}[31m: there is no such program\n"
    );
}

#[test]
fn where_nothing_is_recorded_the_program_is_simply_run() {
    let repo = TestRepo::new();
    repo.swamp(&["telemetry", "disable"]);
    let pid_of_program = "echo $$; exit 3";
    let simply = |command: &mut Command| {
        let child = command.stdout(Stdio::piped()).spawn().unwrap();
        let pid = child.id();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            format!("{pid}\n")
        );
    };
    let args = ["--", "sh", "-c", pid_of_program];
    simply(&mut command(&repo, &args));
    simply(command(&repo, &args).current_dir(repo.home()));
    repo.write_marker("repoId: [\n");
    simply(&mut command(&repo, &args));
    assert_eq!(repo.entries(), [""; 0]);
}

#[test]
fn arguments_reach_the_program_byte_by_byte_and_in_any_number() {
    let repo = TestRepo::new();
    let bytes = OsString::from_vec(b"--key=\xff\xfe".to_vec());
    let output = command(&repo, &["--", "printf", "%s"])
        .arg(&bytes)
        .output()
        .unwrap();
    assert_eq!(OsStr::from_bytes(&output.stdout), bytes);

    let huge: Vec<String> = (0..40_000).map(|n| format!("--key-{n}={n:08}")).collect();
    let long = "x".repeat(100_000);
    let output = command(&repo, &["--", "sh", "-c", "echo $#", "sh", &long])
        .args(&huge)
        .args(vec!["value"; 40_000])
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"80001\n", "{output:?}");
    assert_eq!(repo.entries().len(), 2);
    for name in repo.entries() {
        let length = fs::metadata(repo.spool().join(name)).unwrap().len();
        assert!(length < 256 * 1024, "{length}");
    }
}

#[test]
fn a_program_finds_its_signals_as_if_it_ran_alone() {
    let repo = TestRepo::new();
    let status = "grep -E 'Sig(Blk|Ign)' /proc/self/status; ls /proc/self/fd";
    for ignored in ["", "HUP", "HUP INT QUIT", "TERM USR1 TSTP"] {
        let script = match ignored {
            "" => "exec \"$@\"".to_owned(),
            ignored => format!("trap '' {ignored}; exec \"$@\""),
        };
        let of = |program: &[&str]| {
            let mut shell = other(&repo, "/bin/sh");
            shell.args(["-c", &script, "sh"]).args(program);
            run(shell.args(["sh", "-c", status])).stdout
        };
        let alone = of(&[]);
        assert!(alone.contains("SigIgn"), "{alone}");
        assert_eq!(of(&[SWAMP, "exec", "--"]), alone, "{ignored}");
        assert_eq!(
            of(&[SWAMP, "--no-telemetry", "exec", "--"]),
            alone,
            "{ignored}"
        );
    }
}

#[test]
fn the_end_is_known_where_ends_of_children_are_ignored() {
    let repo = TestRepo::new();
    let line = format!("trap '' CHLD; exec {SWAMP} exec -- sh -c 'exit 3'");
    let mut shell = other(&repo, "/bin/bash");
    shell.args(["-c", &line]);
    assert_eq!(run(&mut shell).code, 3);
    assert_eq!(only_entry(&repo)["result"]["exitCode"], 3);
}

#[test]
fn what_a_program_leaves_running_is_not_waited_for() {
    let repo = TestRepo::new();
    let script = "setsid sleep 600 <&- >&- 2>&- & echo $!";
    let run = exec(&repo, &["--", "sh", "-c", script]);
    let daemon = run.stdout.trim().parse().unwrap();
    assert!(fs::exists(format!("/proc/{daemon}")).unwrap());
    kill(daemon, Signal::SIGKILL);
    assert_eq!(only_entry(&repo)["result"]["status"], "success");
}

/// A program that has said that it is ready.
fn ready(repo: &TestRepo, script: &str) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = command(repo, &["--", "bash", "-c", script])
        .process_group(0)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    (child, lines)
}

#[test]
fn a_signal_to_swamp_alone_reaches_the_program_and_its_end_is_recorded() {
    let repo = TestRepo::new();
    for (signal, name) in [
        (Signal::SIGTERM, "TERM"),
        (Signal::SIGHUP, "HUP"),
        (Signal::SIGINT, "INT"),
        (Signal::SIGQUIT, "QUIT"),
        (Signal::SIGUSR1, "USR1"),
    ] {
        let script =
            format!("trap 'echo got; kill $!; exit 7' {name}; sleep 600 >&- & echo ready; wait");
        let (mut child, mut lines) = ready(&repo, &script);
        kill(child.id(), signal);
        let mut rest = String::new();
        lines.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "got\n", "{name}");
        assert_eq!(child.wait().unwrap().code(), Some(7), "{name}");
    }
    assert_eq!(repo.entries().len(), 5);
    let (mut child, _lines) = ready(&repo, "echo ready; exec sleep 600");
    kill(child.id(), Signal::SIGTERM);
    assert_eq!(child.wait().unwrap().signal(), Some(15));
}

#[test]
fn swamp_stops_and_goes_on_with_the_program() {
    use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
    use nix::unistd::Pid;

    let repo = TestRepo::new();
    for signal in ["STOP", "TSTP", "TTIN"] {
        let script = format!("echo ready; kill -{signal} $$; exit 5");
        let (child, _lines) = ready(&repo, &script);
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let stopped = waitpid(pid, Some(WaitPidFlag::WUNTRACED)).unwrap();
        let expected: Signal = format!("SIG{signal}").parse().unwrap();
        assert_eq!(stopped, WaitStatus::Stopped(pid, expected));
        kill(child.id(), Signal::SIGCONT);
        assert_eq!(
            waitpid(pid, None).unwrap(),
            WaitStatus::Exited(pid, 5),
            "{signal}"
        );
    }
}

/// What the shell shows when it waits for a line.
const PROMPT: &str = "next> ";

/// An interactive shell on a terminal of its own.
struct Terminal {
    script: Child,
    keys: ChildStdin,
    screen: Receiver<u8>,
}

impl Terminal {
    /// `None` where there is no program to make a terminal.
    fn open(repo: &TestRepo) -> Option<Self> {
        let spawned = other(repo, "script")
            .args([
                "-qfec",
                "bash --norc --noprofile --noediting -i",
                "/dev/null",
            ])
            .env("PS1", PROMPT)
            .env("TERM", "dumb")
            .env("SHELL", "/bin/sh")
            .env("swamp", SWAMP)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut script) = spawned else {
            not_installed("script");
            return None;
        };
        let keys = script.stdin.take().unwrap();
        let output = BufReader::new(script.stdout.take().unwrap());
        let (shows, screen) = mpsc::channel();
        thread::spawn(move || {
            output
                .bytes()
                .map_while(Result::ok)
                .try_for_each(|byte| shows.send(byte))
        });
        Some(Self {
            script,
            keys,
            screen,
        })
    }

    /// Gives the shell a line, once it is there to read it.
    fn enter(&mut self, line: &str) {
        self.wait_for(PROMPT);
        self.press(&format!("{line}\n"));
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits until the screen shows this, and gives what it showed until then.
    fn wait_for(&mut self, text: &str) -> String {
        let mut shown = Vec::new();
        while !shown.ends_with(text.as_bytes()) {
            let byte = self.screen.recv_timeout(AMPLE).unwrap_or_else(|why| {
                panic!(
                    "no {text:?} in {:?}: {why}",
                    String::from_utf8_lossy(&shown)
                )
            });
            shown.push(byte);
        }
        String::from_utf8_lossy(&shown).into_owned()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Its shell goes with its terminal.
        self.script.kill().ok();
        self.script.wait().ok();
    }
}

#[test]
fn ctrl_c_is_the_programs_and_comes_once() {
    let repo = TestRepo::new();
    let Some(mut terminal) = Terminal::open(&repo) else {
        return;
    };
    // A shell forgets a signal that comes while its trap for another one runs; perl counts them.
    let program = "$| = 1;
        $SIG{INT} = sub { $n++; print qq(got $n\\n); exit 5 if $n == 3 };
        print qq(ready\\n);
        sleep 1 while 1;";
    fs::write(repo.home().join("count.pl"), program).unwrap();
    // The quotes keep what is awaited apart from the echo of what is typed.
    terminal.enter("$swamp exec -- perl $HOME/count.pl; echo c''ode=$?");
    terminal.wait_for("ready");
    for n in 1..=3 {
        terminal.press("\x03");
        let shown = terminal.wait_for(&format!("got {n}"));
        assert_eq!(shown.matches("got").count(), 1, "{shown}");
    }
    terminal.wait_for("code=5");
    terminal.enter("$swamp exec -- sh -c 'echo re\"\"ady; exec sleep 600'; echo not reached");
    terminal.wait_for("ready");
    terminal.press("\x03");
    // The shell gives up the line of a program that SIGINT ended.
    terminal.enter("echo c''ode=$?");
    let shown = terminal.wait_for("code=130");
    assert!(!shown.contains("not reached"), "{shown}");
    let codes: Vec<_> = repo
        .entry_values()
        .iter()
        .map(|entry| entry["result"]["exitCode"].as_i64().unwrap())
        .collect();
    assert_eq!(codes, [5, 130]);
}

#[test]
fn ctrl_z_stops_both_and_fg_goes_on_with_both() {
    let repo = TestRepo::new();
    let Some(mut terminal) = Terminal::open(&repo) else {
        return;
    };
    // That `fg` shows its command line says nothing yet: a key that comes before the program goes on is the shell's.
    let program = "$| = 1;
        $SIG{CONT} = sub { print qq(going on\\n) };
        vec(my $keyboard = q(), 0, 1) = 1;
        print qq(ready\\n);
        1 until select(my $typed = $keyboard, undef, undef, 0.01) > 0;
        print q(read ) . <STDIN>;
        exit 4;";
    fs::write(repo.home().join("read.pl"), program).unwrap();
    terminal.enter("$swamp exec -- perl $HOME/read.pl; echo c''ode=$?");
    terminal.wait_for("ready");
    // As fast as a test can type: `fg` must not undo the Ctrl-Z after it.
    for _ in 0..5 {
        terminal.press("\x1a");
        terminal.wait_for("Stopped");
        terminal.enter("jobs; echo j''obs");
        terminal.wait_for("jobs\r\n");
        terminal.enter("fg; echo c''ode=$?");
        terminal.wait_for("going on");
    }
    terminal.press("hello\n");
    terminal.wait_for("read hello");
    terminal.wait_for("code=4");
    assert_eq!(only_entry(&repo)["result"]["exitCode"], 4);
}

#[test]
fn wrong_use_of_exec_itself_is_a_usage_error() {
    let repo = TestRepo::new();
    for args in [&[][..], &["--"], &["true"], &["--name", "", "--", "true"]] {
        assert_eq!(exec(&repo, args).code, 2, "{args:?}");
    }
}
