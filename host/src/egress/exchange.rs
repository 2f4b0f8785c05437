//! One request on its way to its answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::timeout;
use wasmtime_wasi_http::{Error as Wasi, RequestOptions, WasiBody};

use super::EgressLimits;
use super::body::{AnswerBody, AnswerLimits, RequestBody};
use super::connect::{Connection, Connector, Lease};
use super::failure::{EgressFailure, Limit, Phase};
use super::report::InFlight;

/// The least that a timeout of the guest's can be: hyper and tokio need a moment to do anything at all.
const MIN_TIMEOUT: Duration = Duration::from_millis(1);

pub(super) type HookResponse = Result<(Response<WasiBody>, Tail), Wasi>;
/// What is left to do when the head of an answer has come. Nothing: the connection has a task of its own.
pub(super) type Tail = Box<dyn Future<Output = Result<(), Wasi>> + Send>;

/// One request on its way to its answer.
pub(super) struct Exchange {
    pub(super) connector: Arc<Connector>,
    pub(super) origin: Arc<str>,
    pub(super) limits: EgressLimits,
    pub(super) options: RequestOptions,
    pub(super) open: InFlight,
}

impl Exchange {
    pub(super) async fn run(self, request: Request<WasiBody>) -> HookResponse {
        match self.exchange(request).await {
            Ok((answer, connection)) => {
                self.open.answered(answer.status());
                let lease = Lease::new(&self.connector, connection);
                let limits = AnswerLimits {
                    body: self.limits.max_response_body,
                    between: self.options.between_bytes_timeout.map(at_least),
                };
                let body = |body| {
                    AnswerBody::new(body, lease, limits, self.origin, self.open).boxed_unsync()
                };
                Ok((answer.map(body), nothing_left()))
            }
            Err(failure) => Err(self.open.failed(&failure)),
        }
    }

    async fn exchange(
        &self,
        request: Request<WasiBody>,
    ) -> Result<(Response<Incoming>, Connection), EgressFailure> {
        let (mut parts, body) = request.into_parts();
        let (body, too_long) = RequestBody::new(body, self.limits.max_request_body);
        self.connector.address(&mut parts);
        let mut request = Request::from_parts(parts, body);
        let first_byte = self.options.first_byte_timeout;
        let waiting = Phase::Waiting {
            origin: Arc::clone(&self.origin),
        };

        if let Some(mut kept) = self.connector.kept().await {
            self.open.enter(waiting.clone());
            let sent = self.within(first_byte, kept.try_send_request(request));
            match sent.await? {
                Ok(answer) => return Ok((answer, kept)),
                Err(mut error) => match error.take_message() {
                    // It was closed just now, and took nothing of the request.
                    Some(untouched) => request = untouched,
                    None => return Err(self.failure(&error.into_error(), &too_long)),
                },
            }
        }
        let open = self.connector.open(&self.open);
        let mut connection = self.within(self.options.connect_timeout, open).await??;
        self.open.enter(waiting);
        let sent = self.within(first_byte, connection.send_request(request));
        match sent.await? {
            Ok(answer) => Ok((answer, connection)),
            Err(error) => Err(self.failure(&error, &too_long)),
        }
    }

    fn failure(&self, error: &hyper::Error, too_long: &AtomicBool) -> EgressFailure {
        if too_long.load(Ordering::Relaxed) {
            EgressFailure::LongRequest {
                limit: self.limits.max_request_body,
            }
        } else {
            EgressFailure::of_exchange(error, &self.origin, self.limits.max_head)
        }
    }

    /// Waits for `work` until the deadline, or as long as the guest wants where that is less.
    async fn within<T>(
        &self,
        guest: Option<Duration>,
        work: impl Future<Output = T>,
    ) -> Result<T, EgressFailure> {
        let left = self.open.batch.deadline.remaining();
        let (patience, limit) = match guest.map(at_least) {
            Some(guest) if guest < left => (guest, Limit::Sender(guest)),
            _ => (left, Limit::Deadline),
        };
        // `timeout` begins the work even when no time is left.
        if left.is_zero() {
            return Err(self.open.late(limit));
        }
        timeout(patience, work)
            .await
            .map_err(|_| self.open.late(limit))
    }
}

/// A timeout of the guest's, but for those that nothing could meet.
fn at_least(guest: Duration) -> Duration {
    guest.max(MIN_TIMEOUT)
}

pub(super) fn nothing_left() -> Tail {
    Box::new(async { Ok(()) })
}
