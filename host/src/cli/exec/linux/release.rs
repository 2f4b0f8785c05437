//! Letting go of what this process was started with, once the program has it: where the program closes its end of a
//! pipe or a socket, or a lock that it was given, somebody notices.

use std::fs::{self, File};

use nix::libc;
use nix::unistd::{close, dup2_stderr, dup2_stdin, dup2_stdout};

/// Closes all descriptors that this process was started with; its standard streams lead to `/dev/null` then, stderr
/// only where nothing is to be shown there.
pub(super) fn inherited(keep_stderr: bool) {
    if let Ok(listing) = fs::read_dir("/proc/self/fd") {
        let inherited: Vec<i32> = listing
            .filter_map(|file| file.ok()?.file_name().to_str()?.parse().ok())
            .filter(|fd| *fd > 2 && is_inherited(*fd))
            .collect();
        for fd in inherited {
            close(fd).ok();
        }
    }
    if let Ok(null) = File::options().read(true).write(true).open("/dev/null") {
        dup2_stdin(&null).ok();
        dup2_stdout(&null).ok();
        if !keep_stderr {
            dup2_stderr(&null).ok();
        }
    }
}

/// What this process has opened itself is closed in every program that it starts, and was not left open by who
/// started it.
fn is_inherited(fd: i32) -> bool {
    // SAFETY: it only asks about a descriptor, which need not be open.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
    flags != -1 && flags & libc::FD_CLOEXEC == 0
}
