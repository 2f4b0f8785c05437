//! Whether a request is one that the receiver takes, and what it brings. The conformance kit asks the same.

use http::StatusCode;
use thiserror::Error;

use super::event::ReceivedEvent;
use super::ingest::{IngestError, parse_ingest};
use super::otlp::{OtlpError, parse_otlp};

/// What the path of events ends in.
pub(super) const INGEST_PATH: &str = "/ingest";

/// What the path of OTLP's logs ends in.
const OTLP_PATH: &str = "/v1/logs";

/// What a request is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The ingest format.
    Ingest,
    /// OTLP's logs, as JSON.
    Otlp,
}

impl Format {
    /// The format of what is sent to `path`: a path says it, since a body that is wrong cannot.
    #[must_use]
    pub fn at(path: &str) -> Self {
        if path.ends_with(OTLP_PATH) {
            Self::Otlp
        } else {
            Self::Ingest
        }
    }

    /// The format of what is sent to `path`, where it is one that `telemetry receive` takes.
    #[must_use]
    pub fn known(path: &str) -> Option<Self> {
        if path.ends_with(INGEST_PATH) {
            Some(Self::Ingest)
        } else {
            path.ends_with(OTLP_PATH).then_some(Self::Otlp)
        }
    }

    /// Its name: `ingest` or `otlp`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Otlp => "otlp",
        }
    }

    /// The events of a body, which must not be compressed any more.
    ///
    /// # Errors
    ///
    /// When the body is not in this format.
    pub fn parse(self, body: &[u8]) -> Result<Vec<ReceivedEvent>, BodyError> {
        match self {
            Self::Ingest => Ok(parse_ingest(body)?),
            Self::Otlp => Ok(parse_otlp(body)?),
        }
    }

    /// The status of an answer to a good request.
    pub(super) const fn success(self) -> StatusCode {
        match self {
            Self::Ingest => StatusCode::ACCEPTED,
            Self::Otlp => StatusCode::OK,
        }
    }
}

/// Why a body holds no events.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BodyError {
    /// It is larger than the receiver takes.
    #[error("the body is larger than {limit} bytes; send fewer events in one request")]
    TooLarge {
        /// The most that is taken, in bytes, before and after decompression.
        limit: usize,
    },
    /// It is not what its `content-encoding` says.
    #[error(
        "the body is not gzip, as its content-encoding says, or is cut short; send what it says"
    )]
    NotGzip,
    /// It is not in the ingest format.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// It is not in OTLP.
    #[error(transparent)]
    Otlp(#[from] OtlpError),
}

/// Why a request is refused, and with which status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) StatusCode, pub(crate) String);

/// A request without its body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    /// Without the query.
    pub(crate) path: &'a str,
    pub(crate) content_type: Option<&'a str>,
    pub(crate) content_encoding: Option<&'a str>,
}

impl Asked<'_> {
    /// What is wrong with it, where its body holds `events`.
    pub(crate) fn objection(
        &self,
        events: &Result<Vec<ReceivedEvent>, BodyError>,
    ) -> Option<Refusal> {
        if self.method != "POST" {
            return Some(Refusal(
                StatusCode::METHOD_NOT_ALLOWED,
                format!(
                    "{} is not a method of this path; send events with POST",
                    self.method
                ),
            ));
        }
        if let Err(error @ BodyError::TooLarge { .. }) = events {
            return Some(Refusal(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()));
        }
        if let Some(encoding) = self.content_encoding
            && !(names_gzip(encoding) || encoding.trim().eq_ignore_ascii_case("identity"))
        {
            return Some(Refusal(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                format!(
                    "the request's content-encoding is {encoding}; send the body with gzip or as it is"
                ),
            ));
        }
        if let Some(why) = self.other_type() {
            return Some(Refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, why.to_owned()));
        }
        let error = events.as_ref().err()?;
        Some(Refusal(StatusCode::BAD_REQUEST, error.to_string()))
    }

    fn other_type(&self) -> Option<&'static str> {
        let essence = self.content_type.unwrap_or_default();
        let essence = essence.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/json") {
            None
        } else if Format::at(self.path) == Format::Otlp
            && essence.eq_ignore_ascii_case("application/x-protobuf")
        {
            Some(
                "the request is OTLP as protobuf; send it as JSON: set the exporter's protocol to http/json (OTEL_EXPORTER_OTLP_PROTOCOL)",
            )
        } else {
            Some("the request's content-type is not application/json; set it to that")
        }
    }
}

/// Whether a `content-encoding` says gzip, by either of its names.
pub(super) fn names_gzip(encoding: &str) -> bool {
    let encoding = encoding.trim();
    encoding.eq_ignore_ascii_case("gzip") || encoding.eq_ignore_ascii_case("x-gzip")
}
