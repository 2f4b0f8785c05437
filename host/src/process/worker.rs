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
    /// The same, for as long as a person waits for it.
    CompileAwaited,
    /// Finds the lines of source of positions in the component on its standard input.
    Locate,
}

impl WorkerTask {
    /// The task that [`VARIABLE`] names.
    #[must_use]
    pub fn parse(text: &OsStr) -> Option<Self> {
        [
            Self::Flush,
            Self::CleanUp,
            Self::Compile,
            Self::CompileAwaited,
            Self::Locate,
        ]
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
            Self::CompileAwaited => "compile-awaited",
            Self::Locate => "locate",
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
        if cfg!(target_os = "linux") && link.exists() {
            return Ok(Self { path: link });
        }
        let path = match std::env::current_exe() {
            Ok(path) => path,
            Err(why) => as_started().ok_or(why)?,
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

    /// A command that starts a worker without stdio, and with a process group of its own. One that
    /// somebody waits for stays in this process's group: Ctrl-C, which ends whoever waits for it, ends it too.
    #[must_use]
    pub fn command(&self, task: WorkerTask) -> Command {
        let mut command = Command::new(&self.path);
        command
            .env(VARIABLE, task.as_str())
            .stdin(nothing(Direction::Read))
            .stdout(nothing(Direction::Write))
            .stderr(nothing(Direction::Write));
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt as _;
            command.arg0("swamp");
            if matches!(task, WorkerTask::Flush | WorkerTask::CleanUp) {
                command.process_group(0);
            }
        }
        command
    }
}

/// The path that this process was started by, which the kernel tells where there is no /proc.
#[cfg(target_os = "linux")]
fn as_started() -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt as _;
    let path = OsStr::from_bytes(rustix::param::linux_execfn().to_bytes());
    let path = std::path::absolute(path).ok()?;
    path.is_file().then_some(path)
}

#[cfg(not(target_os = "linux"))]
const fn as_started() -> Option<PathBuf> {
    None
}

/// What a worker does with a standard stream that it has no use for.
#[derive(Clone, Copy, Debug)]
enum Direction {
    Read,
    Write,
}

/// A stream without content and without a reader: `/dev/null`, or where there is none a pipe without its other end.
fn nothing(direction: Direction) -> Stdio {
    if cfg!(unix)
        && !Path::new("/dev/null").exists()
        && let Ok((reader, writer)) = io::pipe()
    {
        return match direction {
            Direction::Read => reader.into(),
            Direction::Write => writer.into(),
        };
    }
    Stdio::null()
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

/// Ends this process when the thread that started it ends: what it does is for nobody else.
#[cfg(target_os = "linux")]
pub fn end_with_parent() {
    use nix::sys::prctl::set_pdeathsig;
    use nix::sys::signal::Signal;
    set_pdeathsig(Signal::SIGKILL).ok();
}

/// Other systems do not tell a process that its parent has ended.
#[cfg(not(target_os = "linux"))]
pub const fn end_with_parent() {}

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
    for fd in descriptors() {
        // The listing's own is closed by now.
        nix::unistd::close(fd).ok();
    }
}

/// The descriptors of this process besides its stdio, or all that it may have where the system lists none.
#[cfg(unix)]
fn descriptors() -> Vec<i32> {
    use nix::sys::resource::{Resource, getrlimit};
    /// Whoever allows more has /dev or /proc.
    const MOST: i32 = 65_536;
    let listed = ["/dev/fd", "/proc/self/fd"]
        .into_iter()
        .find_map(|directory| std::fs::read_dir(directory).ok());
    if let Some(listing) = listed {
        return listing
            .filter_map(|file| file.ok()?.file_name().to_str()?.parse().ok())
            .filter(|fd| *fd > 2)
            .collect();
    }
    let limit = getrlimit(Resource::RLIMIT_NOFILE).ok();
    let limit = limit.and_then(|(soft, _)| i32::try_from(soft).ok());
    (3..limit.map_or(MOST, |limit| limit.min(MOST))).collect()
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
