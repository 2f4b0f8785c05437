//! A program that runs through `swamp exec`, beside the same program alone: neither it nor whoever started it can tell
//! the difference. Each row of a table is run three times: alone, recorded, and with telemetry off.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, Uid};
use rustix::event::{PollFd, PollFlags};
use serde_json::Value;

use crate::support::{AMPLE, HOME_OF_ACCOUNT, SWAMP, TestRepo, skipped};

const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// How a program is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Alone,
    Recorded,
    Unrecorded,
}

const MODES: [Mode; 3] = [Mode::Alone, Mode::Recorded, Mode::Unrecorded];

/// A program that can be watched.
struct Watched {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    stderr: ChildStderr,
    seen: String,
}

/// What whoever started the program saw of it.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    exit_code: Option<i32>,
    signal: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Watched {
    /// Starts a program as a shell does that has made this `setting` for it: in a process group of its own, whose
    /// number it finds in `LEADER`.
    fn start(repo: &TestRepo, mode: Mode, setting: &str, program: &[&str]) -> Self {
        let mut child = command(repo, mode, setting, program)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            stdin: child.stdin.take(),
            stdout: BufReader::new(child.stdout.take().unwrap()),
            stderr: child.stderr.take().unwrap(),
            seen: String::new(),
            child,
        }
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// Waits until the program prints this line.
    fn wait_for(&mut self, line: &str) {
        loop {
            let start = self.seen.len();
            let length = self.stdout.read_line(&mut self.seen).unwrap();
            assert_ne!(length, 0, "no {line:?} in {:?}", self.seen);
            if self.seen[start..].trim_end() == line {
                return;
            }
        }
    }

    /// Reads what it prints until there is nobody who could print more.
    fn read_to_end(&mut self) {
        self.stdout.read_to_string(&mut self.seen).unwrap();
    }

    fn finish(mut self) -> Seen {
        drop(self.stdin.take());
        self.read_to_end();
        let mut stderr = String::new();
        self.stderr.read_to_string(&mut stderr).unwrap();
        let status: ExitStatus = self.child.wait().unwrap();
        Seen {
            exit_code: status.code(),
            signal: status.signal(),
            stdout: self.seen,
            stderr,
        }
    }
}

fn command(repo: &TestRepo, mode: Mode, setting: &str, program: &[&str]) -> Command {
    let like = repo.command(&[]);
    let set = |(key, value): (&OsStr, Option<&OsStr>)| Some((key.to_owned(), value?.to_owned()));
    let mut command = Command::new("/bin/bash");
    command
        .env_clear()
        .envs(like.get_envs().filter_map(set))
        .env("PATH", PATH)
        .env("SWAMP_TELEMETRY_FLUSH", "off")
        .current_dir(repo.root())
        .args([
            "-c",
            &format!("{setting}\nexport LEADER=$$; exec \"$@\""),
            "bash",
        ]);
    match mode {
        Mode::Alone => &mut command,
        Mode::Recorded => command.args([SWAMP, "exec", "--"]),
        Mode::Unrecorded => command.args([SWAMP, "--no-telemetry", "exec", "--"]),
    };
    command.args(program);
    command
}

/// Runs a program in each way, acts on it, and compares what was seen; and that one entry was left, which says so too.
fn compare(
    repo: &TestRepo,
    name: &str,
    setting: &str,
    program: &[&str],
    act: &dyn Fn(&mut Watched),
) -> Seen {
    let mut alone = None;
    for mode in MODES {
        let mut watched = Watched::start(repo, mode, setting, program);
        act(&mut watched);
        let seen = watched.finish();
        let entries = take_entries(repo);
        assert_eq!(entries.len(), usize::from(mode == Mode::Recorded), "{name}");
        for entry in entries {
            let code = seen.exit_code.or(seen.signal.map(|signal| 128 + signal));
            assert_eq!(
                entry["result"]["exitCode"].as_i64(),
                code.map(Into::into),
                "{name}"
            );
        }
        match &alone {
            None => alone = Some(seen),
            Some(alone) => assert_eq!(&seen, alone, "{name}: {mode:?}, and alone"),
        }
    }
    alone.unwrap()
}

fn take_entries(repo: &TestRepo) -> Vec<Value> {
    let entries = repo.entry_values();
    for name in repo.entries() {
        fs::remove_file(repo.spool().join(name)).unwrap();
    }
    entries
}

/// Sends a signal by its number: some have no name.
fn send(pid: i32, signal: i32) {
    // SAFETY: it takes numbers only.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0, "{}", Errno::last());
}

/// The processes of a group.
fn members(group: i32) -> Vec<i32> {
    let member = |process: fs::DirEntry| {
        let pid: i32 = process.file_name().to_str()?.parse().ok()?;
        let of = nix::unistd::getpgid(Some(Pid::from_raw(pid))).ok()?;
        (of.as_raw() == group).then_some(pid)
    };
    let processes = fs::read_dir("/proc").unwrap();
    processes
        .filter_map(|process| member(process.ok()?))
        .collect()
}

/// Every signal that a program can get and survive, and what perl calls it.
const SIGNALS: &[(i32, &str)] = &[
    (libc::SIGHUP, "HUP"),
    (libc::SIGINT, "INT"),
    (libc::SIGQUIT, "QUIT"),
    (libc::SIGILL, "ILL"),
    (libc::SIGTRAP, "TRAP"),
    (libc::SIGABRT, "ABRT"),
    (libc::SIGBUS, "BUS"),
    (libc::SIGFPE, "FPE"),
    (libc::SIGUSR1, "USR1"),
    (libc::SIGSEGV, "SEGV"),
    (libc::SIGUSR2, "USR2"),
    (libc::SIGPIPE, "PIPE"),
    (libc::SIGALRM, "ALRM"),
    (libc::SIGTERM, "TERM"),
    (libc::SIGSTKFLT, "STKFLT"),
    (libc::SIGCHLD, "CHLD"),
    (libc::SIGCONT, "CONT"),
    (libc::SIGTSTP, "TSTP"),
    (libc::SIGTTIN, "TTIN"),
    (libc::SIGTTOU, "TTOU"),
    (libc::SIGURG, "URG"),
    (libc::SIGXCPU, "XCPU"),
    (libc::SIGXFSZ, "XFSZ"),
    (libc::SIGVTALRM, "VTALRM"),
    (libc::SIGPROF, "PROF"),
    (libc::SIGWINCH, "WINCH"),
    (libc::SIGIO, "IO"),
    (libc::SIGPWR, "PWR"),
    (libc::SIGSYS, "SYS"),
    (34, "RTMIN"),
    (35, "NUM35"),
    (50, "NUM50"),
    (64, "RTMAX"),
];

/// The rows of the largest tables: what is sent to the process, to the group and to each, and the other tables.
const ROWS: usize =
    3 * SIGNALS.len() + ENDS.len() + SETTINGS.len() + STARTERS.len() * PROGRAMS.len();
const _: () = assert!(ROWS >= 200, "the comparison keeps its breadth");

/// Signals that do nothing by default, or stop.
const HARMLESS: &[&str] = &["CHLD", "CONT", "TSTP", "TTIN", "TTOU", "URG", "WINCH"];

/// Tells of each signal that it is named, and at a last one how often each came.
const COUNT: &str = r"
    my $last = shift;
    sub say_so { syswrite STDOUT, qq(@_\n) }
    for my $name (@ARGV) { $SIG{$name} = sub { $n{$name}++; say_so qq(got $name) } }
    $SIG{$last} = sub { say_so map { qq($_ $n{$_}) } sort keys %n; exit 0 };
    eval $ENV{BEFORE};
    say_so qq(ready);
    select undef, undef, undef, 0.02 while 1;
";

/// The program that counts one signal, and the signal that makes it tell.
fn counting(name: &str) -> (Vec<&str>, i32) {
    let (last, number) = match name {
        "USR2" => ("USR1", libc::SIGUSR1),
        _ => ("USR2", libc::SIGUSR2),
    };
    (vec!["perl", "-e", COUNT, last, name], number)
}

/// Sends a signal in some way, and then the last one to the process that was started.
fn counts(repo: &TestRepo, way: &str, setting: &str, send_it: &dyn Fn(i32, i32)) {
    for (signal, name) in SIGNALS {
        let (program, last) = counting(name);
        let seen = compare(
            repo,
            &format!("{name} {way}"),
            setting,
            &program,
            &|watched| {
                watched.wait_for("ready");
                send_it(watched.pid(), *signal);
                watched.wait_for(&format!("got {name}"));
                send(watched.pid(), last);
            },
        );
        assert_eq!(
            seen.stdout,
            format!("ready\ngot {name}\n{name} 1\n"),
            "{way}"
        );
    }
}

#[test]
fn a_signal_to_the_process_comes_once() {
    counts(&TestRepo::new(), "to the process", "", &send);
}

#[test]
fn a_signal_to_the_group_comes_once() {
    counts(&TestRepo::new(), "to the group", "", &|pid, signal| {
        send(-pid, signal);
    });
}

#[test]
fn a_signal_to_each_process_comes_once_as_systemd_sends_it() {
    let repo = TestRepo::new();
    counts(&repo, "to each", "", &|pid, signal| {
        // First to the main process, and then to what else is there.
        let others = members(pid).into_iter().filter(|member| *member != pid);
        let all: Vec<_> = std::iter::once(pid).chain(others).collect();
        for member in all {
            send(member, signal);
        }
    });
}

#[test]
fn a_signal_to_a_program_that_has_left_the_group_comes_once() {
    let repo = TestRepo::new();
    let leaving = [
        "export BEFORE='setpgrp'",
        "export BEFORE='use POSIX; POSIX::setsid() if fork or exit'",
    ];
    // Alone it is not in the group any more: what comes to the group is for it all the same.
    for (setting, to_the_group) in [(leaving[0], false), (leaving[0], true), (leaving[1], true)] {
        for (signal, name) in [
            (libc::SIGINT, "INT"),
            (libc::SIGTERM, "TERM"),
            (libc::SIGWINCH, "WINCH"),
        ] {
            let (mut program, last) = counting(name);
            if setting == leaving[1] {
                // It must not be a group's leader for that: a child of one is not.
                program.splice(0..0, ["setsid"]);
            }
            let setting = if program[0] == "setsid" { "" } else { setting };
            let mut watched = Watched::start(&repo, Mode::Recorded, setting, &program);
            watched.wait_for("ready");
            send(
                if to_the_group {
                    -watched.pid()
                } else {
                    watched.pid()
                },
                signal,
            );
            watched.wait_for(&format!("got {name}"));
            send(watched.pid(), last);
            let seen = watched.finish();
            assert_eq!(
                seen.stdout,
                format!("ready\ngot {name}\n{name} 1\n"),
                "{setting}"
            );
        }
    }
}

#[test]
fn timeout_sends_its_signal_once_as_it_does_alone() {
    let repo = TestRepo::new();
    for signal in ["INT", "TERM", "HUP"] {
        let (program, last) = counting(signal);
        // It signals its child first and then the group: a program that is slow to wake up takes them for one. Stopped,
        // swamp is slow enough, however busy the machine is.
        let of_timeout = |pid: i32| {
            let signal = SIGNALS.iter().find(|(_, name)| *name == signal).unwrap().0;
            send(pid, libc::SIGSTOP);
            waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WUNTRACED)).unwrap();
            send(pid, signal);
            send(-pid, signal);
            send(pid, libc::SIGCONT);
        };
        let mut watched = Watched::start(&repo, Mode::Recorded, "", &program);
        watched.wait_for("ready");
        of_timeout(watched.pid());
        watched.wait_for(&format!("got {signal}"));
        send(watched.pid(), last);
        let seen = watched.finish();
        assert_eq!(seen.stdout, format!("ready\ngot {signal}\n{signal} 1\n"));
    }
}

#[test]
fn queued_signals_come_as_often_as_they_are_sent_and_as_queued() {
    let repo = TestRepo::new();
    let program = r"
        use POSIX;
        my @got;
        sigaction(36, POSIX::SigAction->new(sub { push @got, $_[1]{code}; syswrite STDOUT, qq(all\n) if @got == 20 }, undef, SA_SIGINFO));
        $SIG{TERM} = sub { print scalar(@got), qq( @got\n); exit 0 };
        syswrite STDOUT, qq(ready\n);
        select undef, undef, undef, 0.02 while 1;";
    let seen = compare(&repo, "queued", "", &["perl", "-e", program], &|watched| {
        watched.wait_for("ready");
        for value in 0..20 {
            let value = libc::sigval {
                sival_ptr: std::ptr::without_provenance_mut(value),
            };
            // SAFETY: it takes numbers only.
            assert_eq!(unsafe { libc::sigqueue(watched.pid(), 36, value) }, 0);
        }
        watched.wait_for("all");
        send(watched.pid(), libc::SIGTERM);
    });
    assert!(seen.stdout.contains("\n20 -1 -1"), "{seen:?}");
}

#[test]
fn a_signal_ends_the_program_and_whoever_waits_for_it_sees_which() {
    let repo = TestRepo::new();
    let ready = ["sh", "-c", "echo ready; exec sleep 600"];
    let deadly = SIGNALS.iter().filter(|(_, name)| !HARMLESS.contains(name));
    for (signal, name) in deadly.chain(&[(libc::SIGKILL, "KILL")]) {
        let itself = format!("kill -{signal} $$");
        let seen = compare(&repo, name, "ulimit -c 0", &["sh", "-c", &itself], &|_| {});
        assert_eq!(seen.signal, Some(*signal), "{seen:?}");
        if *signal == libc::SIGKILL {
            continue;
        }
        for sign in [1, -1] {
            let seen = compare(&repo, &format!("{name} {sign}"), "", &ready, &|watched| {
                watched.wait_for("ready");
                send(sign * watched.pid(), *signal);
            });
            assert_eq!(seen.signal, Some(*signal), "{seen:?}");
        }
    }
}

/// Ways in which a program ends by itself.
const ENDS: &[&str] = &[
    "exit 0",
    "exit 1",
    "exit 2",
    "exit 42",
    "exit 125",
    "exit 126",
    "exit 127",
    "exit 128",
    "exit 130",
    "exit 137",
    "exit 143",
    "exit 255",
    "sh -c 'kill -TERM $$'",
    "sh -c 'kill -TERM $$'; exit 7",
    "echo out; echo err >&2; exit 3",
    "exec <&- >&- 2>&-; exit 4",
    "sleep 0 & wait; exit 5",
    "trap 'exit 6' TERM; kill $$; sleep 600",
    "ulimit -c unlimited 2>/dev/null; kill -SEGV $$",
    "exec 3>&1; yes | head -1 >&3",
    "no-such-command-here",
    "exec /dev/null",
    "cat",
];

#[test]
fn a_program_ends_as_it_ends() {
    let repo = TestRepo::new();
    for end in ENDS {
        compare(&repo, end, "", &["bash", "-c", end], &|_| {});
    }
    // What the kernel does to a program by itself.
    for (name, setting, program) in [
        (
            "an alarm of its own",
            "",
            "alarm 1; select undef, undef, undef, 600",
        ),
        (
            "a pipe that nobody reads",
            "",
            "pipe R, W; close R; syswrite W, 'x'; print 'on'",
        ),
        (
            "an ignored pipe",
            "trap '' PIPE",
            "pipe R, W; close R; print syswrite(W, 'x') // qq($!)",
        ),
        ("an abort", "ulimit -c 0", "use POSIX; abort()"),
        (
            "too much memory",
            "ulimit -v 200000",
            "$x = 'x' x 1e9; print 'on'",
        ),
        (
            "too few descriptors",
            "ulimit -n 16",
            "open $f[$_], '<', '/dev/null' or (print qq($_ $!), exit 9) for 1..99",
        ),
    ] {
        compare(&repo, name, setting, &["perl", "-e", program], &|_| {});
    }
}

/// Programs that start another one and tell, or show by their own end, how it ended.
const STARTERS: &[&[&str]] = &[
    &[
        "python3",
        "-c",
        "import subprocess, sys; print(subprocess.run(sys.argv[1:]).returncode)",
    ],
    &["perl", "-e", "system @ARGV; print $? & 127, q( ), $? >> 8"],
    &[
        "bash",
        "-c",
        "for n in 1 2 3; do echo $n; \"$@\"; echo $?; done",
        "bash",
    ],
    &["bash", "-c", "\"$@\" & wait $!; echo $?", "bash"],
    &[
        "bash",
        "-c",
        "set -o pipefail; \"$@\" | cat; echo ${PIPESTATUS[0]}",
        "bash",
    ],
    &["bash", "-c", "echo \"$(\"$@\")\" $?", "bash"],
    &["env", "-i", "PATH=/usr/bin:/bin"],
    &["nice", "-n", "3"],
    &["setsid", "-w"],
];

/// What they start.
const PROGRAMS: &[&str] = &[
    "exit 0",
    "exit 3",
    "kill -TERM $$",
    "kill -KILL $$",
    "trap 'exit 9' INT TERM; kill -TERM $$; exit 8",
];

#[test]
fn who_starts_it_sees_how_it_ended() {
    let repo = TestRepo::new();
    for starter in STARTERS {
        for program in PROGRAMS {
            let of = |line: &[&str]| {
                let program = [starter, line, &["sh", "-c", program]].concat();
                let mut seen = Watched::start(&repo, Mode::Alone, "", &program).finish();
                // Shells name the process that was killed.
                seen.stderr.retain(|character| !character.is_ascii_digit());
                seen
            };
            let alone = of(&[]);
            if alone.exit_code == Some(127) {
                skipped(&format!("{} is not there", starter[0]));
                break;
            }
            assert_eq!(of(&[SWAMP, "exec", "--"]), alone, "{starter:?} {program}");
            let unrecorded = of(&[SWAMP, "--no-telemetry", "exec", "--"]);
            assert_eq!(unrecorded, alone, "{starter:?} {program}");
        }
    }
}

#[test]
fn ctrl_c_ends_a_loop_of_a_shell_too() {
    let repo = TestRepo::new();
    // A shell gives up its loop only where the program died by SIGINT itself.
    let shell = [
        "bash",
        "-c",
        "for n in 1 2 3; do echo $n; \"$@\"; done; echo on",
        "bash",
    ];
    for line in [
        &[][..],
        &[SWAMP, "exec", "--"],
        &[SWAMP, "--no-telemetry", "exec", "--"],
    ] {
        let program = [&shell, line, &["sh", "-c", "kill -INT 0; exit 5"]].concat();
        let seen = Watched::start(&repo, Mode::Alone, "", &program).finish();
        assert_eq!(
            (seen.signal, seen.stdout.as_str()),
            (Some(libc::SIGINT), "1\n"),
            "{line:?}"
        );
    }
}

#[test]
fn a_program_that_timeout_ends_is_ended_as_alone() {
    let repo = TestRepo::new();
    // `timeout` signals its child and then the group, and perl no longer catches what comes while it ends.
    let catching = "$SIG{$_} = sub { $SIG{$_} = 'IGNORE' for qw(INT HUP); print qq(ended\n); exit 9 } \
         for qw(INT HUP); sleep 600";
    for options in [
        "-s INT",
        "-s TERM",
        "-s KILL",
        "--preserve-status -s INT",
        "--foreground -s HUP",
    ] {
        for program in [&["sleep", "600"][..], &["perl", "-e", catching]] {
            let of = |line: &[&str]| {
                let options: Vec<_> = options.split(' ').collect();
                let program = [&["timeout"], &options[..], &["1"], line, program].concat();
                Watched::start(&repo, Mode::Alone, "", &program).finish()
            };
            let alone = of(&[]);
            assert_eq!(of(&[SWAMP, "exec", "--"]), alone, "{options} {program:?}");
        }
    }
}

#[test]
fn a_program_that_may_write_no_file_ends_by_that_and_leaves_no_entry() {
    let repo = TestRepo::new();
    let write = "open F, '>', qq($ENV{HOME}/f); syswrite F, 'x'; print 'on'";
    for setting in ["ulimit -f 0", "ulimit -f 0; trap '' XFSZ"] {
        let program = ["perl", "-e", write];
        let of = |mode| Watched::start(&repo, mode, setting, &program).finish();
        let [alone, recorded, unrecorded] = MODES.map(of);
        assert_eq!(recorded, alone, "{setting}");
        assert_eq!(unrecorded, alone, "{setting}");
        assert_eq!(repo.entries(), [""; 0], "swamp may write none either");
    }
}

#[test]
fn an_alarm_that_was_set_before_reaches_the_program() {
    let repo = TestRepo::new();
    for mode in MODES {
        let line = "alarm 1; exec @ARGV";
        let mut alarmed = vec!["perl", "-e", line];
        match mode {
            Mode::Alone => {}
            Mode::Recorded => alarmed.extend([SWAMP, "exec", "--"]),
            Mode::Unrecorded => alarmed.extend([SWAMP, "--no-telemetry", "exec", "--"]),
        }
        alarmed.extend(["sleep", "600"]);
        let seen = Watched::start(&repo, Mode::Alone, "", &alarmed).finish();
        assert_eq!(seen.signal, Some(libc::SIGALRM), "{mode:?}");
    }
}

/// What a program can find out about the process that it is.
const ABOUT: &str = r#"
    grep -E '^(Sig(Blk|Ign|Cgt)|Cap|NoNewPrivs|Seccomp|Cpus_allowed|Groups|Uid|Gid|Umask|NSpid|CoreDumping)' /proc/self/status | grep -v NSpid
    for fd in 0 1 2 3 4 5 6 7 8 9 10 11 12; do test -e /proc/$$/fd/$fd && echo $fd $(readlink /proc/$$/fd/$fd | sed 's/:.*//'); done
    ulimit -a; ulimit -Ha; umask; nice; cat /proc/self/oom_score_adj; pwd; cat /proc/self/timerslack_ns
    cut -d' ' -f6,7,8 /proc/self/stat | tr -d ' ' | grep -q . && ps -o pgid= -p $$ | tr -d ' ' | grep -qx $LEADER && echo in the group
    env | grep -v -e ^_= -e ^LEADER= -e ^SWAMP_PARENT_INVOCATION_ID= | sort; tr '\0' ' ' </proc/$$/cmdline; echo; test -t 0 && echo terminal; chrt -p $$ | sed 's/pid [0-9]*//'
    perl -e 'require "syscall.ph"; my $x = pack q(i), -1; syscall(&SYS_prctl, 2, $x); print unpack(q(i), $x), qq(\n)'
"#;

/// What a program finds set, closed, opened or ignored.
const SETTINGS: &[&str] = &[
    "",
    "trap '' PIPE",
    "trap '' CHLD",
    "trap '' HUP",
    "trap '' INT QUIT",
    "trap '' TERM USR1 TSTP",
    "trap '' SEGV BUS",
    "trap '' XFSZ ALRM WINCH URG CONT",
    "trap '' $(seq 34 64)",
    "umask 027",
    "ulimit -n 64",
    "ulimit -Sn 50",
    "ulimit -c 0",
    "ulimit -s 1024",
    "ulimit -f 100",
    "ulimit -t 100",
    "ulimit -u 5000",
    "ulimit -v 4000000",
    "ulimit -i 100",
    "renice -n 5 $$ >/dev/null",
    "echo 500 >/proc/self/oom_score_adj",
    "exec 3</dev/null",
    "exec 9>/dev/null 7<&9",
    "exec 12<>/dev/null",
    "exec <&-",
    "exec >&- >/dev/null",
    "exec 2>&-",
    "exec <&- 2>&-",
    "exec </dev/zero",
    "export A= B='x y' LISTEN_PID=1 WATCHDOG_PID=abc PATH=$PATH:/nowhere",
    "unset HOME",
    "cd /",
    "cd ..; cd repo",
    "taskset -p 1 $$ >/dev/null",
    "chrt -b -p 0 $$",
];

#[test]
fn a_program_finds_everything_as_it_would_alone() {
    let _unchanged = HOME_OF_ACCOUNT.read().unwrap();
    let repo = TestRepo::new();
    for setting in SETTINGS {
        let mut seen = Vec::new();
        for mode in MODES {
            seen.push(Watched::start(&repo, mode, setting, &["bash", "-c", ABOUT]).finish());
        }
        assert_eq!(seen[1], seen[0], "{setting}: recorded, and alone");
        assert_eq!(seen[2], seen[0], "{setting}: not recorded, and alone");
        take_entries(&repo);
    }
    // Each stream that was closed is.
    for (closed, test) in [
        ("<&-", "cat"),
        (">&-", "echo x"),
        ("2>&-", "echo x >&2"),
        ("<&- >&- 2>&-", "cat || exit 9"),
    ] {
        let setting = format!("exec {closed}");
        compare(
            &repo,
            closed,
            &setting,
            &["bash", "-c", &format!("{test} || exit 4")],
            &|_| {},
        );
    }
}

#[test]
fn what_blocks_a_signal_blocks_it_for_the_program() {
    let repo = TestRepo::new();
    let program = "grep -E 'Sig(Blk|Ign|Cgt)' /proc/self/status";
    for signals in [
        "2", "1, 15", "17", "13, 25", "14, 28", "34, 64", "11, 7", "18, 20",
    ] {
        let blocking =
            format!("use POSIX; sigprocmask(SIG_BLOCK, POSIX::SigSet->new({signals})); exec @ARGV");
        let of = |line: &[&str]| {
            let program = [&["perl", "-e", &blocking], line, &["sh", "-c", program]].concat();
            Watched::start(&repo, Mode::Alone, "", &program).finish()
        };
        let alone = of(&[]);
        assert!(alone.stdout.contains("SigBlk"), "{alone:?}");
        assert_eq!(of(&[SWAMP, "exec", "--"]), alone, "{signals}");
        assert_eq!(
            of(&[SWAMP, "--no-telemetry", "exec", "--"]),
            alone,
            "{signals}"
        );
    }
}

#[test]
fn a_stream_that_the_program_closes_is_closed() {
    let repo = TestRepo::new();
    let closing = "echo ready; exec >&- 2>&- 5>&-; sleep 600";
    compare(
        &repo,
        "stdout",
        "exec 5>&1",
        &["bash", "-c", closing],
        &|watched| {
            watched.read_to_end();
            let mut stderr = String::new();
            watched.stderr.read_to_string(&mut stderr).unwrap();
            send(-watched.pid(), libc::SIGTERM);
        },
    );
    let closing = "exec <&-; echo ready; sleep 600";
    compare(&repo, "stdin", "", &["bash", "-c", closing], &|watched| {
        watched.wait_for("ready");
        let stdin = watched.stdin.as_mut().unwrap();
        // Whoever started it lets go of it a moment after the program has begun.
        let mut hung_up = [PollFd::new(stdin, PollFlags::empty())];
        rustix::event::poll(&mut hung_up, None).unwrap();
        assert_eq!(
            stdin.write(b"x").unwrap_err().kind(),
            std::io::ErrorKind::BrokenPipe
        );
        send(-watched.pid(), libc::SIGTERM);
    });
}

#[test]
fn a_program_that_stops_is_stopped_and_goes_on() {
    let repo = TestRepo::new();
    for (signal, number) in [
        ("STOP", libc::SIGSTOP),
        ("TSTP", libc::SIGTSTP),
        ("TTIN", libc::SIGTTIN),
        ("TTOU", libc::SIGTTOU),
    ] {
        for sign in [1, -1] {
            for setting in ["", "trap '' TSTP"] {
                if !setting.is_empty() && signal != "STOP" {
                    continue;
                }
                let program =
                    format!("echo ready; kill -{signal} $$; echo on; kill -{signal} $$; exit 5");
                let seen = compare(
                    &repo,
                    signal,
                    setting,
                    &["bash", "-c", &program],
                    &|watched| {
                        watched.wait_for("ready");
                        for _ in 0..2 {
                            let pid = Pid::from_raw(watched.pid());
                            let stopped = waitpid(pid, Some(WaitPidFlag::WUNTRACED)).unwrap();
                            let WaitStatus::Stopped(_, by) = stopped else {
                                panic!("{stopped:?}");
                            };
                            assert_eq!(by as i32, number);
                            send(sign * watched.pid(), libc::SIGCONT);
                        }
                    },
                );
                assert_eq!(seen.stdout, "ready\non\n");
            }
        }
    }
}

#[test]
fn whoever_kills_swamp_kills_the_program_and_the_next_command_completes_its_entry() {
    let repo = TestRepo::new();
    for leaving in ["", "use POSIX; POSIX::setsid();"] {
        let program = format!("{leaving} $| = 1; print qq($$\\n); sleep 600");
        let mut watched = Watched::start(&repo, Mode::Recorded, "", &["perl", "-e", &program]);
        watched.stdout.read_line(&mut watched.seen).unwrap();
        let begun = repo.spool().join(".open");
        let is_begun = || fs::read_dir(&begun).is_ok_and(|mut entries| entries.next().is_some());
        let limit = Instant::now() + AMPLE;
        while !is_begun() {
            assert!(Instant::now() < limit, "nothing stands for it");
            thread::sleep(Duration::from_millis(1));
        }
        send(watched.pid(), libc::SIGKILL);
        // It had the other end of this.
        let seen = watched.finish();
        assert_eq!(seen.signal, Some(libc::SIGKILL));
        assert_eq!(repo.entries(), [""; 0]);
        repo.swamp(&["--no-telemetry", "telemetry", "status"]);
        let entries = take_entries(&repo);
        assert_eq!(entries.len(), 1, "{entries:?}");
        assert_eq!(entries[0]["result"]["errorType"], "Unfinished");
        assert_eq!(entries[0]["invocation"]["command"], "perl");
    }
}

/// What `docs/exec.md` says that differs, as far as it can be brought about at will.
#[test]
fn what_differs_from_the_program_alone_is_what_the_documentation_says() {
    let repo = TestRepo::new();
    let told = |mode, program: &[&str]| Watched::start(&repo, mode, "", program).finish();
    // It leads no group: it can begin a session.
    let leads = "print getpgrp == $$ ? 1 : 0, POSIX::setsid() > 0 ? 1 : 0";
    let leads = ["perl", "-MPOSIX", "-e", leads];
    assert_eq!(told(Mode::Alone, &leads).stdout, "10");
    assert_eq!(told(Mode::Recorded, &leads).stdout, "01");
    // A timer of CPU time counts that of swamp.
    let timed =
        "use Time::HiRes qw(setitimer ITIMER_VIRTUAL); setitimer(ITIMER_VIRTUAL, 0.2); exec @ARGV";
    let busy = "$x++ while $x < 6e7; print q(on)";
    let of = |line: &[&str]| {
        let program = [&["perl", "-e", timed], line, &["perl", "-e", busy]].concat();
        told(Mode::Alone, &program)
    };
    assert_eq!(of(&[]).signal, Some(libc::SIGVTALRM));
    assert_eq!(of(&[SWAMP, "exec", "--"]).stdout, "on");
    // SIGSTOP to swamp alone does not reach the program.
    let answers = "$| = 1; $SIG{USR1} = sub { print qq(got\n) }; print qq($$\n); sleep 1 while 1";
    let mut watched = Watched::start(&repo, Mode::Recorded, "", &["perl", "-e", answers]);
    watched.stdout.read_line(&mut watched.seen).unwrap();
    let program: i32 = watched.seen.trim().parse().unwrap();
    send(watched.pid(), libc::SIGSTOP);
    waitpid(Pid::from_raw(watched.pid()), Some(WaitPidFlag::WUNTRACED)).unwrap();
    send(program, libc::SIGUSR1);
    watched.wait_for("got");
    send(watched.pid(), libc::SIGCONT);
    send(watched.pid(), libc::SIGTERM);
    assert_eq!(watched.finish().signal, Some(libc::SIGTERM));
}

#[test]
fn who_signals_its_parent_signals_who_started_swamp() {
    let repo = TestRepo::new();
    let program =
        r#"$SIG{USR1} = sub { print "got\n"; exit 3 }; open F, '-|', @ARGV; print <F>; sleep 600"#;
    for line in [
        &[][..],
        &[SWAMP, "exec", "--"],
        &[SWAMP, "--no-telemetry", "exec", "--"],
    ] {
        let child = ["perl", "-e", "kill USR1 => getppid; sleep 1"];
        let program = [&["perl", "-e", program], line, &child].concat();
        let seen = Watched::start(&repo, Mode::Alone, "", &program).finish();
        assert_eq!(
            (seen.exit_code, seen.stdout.as_str()),
            (Some(3), "got\n"),
            "{line:?}"
        );
    }
}

#[test]
fn systemds_variables_name_the_program() {
    let repo = TestRepo::new();
    let show = "for name in LISTEN WATCHDOG; do v=${name}_PID; test ${!v} = $$ && echo $name me; done; echo $LISTEN_FDS ${LISTEN_PIDFDID-none}; readlink /proc/$$/fd/3";
    for setting in [
        "export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_PIDFDID=77; exec 3</dev/null",
        "export WATCHDOG_PID=$$ WATCHDOG_USEC=1",
        "export LISTEN_PID=$$ WATCHDOG_PID=$$ LISTEN_FDS=1; exec 3</dev/zero",
        "export LISTEN_PID=1$$ WATCHDOG_PID=x$$",
    ] {
        let mut seen =
            MODES.map(|mode| Watched::start(&repo, mode, setting, &["bash", "-c", show]).finish());
        // It names this process in a way that cannot name the program: then it is not named twice.
        for seen in &mut seen {
            seen.stdout = seen.stdout.replace(" 77\n", " none\n");
        }
        let [alone, recorded, unrecorded] = seen;
        assert_eq!(recorded, alone, "{setting}");
        assert_eq!(unrecorded, alone, "{setting}");
    }
}

#[test]
fn where_the_machine_refuses_the_program_runs_unrecorded() {
    let repo = TestRepo::new();
    let pid = "test $$ = $LEADER && echo itself; exit 3";
    // Three descriptors are the streams, and one more is what it takes to look for a repository.
    for limit in [4, 5] {
        let setting = format!("ulimit -n {limit}");
        let seen = Watched::start(&repo, Mode::Recorded, &setting, &["sh", "-c", pid]).finish();
        assert_eq!(
            (seen.exit_code, seen.stdout.as_str()),
            (Some(3), "itself\n"),
            "{limit}: {seen:?}"
        );
        assert_eq!(take_entries(&repo), [Value::Null; 0]);
    }
    if !cfg!(target_arch = "x86_64") {
        return skipped("the filter is for x86-64");
    }
    // clone, clone3, fork and vfork; signalfd4; socketpair
    for calls in ["56 435 57 58", "289", "53"] {
        for errno in [libc::EPERM, libc::ENOSYS, libc::EAGAIN] {
            let filter = r"
                my ($calls, $errno) = (shift, shift);
                my $code = pack('SCCL', 0x20, 0, 0, 0);
                $code .= pack('SCCL', 0x15, 0, 1, $_) . pack('SCCL', 6, 0, 0, 0x50000 | $errno) for split ' ', $calls;
                $code .= pack('SCCL', 6, 0, 0, 0x7fff0000);
                my $program = pack('Sx6P', length($code) / 8, $code);
                syscall(157, 38, 1, 0, 0, 0) == 0 or die; syscall(157, 22, 2, $program) == 0 or die;
                exec @ARGV";
            let errno = errno.to_string();
            let program = [
                "perl", "-e", filter, calls, &errno, SWAMP, "exec", "--", "sh", "-c", pid,
            ];
            let seen = Watched::start(&repo, Mode::Alone, "", &program).finish();
            assert_eq!(
                (seen.exit_code, seen.stdout.as_str()),
                (Some(3), "itself\n"),
                "{calls} {errno}: {seen:?}"
            );
            assert_eq!(take_entries(&repo), [Value::Null; 0]);
        }
    }
    if !Uid::effective().is_root() {
        return skipped("only root can become a user who may have one process");
    }
    for path in [repo.root().parent().unwrap(), &repo.root(), &repo.home()] {
        Command::new("chmod")
            .args(["-R", "a+rwX"])
            .arg(path)
            .status()
            .unwrap();
    }
    let setting = "ulimit -u 1";
    let program = [
        "setpriv",
        "--reuid=61234",
        "--clear-groups",
        SWAMP,
        "exec",
        "--",
        "sh",
        "-c",
        pid,
    ];
    let seen = Watched::start(&repo, Mode::Alone, setting, &program).finish();
    if seen.stderr.contains("Permission denied") {
        return skipped("another user cannot run the program under test");
    }
    assert_eq!(
        (seen.exit_code, seen.stdout.as_str()),
        (Some(3), "itself\n"),
        "{seen:?}"
    );
}

#[test]
fn as_the_first_process_of_a_container_it_reaps_orphans_and_passes_signals_on() {
    let repo = TestRepo::new();
    let unshare = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    if Watched::start(&repo, Mode::Alone, "", &[&unshare[..], &["true"]].concat())
        .finish()
        .exit_code
        != Some(0)
    {
        return skipped("there can be no container here");
    }
    let in_container = |program: &[&str], act: &dyn Fn(&mut Watched)| {
        let line = [&unshare[..], &[SWAMP, "exec", "--"], program].concat();
        let mut watched = Watched::start(&repo, Mode::Alone, "", &line);
        act(&mut watched);
        (watched.finish(), take_entries(&repo))
    };
    let orphans = r"
        for my $n (1 .. 5) { fork or (fork and exit) or (select(undef, undef, undef, 0.01 * $n), exit) } 1 while wait > 0;
        my $zombies = 1;
        while ($zombies) { $zombies = grep { open F, '<', $_ and <F> =~ /\) [ZS] 1 / and !m(/$$/) and $_ !~ m(/2/) } glob '/proc/[0-9]*/stat' }
        print qq(none left\n)";
    let (seen, entries) = in_container(&["perl", "-e", orphans], &|_| {});
    assert_eq!(
        (seen.exit_code, seen.stdout.as_str()),
        (Some(0), "none left\n"),
        "{seen:?}"
    );
    assert_eq!(entries.len(), 1);
    let main = |watched: &Watched| {
        let children = format!("/proc/{0}/task/{0}/children", watched.pid());
        let children = fs::read_to_string(children).unwrap();
        children
            .split_whitespace()
            .next()
            .unwrap()
            .parse::<i32>()
            .unwrap()
    };
    for (signal, name) in SIGNALS {
        let (program, last) = counting(name);
        let (seen, entries) = in_container(&program, &|watched| {
            watched.wait_for("ready");
            let main = main(watched);
            send(main, *signal);
            watched.wait_for(&format!("got {name}"));
            send(main, last);
        });
        assert_eq!(seen.stdout, format!("ready\ngot {name}\n{name} 1\n"));
        assert_eq!(entries.len(), 1, "{name}");
        if HARMLESS.contains(name) {
            continue;
        }
        let (seen, entries) =
            in_container(&["sh", "-c", "echo ready; exec sleep 600"], &|watched| {
                watched.wait_for("ready");
                send(main(watched), *signal);
            });
        assert_eq!(seen.exit_code, Some(128 + signal), "{name}: {seen:?}");
        assert_eq!(entries[0]["result"]["exitCode"], 128 + signal);
    }
}
