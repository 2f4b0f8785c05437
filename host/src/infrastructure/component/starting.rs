//! A sender that gets ready beside whoever needs it.

use std::io;
use std::thread::{self, JoinHandle};

use super::compiled::Compiled;
use super::sender::{ComponentSender, SenderConfig};
use crate::domain::{Deadline, SendError, SpooledEntry, TelemetrySender};

/// A [`ComponentSender`] that a thread loads, links and instantiates, while the batch for it is read from the spool.
#[derive(Debug)]
pub struct StartingSender {
    starting: Option<JoinHandle<Started>>,
    started: Option<Started>,
}

type Started = Result<ComponentSender, SendError>;

impl StartingSender {
    /// Starts to get the sender ready, which must be done by `deadline`. What keeps it from that is told to whoever
    /// sends a batch.
    ///
    /// # Errors
    ///
    /// When no thread could be started.
    pub fn start(compiled: Compiled, config: SenderConfig, deadline: Deadline) -> io::Result<Self> {
        let start = move || {
            let mut sender = ComponentSender::new(&compiled, config)?;
            sender.instantiate(deadline)?;
            Ok(sender)
        };
        let starting = thread::Builder::new()
            .name("sender-start".into())
            .spawn(start)?;
        Ok(Self {
            starting: Some(starting),
            started: None,
        })
    }

    fn started(&mut self) -> Result<&mut ComponentSender, SendError> {
        let starting = &mut self.starting;
        let started = self.started.get_or_insert_with(|| {
            let ended = starting.take().map(JoinHandle::join);
            let panicked = || Err(SendError::Other("it panicked while it got ready".into()));
            ended.and_then(Result::ok).unwrap_or_else(panicked)
        });
        started.as_mut().map_err(|error| error.clone())
    }
}

impl TelemetrySender for StartingSender {
    fn send_batch(
        &mut self,
        entries: &[SpooledEntry],
        distinct_id: &str,
        deadline: Deadline,
    ) -> Result<(), SendError> {
        self.started()?.send_batch(entries, distinct_id, deadline)
    }
}
