//! The answer to one request.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use chrono::Utc;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Either, Full};
use hyper::body::{Body as _, Incoming};
use thiserror::Error;
use tokio::sync::Semaphore;

use super::ReceiverOptions;
use super::arrival::{self, Arrival};
use super::encoding::decoded;
use super::event::ReceivedEvent;
use super::examine::{Asked, BodyError, Format, Refusal};
use super::ledger::Ledger;
use super::page::{self, Page};
use super::plan::{Conduct, Plan};

/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(30);

/// Of a body that is too large, this many times the limit is read and thrown away, so that a client that writes
/// before it reads gets to see the refusal.
const OVERSIZE_READ: usize = 8;

/// What may wait in the streams of arrivals, by weight in bytes.
const QUEUE_ROOM: u32 = 64 * 1024 * 1024;

/// What the receiver is while it runs: shared by its connections and its handle.
#[derive(Debug)]
pub(super) struct Service {
    options: ReceiverOptions,
    respond: Option<StatusCode>,
    plan: Plan,
    started: Instant,
    ledger: Mutex<Ledger>,
    room: Arc<Semaphore>,
    endpoint: String,
    page: Option<Page>,
}

/// Why a connection is closed without an answer.
#[derive(Debug, Error)]
pub(super) enum Closed {
    #[error("the receiver was told to drop this request")]
    Told,
    #[error("the body did not arrive")]
    Body,
    #[error("the receiver is shutting down")]
    ShuttingDown,
}

impl Service {
    pub(super) fn new(
        options: ReceiverOptions,
        respond: Option<StatusCode>,
        ledger: Ledger,
        endpoint: String,
    ) -> Self {
        Self {
            endpoint,
            page: options.page.then(Page::new),
            respond,
            plan: Plan {
                fail_every: options.fail_every,
                drop_every: options.drop_every,
            },
            options,
            started: Instant::now(),
            ledger: Mutex::new(ledger),
            room: Arc::new(Semaphore::new(QUEUE_ROOM as usize)),
        }
    }

    /// The ledger. It is whole between any two requests, so one that panicked spoils nothing.
    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        peer: IpAddr,
    ) -> Result<Response<page::Body>, Closed> {
        let (head, body) = request.into_parts();
        if let Some(page) = &self.page
            && page::is_for_page(&head)
        {
            let summary = self.ledger().summary;
            return Ok(page.answer(&head, peer, &self.endpoint, &summary));
        }
        let limit = self.options.max_body;
        let encoding = text(&head, header::CONTENT_ENCODING);
        let body = tokio::time::timeout(BODY_TIME, read(body, limit))
            .await
            .map_err(|_| Closed::Body)??
            .and_then(|body| decoded(encoding, body, limit));
        // Waited for first: from here to the record nothing waits, so a client that goes away cannot leave half of
        // it done.
        let weight = arrival::weight(body.as_ref().map_or(0, Bytes::len));
        let weight = u32::try_from(weight).map_or(QUEUE_ROOM, |weight| weight.min(QUEUE_ROOM));
        let room = Arc::clone(&self.room)
            .acquire_many_owned(weight)
            .await
            .map_err(|_| Closed::ShuttingDown)?;
        let (answered, text) = {
            let mut ledger = self.ledger();
            let arrival = self.settle(&mut ledger, &head, body);
            let outcome = (arrival.answered, answer_text(&arrival));
            if let Some(page) = &self.page {
                page.show(&arrival, &ledger.summary);
            }
            ledger.record(arrival, room);
            outcome
        };
        tokio::time::sleep(self.options.delay).await;
        let status = answered
            .and_then(|status| StatusCode::from_u16(status).ok())
            .ok_or(Closed::Told)?;
        Ok(self.response(status, text).map(Either::Left))
    }

    /// Decides what becomes of a request, and counts it.
    fn settle(&self, ledger: &mut Ledger, head: &Parts, body: Result<Bytes, BodyError>) -> Arrival {
        let format = Format::at(head.uri.path());
        let success = self.respond.unwrap_or(format.success());
        let events = body
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|body| format.parse(body));
        let body = body.unwrap_or_default();
        ledger.summary.requests += 1;
        ledger.summary.bytes += body.len() as u64;
        let conduct = self.plan.conduct(ledger.summary.requests);
        let outcome = if conduct == Conduct::Fail {
            ledger.summary.failed += 1;
            Err(told(StatusCode::SERVICE_UNAVAILABLE))
        } else if let Some(refusal) = self.objection(head, &events) {
            ledger.summary.bad_requests += 1;
            Err(refusal)
        } else if success.is_success() {
            let known: &[ReceivedEvent] = events.as_deref().unwrap_or_default();
            ledger.take(known).map_err(|reason| {
                ledger.summary.failed += 1;
                Refusal(StatusCode::INTERNAL_SERVER_ERROR, reason)
            })
        } else {
            ledger.summary.failed += 1;
            Err(told(success))
        };
        let is_dropped = conduct == Conduct::Drop;
        ledger.summary.dropped += u64::from(is_dropped);
        let (status, first_seen, refusal) = match outcome {
            Ok(first_seen) => (success, first_seen, None),
            Err(Refusal(status, reason)) => (status, Vec::new(), Some(reason)),
        };
        Arrival {
            at: Utc::now(),
            format,
            elapsed: self.started.elapsed(),
            method: head.method.to_string(),
            path: head
                .uri
                .path_and_query()
                .map_or_else(String::new, ToString::to_string),
            headers: arrival::listed(&head.headers, &self.options.show_headers),
            body,
            events,
            first_seen,
            answered: (!is_dropped).then_some(status.as_u16()),
            refusal,
        }
    }

    /// What is wrong with a request.
    fn objection(
        &self,
        head: &Parts,
        events: &Result<Vec<ReceivedEvent>, BodyError>,
    ) -> Option<Refusal> {
        let suffix = &self.options.path;
        let path = head.uri.path();
        let strict = self.options.validate;
        if !(path.ends_with(suffix.as_str()) || strict && Format::at(path) == Format::Otlp) {
            return Some(Refusal(
                StatusCode::NOT_FOUND,
                format!(
                    "{path} is not a path of this receiver; send events to a path that ends in {suffix}, or OTLP's logs to one that ends in /v1/logs"
                ),
            ));
        }
        let asked = Asked {
            method: match &head.method {
                &Method::PUT if !strict => "POST",
                method => method.as_str(),
            },
            path,
            content_type: text(head, header::CONTENT_TYPE),
            content_encoding: text(head, header::CONTENT_ENCODING),
        };
        let objection = asked.objection(events);
        if strict {
            return objection;
        }
        // Any body is good then that is not too large.
        objection.filter(|Refusal(status, _)| {
            matches!(
                *status,
                StatusCode::METHOD_NOT_ALLOWED | StatusCode::PAYLOAD_TOO_LARGE
            )
        })
    }

    fn response(&self, status: StatusCode, text: String) -> Response<Full<Bytes>> {
        let has_body = !matches!(
            status,
            StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
        );
        let mut response = Response::new(Full::from(if has_body { text } else { String::new() }));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        if has_body {
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            );
        }
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
        }
        if let Some(wait) = self.options.retry_after
            && matches!(
                status,
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
            )
        {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        }
        response
    }
}

/// The value of a header field; empty where it is no text.
fn text(head: &Parts, name: HeaderName) -> Option<&str> {
    let value = head.headers.get(name)?;
    Some(value.to_str().unwrap_or_default())
}

fn told(status: StatusCode) -> Refusal {
    Refusal(
        status,
        format!(
            "this receiver was told to answer this request with {}",
            status.as_u16()
        ),
    )
}

fn answer_text(arrival: &Arrival) -> String {
    let answer = match (&arrival.refusal, arrival.format) {
        // OTLP's clients look for `message`.
        (Some(reason), Format::Otlp) => serde_json::json!({ "error": reason, "message": reason }),
        (Some(reason), Format::Ingest) => serde_json::json!({ "error": reason }),
        (None, Format::Otlp) => serde_json::json!({}),
        (None, Format::Ingest) => serde_json::json!({
            "accepted": arrival.fresh(),
            "duplicates": arrival.repeated(),
        }),
    };
    answer.to_string()
}

/// The body, if it is not larger than `limit`.
async fn read(mut body: Incoming, limit: usize) -> Result<Result<Bytes, BodyError>, Closed> {
    let most = limit.saturating_mul(OVERSIZE_READ);
    if body.size_hint().lower() > most as u64 {
        return Ok(Err(BodyError::TooLarge { limit }));
    }
    let mut kept = BytesMut::new();
    let mut length = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Closed::Body)?.into_data() else {
            continue;
        };
        length = length.saturating_add(data.len());
        if length > most {
            break;
        }
        if length > limit {
            kept = BytesMut::new();
        } else {
            kept.extend_from_slice(&data);
        }
    }
    Ok(if length > limit {
        Err(BodyError::TooLarge { limit })
    } else {
        Ok(kept.freeze())
    })
}
