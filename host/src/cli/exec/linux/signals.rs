//! The signals that come to this process while the program runs: held back, and read one by one.
//!
//! They are blocked rather than handled: no disposition changes, what the kernel would drop for the first process of a
//! container is kept, and nothing ends this process before it has recorded the program's end.
//!
//! | signal | what becomes of it |
//! | --- | --- |
//! | SIGKILL | ends this process, and the program by the [`witness`](super::witness) |
//! | SIGSTOP | stops this process |
//! | SIGCHLD of a child | the program has ended, was stopped, or goes on |
//! | 32, 33 | libc's own: they end this process as any other, and the program as SIGKILL does |
//! | one that this process causes itself: SIGPIPE, SIGXFSZ | nothing |
//! | every other, SIGCONT and those without a name too | the program's: see [`forward`](super::forward) |

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::libc::{self, c_int};
use nix::sys::signal::{SigSet, Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use nix::unistd::getpid;

use super::super::disposition;

/// A signal that came to this process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrived {
    pub(super) signal: c_int,
    code: c_int,
    sender: c_int,
    value: u64,
}

impl Arrived {
    const fn of(info: &siginfo) -> Self {
        Self {
            signal: info.ssi_signo.cast_signed(),
            code: info.ssi_code,
            sender: info.ssi_pid.cast_signed(),
            value: info.ssi_ptr,
        }
    }

    #[cfg(test)]
    pub(super) const fn from_process(signal: c_int, sender: c_int) -> Self {
        Self {
            signal,
            code: libc::SI_USER,
            sender,
            value: 0,
        }
    }

    #[cfg(test)]
    pub(super) const fn from_kernel(signal: c_int) -> Self {
        Self {
            code: libc::SI_KERNEL,
            ..Self::from_process(signal, 0)
        }
    }

    /// Whether it tells of a child's state.
    pub(super) const fn is_of_a_child(&self) -> bool {
        // What a process sends has a code of none or below.
        self.signal == libc::SIGCHLD && self.code > 0 && self.code != libc::SI_KERNEL
    }

    pub(super) const fn is_of_the_kernel(&self) -> bool {
        self.code == libc::SI_KERNEL
    }

    pub(super) fn is_of_this_process(&self) -> bool {
        self.is_of(getpid().as_raw())
    }

    pub(super) const fn is_of(&self, process: c_int) -> bool {
        self.code <= 0 && self.sender == process
    }

    /// Sends it on, with the value that it came with.
    pub(super) fn send_to(&self, process: c_int) {
        let value = libc::sigval {
            sival_ptr: std::ptr::with_exposed_provenance_mut(
                usize::try_from(self.value).unwrap_or_default(),
            ),
        };
        // SAFETY: both take numbers only; nothing is read through the value's pointer here. By numbers, since some
        // signals have no name.
        unsafe {
            if self.code == libc::SI_QUEUE {
                libc::sigqueue(process, self.signal, value);
            } else {
                libc::kill(process, self.signal);
            }
        }
    }
}

/// Holds back all signals that can be.
pub(super) struct Signals {
    as_found: SigSet,
    ignores_children: bool,
    queue: SignalFd,
}

impl Signals {
    pub(super) fn hold() -> io::Result<Self> {
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let queue = SignalFd::with_flags(&SigSet::all(), flags)?;
        let as_found = SigSet::all().thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_SETMASK)?;
        // Where it is ignored, as some daemons have it, the kernel would forget how the program ended.
        let ignores_children = disposition::is_ignored(libc::SIGCHLD);
        if ignores_children {
            disposition::set_default(libc::SIGCHLD);
        }
        Ok(Self {
            as_found,
            ignores_children,
            queue,
        })
    }

    /// The signal mask before it was changed.
    pub(super) const fn mask_as_found(&self) -> &SigSet {
        &self.as_found
    }

    /// Whether SIGCHLD was ignored.
    pub(super) const fn ignored_children(&self) -> bool {
        self.ignores_children
    }

    /// The next of those that have come.
    pub(super) fn next(&self) -> io::Result<Option<Arrived>> {
        loop {
            match self.queue.read_signal() {
                Ok(info) => return Ok(info.as_ref().map(Arrived::of)),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Puts everything back as it was found.
    pub(super) fn release(&self) {
        if self.ignores_children {
            disposition::ignore(libc::SIGCHLD);
        }
        self.as_found.thread_set_mask().ok();
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}

/// Stops this process by the signal that stopped the program, until it is continued.
pub(super) fn stop_by(signal: c_int) {
    let signal = match Signal::try_from(signal) {
        Ok(signal) if !disposition::is_ignored(signal as c_int) => signal,
        _ => Signal::SIGSTOP,
    };
    // Raised while it is held back, it is one with what the terminal has sent already: this stops once.
    raise(signal).ok();
    if signal != Signal::SIGSTOP {
        let alone = SigSet::from(signal);
        alone.thread_unblock().ok();
        alone.thread_block().ok();
    }
}
