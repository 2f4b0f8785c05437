//! Requests that are kept instead of sent.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use tokio::time::timeout;
use wasmtime_wasi_http::WasiBody;

use super::exchange::{HookResponse, nothing_left};
use super::failure::EgressFailure;
use super::report::InFlight;
use super::request_body::RequestBody;

/// A request as it would have left the machine, but for secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DryRunRequest {
    /// The method.
    pub method: Method,
    /// The whole URL.
    pub url: String,
    /// The fields, in order. A secret is shown as what stands for it in the user's file, such as `${API_KEY}`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

/// Takes note of a request and answers it.
pub(super) async fn dry_run(
    mut record: DryRunRequest,
    body: WasiBody,
    requests: Arc<Mutex<Vec<DryRunRequest>>>,
    limit: u64,
    open: InFlight,
) -> HookResponse {
    let (body, sent) = RequestBody::new(body, limit, false);
    let left = open.batch.deadline.remaining();
    record.body = match timeout(left, body.collect()).await {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(_)) if sent.is_too_long() => {
            return Err(open.failed(&EgressFailure::LongRequest { limit }));
        }
        unfinished => {
            let why = match unfinished {
                Ok(Err(error)) => error.to_string(),
                _ => "it did not end within the deadline".to_owned(),
            };
            return Err(open.failed(&EgressFailure::BrokenRequest {
                origin: record.url.into(),
                why,
            }));
        }
    };
    requests
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(record);
    let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::ACCEPTED;
    open.answered(&answer, "");
    Ok((answer, nothing_left()))
}
