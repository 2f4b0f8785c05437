//! Ctrl-C: the command ends at the next good moment, and says what is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(unix)]
use nix::sys::signal::{SigSet, SigmaskHow, Signal};

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
        ctrlc::set_handler(move || request.store(true, Ordering::Relaxed)).map_err(|error| {
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
}

impl HeldBack {
    /// From now on, in this thread and those that it starts.
    pub(crate) fn start() -> Self {
        Self {
            #[cfg(unix)]
            before: SigSet::from(Signal::SIGINT)
                .thread_swap_mask(SigmaskHow::SIG_BLOCK)
                .ok(),
        }
    }
}

#[cfg(unix)]
impl Drop for HeldBack {
    fn drop(&mut self) {
        if let Some(before) = self.before {
            before.thread_set_mask().ok();
        }
    }
}
