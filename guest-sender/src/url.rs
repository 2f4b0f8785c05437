//! Where a batch goes.

use alloc::borrow::ToOwned as _;
use alloc::string::String;

use crate::bindings::swamp::telemetry::types::Failure;

/// What `wasi:http` wants to know of a URL, one by one.
#[derive(Debug, PartialEq)]
pub(crate) struct Url {
    /// Whether the scheme is `https`; it is `http` otherwise.
    pub(crate) https: bool,
    /// Host and, if given, port.
    pub(crate) authority: String,
    /// The absolute path. There is never a query.
    pub(crate) path: String,
}

impl Url {
    /// The URL of `resource`, a path without a slash at its ends, at the endpoint: whether or not that has a path itself
    /// or ends in a slash.
    pub(crate) fn at(endpoint: &str, resource: &str) -> Result<Self, Failure> {
        // The endpoint is not quoted: one with user information in it would spread a password.
        let unusable = || {
            Failure::InvalidConfiguration(
            "the endpoint must be an http or https URL without user information, query and fragment, \
             such as https://example.com/telemetry"
                .to_owned(),
        )
        };

        let (scheme, rest) = endpoint.split_once(':').ok_or_else(unusable)?;
        let rest = rest.strip_prefix("//").ok_or_else(unusable)?;
        let https = scheme.eq_ignore_ascii_case("https");
        if !https && !scheme.eq_ignore_ascii_case("http") {
            return Err(unusable());
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.is_empty() || authority.contains('@') || rest.contains(['?', '#', '\\']) {
            return Err(unusable());
        }

        Ok(Self {
            https,
            authority: authority.to_owned(),
            path: match path.trim_end_matches('/') {
                "" => ["/", resource].concat(),
                path => ["/", path, "/", resource].concat(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(endpoint: &str) -> String {
        match Url::at(endpoint, "ingest") {
            Ok(url) => format!(
                "{} {} {}",
                if url.https { "https" } else { "http" },
                url.authority,
                url.path
            ),
            Err(Failure::InvalidConfiguration(_)) => "invalid".to_owned(),
            Err(other) => format!("{other:?}"),
        }
    }

    #[test]
    fn the_endpoint_may_have_a_port_a_path_and_a_trailing_slash() {
        assert_eq!(url("https://example.com"), "https example.com /ingest");
        assert_eq!(url("https://example.com/"), "https example.com /ingest");
        assert_eq!(url("HTTP://127.0.0.1:8080"), "http 127.0.0.1:8080 /ingest");
        assert_eq!(url("http://[::1]:80/"), "http [::1]:80 /ingest");
        assert_eq!(
            url("https://example.com/a/b"),
            "https example.com /a/b/ingest"
        );
        assert_eq!(
            url("https://example.com/a/b//"),
            "https example.com /a/b/ingest"
        );
    }

    #[test]
    fn an_endpoint_that_is_no_plain_http_url_is_an_invalid_configuration() {
        for endpoint in [
            "",
            "example.com",
            "ftp://example.com",
            "https://",
            "https:///path",
            "https://user:secret@example.com",
            "https://example.com/a?b=c",
            "https://example.com?b=c",
            "https://example.com/#a",
            "https://example.com\\evil",
        ] {
            assert_eq!(url(endpoint), "invalid", "{endpoint}");
        }
    }

    #[test]
    fn a_refused_endpoint_is_not_quoted_since_it_may_hold_a_password() {
        let error = Url::at("https://user:secret@example.com", "ingest");
        assert!(!format!("{error:?}").contains("secret"));
    }
}
