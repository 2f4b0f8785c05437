//! One POST over `wasi:http` 0.2.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use wasip2::clocks::monotonic_clock;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingResponse, Method, OutgoingBody,
    OutgoingRequest, Scheme,
};
use wasip2::io::poll::poll;
use wasip2::io::streams::{OutputStream, StreamError};

use crate::answer::{Answer, Success};
use crate::bindings::swamp::telemetry::types::Failure;
use crate::url::Url;

/// How much of a refusal's body is read, in bytes: as much as the host shows.
const REFUSAL_BYTES: usize = 512;

/// How long a refusal's body is waited for, in nanoseconds. Its status is what counts, and must not be lost
/// because the endpoint dawdles over the explanation.
const REFUSAL_WAIT: u64 = 1_000_000_000;

/// Posts `body` as JSON and waits for the answer. There are no time limits for it: the host ends a batch at
/// its deadline.
pub(crate) fn post_json(
    url: &Url,
    user_agent: &str,
    body: &[u8],
    success: Success,
) -> Result<Answer, Failure> {
    let request = new_request(url, user_agent, body.len())?;
    // Both calls can only fail when they are made a second time.
    let outgoing = request.body().map_err(|()| no_body())?;
    let pending = outgoing_handler::handle(request, None).map_err(|code| failure(&code))?;

    let complete = match outgoing.write() {
        Ok(stream) => write(&stream, body, &pending),
        Err(()) => return Err(no_body()),
    };
    // A body that was cut short stays open until the answer is there: to drop it would abort the request, and
    // an endpoint that refuses a body before it has read all of it has something to say.
    let _cut_short = if complete {
        OutgoingBody::finish(outgoing, None).map_err(|code| failure(&code))?;
        None
    } else {
        Some(outgoing)
    };

    let response = wait_for(&pending)?;
    let status = response.status();
    if !success.is(status) {
        return Ok(Answer {
            status,
            retry_after: header(&response, "retry-after"),
            body: first_bytes(&response),
        });
    }
    Ok(Answer {
        status,
        retry_after: None,
        body: if success.body_bytes > 0 {
            beginning(&response, success.body_bytes)?
        } else {
            Vec::new()
        },
    })
}

fn new_request(url: &Url, user_agent: &str, length: usize) -> Result<OutgoingRequest, Failure> {
    let headers = Fields::from_list(&[
        ("content-type".to_owned(), b"application/json".to_vec()),
        ("content-length".to_owned(), length.to_string().into_bytes()),
        ("user-agent".to_owned(), user_agent.as_bytes().to_vec()),
    ])
    .map_err(|_| Failure::Other("the host does not take the request's headers".to_owned()))?;

    let scheme = if url.https {
        Scheme::Https
    } else {
        Scheme::Http
    };
    let request = OutgoingRequest::new(headers);
    request
        .set_method(&Method::Post)
        .and_then(|()| request.set_scheme(Some(&scheme)))
        .and_then(|()| request.set_authority(Some(&url.authority)))
        .and_then(|()| request.set_path_with_query(Some(&url.path)))
        .map_err(|()| {
            Failure::InvalidConfiguration(format!(
                "the endpoint must be a valid URL, with any character that URLs do not allow percent-encoded: \
                 `{}` and `{}` are not taken",
                url.authority, url.path
            ))
        })?;
    Ok(request)
}

/// Writes all of `body`, in pieces as large as the host takes. False if it was cut short, because the answer
/// is there already or the connection is gone; the answer tells.
fn write(stream: &OutputStream, mut body: &[u8], pending: &FutureIncomingResponse) -> bool {
    while !body.is_empty() {
        let Ok(room) = stream.check_write() else {
            return false;
        };
        if room == 0 {
            let (writable, answered) = (stream.subscribe(), pending.subscribe());
            poll(&[&writable, &answered]);
            if answered.ready() {
                return false;
            }
            continue;
        }
        let length = usize::try_from(room).unwrap_or(usize::MAX).min(body.len());
        let (piece, rest) = body.split_at(length);
        if stream.write(piece).is_err() {
            return false;
        }
        body = rest;
    }
    true
}

fn wait_for(pending: &FutureIncomingResponse) -> Result<IncomingResponse, Failure> {
    pending.subscribe().block();
    match pending.get() {
        Some(Ok(Ok(response))) => Ok(response),
        Some(Ok(Err(code))) => Err(failure(&code)),
        // Neither happens after `block` and on the first `get`.
        Some(Err(())) | None => Err(Failure::Other("the host gave no answer".to_owned())),
    }
}

fn header(response: &IncomingResponse, name: &str) -> Option<String> {
    let value = response.headers().get(name).into_iter().next()?;
    String::from_utf8(value).ok()
}

/// As much of the body as there is within [`REFUSAL_BYTES`] and [`REFUSAL_WAIT`], whatever goes wrong.
fn first_bytes(response: &IncomingResponse) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Children of the body are dropped before it, as `wasi:http` demands.
    let Ok(body) = response.consume() else {
        return bytes;
    };
    let Ok(stream) = body.stream() else {
        return bytes;
    };
    let readable = stream.subscribe();
    let timeout = monotonic_clock::subscribe_duration(REFUSAL_WAIT);
    while bytes.len() < REFUSAL_BYTES {
        poll(&[&readable, &timeout]);
        if !readable.ready() {
            break;
        }
        match stream.read((REFUSAL_BYTES - bytes.len()) as u64) {
            Ok(more) => bytes.extend(more),
            Err(_) => break,
        }
    }
    bytes
}

/// The body's first bytes, or all of it where it has fewer. The host bounds the time for it.
fn beginning(response: &IncomingResponse, length: usize) -> Result<Vec<u8>, Failure> {
    // A piece as large as the body of a usual answer; not a limit.
    const PIECE: u64 = 4096;

    let cut_short = || Failure::Unreachable("the answer of the endpoint was cut short".to_owned());
    let body = response.consume().map_err(|()| cut_short())?;
    let stream = body.stream().map_err(|()| cut_short())?;
    let mut bytes = Vec::new();
    while bytes.len() < length {
        match stream.blocking_read(PIECE) {
            Ok(more) => bytes.extend(more),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(_)) => return Err(cut_short()),
        }
    }
    Ok(bytes)
}

fn no_body() -> Failure {
    Failure::Other("the host did not take the request's body".to_owned())
}

/// What an error of `wasi:http` means for the batch.
fn failure(code: &ErrorCode) -> Failure {
    match code {
        ErrorCode::HttpRequestDenied => {
            Failure::Other("the host denied the request to the endpoint".to_owned())
        }
        ErrorCode::DestinationIpProhibited => {
            Failure::Other("the host does not allow the address that the endpoint has".to_owned())
        }
        ErrorCode::HttpRequestUriInvalid | ErrorCode::HttpRequestUriTooLong => {
            Failure::InvalidConfiguration("the endpoint must be a valid and shorter URL".to_owned())
        }
        ErrorCode::HttpRequestBodySize(_)
        | ErrorCode::HttpRequestHeaderSectionSize(_)
        | ErrorCode::HttpRequestHeaderSize(_) => {
            Failure::Other("the request is larger than the host allows".to_owned())
        }
        ErrorCode::HttpRequestLengthRequired
        | ErrorCode::HttpRequestMethodInvalid
        | ErrorCode::HttpRequestTrailerSectionSize(_)
        | ErrorCode::HttpRequestTrailerSize(_) => {
            Failure::Other("the host does not take the request as it is".to_owned())
        }
        ErrorCode::ConfigurationError => {
            Failure::Other("the host's configuration of http is wrong".to_owned())
        }
        ErrorCode::InternalError(detail) => Failure::Other(with_detail(
            "the host could not make the request",
            detail.as_deref(),
        )),
        _ => Failure::Unreachable(no_answer(code)),
    }
}

/// Why no answer came, of the codes that speak of the network or the endpoint.
fn no_answer(code: &ErrorCode) -> String {
    let sentence = match code {
        ErrorCode::DnsTimeout => "the name of the endpoint was not resolved in time",
        ErrorCode::DnsError(dns) => {
            return with_detail(
                "the name of the endpoint was not resolved, dns error",
                dns.rcode.as_deref(),
            );
        }
        ErrorCode::DestinationNotFound => "the endpoint was not found",
        ErrorCode::DestinationUnavailable => "the endpoint is unavailable",
        ErrorCode::DestinationIpUnroutable => "there is no route to the endpoint",
        ErrorCode::ConnectionRefused => "connection refused by the endpoint",
        ErrorCode::ConnectionTerminated => "the connection was closed before the answer",
        ErrorCode::ConnectionTimeout => "timeout while connecting to the endpoint",
        ErrorCode::ConnectionReadTimeout | ErrorCode::HttpResponseTimeout => {
            "timeout while waiting for the answer of the endpoint"
        }
        ErrorCode::ConnectionWriteTimeout => "timeout while sending to the endpoint",
        ErrorCode::ConnectionLimitReached => "the limit of connections was reached",
        ErrorCode::TlsProtocolError => "the tls handshake with the endpoint failed",
        ErrorCode::TlsCertificateError => "the certificate of the endpoint was not accepted",
        ErrorCode::TlsAlertReceived(alert) => {
            return with_detail(
                "the endpoint sent a tls alert",
                alert.alert_message.as_deref(),
            );
        }
        ErrorCode::HttpResponseIncomplete => "the answer of the endpoint was cut short",
        ErrorCode::HttpResponseBodySize(_)
        | ErrorCode::HttpResponseHeaderSectionSize(_)
        | ErrorCode::HttpResponseHeaderSize(_)
        | ErrorCode::HttpResponseTrailerSectionSize(_)
        | ErrorCode::HttpResponseTrailerSize(_) => {
            "the answer of the endpoint is larger than the host allows"
        }
        ErrorCode::LoopDetected => "the request went round in a loop",
        // A protocol error, a coding or an upgrade that nobody asked for.
        _ => "the endpoint does not speak http as it should",
    };
    sentence.to_owned()
}

fn with_detail(sentence: &str, detail: Option<&str>) -> String {
    match detail {
        Some(detail) if !detail.is_empty() => format!("{sentence}: {detail}"),
        _ => sentence.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasip2::http::types::DnsErrorPayload;

    #[test]
    fn what_the_network_did_is_unreachable_in_one_sentence() {
        assert_eq!(
            failure(&ErrorCode::ConnectionRefused),
            Failure::Unreachable("connection refused by the endpoint".to_owned())
        );
        assert_eq!(
            failure(&ErrorCode::DnsError(DnsErrorPayload {
                rcode: Some("NXDOMAIN".to_owned()),
                info_code: None
            })),
            Failure::Unreachable(
                "the name of the endpoint was not resolved, dns error: NXDOMAIN".to_owned()
            )
        );
    }

    #[test]
    fn a_detail_that_is_missing_or_empty_leaves_no_trace() {
        for rcode in [None, Some(String::new())] {
            assert_eq!(
                failure(&ErrorCode::DnsError(DnsErrorPayload {
                    rcode,
                    info_code: None
                })),
                Failure::Unreachable(
                    "the name of the endpoint was not resolved, dns error".to_owned()
                )
            );
        }
    }

    #[test]
    fn what_the_host_refuses_is_not_unreachable() {
        assert_eq!(
            failure(&ErrorCode::HttpRequestDenied),
            Failure::Other("the host denied the request to the endpoint".to_owned())
        );
        assert!(matches!(
            failure(&ErrorCode::DestinationIpProhibited),
            Failure::Other(_)
        ));
        assert!(matches!(
            failure(&ErrorCode::HttpRequestUriInvalid),
            Failure::InvalidConfiguration(_)
        ));
    }
}
