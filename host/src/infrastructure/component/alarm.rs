//! Interrupts a guest that computes past its deadline.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};

use wasmtime::Engine;

use crate::domain::Deadline;

/// Advances the engine's epoch at the deadline, unless it is dropped before.
///
/// Async timeouts end a guest that waits in the host, but never one that computes: that one is interrupted
/// from another thread.
pub(super) struct Alarm {
    cancel: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Alarm {
    pub(super) fn at(deadline: Deadline, engine: &Engine) -> io::Result<Self> {
        let (cancel, cancelled) = mpsc::channel();
        let engine = engine.clone();
        let thread = thread::Builder::new()
            .name("sender-alarm".into())
            .spawn(move || {
                let waited = cancelled.recv_timeout(deadline.remaining());
                if waited == Err(RecvTimeoutError::Timeout) {
                    engine.increment_epoch();
                }
            })?;
        Ok(Self {
            cancel: Some(cancel),
            thread: Some(thread),
        })
    }
}

/// Waits for the thread, so that a late alarm never meets the next batch.
impl Drop for Alarm {
    fn drop(&mut self) {
        drop(self.cancel.take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}
