//! Commands that do not come to their end.

use std::fs::{self, OpenOptions};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;

use crate::place::Place;

/// A command that waits, once it has begun to record, until somebody writes to the pipe.
struct Waiting {
    child: Child,
    pipe: PathBuf,
}

impl Waiting {
    fn start(place: &Place) -> Self {
        let pipe = place.path().join("pipe");
        nix::unistd::mkfifo(&pipe, Mode::S_IRWXU).unwrap();
        let child = place
            .command(&["count", pipe.to_str().unwrap()])
            .spawn()
            .unwrap();
        Self { child, pipe }
    }

    /// Waits until the command reads, and gives it what it then has to read: until this is dropped, it does.
    fn meet(&self) -> fs::File {
        OpenOptions::new().write(true).open(&self.pipe).unwrap()
    }
}

#[test]
fn a_panic_is_recorded_as_an_error() {
    let place = Place::new();
    assert_eq!(place.greet(&["hello", "panic"]), Some(101));
    insta::assert_snapshot!(place.told(), @"greet hello [<REDACTED>] [] [] error 101 Panic: the program panicked (7.1.0)");
    assert_eq!(place.open(), 0);
}

#[test]
fn an_exit_in_the_middle_is_recorded_as_an_error_once_the_next_command_opens_the_spool() {
    let place = Place::new();
    assert_eq!(place.greet(&["hello", "exit"]), Some(0));
    assert_eq!((place.told().as_str(), place.open()), ("", 1));
    assert_eq!(place.greet(&["hello", "you"]), Some(0));
    insta::assert_snapshot!(place.told(), @r"
    greet hello [<REDACTED>] [] [] error 1 Unfinished: the program ended without saying how the command went (7.1.0)
    greet hello [<REDACTED>] [] [] success 0 -: - (7.1.0)
    ");
    assert_eq!(place.open(), 0);
}

#[test]
fn a_killed_command_is_recorded_as_an_error_and_not_before_it_is_dead() {
    let place = Place::new();
    let mut waiting = Waiting::start(&place);
    let _pipe = waiting.meet();
    assert_eq!(place.greet(&["hello", "you"]), Some(0));
    assert_eq!((place.entries().len(), place.open()), (1, 1));
    waiting.child.kill().unwrap();
    assert_eq!(waiting.child.wait().unwrap().signal(), Some(9));
    assert_eq!((place.entries().len(), place.open()), (1, 1));
    assert_eq!(place.greet(&["hello", "you"]), Some(0));
    insta::assert_snapshot!(place.told(), @r"
    greet count [<REDACTED>] [] [] error 1 Unfinished: the program ended without saying how the command went (7.1.0)
    greet hello [<REDACTED>] [] [] success 0 -: - (7.1.0)
    greet hello [<REDACTED>] [] [] success 0 -: - (7.1.0)
    ");
    assert_eq!(place.open(), 0);
}

#[test]
fn a_command_beside_which_others_begin_and_end_is_recorded_once_as_it_ended() {
    let place = Place::new();
    let mut waiting = Waiting::start(&place);
    let pipe = waiting.meet();
    for _ in 0..3 {
        assert_eq!(place.greet(&["hello", "you"]), Some(0));
    }
    drop(pipe);
    assert_eq!(waiting.child.wait().unwrap().code(), Some(0));
    assert_eq!(place.greet(&["hello", "you"]), Some(0));
    let told = place.told();
    assert_eq!(told.lines().count(), 5, "{told}");
    assert!(
        told.starts_with("greet count [<REDACTED>] [] [] success 0"),
        "{told}"
    );
    assert!(!told.contains("error"), "{told}");
    assert_eq!(place.open(), 0);
}

#[test]
fn where_nothing_can_be_left_before_the_work_the_entry_is_written_after_it() {
    let place = Place::new();
    assert_eq!(place.greet(&["hello", "you"]), Some(0));
    fs::remove_dir(place.spool().join(".open")).unwrap();
    fs::write(place.spool().join(".open"), "in the way").unwrap();
    assert_eq!(place.greet(&["hello", "you"]), Some(0));
    assert_eq!(place.greet(&["hello", "panic"]), Some(101));
    insta::assert_snapshot!(place.told(), @r"
    greet hello [<REDACTED>] [] [] success 0 -: - (7.1.0)
    greet hello [<REDACTED>] [] [] success 0 -: - (7.1.0)
    greet hello [<REDACTED>] [] [] error 101 Panic: the program panicked (7.1.0)
    ");
}

#[test]
fn a_program_that_may_write_no_file_goes_on_and_its_signals_are_its_own() {
    let place = Place::new();
    assert_eq!(place.greet(&["hello", "you"]), Some(0));
    let run = |line: &str| {
        let model = place.command(&[]);
        let line = format!("ulimit -f 0; {line}");
        let mut shell = Command::new("/bin/bash");
        shell.args(["-c", &line, "bash"]).arg(crate::place::greet());
        shell.current_dir(place.path()).env_clear();
        shell.envs(
            model
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        shell
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let ended = shell.status().unwrap();
        (ended.code(), ended.signal())
    };
    for line in [
        "exec \"$1\" hello you",
        "trap '' XFSZ; exec \"$1\" hello you",
        "cd /; SWAMP_REPO_DIR=$OLDPWD exec \"$1\" hello you",
    ] {
        assert_eq!(run(line), (Some(0), None), "{line}");
    }
    assert_eq!(run("exec \"$1\" hullo"), (Some(2), None));
    assert_eq!(place.entries().len(), 1, "there was no room for the others");
    let by_itself = run("exec \"$1\" hello you > out");
    assert_eq!(
        by_itself,
        (None, Some(Signal::SIGXFSZ as i32)),
        "what it writes itself ends it"
    );
}
