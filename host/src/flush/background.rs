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

/// What a command leaves to be done in a process of its own.
#[derive(Clone, Copy, Debug)]
pub struct Background<'a> {
    /// The program.
    pub program: &'a Program,
    /// The repository.
    pub root: &'a Path,
    /// Its spool.
    pub spool: &'a FileSpool,
}

impl Background<'_> {
    /// Starts the flush, and waits for it where `mode` says so. `log` is the level at which it logs to this process's
    /// stderr: a failure is to be seen then, so that it is waited for as well.
    ///
    /// A command that failed is flushed only where nothing later would: inline. Where there is no flush, `remember` notes
    /// that entries wait, and what has expired may be removed.
    ///
    /// # Errors
    ///
    /// When no process could be started. What was recorded waits for a later flush.
    pub fn start(
        self,
        mode: FlushMode,
        succeeded: bool,
        log: Option<&str>,
        remember: impl FnOnce(),
    ) -> io::Result<()> {
        match mode {
            FlushMode::Inline => self.wait(log),
            FlushMode::Background if succeeded && log.is_some() => self.wait(log),
            // A lock that cannot be had at all is the flush's to report.
            FlushMode::Background if succeeded && matches!(self.spool.try_lock(), Ok(None)) => {
                debug!("another flush is running");
                // It may have listed already what it sends.
                remember();
                Ok(())
            }
            FlushMode::Background if succeeded => self
                .program
                .detach(WorkerTask::Flush, self.root)
                .inspect_err(|_| remember()),
            FlushMode::Background | FlushMode::Off => {
                remember();
                self.clean_up()
            }
        }
    }

    /// Starts a clean-up of the spool where one is due.
    ///
    /// # Errors
    ///
    /// When no process could be started.
    pub fn clean_up(self) -> io::Result<()> {
        if self.spool.is_clean_up_due() {
            self.program.detach(WorkerTask::CleanUp, self.root)?;
        }
        Ok(())
    }

    fn wait(self, log: Option<&str>) -> io::Result<()> {
        let mut command = self.program.command(WorkerTask::Flush);
        command.current_dir(self.root);
        if let Some(level) = log {
            command.env(LOG_VARIABLE, level).stderr(Stdio::inherit());
        }
        wait(command.spawn()?)
    }
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
