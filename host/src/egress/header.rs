//! The header fields that the host adds to a sender's requests: the user's secrets.

use std::fmt;

use http::{HeaderName, HeaderValue};
use thiserror::Error;
use wasmtime_wasi_http::DEFAULT_FORBIDDEN_HEADERS;

/// A header field that the host adds when the guest is done with its request.
#[derive(Clone)]
pub struct HostHeader {
    pub(super) name: HeaderName,
    pub(super) value: HeaderValue,
    pub(super) display: String,
}

/// Why a header field cannot be added.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HostHeaderError {
    /// It says how the connection or the message is made, which only the host knows.
    #[error(
        "the header {0} belongs to the connection and cannot be set; remove it from headers in config.yaml"
    )]
    Reserved(HeaderName),
}

impl HostHeader {
    /// The field `name` with `value`, shown as `display` (such as `${API_KEY}`) wherever a person may see it.
    ///
    /// # Errors
    ///
    /// `name` is one that only the host itself may set.
    pub fn new(
        name: HeaderName,
        mut value: HeaderValue,
        display: String,
    ) -> Result<Self, HostHeaderError> {
        if is_reserved(&name) || name == http::header::CONTENT_LENGTH {
            return Err(HostHeaderError::Reserved(name));
        }
        value.set_sensitive(true);
        Ok(Self {
            name,
            value,
            display,
        })
    }
}

impl fmt::Debug for HostHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.display)
    }
}

/// Whether guests may not set this field, and never see it in an answer.
pub(super) fn is_reserved(name: &HeaderName) -> bool {
    DEFAULT_FORBIDDEN_HEADERS.contains(name)
        || matches!(name.as_str(), "te" | "trailer" | "expect")
        || name.as_str().starts_with("proxy-")
}
