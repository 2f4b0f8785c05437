//! One thread that does what is due.

use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::domain::Deadline;

/// Starts alarms. They share one thread, which is started when the first of them is set and lives as long as the timer
/// or one of its alarms.
#[derive(Clone, Debug, Default)]
pub struct Timer(Arc<Owner>);

/// Something to be done at a deadline, whatever the thread that sets it is doing by then.
#[derive(Debug)]
pub struct Alarm {
    owner: Arc<Owner>,
    index: usize,
}

/// The state that all users of the thread share. The thread ends with the last of them.
#[derive(Debug, Default)]
struct Owner(Arc<Clock>);

/// What they share with the thread.
#[derive(Default)]
struct Clock {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    tasks: Vec<Slot>,
    /// Until when the thread sleeps by itself. `None` while it waits to be told.
    sleeps_until: Option<Deadline>,
    is_running: bool,
    is_over: bool,
}

struct Slot {
    due: Option<Deadline>,
    action: Box<dyn FnMut() + Send>,
}

impl Timer {
    /// An alarm that is not set yet. At its deadline it does `action`, which must be short: the others wait for it.
    #[must_use]
    pub fn alarm(&self, action: impl FnMut() + Send + 'static) -> Alarm {
        let mut state = self.0.0.state();
        state.tasks.push(Slot {
            due: None,
            action: Box::new(action),
        });
        Alarm {
            owner: Arc::clone(&self.0),
            index: state.tasks.len() - 1,
        }
    }
}

impl Alarm {
    /// Sets it to `deadline`, and to no other.
    ///
    /// # Errors
    ///
    /// When no thread could be started.
    pub fn set(&self, deadline: Deadline) -> io::Result<()> {
        let clock = &self.owner.0;
        let mut state = clock.state();
        if !state.is_running {
            let clock = Arc::clone(clock);
            thread::Builder::new()
                .name("timer".into())
                .spawn(move || clock.run())?;
            state.is_running = true;
        }
        state.set(self.index, Some(deadline));
        // A thread that wakes before the deadline sees it then, and is spared being woken for every batch.
        let wakes_in_time = state
            .sleeps_until
            .is_some_and(|until| until.instant() <= deadline.instant());
        if !wakes_in_time {
            clock.changed.notify_one();
        }
        Ok(())
    }

    /// Does nothing any more until it is set again. Its action is not being done when this comes back.
    pub fn clear(&self) {
        self.owner.0.state().set(self.index, None);
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.state().is_over = true;
        self.0.changed.notify_one();
    }
}

impl State {
    fn set(&mut self, index: usize, due: Option<Deadline>) {
        if let Some(task) = self.tasks.get_mut(index) {
            task.due = due;
        }
    }
}

impl Clock {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one assignment, so a panic leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut state = self.state();
        while !state.is_over {
            for task in &mut state.tasks {
                if task.due.is_some_and(Deadline::has_passed) {
                    task.due = None;
                    (task.action)();
                }
            }
            let due = state.tasks.iter().filter_map(|task| task.due);
            state.sleeps_until = due.min_by_key(|due| due.instant());
            state = match state.sleeps_until {
                None => self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(due) => {
                    let waited = self.changed.wait_timeout(state, due.remaining());
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    const LATER: Duration = Duration::from_hours(1);
    const SOON: Duration = Duration::from_millis(20);

    #[test]
    fn alarms_of_one_timer_go_off_each_at_its_own_deadline() {
        let timer = Timer::default();
        let (went_off, events) = mpsc::channel();
        let alarm = |name: &'static str| {
            let went_off = went_off.clone();
            timer.alarm(move || went_off.send(name).unwrap())
        };
        let (first, second, never) = (alarm("first"), alarm("second"), alarm("never"));
        never.set(Deadline::after(SOON)).unwrap();
        never.clear();
        second.set(Deadline::after(LATER)).unwrap();
        first.set(Deadline::after(SOON)).unwrap();
        assert_eq!(events.recv(), Ok("first"));
        second.set(Deadline::after(SOON)).unwrap();
        assert_eq!(events.recv(), Ok("second"));
        first.set(Deadline::after(SOON)).unwrap();
        first.set(Deadline::after(LATER)).unwrap();
        second.set(Deadline::after(SOON)).unwrap();
        assert_eq!(events.recv(), Ok("second"));
        drop((first, second, never, timer));
        drop(went_off);
        assert_eq!(events.recv(), Err(mpsc::RecvError), "the thread has ended");
    }
}
