//! This program, started again to work apart from the command that a person waits for.
//!
//! A worker is told by one environment variable what it is, so that it can never start another of its kind;
//! nothing of an entry travels in arguments or environment.

#[cfg_attr(windows, path = "worker/detach_windows.rs")]
#[cfg_attr(not(windows), path = "worker/detach_unix.rs")]
mod detach;

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The environment variable that makes this program a worker.
pub use crate::domain::variables::WORKER as VARIABLE;

/// The exit code of a worker that its watchdog ended.
pub const OUT_OF_TIME: i32 = 124;

/// The exit code of a worker that the state of this machine kept from its work: `EX_TEMPFAIL` of sysexits.h.
pub const MACHINE_FAILED: u8 = 75;

/// What a worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerTask {
    /// Flushes the spool of the repository that is its working directory.
    Flush,
    /// Removes what has expired of that spool.
    CleanUp,
    /// Compiles the component on its standard input to its standard output.
    Compile,
}

impl WorkerTask {
    /// The task that [`VARIABLE`] names.
    #[must_use]
    pub fn parse(text: &OsStr) -> Option<Self> {
        [Self::Flush, Self::CleanUp, Self::Compile]
            .into_iter()
            .find(|task| text == task.as_str())
    }

    /// The task of a worker that was started under the name `VARIABLE=task`: where the environment cannot be given
    /// to it, the name tells instead.
    #[must_use]
    pub fn of_name(name: &OsStr) -> Option<Self> {
        let task = name.to_str()?.strip_prefix(VARIABLE)?.strip_prefix('=')?;
        Self::parse(OsStr::new(task))
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Flush => "flush",
            Self::CleanUp => "clean-up",
            Self::Compile => "compile",
        }
    }
}

/// The program that workers run.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
}

impl Program {
    /// The program at `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The program that this process runs, even where its file was replaced or removed meanwhile.
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    pub fn current() -> io::Result<Self> {
        // The link leads the child to the image that it was forked from, whatever its file is called by now.
        let link = PathBuf::from("/proc/self/exe");
        let path = if cfg!(target_os = "linux") && link.exists() {
            link
        } else {
            std::env::current_exe()?
        };
        Ok(Self { path })
    }

    /// Starts a worker in the directory `root`, and leaves it.
    ///
    /// # Errors
    ///
    /// When no process could be started.
    pub fn detach(&self, task: WorkerTask, root: &Path) -> io::Result<()> {
        detach::detach(self, task, root)
    }

    /// A command that starts a worker, with a process group of its own and without stdio.
    #[must_use]
    pub fn command(&self, task: WorkerTask) -> Command {
        let mut command = Command::new(&self.path);
        command
            .env(VARIABLE, task.as_str())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt as _;
            command.arg0("swamp").process_group(0);
        }
        command
    }
}

/// Keeps this process's memory, which may hold the user's secrets, out of core dumps.
///
/// A limit of one byte and not of none: where the kernel pipes dumps to a program, it asks that program whatever the
/// limit is, but for this one.
#[cfg(unix)]
pub fn forbid_core_dumps() {
    use nix::sys::resource::{Resource, setrlimit};
    setrlimit(Resource::RLIMIT_CORE, 1, 1).ok();
}

/// Windows dumps no core by itself.
#[cfg(not(unix))]
pub const fn forbid_core_dumps() {}

/// Lets all signals through: whoever started this process may hold them back.
#[cfg(unix)]
pub fn unblock_signals() {
    nix::sys::signal::SigSet::empty().thread_set_mask().ok();
}

/// Windows has no signals.
#[cfg(not(unix))]
pub const fn unblock_signals() {}

/// Closes what this process inherited besides its stdio: somebody may be waiting for it to be closed.
///
/// To be called first thing, before this process has opened anything of its own.
#[cfg(unix)]
pub fn close_inherited_files() {
    let Ok(listing) = std::fs::read_dir("/dev/fd") else {
        return;
    };
    let inherited: Vec<i32> = listing
        .filter_map(|file| file.ok()?.file_name().to_str()?.parse().ok())
        .filter(|fd| *fd > 2)
        .collect();
    for fd in inherited {
        // The listing's own is closed by now.
        nix::unistd::close(fd).ok();
    }
}

/// Windows' children inherit nothing but what they are given.
#[cfg(not(unix))]
pub const fn close_inherited_files() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_told_by_its_name_only_in_full() {
        let of_name = |name: &str| WorkerTask::of_name(OsStr::new(name));
        assert_eq!(of_name("SWAMP_WORKER=flush"), Some(WorkerTask::Flush));
        assert_eq!(of_name("SWAMP_WORKER=compile"), Some(WorkerTask::Compile));
        for other in [
            "swamp",
            "flush",
            "SWAMP_WORKER=",
            "SWAMP_WORKERflush",
            "SWAMP_WORKER=flush ",
        ] {
            assert_eq!(of_name(other), None, "{other:?}");
        }
    }
}
