//! One request on its way to its answer.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, request};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::timeout;
use wasmtime_wasi_http::{Error as Wasi, RequestOptions, WasiBody};

use super::EgressLimits;
use super::answer_body::{AnswerBody, AnswerLimits};
use super::connect::{Connection, Connector, Lease};
use super::failure::{EgressFailure, Limit, Phase};
use super::report::InFlight;
use super::request_body::{RequestBody, Sent};

/// How long the rest of an answer that nobody reads is waited for.
const UNREAD_PATIENCE: Duration = Duration::from_millis(100);
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
        let target = request.uri().path().to_owned();
        match self.exchange(request).await {
            Ok((answer, connection)) => {
                self.open.answered(&answer, &target);
                let lease = Lease::new(&self.connector, connection);
                let limits = AnswerLimits {
                    body: self.limits.max_response_body,
                    between: self.options.between_bytes_timeout.map(at_least),
                };
                let body = |body| {
                    let Self {
                        connector,
                        origin,
                        open,
                        ..
                    } = self;
                    AnswerBody::new(body, lease, &connector, limits, origin, open).boxed_unsync()
                };
                Ok((answer.map(body), nothing_left()))
            }
            Err(failure) => Err(self.open.failed(&self.connector.told(failure))),
        }
    }

    async fn exchange(
        &self,
        request: Request<WasiBody>,
    ) -> Result<(Response<Incoming>, Connection), EgressFailure> {
        let (mut parts, body) = request.into_parts();
        let limit = self.limits.max_request_body;
        // What the guest left of an answer stands between its connection and the next request.
        self.connector.read_out(UNREAD_PATIENCE).await;
        let kept = self.connector.kept().await;
        let (mut body, sent) = RequestBody::new(body, limit, kept.is_some());
        self.connector.address(&mut parts);

        if let Some(kept) = kept {
            match self.ask(kept, &parts, body, &sent).await {
                // It was closed meanwhile, before or after it took the request. Whoever gets a batch a second time
                // knows it by its ids.
                Err(EgressFailure::Closed { .. } | EgressFailure::Reset { .. }) => {}
                done => return done,
            }
            body = sent.again(limit).ok_or(EgressFailure::Stopped)?;
        }
        // Apart, since it would make every request's future several times as large.
        let open = Box::pin(self.connector.open(&self.open));
        let connection = self.within(self.options.connect_timeout, open).await??;
        self.ask(connection, &parts, body, &sent).await
    }

    /// Sends a request over `connection`, and waits for the head of its answer.
    async fn ask(
        &self,
        mut connection: Connection,
        parts: &request::Parts,
        body: RequestBody,
        sent: &Sent,
    ) -> Result<(Response<Incoming>, Connection), EgressFailure> {
        self.open.enter(Phase::Waiting {
            origin: Arc::clone(&self.origin),
        });
        let asked = connection
            .sender
            .send_request(Request::from_parts(parts.clone(), body));
        match self.within(self.options.first_byte_timeout, asked).await? {
            Ok(answer) => Ok((answer, connection)),
            Err(_) if sent.is_too_long() => Err(EgressFailure::LongRequest {
                limit: self.limits.max_request_body,
            }),
            Err(error) => {
                let failure =
                    EgressFailure::of_exchange(&error, &self.origin, self.limits.max_head);
                Err(match (failure, connection.look.reason()) {
                    (EgressFailure::NotHttp { origin, .. }, Some(why)) => {
                        EgressFailure::NotHttp { origin, why }
                    }
                    (failure, _) => failure,
                })
            }
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
