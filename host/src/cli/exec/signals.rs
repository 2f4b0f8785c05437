//! The signals that end, stop or steer a program, held back and read one by one while it runs.
//!
//! They are blocked rather than handled: no disposition changes, so that what was ignored when this process was
//! started stays so for the program, and nothing ends this process before it has recorded the program's end.

use std::io;

use nix::sys::signal::{SigSet, Signal, raise};
use nix::unistd::Pid;

use super::disposition;

const HELD: [Signal; 11] = [
    Signal::SIGCHLD,
    Signal::SIGCONT,
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGTSTP,
    Signal::SIGTTIN,
    Signal::SIGTTOU,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

/// A signal that came, by what is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// A child ended, stopped or went on.
    FromChild,
    /// The terminal sent it to the whole process group: the program has got it.
    ForTheGroup,
    /// Somebody sent it to this process, and means the program.
    ForThisProcess { signal: Signal, sender: Option<Pid> },
}

/// Holds signals back until it is dropped. What came and was not read is gone then.
pub(super) struct Signals {
    as_found: SigSet,
    queue: queue::Queue,
}

impl Signals {
    pub(super) fn hold() -> io::Result<Self> {
        // Where SIGCHLD was ignored, as some daemons have it, the system would forget how the program ended.
        if disposition::is_ignored(Signal::SIGCHLD as i32) {
            disposition::set_default(Signal::SIGCHLD as i32);
        }
        let held: SigSet = HELD.into_iter().collect();
        let as_found = SigSet::thread_get_mask()?;
        held.thread_block()?;
        let queue = queue::Queue::of(held).inspect_err(|_| {
            as_found.thread_set_mask().ok();
        })?;
        Ok(Self { as_found, queue })
    }

    /// The signal mask before it was changed.
    pub(super) const fn as_found(&self) -> &SigSet {
        &self.as_found
    }

    /// Waits for the next signal.
    pub(super) fn next(&self) -> io::Result<Came> {
        self.queue.next()
    }
}

/// Stops this process by the signal that stopped the program, until it is continued.
pub(super) fn stop_by(signal: i32) {
    let Ok(signal) = Signal::try_from(signal) else {
        return;
    };
    // Raised while it is held back, it is one with what the terminal has sent already: this stops once.
    raise(signal).ok();
    if signal != Signal::SIGSTOP {
        let alone = SigSet::from(signal);
        alone.thread_unblock().ok();
        alone.thread_block().ok();
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.queue.clear();
        self.as_found.thread_set_mask().ok();
    }
}

/// Where the system does not say who sent a signal, those that terminals send are taken for the terminal's.
mod queue {
    use std::io;

    use nix::sys::signal::{SigSet, Signal};

    use super::Came;

    pub(super) struct Queue(SigSet);

    impl Queue {
        pub(super) fn of(held: SigSet) -> io::Result<Self> {
            Ok(Self(held))
        }

        pub(super) fn next(&self) -> io::Result<Came> {
            Ok(match self.0.wait()? {
                Signal::SIGCHLD => Came::FromChild,
                Signal::SIGINT
                | Signal::SIGQUIT
                | Signal::SIGTSTP
                | Signal::SIGTTIN
                | Signal::SIGTTOU => Came::ForTheGroup,
                signal => Came::ForThisProcess {
                    signal,
                    sender: None,
                },
            })
        }

        /// Without a look at what is pending it comes through when it is no longer held.
        pub(super) fn clear(&self) {}
    }
}
