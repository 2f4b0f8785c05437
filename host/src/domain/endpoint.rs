//! Where telemetry goes: the endpoint, and the one origin that a sender may talk to.

use std::fmt;
use std::net::IpAddr;

use thiserror::Error;
use url::Url;

use super::ForeignText;

/// The endpoint of repositories that name none.
pub const DEFAULT_ENDPOINT: &str = "https://telemetry.swamp.club";

/// An absolute `http` or `https` URL without user information, query or fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(Url);

/// Why a text is not an [`Endpoint`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EndpointError {
    /// It is not a URL.
    #[error("\"{0}\" is not a URL ({1})")]
    NotAUrl(ForeignText, url::ParseError),
    /// It is a URL of another scheme.
    #[error("\"{0}\" is not an http or https URL")]
    NotHttp(ForeignText),
    /// It carries a user name or a password, which a file in a repository must not. They are not quoted.
    #[error("it contains a user name or password")]
    UserInfo,
    /// It contains a query or a fragment, to which no path can be appended.
    #[error("\"{0}\" contains a query or a fragment")]
    QueryOrFragment(ForeignText),
    /// Its host ends in an empty label, which no name does.
    #[error("\"{0}\" names no host")]
    NoHost(ForeignText),
}

impl Endpoint {
    /// Takes `text` for an endpoint.
    ///
    /// # Errors
    ///
    /// Says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let url = Url::parse(text).map_err(|why| EndpointError::NotAUrl(text.into(), why))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointError::UserInfo);
        }
        if !matches!(url.scheme(), "http" | "https") {
            return Err(EndpointError::NotHttp(text.into()));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(EndpointError::QueryOrFragment(text.into()));
        }
        // The root's own dot is left out of names, and what is left must be one.
        if matches!(url.domain(), Some(name) if name == "." || name.ends_with("..")) {
            return Err(EndpointError::NoHost(text.into()));
        }
        Ok(Self(url))
    }

    /// The origin that requests to this endpoint go to.
    #[must_use]
    pub fn origin(&self) -> Origin {
        // `http` and `https` URLs always have a host and a known default port.
        Origin::of(&self.0).unwrap_or_else(|| unreachable!("an endpoint is an http or https URL"))
    }

    /// The path of the normalised URL, which begins with a slash.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.path()
    }
}

/// The normalised URL, without the slash of an empty path.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.0.as_str();
        f.write_str(if self.0.path() == "/" {
            url.strip_suffix('/').unwrap_or(url)
        } else {
            url
        })
    }
}

/// The host of an origin, normalised.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name in lower case ASCII (punycode), without the root's trailing dot.
    Name(String),
    /// An address.
    Address(IpAddr),
}

impl Host {
    /// Whether it says itself that this machine is meant: `localhost`, a name below it (RFC 6761), or a loopback
    /// address.
    #[must_use]
    pub fn names_loopback(&self) -> bool {
        match self {
            Self::Name(name) => name == "localhost" || name.ends_with(".localhost"),
            Self::Address(address) => address.to_canonical().is_loopback(),
        }
    }
}

/// What a sender may talk to: scheme, host and port, each normalised, so that equal origins are equal values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Whether the scheme is `https` rather than `http`.
    pub https: bool,
    /// The host.
    pub host: Host,
    /// The port.
    pub port: u16,
}

impl Origin {
    fn of(url: &Url) -> Option<Self> {
        let host = match url.host()? {
            url::Host::Domain(name) => {
                Host::Name(name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase())
            }
            url::Host::Ipv4(address) => Host::Address(address.into()),
            url::Host::Ipv6(address) => Host::Address(address.into()),
        };
        Some(Self {
            https: url.scheme() == "https",
            host,
            port: url.port_or_known_default()?,
        })
    }

    /// The origin of a request to `scheme://authority`. `None` where the two make no `http` or `https` origin,
    /// or carry user information.
    #[must_use]
    pub fn of_request(scheme: &str, authority: &str) -> Option<Self> {
        // Whatever would end an authority must not: the rest would be taken for a path.
        if authority.contains(['/', '\\', '?', '#', '@']) || authority.chars().any(char::is_control)
        {
            return None;
        }
        Self::parse(&format!("{scheme}://{authority}/"))
    }

    /// Takes `text` for an origin, such as `https://telemetry.example.com:8443`. `None` where it is none, or more
    /// than one: a path, a query, user information.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let Endpoint(url) = Endpoint::parse(text).ok()?;
        (url.path() == "/").then(|| Self::of(&url)).flatten()
    }

    /// The scheme: `http` or `https`.
    #[must_use]
    pub const fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// `scheme://host:port`, the port always named.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme(), self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_endpoint_is_shown_normalised_and_without_the_slash_of_an_empty_path() {
        for (text, shown) in [
            ("http://LOCALHOST:8090", "http://localhost:8090"),
            ("http://localhost:8090/", "http://localhost:8090"),
            ("https://example.com:443/a/", "https://example.com/a/"),
            ("http://[::1]:80/v1", "http://[::1]/v1"),
        ] {
            assert_eq!(Endpoint::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_endpoint_is_told_why_without_quoting_a_password() {
        let why = |text| Endpoint::parse(text).unwrap_err().to_string();
        insta::assert_snapshot!(
            [
                why("telemetry.example.com"),
                why("localhost:8090"),
                why("http://"),
                why("file:///etc/passwd"),
                why("https://me:secret@example.com"),
                why("https://example.com/?key=1"),
                why("http://."),
                why("http://0x7f.1.."),
            ]
            .join("\n"),
            @r#"
        "telemetry.example.com" is not a URL (relative URL without a base)
        "localhost:8090" is not an http or https URL
        "http://" is not a URL (empty host)
        "file:///etc/passwd" is not an http or https URL
        it contains a user name or password
        "https://example.com/?key=1" contains a query or a fragment
        "http://." names no host
        "http://0x7f.1.." names no host
        "#
        );
    }

    #[test]
    fn spellings_of_one_origin_are_equal() {
        let origin = Endpoint::parse("https://bücher.example").unwrap().origin();
        for authority in [
            "bücher.example",
            "xn--bcher-kva.example",
            "BÜCHER.example.",
            "xn--bcher-kva.example:443",
        ] {
            assert_eq!(
                Origin::of_request("https", authority).as_ref(),
                Some(&origin),
                "{authority}"
            );
        }
        assert_eq!(
            Origin::of_request("http", "[0:0:0:0:0:0:0:1]:80"),
            Some(Endpoint::parse("http://[::1]").unwrap().origin())
        );
        assert_eq!(
            Origin::of_request("http", "0x7f.1"),
            Some(Endpoint::parse("http://127.0.0.1").unwrap().origin())
        );
    }

    #[test]
    fn other_origins_are_not_equal_and_tricks_are_none() {
        let origin = Endpoint::parse("https://example.com").unwrap().origin();
        for (scheme, authority) in [
            ("http", "example.com"),
            ("https", "example.com:8443"),
            ("https", "example.org"),
            ("https", "sub.example.com"),
            ("https", "example.com.evil.org"),
            ("https", "user@example.com"),
            ("https", "evil.org/@example.com"),
            ("https", "evil.org\\@example.com"),
            ("https", "example.com#"),
            ("https", "exa\tmple.com"),
            ("https", ""),
            ("ftp", "example.com"),
        ] {
            assert_ne!(
                Origin::of_request(scheme, authority).as_ref(),
                Some(&origin),
                "{scheme} {authority}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_is_an_endpoint_or_an_error_and_shows_as_an_equal_one(text in "(https?://)?[ -~é]{0,40}") {
            if let Ok(endpoint) = Endpoint::parse(&text) {
                prop_assert_eq!(Endpoint::parse(&endpoint.to_string()).unwrap().origin(), endpoint.origin());
            }
        }
    }
}
