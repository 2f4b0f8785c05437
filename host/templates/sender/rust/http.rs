//! One POST over `wasi:http`. The host ends it at the batch's deadline.

use wasip2::clocks::monotonic_clock;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingResponse, Method, OutgoingBody,
    OutgoingRequest, Scheme,
};
use wasip2::io::poll::poll;
use wasip2::io::streams::{OutputStream, StreamError};

@0.1 use crate::bindings::exports::swamp::telemetry::sender::{Rejection, SendError};
@0.2 use crate::bindings::swamp::telemetry::types::{Failure, Rejection};

/// How much the host sends, in bytes.
const REQUEST_BYTES: usize = 8 * 1024 * 1024;

/// How much of an answer's body is read, in bytes.
const BODY_BYTES: usize = 64 * 1024;

/// How long an answer's body is waited for, in nanoseconds: less than the batch has, so that the status is told.
const BODY_WAIT: u64 = 2_000_000_000;

pub struct Answer {
    pub status: u16,
    response: IncomingResponse,
}

pub fn post_json(url: &str, user_agent: &str, body: &str) -> Result<Answer, {{Failure}}> {
    if body.len() > REQUEST_BYTES {
        // The host sends smaller batches then.
        return Err({{Failure}}::Rejected(Rejection {
            status: 413,
            body: "the batch is larger than 8 MiB".to_owned(),
        }));
    }
    let request = new_request(url, user_agent, body.len())?;
    let outgoing = request.body().map_err(|()| no_body())?;
    let pending = outgoing_handler::handle(request, None).map_err(failure)?;
    let stream = outgoing.write().map_err(|()| no_body())?;
    let complete = write(&stream, body.as_bytes(), &pending);
    drop(stream);
    // A body that was cut short is kept open until the answer is there: dropping it would end the request.
    let _cut_short = if complete {
        OutgoingBody::finish(outgoing, None).map_err(failure)?;
        None
    } else {
        Some(outgoing)
    };
    pending.subscribe().block();
    match pending.get() {
        Some(Ok(Ok(response))) => Ok(Answer {
            status: response.status(),
            response,
        }),
        Some(Ok(Err(code))) => Err(failure(code)),
        _ => Err({{Failure}}::Other("the host gave no answer".to_owned())),
    }
}

impl Answer {
    /// The `retry-after` header, if it is a number of seconds.
    pub fn retry_after(&self) -> Option<u32> {
        let value = self.response.headers().get("retry-after");
        std::str::from_utf8(value.first()?)
            .ok()?
            .trim()
            .parse()
            .ok()
    }

    /// The body as text, up to its first 64 KiB; an error if it breaks off or does not come.
    pub fn text(&self) -> Result<String, {{Failure}}> {
        let cut_short = || {{Failure}}::Unreachable("the answer was cut short".to_owned());
        let body = self.response.consume().map_err(|()| cut_short())?;
        let stream = body.stream().map_err(|()| cut_short())?;
        let readable = stream.subscribe();
        let timeout = monotonic_clock::subscribe_duration(BODY_WAIT);
        let mut bytes = Vec::new();
        while bytes.len() < BODY_BYTES {
            poll(&[&readable, &timeout]);
            if !readable.ready() {
                return Err(cut_short());
            }
            match stream.read((BODY_BYTES - bytes.len()) as u64) {
                Ok(more) => bytes.extend(more),
                Err(StreamError::Closed) => break,
                Err(StreamError::LastOperationFailed(_)) => return Err(cut_short()),
            }
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

fn new_request(url: &str, user_agent: &str, length: usize) -> Result<OutgoingRequest, {{Failure}}> {
    let invalid =
        || {{Failure}}::InvalidConfiguration("the endpoint must be an http or https URL".to_owned());
    let (scheme, rest) = url.split_once("://").ok_or_else(invalid)?;
    let (authority, path) = rest.split_once('/').ok_or_else(invalid)?;
    let scheme = match scheme {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        _ => return Err(invalid()),
    };
    let headers = Fields::from_list(&[
        ("content-type".to_owned(), b"application/json".to_vec()),
        ("content-length".to_owned(), length.to_string().into_bytes()),
        ("user-agent".to_owned(), user_agent.as_bytes().to_vec()),
    ])
    .map_err(|_| {{Failure}}::Other("the host does not take the request's headers".to_owned()))?;
    let request = OutgoingRequest::new(headers);
    request
        .set_method(&Method::Post)
        .and_then(|()| request.set_scheme(Some(&scheme)))
        .and_then(|()| request.set_authority(Some(authority)))
        .and_then(|()| request.set_path_with_query(Some(&format!("/{path}"))))
        .map_err(|()| invalid())?;
    Ok(request)
}

/// False if the body was cut short because the answer is there already, or the connection is gone.
fn write(stream: &OutputStream, mut body: &[u8], pending: &FutureIncomingResponse) -> bool {
    let writable = stream.subscribe();
    let answered = pending.subscribe();
    while !body.is_empty() {
        match stream.check_write() {
            Ok(0) => {
                poll(&[&writable, &answered]);
                if answered.ready() {
                    return false;
                }
            }
            Ok(room) => {
                let length = body.len().min(room as usize);
                if stream.write(&body[..length]).is_err() {
                    return false;
                }
                body = &body[length..];
            }
            Err(_) => return false,
        }
    }
    true
}

fn no_body() -> {{Failure}} {
    {{Failure}}::Other("the host did not take the request's body".to_owned())
}

fn failure(code: ErrorCode) -> {{Failure}} {
    match code {
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => {
            {{Failure}}::Other(format!("the host denied the request: {code}"))
        }
        ErrorCode::HttpRequestUriInvalid => {
            {{Failure}}::InvalidConfiguration("the endpoint must be a valid URL".to_owned())
        }
        code => {{Failure}}::Unreachable(format!("the endpoint did not answer: {code}")),
    }
}
