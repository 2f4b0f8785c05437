//! The header fields that the host adds to a sender's requests: the user's secrets.

use std::fmt;

use http::header::CONTENT_LENGTH;
use http::{HeaderName, HeaderValue};
use thiserror::Error;

use crate::domain::{UrlScope, is_connection_header};

/// A header field that the host adds when the guest is done with its request.
#[derive(Clone)]
pub struct HostHeader {
    pub(super) scope: UrlScope,
    pub(super) name: HeaderName,
    pub(super) value: HeaderValue,
    pub(super) display: String,
}

/// Why a header field cannot be added.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HostHeaderError {
    /// It says how the connection or the message is made, which only the host knows.
    #[error("the header {0} belongs to the connection and cannot be set")]
    Reserved(HeaderName),
}

impl HostHeader {
    /// The field `name` with `value` for requests within `scope`, shown as `display` (such as `${API_KEY}`) wherever a person may see it.
    ///
    /// # Errors
    ///
    /// `name` is one that only the host itself may set.
    pub fn new(
        scope: UrlScope,
        name: HeaderName,
        mut value: HeaderValue,
        display: String,
    ) -> Result<Self, HostHeaderError> {
        if is_connection_header(name.as_str()) {
            return Err(HostHeaderError::Reserved(name));
        }
        value.set_sensitive(true);
        Ok(Self {
            scope,
            name,
            value,
            display,
        })
    }
}

impl fmt::Debug for HostHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.scope, self.name, self.display)
    }
}

/// Whether guests may not set this field, and never see it in an answer. They may say how long their body is.
pub(super) fn is_reserved(name: &HeaderName) -> bool {
    name != CONTENT_LENGTH && is_connection_header(name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_sandbox_would_refuse_is_refused_here_too() {
        for name in &wasmtime_wasi_http::DEFAULT_FORBIDDEN_HEADERS {
            assert!(is_reserved(name), "{name}");
        }
    }
}
