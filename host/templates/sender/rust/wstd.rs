//! One POST by `wstd`. The host ends it at the batch's deadline.

use std::time::Duration;

use wstd::future::FutureExt as _;
use wstd::http::body::{Body, util::BodyExt as _};
use wstd::http::{Client, HeaderMap, Request, error::ErrorCode};

use crate::bindings::exports::swamp::telemetry::sender::{Rejection, SendError};

/// How much the host sends, in bytes.
const REQUEST_BYTES: usize = 8 * 1024 * 1024;

/// How much of an answer's body is read, in bytes.
const BODY_BYTES: usize = 64 * 1024;

/// How long an answer's body is waited for: less than the batch has, so that the status is told.
const BODY_WAIT: Duration = Duration::from_secs(2);

pub struct Answer {
    pub status: u16,
    headers: HeaderMap,
    text: Result<String, SendError>,
}

pub fn post_json(url: &str, user_agent: &str, body: &str) -> Result<Answer, SendError> {
    if body.len() > REQUEST_BYTES {
        // The host sends smaller batches then.
        let body = "the batch is larger than 8 MiB".to_owned();
        return Err(SendError::Rejected(Rejection { status: 413, body }));
    }
    let request = Request::post(url)
        .header("content-type", "application/json")
        .header("user-agent", user_agent)
        .body(body.to_owned())
        .map_err(|error| SendError::InvalidConfiguration(error.to_string()))?;
    wstd::runtime::block_on(async {
        let (head, body) = Client::new().send(request).await.map_err(failure)?.into_parts();
        let text = match first_bytes(body).timeout(wstd::time::Duration::from(BODY_WAIT)).await {
            Ok(Ok(bytes)) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            _ => Err(SendError::Unreachable("the answer was cut short".to_owned())),
        };
        let (status, headers) = (head.status.as_u16(), head.headers);
        Ok(Answer { status, headers, text })
    })
}

async fn first_bytes(body: Body) -> Result<Vec<u8>, wstd::http::Error> {
    let mut body = body.into_boxed_body();
    let mut bytes = Vec::new();
    while bytes.len() < BODY_BYTES {
        let Some(frame) = body.frame().await else {
            break;
        };
        bytes.extend(frame?.into_data().unwrap_or_default());
    }
    Ok(bytes)
}

impl Answer {
    /// The `retry-after` header, if it is a number of seconds.
    pub fn retry_after(&self) -> Option<u32> {
        self.headers.get("retry-after")?.to_str().ok()?.trim().parse().ok()
    }

    /// The body as text, up to about its first 64 KiB; an error if it breaks off or does not come.
    pub fn text(&self) -> Result<String, SendError> {
        self.text.clone()
    }
}

fn failure(error: wstd::http::Error) -> SendError {
    match error.downcast_ref() {
        Some(ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited) => {
            SendError::Other(format!("the host denied the request: {error}"))
        }
        _ => SendError::Unreachable(format!("the endpoint did not answer: {error}")),
    }
}
