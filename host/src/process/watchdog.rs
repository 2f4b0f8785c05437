//! The end of a process that hangs.

use std::io;
use std::process;
use std::time::Duration;

use super::timer::{Alarm, Timer};
use super::worker::OUT_OF_TIME;
use crate::domain::Deadline;

/// Ends this process when too long a time passes between two signs of life, whatever its other threads are
/// doing by then. Dropping it ends the watch.
#[derive(Debug)]
pub struct Watchdog {
    limit: Duration,
    alarm: Alarm,
}

impl Watchdog {
    /// A watchdog that waits `limit` for the first sign of life, and for each one after it. It calls `last_words`
    /// before it ends the process with [`OUT_OF_TIME`].
    ///
    /// # Errors
    ///
    /// When no thread could be started.
    pub fn start(
        timer: &Timer,
        limit: Duration,
        last_words: impl Fn() + Send + 'static,
    ) -> io::Result<Self> {
        let alarm = timer.alarm(move || {
            last_words();
            process::exit(OUT_OF_TIME);
        });
        let watchdog = Self { limit, alarm };
        watchdog.await_sign(Duration::ZERO)?;
        Ok(watchdog)
    }

    /// Tells that all is well.
    pub fn reset(&self) {
        self.allow(Duration::ZERO);
    }

    /// Tells that all is well, and that the next sign of life may take longer than others, by this much.
    pub fn allow(&self, longer: Duration) {
        // That fails only where it is the first: the thread runs.
        self.await_sign(longer).ok();
    }

    fn await_sign(&self, longer: Duration) -> io::Result<()> {
        self.alarm.set(Deadline::after(self.limit + longer))
    }
}
