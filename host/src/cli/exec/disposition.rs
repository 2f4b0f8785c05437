//! What this process does on a signal, by the signal's number: there are signals that have no name.

use std::mem::MaybeUninit;
use std::ptr;

use nix::libc::{self, c_int, sighandler_t};

/// Whether this process ignores the signal.
pub(super) fn is_ignored(signal: c_int) -> bool {
    handler(signal) == Some(libc::SIG_IGN)
}

/// Lets the system do what it does by default. It does nothing for the signals that are libc's own: those are so already.
pub(crate) fn set_default(signal: c_int) {
    set(signal, libc::SIG_DFL);
}

/// Ignores the signal.
#[cfg(target_os = "linux")]
pub(super) fn ignore(signal: c_int) {
    set(signal, libc::SIG_IGN);
}

/// Makes a write beyond the largest size of a file (`ulimit -f`) an error like any other, instead of the end of this
/// process. Programs that it starts are not concerned: what is handled here is not there, and what is ignored stays so.
pub(in crate::cli) fn survive_file_limits() {
    if !is_ignored(libc::SIGXFSZ) {
        let handler: extern "C" fn(c_int) = do_nothing;
        set(libc::SIGXFSZ, handler as sighandler_t);
    }
}

extern "C" fn do_nothing(_: c_int) {}

/// Lets the system do what it does by default, where a function of this process is called otherwise.
#[cfg(target_os = "linux")]
pub(super) fn drop_handler(signal: c_int) {
    if !matches!(handler(signal), Some(libc::SIG_IGN | libc::SIG_DFL)) {
        set_default(signal);
    }
}

fn handler(signal: c_int) -> Option<sighandler_t> {
    let mut found = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: without a new action it only writes the one that stands to `found`, and it has done so where it gives 0.
    unsafe {
        (libc::sigaction(signal, ptr::null(), found.as_mut_ptr()) == 0)
            .then(|| found.assume_init().sa_sigaction)
    }
}

fn set(signal: c_int, handler: sighandler_t) {
    // SAFETY: zeroes are a valid action without flags and with an empty mask. The only function that is ever
    // called by it does nothing, so that nothing can be interrupted at a bad moment.
    unsafe {
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = handler;
        libc::sigaction(signal, &raw const action, ptr::null_mut());
    }
}
