//! Why a request did not get its answer: one sentence for people, one code for the guest.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use wasmtime_wasi_http::Error as Wasi;

use crate::domain::{Cause, Reason};

/// What a request is waiting for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Resolving {
        name: String,
    },
    Connecting {
        to: String,
    },
    Tunnelling {
        proxy: String,
        to: String,
    },
    Handshaking {
        with: String,
    },
    /// The request is under way and no answer has begun.
    Waiting {
        origin: Arc<str>,
    },
    Reading {
        origin: Arc<str>,
    },
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolving { name } => write!(f, "resolving {name}"),
            Self::Connecting { to } => write!(f, "connecting to {to}"),
            Self::Tunnelling { proxy, to } => {
                write!(f, "waiting for the proxy {proxy} to connect to {to}")
            }
            Self::Handshaking { with } => write!(f, "waiting for the TLS handshake of {with}"),
            Self::Waiting { origin } => write!(f, "waiting for the answer of {origin}"),
            Self::Reading { origin } => write!(f, "reading the answer of {origin}"),
        }
    }
}

impl Phase {
    /// What there was none of when the time ran out.
    fn missed(&self) -> String {
        match self {
            Self::Resolving { name } => format!("no address for {name}"),
            Self::Connecting { to } => format!("no connection to {to}"),
            Self::Tunnelling { proxy, to } => {
                format!("no connection to {to} through the proxy {proxy}")
            }
            Self::Handshaking { with } => format!("no TLS handshake with {with}"),
            Self::Waiting { origin } => format!("no answer from {origin}"),
            Self::Reading { origin } => format!("no complete answer from {origin}"),
        }
    }

    fn code(&self) -> Wasi {
        match self {
            Self::Resolving { .. } => Wasi::DnsTimeout,
            Self::Connecting { .. } | Self::Tunnelling { .. } | Self::Handshaking { .. } => {
                Wasi::ConnectionTimeout
            }
            Self::Waiting { .. } => Wasi::HttpResponseTimeout,
            Self::Reading { .. } => Wasi::ConnectionReadTimeout,
        }
    }
}

/// Whose patience ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    Deadline,
    /// A timeout that the sender itself set on its request.
    Sender(Duration),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deadline => f.write_str("within the deadline"),
            Self::Sender(limit) => write!(f, "within the {limit:?} that the sender allows"),
        }
    }
}

/// Why a request did not get its answer.
#[derive(Debug, Error)]
pub(super) enum EgressFailure {
    #[error("could not resolve {name}: {why}")]
    Unresolved { name: String, why: String },
    #[error("{}", prohibited(host, *address, why))]
    Prohibited {
        host: String,
        address: IpAddr,
        why: String,
    },
    #[error("{}, and this sender may reach public addresses only", located(host, *address, why))]
    OutOfReach {
        host: String,
        address: IpAddr,
        why: String,
    },
    #[error(
        "the proxy {proxy} resolves {host}, so swamp cannot check that its address is public, and this sender may reach public addresses only"
    )]
    Unchecked { host: String, proxy: String },
    #[error("could not list the addresses of this machine, which this sender may not reach: {why}")]
    NoInterfaces { why: String },
    #[error("connection refused by {to}")]
    Refused { to: String },
    #[error("could not connect to {to}: {why}")]
    Unreachable { to: String, why: String },
    #[error("{0}")]
    ProxySetting(Reason),
    #[error("the proxy {proxy} refused to connect to {to}: it answered {status}")]
    ProxyRefused {
        proxy: String,
        to: String,
        status: http::StatusCode,
    },
    #[error("the proxy {proxy} did not connect to {to}: {why}")]
    ProxyBroken {
        proxy: String,
        to: String,
        why: String,
    },
    #[error("found no certificates through SSL_CERT_FILE and SSL_CERT_DIR: {}", why.join("; "))]
    NamedCertificates { why: Vec<String> },
    #[error("this machine has no trusted certificates ({why})")]
    NoRoots { why: String },
    #[error("the certificate of {of} {why}")]
    Certificate { of: String, why: Reason },
    #[error("the TLS handshake with {with} failed: {why}")]
    Handshake { with: String, why: String },
    #[error("{origin} closed the connection before it answered")]
    Closed { origin: Arc<str> },
    #[error("{origin} reset the connection")]
    Reset { origin: Arc<str> },
    #[error("{origin} closed the connection in the middle of its answer")]
    Incomplete { origin: Arc<str> },
    #[error(
        "the head of the answer from {origin} is longer than {limit} bytes or has too many fields"
    )]
    LongHead { origin: Arc<str>, limit: usize },
    #[error("the answer from {origin} is longer than {limit} bytes")]
    LongAnswer { origin: Arc<str>, limit: u64 },
    #[error("the answer from {origin} is not HTTP: {why}")]
    NotHttp { origin: Arc<str>, why: Reason },
    #[error("the request is longer than {limit} bytes")]
    LongRequest { limit: u64 },
    #[error("the sender did not finish its request to {origin}: {why}")]
    BrokenRequest { origin: Arc<str>, why: String },
    #[error("the exchange with {origin} failed: {why}")]
    Exchange { origin: Arc<str>, why: String },
    #[error("{failure}, through the proxy {proxy}")]
    Through {
        failure: Box<EgressFailure>,
        proxy: String,
    },
    #[error("{} {limit}", phase.missed())]
    Late { phase: Phase, limit: Limit },
    #[error("the sender was stopped")]
    Stopped,
}

fn prohibited(host: &str, address: IpAddr, why: &str) -> String {
    let located = located(host, address, why);
    format!("{located}, where telemetry is never sent")
}

fn located(host: &str, address: IpAddr, why: &str) -> String {
    let literal = host.trim_matches(['[', ']']) == address.to_string();
    let means = if literal { "is" } else { "resolves to" };
    let shown = if literal {
        String::new()
    } else {
        format!("{address}, ")
    };
    format!("{host} {means} {shown}{why}")
}

impl EgressFailure {
    /// What the guest is told.
    pub(super) fn code(&self) -> Wasi {
        match self {
            Self::Unresolved { why, .. } => Wasi::DnsError {
                rcode: Some(why.clone()),
                info_code: None,
            },
            Self::Prohibited { .. }
            | Self::OutOfReach { .. }
            | Self::Unchecked { .. }
            | Self::NoInterfaces { .. } => Wasi::DestinationIpProhibited,
            Self::Refused { .. } => Wasi::ConnectionRefused,
            Self::Unreachable { .. } | Self::ProxyRefused { .. } | Self::ProxyBroken { .. } => {
                Wasi::DestinationUnavailable
            }
            Self::ProxySetting(_) | Self::NamedCertificates { .. } | Self::NoRoots { .. } => {
                Wasi::ConfigurationError
            }
            Self::Certificate { .. } => Wasi::TlsCertificateError,
            Self::Handshake { .. } => Wasi::TlsProtocolError,
            Self::Closed { .. } | Self::Reset { .. } | Self::Stopped => Wasi::ConnectionTerminated,
            Self::Incomplete { .. } => Wasi::HttpResponseIncomplete,
            Self::LongHead { limit, .. } => {
                Wasi::HttpResponseHeaderSectionSize(u32::try_from(*limit).ok())
            }
            Self::LongAnswer { limit, .. } => Wasi::HttpResponseBodySize(Some(*limit)),
            Self::LongRequest { limit } => Wasi::HttpRequestBodySize(Some(*limit)),
            Self::NotHttp { .. } | Self::BrokenRequest { .. } | Self::Exchange { .. } => {
                Wasi::HttpProtocolError
            }
            Self::Through { failure, .. } => failure.code(),
            Self::Late { phase, .. } => phase.code(),
        }
    }

    /// The cause, where it is one that a person can remove.
    pub(super) fn cause(&self) -> Option<Cause> {
        match self {
            Self::OutOfReach { .. } | Self::Unchecked { .. } => Some(Cause::NotPublic),
            Self::NamedCertificates { .. } => Some(Cause::NamedCertificates),
            Self::NoRoots { .. } => Some(Cause::NoCertificates),
            Self::ProxySetting(why) | Self::Certificate { why, .. } | Self::NotHttp { why, .. } => {
                why.cause()
            }
            Self::Through { failure, .. } => failure.cause(),
            _ => None,
        }
    }

    /// This as a reason.
    pub(super) fn reason(&self) -> Reason {
        Reason::of(self, self.cause())
    }

    /// Whether neither the network nor the endpoint had a part in it.
    pub(super) const fn is_the_hosts(&self) -> bool {
        matches!(
            self,
            Self::Prohibited { .. }
                | Self::OutOfReach { .. }
                | Self::Unchecked { .. }
                | Self::NoInterfaces { .. }
                | Self::ProxySetting(_)
                | Self::NamedCertificates { .. }
                | Self::NoRoots { .. }
                | Self::LongRequest { .. }
        )
    }

    /// Whether it happened on the way to the endpoint or there, and says nothing of a proxy yet.
    pub(super) const fn is_of_the_way(&self) -> bool {
        match self {
            Self::Late { phase, .. } => !matches!(phase, Phase::Tunnelling { .. }),
            Self::Unresolved { .. }
            | Self::Refused { .. }
            | Self::Unreachable { .. }
            | Self::Certificate { .. }
            | Self::Handshake { .. }
            | Self::Closed { .. }
            | Self::Reset { .. }
            | Self::Incomplete { .. }
            | Self::NotHttp { .. }
            | Self::Exchange { .. } => true,
            _ => false,
        }
    }

    pub(super) fn of_own_addresses(why: &std::io::Error) -> Self {
        Self::NoInterfaces {
            why: innermost(why),
        }
    }

    /// What went wrong between request and answer.
    pub(super) fn of_exchange(error: &hyper::Error, origin: &Arc<str>, max_head: usize) -> Self {
        let origin = Arc::clone(origin);
        if error.is_parse_too_large() {
            Self::LongHead {
                origin,
                limit: max_head,
            }
        } else if error.is_parse() {
            Self::NotHttp {
                origin,
                why: innermost(error).into(),
            }
        } else if error.is_user() {
            Self::BrokenRequest {
                origin,
                why: innermost(error),
            }
        } else if is_reset(error) {
            Self::Reset { origin }
        } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
            Self::Closed { origin }
        } else {
            Self::Exchange {
                origin,
                why: innermost(error),
            }
        }
    }

    /// What went wrong inside an answer whose head had come.
    pub(super) fn of_answer(error: &hyper::Error, origin: &Arc<str>) -> Self {
        let origin = Arc::clone(origin);
        if is_reset(error) {
            Self::Reset { origin }
        } else if error.is_incomplete_message() || is_eof(error) {
            Self::Incomplete { origin }
        } else {
            Self::NotHttp {
                origin,
                why: innermost(error).into(),
            }
        }
    }
}

fn io_kinds(error: &hyper::Error) -> impl Iterator<Item = std::io::ErrorKind> {
    sources(error)
        .filter_map(|source| source.downcast_ref::<std::io::Error>())
        .map(std::io::Error::kind)
}

fn is_reset(error: &hyper::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    io_kinds(error).any(|kind| matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset))
}

fn is_eof(error: &hyper::Error) -> bool {
    io_kinds(error).any(|kind| kind == std::io::ErrorKind::UnexpectedEof)
}

fn sources<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

/// The last of an error's causes: the others only introduce it. Without the number that std appends.
pub(super) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let text = sources(error).last().unwrap_or(error).to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    match letters.next() {
        // Not an abbreviation's.
        Some(first) if !letters.as_str().starts_with(char::is_uppercase) => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}
