//! A page for a browser on this machine that shows what arrives, and the stream of server-sent events behind it.
//!
//! Both answer only this machine: the peer must be a loopback address, and the `Host` header must name one, so that
//! no name that an attacker points at 127.0.0.1 reads them. No other origin may read them, frame them or run
//! anything in them.

mod feed;
mod shown;
mod stream;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::{Either, Full};
use tokio::sync::Semaphore;

use self::feed::Feed;
use self::stream::Stream;
use super::arrival::Arrival;
use super::ledger::Summary;

/// What an answer of the receiver consists of: a text, or a stream that does not end.
pub(super) type Body = Either<Full<Bytes>, Stream>;

/// The page, with `NONCE` where each answer's own nonce belongs.
const PAGE: &str = include_str!("page.html");

/// Where the stream is.
const STREAM_PATH: &str = "/events";

/// How many pages can be open at once. Each holds one of the receiver's connections.
const STREAMS: usize = 16;

/// The page, and what it shows.
#[derive(Debug)]
pub(super) struct Page {
    feed: Arc<Feed>,
    streams: Arc<Semaphore>,
}

impl Page {
    pub(super) fn new() -> Self {
        Self {
            feed: Arc::new(Feed::new()),
            streams: Arc::new(Semaphore::new(STREAMS)),
        }
    }

    /// Shows an arrival, and what the receiver did so far.
    pub(super) fn show(&self, arrival: &Arrival, summary: &Summary) {
        self.feed.add(arrival, summary);
    }

    /// The answer to a request that [`is_for_page`].
    pub(super) fn answer(
        &self,
        head: &Parts,
        peer: IpAddr,
        endpoint: &str,
        summary: &Summary,
    ) -> Response<Body> {
        if !(peer.to_canonical().is_loopback() && is_loopback_host(&head.headers)) {
            return text(
                StatusCode::FORBIDDEN,
                &format!(
                    "this page is shown on the receiver's own machine only; open {endpoint} there\n"
                ),
            );
        }
        if head.uri.path() == STREAM_PATH {
            self.stream(head, endpoint, summary)
        } else {
            page()
        }
    }

    fn stream(&self, head: &Parts, endpoint: &str, summary: &Summary) -> Response<Body> {
        if !is_same_origin(&head.headers) {
            return text(
                StatusCode::FORBIDDEN,
                "only the receiver's own page reads this stream\n",
            );
        }
        let Ok(place) = Arc::clone(&self.streams).try_acquire_owned() else {
            return text(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many pages are open; close one\n",
            );
        };
        let seen = head
            .headers
            .get("last-event-id")
            .and_then(|id| id.to_str().ok());
        let stream = Stream::start(&self.feed, seen, endpoint, summary, place);
        let mut response = Response::new(Either::Right(stream));
        protect(response.headers_mut(), "text/event-stream");
        response
    }
}

/// Whether a request asks for the page or its stream, and brings no telemetry.
pub(super) fn is_for_page(head: &Parts) -> bool {
    matches!(head.method, Method::GET | Method::HEAD)
        && matches!(head.uri.path(), "/" | STREAM_PATH)
}

fn page() -> Response<Body> {
    let nonce = uuid::Uuid::new_v4().simple().to_string();
    let html = PAGE.replace("NONCE", &nonce);
    let mut response = Response::new(Either::Left(Full::from(html)));
    let headers = response.headers_mut();
    protect(headers, "text/html; charset=utf-8");
    // `trusted-types 'none'`: no script turns a text into HTML.
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
         trusted-types 'none'"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn text(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Either::Left(Full::from(text.to_owned())));
    *response.status_mut() = status;
    protect(response.headers_mut(), "text/plain; charset=utf-8");
    response
}

/// The header fields that keep other origins out.
fn protect(headers: &mut HeaderMap, content_type: &'static str) {
    for (name, value) in [
        ("content-type", content_type),
        ("cache-control", "no-store"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Whether there is one `Host` header, and it names this machine: `localhost` or a loopback address.
fn is_loopback_host(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    let Ok(host) = host.to_str() else {
        return false;
    };
    if let Ok(address) = host.parse::<SocketAddr>() {
        return address.ip().is_loopback();
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => name,
        _ => host,
    };
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    name.eq_ignore_ascii_case("localhost")
        || bare
            .unwrap_or(name)
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

/// Whether a request comes from the page itself, or from no page at all. Another port of this machine is another
/// origin.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site");
    let is_own = site.is_none_or(|site| site == "same-origin" || site == "none");
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
    let is_origin = headers.get(header::ORIGIN).is_none_or(|origin| {
        origin.as_bytes().strip_prefix(b"http://").is_some() && origin.as_bytes().get(7..) == host
    });
    is_own && is_origin
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn only_a_single_loopback_host_is_taken() {
        for host in [
            "localhost",
            "LocalHost:8090",
            "127.0.0.1",
            "127.0.0.1:8090",
            "127.9.9.9:1",
            "[::1]",
            "[::1]:8090",
        ] {
            assert!(is_loopback_host(&headers(&[("host", host)])), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:8090",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1:8090",
            "[fe80::1]:8090",
            "0.0.0.0:8090",
            "host.docker.internal:8090",
            "localhost:8090:1",
            "2130706433",
        ] {
            assert!(!is_loopback_host(&headers(&[("host", host)])), "{host}");
        }
        assert!(!is_loopback_host(&headers(&[])));
        let two = [("host", "localhost"), ("host", "localhost")];
        assert!(!is_loopback_host(&headers(&two)));
    }

    #[test]
    fn the_stream_is_for_the_pages_own_origin() {
        let host = ("host", "127.0.0.1:8090");
        for fields in [
            &[host][..],
            &[host, ("sec-fetch-site", "same-origin")],
            &[host, ("sec-fetch-site", "none")],
            &[host, ("origin", "http://127.0.0.1:8090")],
        ] {
            assert!(is_same_origin(&headers(fields)), "{fields:?}");
        }
        for fields in [
            &[host, ("sec-fetch-site", "cross-site")][..],
            &[host, ("sec-fetch-site", "same-site")],
            &[host, ("origin", "http://127.0.0.1:8091")],
            &[host, ("origin", "http://localhost:8090")],
            &[host, ("origin", "https://127.0.0.1:8090")],
            &[host, ("origin", "null")],
        ] {
            assert!(!is_same_origin(&headers(fields)), "{fields:?}");
        }
    }
}
