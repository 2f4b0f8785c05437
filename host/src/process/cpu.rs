//! How long a thread computed, which tells a sender that computes from one that waits.

use std::time::{Duration, Instant};

/// Looks at the clocks when something begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch {
    began: Instant,
    computed: Option<Duration>,
}

impl Stopwatch {
    /// Starts now, for this thread.
    pub(crate) fn start() -> Self {
        Self {
            began: Instant::now(),
            computed: thread_time(),
        }
    }

    /// The processor time that this thread has used since. `None` where the system does not tell.
    pub(crate) fn computed(&self) -> Option<Duration> {
        let (now, before) = thread_time().zip(self.computed)?;
        Some(now.saturating_sub(before))
    }

    /// Whether this thread has computed all the time since, as far as it was let: a machine that is busy gives each
    /// only a share. Who waits computes for a hundredth of it at most.
    pub(crate) fn was_busy(&self) -> bool {
        const SHARE: u32 = 20;
        self.computed()
            .is_some_and(|computed| computed * SHARE > self.began.elapsed())
    }
}

/// The processor time that this thread has used so far.
#[cfg(unix)]
fn thread_time() -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).ok()
}

/// The processor time that this thread has used so far.
#[cfg(not(unix))]
const fn thread_time() -> Option<Duration> {
    None
}
