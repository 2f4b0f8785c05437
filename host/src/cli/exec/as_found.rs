//! What this process was started with and Rust's runtime changes before `main`: it ignores SIGPIPE, and opens
//! `/dev/null` where a standard stream is closed. A program that is run has no part in that.

use std::sync::atomic::{AtomicBool, Ordering};

use nix::libc::{self, c_int};

use super::disposition;

static IGNORES_PIPE: AtomicBool = AtomicBool::new(false);
static CLOSED: [AtomicBool; 3] = [const { AtomicBool::new(false) }; 3];

// SAFETY: the loader calls what is in this section before `main`, one after the other, as functions of this signature,
// and ignores the arguments that a function does not take. `look` needs nothing of Rust's runtime.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = look;

extern "C" fn look() {
    IGNORES_PIPE.store(disposition::is_ignored(libc::SIGPIPE), Ordering::Relaxed);
    for (stream, closed) in (0..).zip(&CLOSED) {
        // SAFETY: it only asks about a descriptor, which need not be open.
        let flags = unsafe { libc::fcntl(stream, libc::F_GETFD) };
        closed.store(flags == -1, Ordering::Relaxed);
    }
}

/// Whether this process was started with SIGPIPE ignored.
pub(super) fn ignores_pipe() -> bool {
    IGNORES_PIPE.load(Ordering::Relaxed)
}

/// The standard streams that this process was started without.
pub(super) fn closed_streams() -> impl Iterator<Item = c_int> {
    let closed =
        |(stream, closed): (c_int, &AtomicBool)| closed.load(Ordering::Relaxed).then_some(stream);
    (0..).zip(&CLOSED).filter_map(closed)
}
