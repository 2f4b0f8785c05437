//! Ending as the program has ended.

use std::mem::MaybeUninit;
use std::process;
use std::ptr;

use nix::libc::{self, c_int};

use super::{Ended, disposition};

/// Ends this process as the program has ended: with its exit code, or by the signal that ended it.
pub(super) fn end_as(ended: Ended) -> ! {
    if let Ended::Killed(signal) = ended {
        forbid_core();
        disposition::set_default(signal);
        unblock(signal);
        // SAFETY: it takes numbers only. By its number, since some signals have no name.
        unsafe { libc::kill(libc::getpid(), signal) };
    }
    // The first process of a container survives signals.
    process::exit(ended.exit_code())
}

/// The program has left its core already, if it was to. A limit of no bytes would not be enough: where the kernel pipes
/// cores to a program, it does not look at the limit.
fn forbid_core() {
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_dumpable(false).ok();
    #[cfg(not(target_os = "linux"))]
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0).ok();
}

fn unblock(signal: c_int) {
    // SAFETY: `sigemptyset` makes the set a valid one before anything reads it.
    unsafe {
        let mut alone = MaybeUninit::uninit();
        libc::sigemptyset(alone.as_mut_ptr());
        libc::sigaddset(alone.as_mut_ptr(), signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, alone.as_ptr(), ptr::null_mut());
    }
}
