//! The body of the answer, held to its limits.

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};
use wasmtime_wasi_http::Error as Wasi;

use super::connect::{Connector, Lease};
use super::failure::{EgressFailure, Limit, Phase};
use super::report::InFlight;

/// What bounds an answer's body.
#[derive(Clone, Copy, Debug)]
pub(super) struct AnswerLimits {
    pub(super) body: u64,
    /// What the guest allows between two parts of it.
    pub(super) between: Option<Duration>,
}

/// What the guest reads: up to a limit, until the deadline.
pub(super) struct AnswerBody {
    // Before `lease`: hyper must see the answer given up before the connection is offered to the next request.
    answer: Option<Incoming>,
    lease: Option<Lease>,
    connector: Weak<Connector>,
    left: u64,
    limits: AnswerLimits,
    origin: Arc<str>,
    open: InFlight,
    until: Instant,
    /// Until then, once there was something to wait for.
    timer: Option<Pin<Box<Sleep>>>,
    over: bool,
}

impl AnswerBody {
    pub(super) fn new(
        answer: Incoming,
        lease: Lease,
        connector: &Arc<Connector>,
        limits: AnswerLimits,
        origin: Arc<str>,
        open: InFlight,
    ) -> Self {
        open.enter(Phase::Reading {
            origin: Arc::clone(&origin),
        });
        let ended = answer.is_end_stream();
        let mut body = Self {
            answer: Some(answer),
            lease: Some(lease),
            connector: Arc::downgrade(connector),
            left: limits.body,
            limits,
            origin,
            until: open.batch.deadline.instant().into(),
            timer: None,
            open,
            over: false,
        };
        body.rewind();
        if ended {
            body.end();
        }
        body
    }

    /// Gives the answer until the guest's own timeout from now, but never longer than the deadline.
    fn rewind(&mut self) {
        let deadline = self.open.batch.deadline;
        if let Some(between) = self.limits.between {
            self.until = Instant::now() + between.min(deadline.remaining());
            if let Some(timer) = &mut self.timer {
                timer.as_mut().reset(self.until);
            }
        }
    }

    /// The answer has come whole: its connection can take the next request.
    fn end(&mut self) {
        self.over = true;
        self.lease = None;
        self.open.close();
    }

    /// Ends the answer. The connection, in an unknown state, is not used again.
    fn fail(&mut self, failure: &EgressFailure) -> Poll<Option<Result<Frame<Bytes>, Wasi>>> {
        self.over = true;
        if let Some(lease) = self.lease.take() {
            lease.discard();
        }
        let error = self.open.failed(failure);
        self.open.close();
        Poll::Ready(Some(Err(error)))
    }

    fn late(&self) -> EgressFailure {
        self.open.late(match self.limits.between {
            Some(between) if !self.open.batch.deadline.has_passed() => Limit::Sender(between),
            _ => Limit::Deadline,
        })
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Wasi;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Wasi>>> {
        let this = &mut *self;
        if this.over {
            return Poll::Ready(None);
        }
        let Some(answer) = &mut this.answer else {
            return Poll::Ready(None);
        };
        let frame = match Pin::new(answer).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                let until = this.until;
                let timer = this
                    .timer
                    .get_or_insert_with(|| Box::pin(sleep_until(until)));
                ready!(timer.as_mut().poll(cx));
                let late = this.late();
                return this.fail(&late);
            }
        };
        match frame {
            None => {
                this.end();
                Poll::Ready(None)
            }
            Some(Err(error)) => {
                let failure = EgressFailure::of_answer(&error, &this.origin);
                this.fail(&failure)
            }
            Some(Ok(frame)) => {
                this.rewind();
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                let Some(left) = this.left.checked_sub(bytes as u64) else {
                    let failure = EgressFailure::LongAnswer {
                        origin: Arc::clone(&this.origin),
                        limit: this.limits.body,
                    };
                    return this.fail(&failure);
                };
                this.left = left;
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.answer.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.answer
            .as_ref()
            .map_or_else(SizeHint::new, Body::size_hint)
    }
}

/// What the guest did not read is read for it before the connection is closed or used again.
impl Drop for AnswerBody {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        if let (Some(connector), Some(answer), Some(lease)) = (
            self.connector.upgrade(),
            self.answer.take(),
            self.lease.take(),
        ) {
            connector.leave(answer, lease);
        }
    }
}
