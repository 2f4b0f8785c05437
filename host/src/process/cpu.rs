//! How long a thread computed, which tells a sender that computes from one that waits.

use std::time::{Duration, Instant};

/// Looks at the clocks when something begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch {
    began: Instant,
    computed: Option<Duration>,
    /// How long it had waited for a processor by then.
    delayed: Option<Duration>,
}

impl Stopwatch {
    /// Starts now, for this thread.
    pub(crate) fn start() -> Self {
        Self {
            began: Instant::now(),
            computed: thread_time(),
            delayed: thread_delay(),
        }
    }

    /// The processor time that this thread has used since. `None` where the system does not tell.
    pub(crate) fn computed(&self) -> Option<Duration> {
        let (now, before) = thread_time().zip(self.computed)?;
        Some(now.saturating_sub(before))
    }

    /// Whether this thread has rather computed than waited since. On a busy machine it waits for a processor as well,
    /// for whatever it is going to do: where the system tells how long, that is no waiting.
    pub(crate) fn was_busy(&self) -> bool {
        let Some(computed) = self.computed() else {
            return false;
        };
        let elapsed = self.began.elapsed();
        match thread_delay().zip(self.delayed) {
            Some((now, before)) => {
                computed * 2 > elapsed.saturating_sub(now.saturating_sub(before))
            }
            // Who waits computes for a hundredth of it at most.
            None => computed * 20 > elapsed,
        }
    }
}

/// How long this thread has waited for a processor so far: the second figure of its `schedstat`, in nanoseconds.
#[cfg(target_os = "linux")]
fn thread_delay() -> Option<Duration> {
    let figures = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let delay = figures.split_ascii_whitespace().nth(1)?;
    delay.parse().ok().map(Duration::from_nanos)
}

/// How long this thread has waited for a processor so far.
#[cfg(not(target_os = "linux"))]
const fn thread_delay() -> Option<Duration> {
    None
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
