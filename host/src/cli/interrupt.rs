//! Ctrl-C: the command ends at the next good moment, and says what is left.

#[cfg(target_os = "linux")]
use std::io::{self, PipeWriter};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
#[cfg(target_os = "linux")]
use std::thread::{self, JoinHandle};

#[cfg(unix)]
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
#[cfg(target_os = "linux")]
use nix::sys::signalfd::{SfdFlags, SignalFd};
#[cfg(target_os = "linux")]
use rustix::event::{PollFd, PollFlags, Timespec, poll};
#[cfg(target_os = "linux")]
use swamp::process::children;

use super::error::{CommandError, ErrorKind};

/// Whether the user has asked the command to stop, by Ctrl-C, SIGTERM or SIGHUP.
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Watches from now on. A process does so once.
    ///
    /// # Errors
    ///
    /// When the system does not take a handler.
    pub(crate) fn watch() -> Result<Self, CommandError> {
        let requested = Arc::new(AtomicBool::new(false));
        let request = Arc::clone(&requested);
        let asked = move || {
            request.store(true, Ordering::Relaxed);
            // Where this process alone was asked, what it waits for has not been.
            #[cfg(target_os = "linux")]
            children::interrupt();
        };
        ctrlc::set_handler(asked).map_err(|error| {
            CommandError::msg(
                ErrorKind::Io,
                format!("could not watch for Ctrl-C: {error}"),
            )
        })?;
        Ok(Self(requested))
    }

    /// Asks it to stop, as Ctrl-C does.
    pub(crate) fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Holds Ctrl-C back for as long as it lives. What this process waits for ends at it, and this process once it has
/// removed what that leaves behind.
pub(crate) struct HeldBack {
    #[cfg(unix)]
    before: Option<SigSet>,
    #[cfg(target_os = "linux")]
    passing_on: Option<PassingOn>,
}

impl HeldBack {
    /// From now on, in this thread and those that it starts.
    pub(crate) fn start() -> Self {
        #[cfg(unix)]
        let before = SigSet::from(Signal::SIGINT)
            .thread_swap_mask(SigmaskHow::SIG_BLOCK)
            .ok();
        Self {
            #[cfg(unix)]
            before,
            #[cfg(target_os = "linux")]
            passing_on: PassingOn::start().ok(),
        }
    }
}

/// A thread that looks whether SIGINT has come to this process, and leaves it there, but sends it to what this process
/// waits for: somebody may have sent it to this process alone.
#[cfg(target_os = "linux")]
struct PassingOn {
    thread: Option<JoinHandle<()>>,
    /// Dropped, it ends the thread.
    end: Option<PipeWriter>,
}

#[cfg(target_os = "linux")]
impl PassingOn {
    /// How often it is sent: a process that is just being started gets it a moment later.
    const AGAIN: Timespec = Timespec {
        tv_sec: 0,
        tv_nsec: 20_000_000,
    };

    fn start() -> io::Result<Self> {
        let sigint = SignalFd::with_flags(&SigSet::from(Signal::SIGINT), SfdFlags::SFD_CLOEXEC)?;
        let (ended, end) = io::pipe()?;
        let passes_on = move || {
            let mut ready = [
                PollFd::new(&sigint, PollFlags::IN),
                PollFd::new(&ended, PollFlags::empty()),
            ];
            while poll(&mut ready, None).is_ok() && ready[1].revents().is_empty() {
                children::interrupt();
                let mut end = [PollFd::new(&ended, PollFlags::empty())];
                poll(&mut end, Some(&Self::AGAIN)).ok();
            }
        };
        let thread = thread::Builder::new()
            .name("ctrl-c".into())
            .spawn(passes_on)?;
        Ok(Self {
            thread: Some(thread),
            end: Some(end),
        })
    }
}

#[cfg(target_os = "linux")]
impl Drop for PassingOn {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

#[cfg(unix)]
impl Drop for HeldBack {
    fn drop(&mut self) {
        #[cfg(target_os = "linux")]
        drop(self.passing_on.take());
        if let Some(before) = self.before {
            before.thread_set_mask().ok();
        }
    }
}
