//! How long a thread computed, which tells a sender that computes from one that waits.

use std::thread::{self, ThreadId};
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
}

/// Tells whether a thread computed or waited, one time after the other. What it asks the system with stays open: to open
/// it for each batch would take a tenth of a batch's time.
#[derive(Debug, Default)]
pub(crate) struct Busyness {
    beginning: Option<Beginning>,
    delays: Option<Delays>,
}

#[derive(Debug)]
struct Beginning {
    thread: ThreadId,
    stopwatch: Stopwatch,
    /// How long the thread had waited for a processor by then.
    delayed: Option<Duration>,
}

/// A time that begins within this part of its limit after the one before is measured from there: what was done in
/// between does not matter, and to look at the clocks takes a twentieth of a batch's time.
const NEGLIGIBLE: u32 = 64;

impl Busyness {
    /// Begins a time of at most `limit`, of this thread.
    pub(crate) fn begin(&mut self, limit: Duration) {
        let thread = thread::current().id();
        let same = (self.beginning.as_ref()).filter(|beginning| beginning.thread == thread);
        match same {
            Some(same) if same.stopwatch.began.elapsed() < limit / NEGLIGIBLE => return,
            Some(_) => {}
            None => self.delays = Delays::of_this_thread(),
        }
        self.beginning = Some(Beginning {
            thread,
            delayed: self.delayed(),
            stopwatch: Stopwatch::start(),
        });
    }

    /// Whether this thread has rather computed than waited since. On a busy machine it waits for a processor as well,
    /// for whatever it is going to do: where the system tells how long, that is no waiting.
    pub(crate) fn was_busy(&self) -> bool {
        let Some((beginning, computed)) = (self.beginning.as_ref())
            .and_then(|beginning| Some((beginning, beginning.stopwatch.computed()?)))
        else {
            return false;
        };
        let elapsed = beginning.stopwatch.began.elapsed();
        match self.delayed().zip(beginning.delayed) {
            Some((now, before)) => {
                computed * 2 > elapsed.saturating_sub(now.saturating_sub(before))
            }
            // Who waits computes for a hundredth of it at most.
            None => computed * 20 > elapsed,
        }
    }

    fn delayed(&self) -> Option<Duration> {
        self.delays.as_ref()?.so_far()
    }
}

#[cfg(target_os = "linux")]
use linux::Delays;

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::File;
    use std::os::unix::fs::FileExt as _;
    use std::time::Duration;

    /// More than the three numbers of a `schedstat` take up.
    const FIGURES: usize = 96;

    /// How long a thread waits for a processor.
    #[derive(Debug)]
    pub(super) struct Delays(File);

    impl Delays {
        pub(super) fn of_this_thread() -> Option<Self> {
            File::open("/proc/thread-self/schedstat").ok().map(Self)
        }

        /// The second figure, in nanoseconds.
        pub(super) fn so_far(&self) -> Option<Duration> {
            let mut figures = [0; FIGURES];
            let length = self.0.read_at(&mut figures, 0).ok()?;
            let figures = std::str::from_utf8(&figures[..length]).ok()?;
            let delay = figures.split_ascii_whitespace().nth(1)?;
            delay.parse().ok().map(Duration::from_nanos)
        }
    }
}

/// How long a thread waits for a processor: not told here.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
enum Delays {}

#[cfg(not(target_os = "linux"))]
impl Delays {
    const fn of_this_thread() -> Option<Self> {
        None
    }

    const fn so_far(&self) -> Option<Duration> {
        match *self {}
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
