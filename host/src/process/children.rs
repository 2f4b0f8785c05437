//! The processes that this one has started and waits for.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Sends SIGINT to each of them, as Ctrl-C at a terminal does. To none where the kernel does not list them.
pub fn interrupt() {
    let threads = fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    for thread in threads {
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        for child in children
            .split_whitespace()
            .filter_map(|child| child.parse().ok())
        {
            kill(Pid::from_raw(child), Signal::SIGINT).ok();
        }
    }
}
