//! Starting the flush of what a command has recorded.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tracing::debug;

use crate::process::worker::{Program, WorkerTask};
use crate::spool::FileSpool;

/// The environment variable that says who waits for the flush.
pub use crate::domain::variables::FLUSH as FLUSH_VARIABLE;

/// The environment variable that sets the level of the log.
pub use crate::domain::variables::LOG_LEVEL as LOG_VARIABLE;

/// How long a flush is waited for: its own 5 seconds, and a moment to start and to end.
const INLINE_LIMIT: Duration = Duration::from_millis(5_500);

/// Who waits for the flush of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushMode {
    /// Nobody.
    Background,
    /// The command.
    Inline,
    /// There is none: what was recorded waits for a later one.
    Off,
}

impl FlushMode {
    /// The mode that the value of [`FLUSH_VARIABLE`] names.
    #[must_use]
    pub fn parse(value: Option<&OsStr>) -> Self {
        match value.and_then(OsStr::to_str) {
            Some("inline") => Self::Inline,
            Some("off") => Self::Off,
            _ => Self::Background,
        }
    }
}

/// Starts the flush of the repository at `root` in a process of its own, and waits for it where `mode` says so. `log` is
/// the level at which that process logs to this one's stderr: a failure is to be seen then, so that it is waited for
/// as well. Where another flush is at work already, nothing is started.
///
/// # Errors
///
/// When no process could be started. What was recorded waits for a later flush.
pub fn start(
    program: &Program,
    root: &Path,
    spool: &FileSpool,
    mode: FlushMode,
    log: Option<&str>,
) -> io::Result<()> {
    if mode == FlushMode::Off {
        return Ok(());
    }
    // A lock that cannot be had at all is the flush's to report.
    if matches!(spool.try_lock(), Ok(None)) {
        debug!("another flush is at work");
        return Ok(());
    }
    if mode == FlushMode::Background && log.is_none() {
        return program.detach(WorkerTask::Flush, root);
    }
    let mut command = program.command(WorkerTask::Flush);
    command.current_dir(root);
    if let Some(level) = log {
        command.env(LOG_VARIABLE, level).stderr(Stdio::inherit());
    }
    wait(command.spawn()?)
}

/// A flush that outlasts the limit goes on alone.
fn wait(mut child: Child) -> io::Result<()> {
    let (done, ended) = mpsc::channel();
    let wait = move || {
        child.wait().ok();
        done.send(()).ok();
    };
    thread::Builder::new()
        .name("flush-waiter".into())
        .spawn(wait)?;
    ended.recv_timeout(INLINE_LIMIT).ok();
    Ok(())
}
