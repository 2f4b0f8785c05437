//! Writing in a program that may write no more (`ulimit -f`): the system sends SIGXFSZ to the thread, which ends the
//! program by default.
//!
//! Dispositions are the whole program's, and its own business. So the signal is held back in this thread for the while,
//! and what has come of it is taken away before it is let through again.

use std::mem::MaybeUninit;

use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, Signal};

/// While it lives, no write of this thread ends the program.
pub(super) struct FileLimit {
    /// The mask of before, unless the signal is the program's to take.
    before: Option<SigSet>,
}

impl FileLimit {
    /// From now on.
    pub(super) fn outlive() -> Self {
        // One that is waiting already is for whoever holds it back.
        let before = if is_pending() {
            None
        } else {
            only().thread_swap_mask(SigmaskHow::SIG_BLOCK).ok()
        };
        Self { before }
    }
}

impl Drop for FileLimit {
    fn drop(&mut self) {
        let Some(before) = &self.before else { return };
        if is_pending() {
            only().wait().ok();
        }
        before.thread_set_mask().ok();
    }
}

fn only() -> SigSet {
    SigSet::from(Signal::SIGXFSZ)
}

/// Whether the signal waits for this thread or for the program to let it through.
#[expect(
    unsafe_code,
    reason = "no safe wrapper asks what is pending, and waiting for a signal that is not blocks"
)]
fn is_pending() -> bool {
    let mut pending = MaybeUninit::uninit();
    // SAFETY: the system writes the set, and has done so where it gives 0.
    unsafe {
        libc::sigpending(pending.as_mut_ptr()) == 0
            && libc::sigismember(pending.as_ptr(), libc::SIGXFSZ) == 1
    }
}
