//! Running a program in this process's own process group, so that the terminal and the shell treat both as one.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use nix::errno::Errno;
use nix::spawn::{
    PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn, posix_spawnp,
};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{AccessFlags, Pid, access};
use rustix::process::{WaitOptions, WaitStatus, waitpid};

use swamp::domain::EntryId;
use swamp::domain::variables::PARENT_INVOCATION_ID;

use super::signals::{Came, Signals, stop_by};
use super::{Ended, NotRun, Program};

/// The shell that runs scripts without a first line that says what does, as `execvp` has it.
const SHELL: &str = "/bin/sh";

/// Makes this process the program. Comes back only when that failed.
pub(super) fn become_program(program: &Program<'_>) -> Result<Ended, NotRun> {
    let error = Command::new(program.path).args(program.args).exec();
    Err(error.into())
}

/// A program that runs. Signals to this process are held back until this is dropped.
pub(super) struct Running {
    signals: Signals,
    child: Pid,
}

impl Running {
    pub(super) fn start(program: &Program<'_>) -> Result<Self, NotRun> {
        let signals = Signals::hold()?;
        let child = spawn(program, signals.as_found())?;
        Ok(Self { signals, child })
    }

    /// Waits for its end, and is stopped and continued with it.
    pub(super) fn wait(&mut self) -> Ended {
        self.ended().unwrap_or(Ended::Exited(1))
    }

    fn ended(&self) -> io::Result<Ended> {
        let Self { signals, child } = self;
        let child = *child;
        let mut is_stopped = false;
        loop {
            let came = signals.next()?;
            match came {
                Came::FromChild
                | Came::ForThisProcess {
                    signal: Signal::SIGCONT,
                    ..
                } => match news_of(child)? {
                    News::Ended(ended) => return Ok(ended),
                    News::Stopped(signal) => {
                        is_stopped = true;
                        stop_by(signal);
                    }
                    News::GoesOn => is_stopped = false,
                    // A shell lets the whole group go on, and the program has gone on then: once more could undo a stop
                    // that has come since. Whoever lets this process alone go on means the program.
                    News::None if is_stopped && came != Came::FromChild => {
                        nix::sys::signal::kill(child, Signal::SIGCONT).ok();
                    }
                    News::None => {}
                },
                Came::ForTheGroup => {}
                Came::ForThisProcess { signal, sender } => {
                    // What the child sends to its own group it has got already.
                    if sender != Some(child) {
                        nix::sys::signal::kill(child, signal).ok();
                    }
                }
            }
        }
    }
}

/// What has become of the child since it was last asked after.
enum News {
    None,
    Stopped(i32),
    GoesOn,
    Ended(Ended),
}

fn news_of(child: Pid) -> io::Result<News> {
    let mut news = News::None;
    let options = WaitOptions::NOHANG | WaitOptions::UNTRACED | WaitOptions::CONTINUED;
    // It may have stopped and gone on since: only where it stands now counts.
    while let Some((_, status)) = waitpid(rustix::process::Pid::from_raw(child.as_raw()), options)?
    {
        news = match ended(status) {
            Some(ended) => return Ok(News::Ended(ended)),
            None => status.stopping_signal().map_or(News::GoesOn, News::Stopped),
        };
    }
    Ok(news)
}

fn ended(status: WaitStatus) -> Option<Ended> {
    let exited = status.exit_status().map(Ended::Exited);
    exited.or_else(|| status.terminating_signal().map(Ended::Killed))
}

/// Starts the program with the dispositions that this process was started with, and this signal mask.
fn spawn(program: &Program<'_>, mask: &SigSet) -> Result<Pid, NotRun> {
    let path = c_string(program.path)?;
    let mut args = vec![path.clone()];
    for arg in program.args {
        args.push(c_string(arg)?);
    }
    let environment = environment(program.id)?;
    let attributes = attributes(mask).map_err(io::Error::from)?;
    let files = PosixSpawnFileActions::init().map_err(io::Error::from)?;
    let spawned = match posix_spawnp(&path, &files, &attributes, &args, &environment) {
        Err(Errno::ENOEXEC) => {
            args[0] = c_string(found(program.path).as_os_str())?;
            args.insert(0, c_string(OsStr::new(SHELL))?);
            posix_spawn(SHELL, &files, &attributes, &args, &environment)
        }
        spawned => spawned,
    };
    Ok(spawned.map_err(io::Error::from)?)
}

fn attributes(mask: &SigSet) -> nix::Result<PosixSpawnAttr> {
    let mut attributes = PosixSpawnAttr::init()?;
    attributes.set_flags(
        PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF,
    )?;
    attributes.set_sigmask(mask)?;
    // Rust's runtime ignores it, and the program has no part in that.
    attributes.set_sigdefault(&Signal::SIGPIPE.into())?;
    Ok(attributes)
}

/// The environment of the program, which names its invocation for those within it.
fn environment(id: Option<&EntryId>) -> io::Result<Vec<CString>> {
    let variable = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        let mut variable = name;
        variable.push("=");
        variable.push(value);
        c_string(&variable)
    };
    let id = id.map(|id| (PARENT_INVOCATION_ID.into(), id.as_str().into()));
    std::env::vars_os()
        .filter(|(name, _)| id.is_none() || name != PARENT_INVOCATION_ID)
        .chain(id.clone())
        .map(variable)
        .collect()
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    Ok(CString::new(text.as_bytes())?)
}

/// The file that is run under this name: where no `/` is in it, the first in `PATH` that can be.
fn found(program: &OsStr) -> PathBuf {
    if program.as_bytes().contains(&b'/') {
        return program.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|file| file.is_file() && access(file, AccessFlags::X_OK).is_ok())
        .unwrap_or_else(|| program.into())
}

/// The streams stay open until the program's end here.
pub(super) const fn let_go(_keep_stderr: bool) {}
