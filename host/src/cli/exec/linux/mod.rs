//! Running a program beside this process, in its process group, so that neither the program nor anybody else tells it
//! from one that runs alone.

mod environment;
mod forward;
mod release;
mod signals;
mod spawn;
mod witness;

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Instant;

use nix::libc;
use nix::unistd::{Pid, execvp, getpgid, getpgrp, getppid};
use rustix::process::{WaitOptions, WaitStatus};

use self::forward::{Addressee, Forward};
use self::signals::{Arrived, Signals, stop_by};
use self::witness::Witness;
use super::{Ended, NotRun, Program, as_found, disposition};

/// Makes this process the program. Comes back only when that failed.
pub(super) fn become_program(program: &Program<'_>) -> Result<Ended, NotRun> {
    Err(become_of(&arguments(program)?))
}

fn become_of(args: &[CString]) -> NotRun {
    if !as_found::ignores_pipe() {
        disposition::set_default(libc::SIGPIPE);
    }
    for stream in as_found::closed_streams() {
        nix::unistd::close(stream).ok();
    }
    let Some(path) = args.first() else {
        return NotRun::NotFound;
    };
    let Err(errno) = execvp(path, args);
    io::Error::from(errno).into()
}

/// A program that runs. Signals to this process are held back from its start on, until this process ends.
pub(super) struct Running {
    witness: Witness,
    program: Pid,
}

impl Running {
    /// Starts it. Where there can be no other process beside this one, or none that is well looked after, this process
    /// becomes the program.
    pub(super) fn start(program: &Program<'_>) -> Result<Self, NotRun> {
        let args = arguments(program)?;
        let name = Path::new(program.path).file_name().unwrap_or_default();
        let name = CString::new(name.as_bytes()).map_err(io::Error::from)?;
        let Ok(witness) = Signals::hold().and_then(|signals| Witness::start(signals, name)) else {
            return Err(become_of(&args));
        };
        if let Ok(program) = spawn::spawn(&args, program.id, witness.signals(), witness.program()) {
            return Ok(Self { witness, program });
        }
        // What is wrong with the program is wrong with it once more.
        let signals = witness.signals();
        drop(witness);
        signals.release();
        Err(become_of(&args))
    }

    /// Waits for its end, and is stopped and continued with it.
    pub(super) fn wait(&mut self) -> Ended {
        // What it asks the system for is there: that does not fail.
        self.ended().unwrap_or(Ended::Exited(1))
    }

    fn ended(&mut self) -> io::Result<Ended> {
        let mut forward = Forward::to(self.program.as_raw());
        loop {
            self.witness.wait(forward.rests(Instant::now()))?;
            let mut is_news = false;
            while let Some(arrived) = self.witness.signals().next()? {
                // One that somebody sends may stand for one of a child too.
                is_news |= arrived.signal == libc::SIGCHLD;
                if !arrived.is_of_a_child() {
                    forward.take(arrived, Instant::now());
                }
            }
            let news = if is_news { self.news()? } else { None };
            if let Some(News::Ended(ended)) = news {
                self.witness.end();
                return Ok(ended);
            }
            // It is asked after this process's own signals were read, so that it has got what they were sent with.
            let told = self.witness.told(!forward.is_idle());
            for (arrived, to) in forward.deliver(told, self.is_in_group(), Instant::now()) {
                self.send_on(arrived, to);
            }
            if let Some(News::Stopped(signal)) = news {
                stop_by(signal);
                forward.continued();
            }
        }
    }

    fn send_on(&self, arrived: Arrived, to: Addressee) {
        let to = match to {
            Addressee::Program => self.program,
            Addressee::Parent => getppid(),
        };
        // There may be no such process that this one can see.
        if to.as_raw() > 0 {
            arrived.send_to(to.as_raw());
        }
    }

    fn is_in_group(&self) -> bool {
        getpgid(Some(self.program)).is_ok_and(|group| group == getpgrp())
    }

    /// What has become of the program since it was last asked after. Other children are those of programs that ended
    /// before them, where this is the first process of a container, or of whoever became this process.
    fn news(&self) -> io::Result<Option<News>> {
        let mut news = None;
        let options = WaitOptions::NOHANG | WaitOptions::UNTRACED | WaitOptions::CONTINUED;
        while let Some((child, status)) = rustix::process::wait(options)? {
            if child.as_raw_nonzero().get() != self.program.as_raw() {
                continue;
            }
            // It may have stopped and gone on since: only where it stands now counts.
            news = match ended(status) {
                Some(ended) => {
                    self.witness.program().store(0, Ordering::Release);
                    return Ok(Some(News::Ended(ended)));
                }
                None => status.stopping_signal().map(News::Stopped),
            };
        }
        Ok(news)
    }
}

enum News {
    Stopped(i32),
    Ended(Ended),
}

fn ended(status: WaitStatus) -> Option<Ended> {
    let exited = status.exit_status().map(Ended::Exited);
    exited.or_else(|| status.terminating_signal().map(Ended::Killed))
}

/// Lets go of what only a program that runs is to have. `keep_stderr` where something is to be shown there.
pub(super) fn let_go(keep_stderr: bool) {
    release::inherited(keep_stderr);
}

fn arguments(program: &Program<'_>) -> io::Result<Vec<CString>> {
    std::iter::once(program.path)
        .chain(program.args)
        .map(|arg| Ok(CString::new(arg.as_bytes())?))
        .collect()
}
