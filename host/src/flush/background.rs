//! Starting a flush for a command that does not want to wait for it.

use std::io;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::process::worker::{Program, Task};
use crate::spool::FileSpool;

/// Starts the flush of the repository at `root` in a process of its own, and leaves it. `false` where another
/// flusher is at work already: nothing is started then.
///
/// # Errors
///
/// When no process could be started. What was recorded waits for a later flush.
pub fn start(program: &Program, root: &Path, spool: &FileSpool) -> io::Result<bool> {
    if is_taken(spool) {
        return Ok(false);
    }
    program.detach(Task::Flush, root)?;
    Ok(true)
}

/// Starts the flush as [`start`] does, and waits for it up to `limit`. `log` is the level at which it logs to this
/// process's stderr, if it is to.
///
/// # Errors
///
/// As [`start`].
pub fn run(
    program: &Program,
    root: &Path,
    spool: &FileSpool,
    log: Option<(&str, &str)>,
    limit: Duration,
) -> io::Result<bool> {
    if is_taken(spool) {
        return Ok(false);
    }
    let mut command = program.command(Task::Flush);
    command.current_dir(root);
    if let Some((variable, level)) = log {
        command.env(variable, level).stderr(Stdio::inherit());
    }
    wait(command.spawn()?, limit)?;
    Ok(true)
}

fn is_taken(spool: &FileSpool) -> bool {
    // A lock that cannot be had at all is the flusher's to report.
    matches!(spool.try_lock(), Ok(None))
}

/// A flush that outlasts the limit goes on alone.
fn wait(mut child: Child, limit: Duration) -> io::Result<()> {
    let (done, ended) = mpsc::channel();
    let wait = move || {
        child.wait().ok();
        done.send(()).ok();
    };
    thread::Builder::new()
        .name("flush-waiter".into())
        .spawn(wait)?;
    ended.recv_timeout(limit).ok();
    Ok(())
}
