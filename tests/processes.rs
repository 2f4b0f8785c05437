//! What runs in a directory, by what `/proc` says.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use crate::support::AMPLE;

/// The processes whose working directory is this one, and what each of them was told to work at.
pub(crate) fn processes_in(directory: &Path) -> Vec<(u32, String)> {
    let directory = fs::canonicalize(directory).unwrap();
    let mut found = Vec::new();
    for process in fs::read_dir("/proc").unwrap() {
        let path = process.unwrap().path();
        let pid = path
            .file_name()
            .and_then(|name| name.to_str()?.parse().ok());
        let (Some(pid), Ok(cwd)) = (pid, fs::read_link(path.join("cwd"))) else {
            continue;
        };
        if cwd == directory {
            let environment = fs::read(path.join("environ")).unwrap_or_default();
            let task = environment
                .split(|byte| *byte == 0)
                .find_map(|variable| variable.strip_prefix(b"SWAMP_WORKER="))
                .unwrap_or_default();
            found.push((pid, String::from_utf8_lossy(task).into_owned()));
        }
    }
    found
}

/// Waits until no process works in the directory any more.
pub(crate) fn wait_until_nothing_runs_in(directory: &Path) {
    let limit = Instant::now() + AMPLE;
    loop {
        let running = processes_in(directory);
        if running.is_empty() {
            return;
        }
        assert!(Instant::now() < limit, "still running: {running:?}");
        // Processes that nobody waits for give no sign of their end.
        thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a signal to one process, if it is still there.
pub(crate) fn kill(pid: u32, signal: Signal) {
    signal::kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).ok();
}

/// Ends what still runs in a directory when the test does, even by a panic: what was stopped never ends itself.
pub(crate) struct NothingLeftIn(pub(crate) PathBuf);

impl Drop for NothingLeftIn {
    fn drop(&mut self) {
        for (pid, _) in processes_in(&self.0) {
            kill(pid, Signal::SIGKILL);
        }
    }
}
