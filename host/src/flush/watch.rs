//! The watch over a flush: whatever hangs, the process ends, and with it the lock.

use std::io;

use tracing::debug;

use crate::process::timer::Timer;
use crate::process::watchdog::Watchdog;
use crate::sender::limits;

/// Ends this process when a flush, or a batch of it, takes longer than [`limits::WATCHDOG`] besides compiling.
///
/// It starts before anything of the repository is opened.
#[derive(Debug)]
pub struct Watch {
    timer: Timer,
    watchdog: Watchdog,
}

impl Watch {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// When no thread could be started.
    pub fn start() -> io::Result<Self> {
        let timer = Timer::default();
        let last_words = || debug!("the flush hung and was ended");
        let watchdog = Watchdog::start(&timer, limits::WATCHDOG, last_words)?;
        Ok(Self { timer, watchdog })
    }

    /// The time begins anew.
    pub(super) fn reset(&self) {
        self.watchdog.reset();
    }

    /// The time begins anew, and compiling counts beside it.
    pub(super) fn allow_compiling(&self) {
        self.watchdog.allow(limits::COMPILE_TIME);
    }

    /// The timer whose thread it shares.
    pub(super) const fn timer(&self) -> &Timer {
        &self.timer
    }
}
