//! Interrupts a guest that computes past its deadline.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use wasmtime::Engine;

use crate::domain::Deadline;

/// Advances the engine's epoch at the deadline that is set.
///
/// Async timeouts end a guest that waits in the host, but never one that computes: that one is interrupted
/// from another thread. There is one such thread for all batches, which are shorter than it takes to start one.
pub(super) struct Alarm {
    engine: Engine,
    clock: Option<Arc<Clock>>,
}

/// What the thread and its owner share.
#[derive(Default)]
struct Clock {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    deadline: Option<Deadline>,
    /// Until when the thread sleeps by itself. `None` while it waits to be told.
    sleeps_until: Option<Deadline>,
    over: bool,
}

/// A deadline that is set, until it is dropped.
pub(super) struct Set<'a>(&'a Clock);

impl Alarm {
    pub(super) const fn new(engine: Engine) -> Self {
        Self {
            engine,
            clock: None,
        }
    }

    /// Sets the deadline.
    ///
    /// # Errors
    ///
    /// When no thread could be started.
    pub(super) fn set(&mut self, deadline: Deadline) -> io::Result<Set<'_>> {
        let clock = match self.clock.take() {
            Some(clock) => clock,
            None => start(self.engine.clone())?,
        };
        let clock = self.clock.insert(clock);
        clock.set(deadline);
        Ok(Set(clock))
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(clock) = &self.clock {
            clock.state().over = true;
            clock.changed.notify_one();
        }
    }
}

/// The thread cannot be in the middle of an interruption then, so that a late one never meets the next batch.
impl Drop for Set<'_> {
    fn drop(&mut self) {
        self.0.state().deadline = None;
    }
}

fn start(engine: Engine) -> io::Result<Arc<Clock>> {
    let clock = Arc::new(Clock::default());
    let watched = Arc::clone(&clock);
    thread::Builder::new()
        .name("sender-alarm".into())
        .spawn(move || watched.watch(&engine))?;
    Ok(clock)
}

impl Clock {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one assignment: whoever panicked left nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, deadline: Deadline) {
        let mut state = self.state();
        state.deadline = Some(deadline);
        // A thread that wakes before the deadline sees it then, and is spared being woken for every batch.
        let wakes_in_time = state
            .sleeps_until
            .is_some_and(|until| until.instant() <= deadline.instant());
        if !wakes_in_time {
            self.changed.notify_one();
        }
    }

    fn watch(&self, engine: &Engine) {
        let mut state = self.state();
        while !state.over {
            state.sleeps_until = state.deadline;
            let Some(deadline) = state.deadline else {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.remaining();
            if left.is_zero() {
                state.deadline = None;
                engine.increment_epoch();
            } else {
                state = self
                    .changed
                    .wait_timeout(state, left)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wasmtime::{Instance, Module, Store, Trap};

    use super::super::engine;
    use super::*;

    #[test]
    fn each_batch_is_interrupted_at_its_own_deadline() {
        const LATER: Duration = Duration::from_hours(1);
        const SOON: Duration = Duration::from_millis(20);
        let engine = engine::engine().unwrap();
        let wat = r#"(module (func (export "compute") (loop br 0)))"#;
        let module = Module::new(&engine, wat::parse_str(wat).unwrap()).unwrap();
        let mut alarm = Alarm::new(engine.clone());
        for limit in [SOON, LATER, SOON, SOON, LATER, LATER, SOON] {
            let mut store = Store::new(&engine, ());
            store.set_epoch_deadline(1);
            let set = alarm.set(Deadline::after(limit)).unwrap();
            if limit == SOON {
                let instance = Instance::new(&mut store, &module, &[]).unwrap();
                let compute = instance.get_typed_func::<(), ()>(&mut store, "compute");
                let ended = compute.unwrap().call(&mut store, ());
                let trap: Trap = ended.unwrap_err().downcast().unwrap();
                assert_eq!(trap, Trap::Interrupt);
            }
            drop(set);
        }
    }
}
