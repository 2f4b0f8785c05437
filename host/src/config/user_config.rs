//! The user's own file `config.yaml`: which senders may run, and the headers that only this user's host adds.

#[cfg(feature = "sender")]
mod header;
#[cfg(feature = "sender")]
mod headers;

use super::file_error::ConfigError;
use super::yaml::{Document, Kind};

#[cfg(feature = "sender")]
pub use self::header::{HeaderTemplate, MissingVariable};
#[cfg(feature = "sender")]
pub use self::headers::UrlHeaders;

/// Which senders may run for this user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AllowSenders {
    /// Every one that a repository names.
    #[default]
    Any,
    /// The built-in ones, and those that this user trusted on this machine.
    Trusted,
    /// The built-in ones.
    Builtin,
}

impl AllowSenders {
    /// The word in the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Trusted => "trusted",
            Self::Builtin => "builtin",
        }
    }
}

/// The parsed file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserConfig {
    /// `telemetryDisabled`: for every repository of this user.
    pub telemetry_disabled: bool,
    /// `allowSenders`.
    pub allow_senders: AllowSenders,
    /// `headers`: each URL and each name within it once. Who only records does not read them.
    #[cfg(feature = "sender")]
    pub headers: Vec<UrlHeaders>,
}

impl UserConfig {
    /// Takes `text` for the file; an empty one sets nothing.
    ///
    /// # Errors
    ///
    /// Names the line or key that is wrong, and what to write instead.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let document = Document::parse(text)?;
        let mut config = Self::default();
        for entry in &document.entries {
            match (entry.key.as_deref(), &entry.value.kind) {
                (Some("telemetryDisabled"), kind) => match kind {
                    Kind::Null => {}
                    Kind::Bool(on) => config.telemetry_disabled = *on,
                    _ => return Err(ConfigError::value(entry, "", "true or false")),
                },
                (Some("allowSenders"), kind) => {
                    config.allow_senders = match kind {
                        Kind::Null => AllowSenders::default(),
                        Kind::Text(text) if text == "any" => AllowSenders::Any,
                        Kind::Text(text) if text == "trusted" => AllowSenders::Trusted,
                        Kind::Text(text) if text == "builtin" => AllowSenders::Builtin,
                        _ => return Err(ConfigError::value(entry, "", "any, trusted or builtin")),
                    }
                }
                #[cfg(feature = "sender")]
                (Some("headers"), kind) => match kind {
                    Kind::Null => {}
                    Kind::Mapping(origins) => config.headers = headers::parse(origins)?,
                    _ => {
                        return Err(ConfigError::value(
                            entry,
                            "",
                            "a mapping of URLs to headers",
                        ));
                    }
                },
                _ => {}
            }
        }
        Ok(config)
    }
}

#[cfg(all(test, feature = "sender"))]
mod tests {
    use super::*;
    use crate::domain::Origin;

    #[test]
    fn everything_is_read() {
        let config = UserConfig::parse(
            "telemetryDisabled: true\nallowSenders: trusted\nother: 1\nheaders:\n  https://EXAMPLE.com:\n    \
             Authorization: Bearer ${TOKEN}\n    x-n: 1.10\n  http://localhost:8090: {x-y: \"a\"}\n  http://example.com/a/: {x-y: b, allowPlain: true}\n  http://empty:\n",
        )
        .unwrap();
        assert!(config.telemetry_disabled);
        assert_eq!(config.allow_senders, AllowSenders::Trusted);
        let shown: Vec<_> = config
            .headers
            .iter()
            .flat_map(|url| {
                let UrlHeaders {
                    scope,
                    allow_plain,
                    headers,
                } = url;
                headers
                    .iter()
                    .map(move |(name, value)| format!("{scope} {name}: {value} {allow_plain}"))
            })
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @r"
            https://example.com:443 authorization: <redacted>${TOKEN} false
            https://example.com:443 x-n: <redacted> false
            http://localhost:8090 x-y: <redacted> false
            http://example.com:80/a x-y: <redacted> true
            ");
        let origin = Origin::parse("https://example.com:443").unwrap();
        assert_eq!(config.headers_for(&origin).count(), 1);
        let other = Origin::parse("https://example.org").unwrap();
        assert_eq!(config.headers_for(&other).count(), 0);
        let plain: Vec<bool> = config.headers.iter().map(UrlHeaders::go_plain).collect();
        assert_eq!(plain, [false, false, true]);
    }

    #[test]
    fn an_empty_file_sets_nothing() {
        for text in [
            "",
            "# note\n",
            "telemetryDisabled:\nallowSenders: ~\nheaders:\n",
        ] {
            assert_eq!(UserConfig::parse(text), Ok(UserConfig::default()));
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_never_its_value() {
        let why = |text: &str| UserConfig::parse(text).unwrap_err().to_string();
        let in_headers = |text: &str| why(&format!("headers:\n  https://a.example:\n    {text}\n"));
        let errors = [
            why("telemetryDisabled: s3cret"),
            why("allowSenders: s3cret"),
            why("headers: s3cret"),
            why("headers: {https://a.example: s3cret}"),
            why("headers: {https://a.example/path?key=s3cret: {}}"),
            why("headers: {'https://a.example/?key=s3cret': {}}"),
            why("headers: {'https://me:s3cret@a.example': {}}"),
            why("headers: {a.example: {}}"),
            why("headers:\n  https://a.example/b: {}\n  https://A.example:443/b/: {}"),
            in_headers("X-A: s3cret\n    x-a: s3cret"),
            in_headers("x a: s3cret"),
            in_headers("Host: s3cret"),
            in_headers("Proxy-Authorization: s3cret"),
            in_headers("Expect: s3cret"),
            in_headers("Content-Length: s3cret"),
            in_headers("allowPlain: s3cret"),
            in_headers("x-a: [s3cret]"),
            in_headers("x-a: \"s3cret\\n\""),
            in_headers("x-a: s3cret${"),
            in_headers("x-a: s3cret${A-B}"),
            in_headers("x-a: s3cret ${}"),
            in_headers("x-a:"),
            why("headers: [s3cret"),
        ]
        .join("\n");
        assert!(!errors.contains("s3cret"), "{errors}");
        insta::assert_snapshot!(errors, @r#"
            line 1: invalid value for telemetryDisabled: expected true or false
            line 1: invalid value for allowSenders: expected any, trusted or builtin
            line 1: invalid value for headers: expected a mapping of URLs to headers
            line 1: invalid value for headers.https://a.example: expected a mapping of header names to values
            line 1 names "https://a.example/path", which is not a URL for headers
            line 1 names "https://a.example/", which is not a URL for headers
            line 1 names "a.example", which is not a URL for headers
            line 1 names "a.example", which is not a URL for headers
            line 3 names https://a.example:443/b twice
            line 4 names the header x-a twice
            line 3 sets the header "x a", which is not a valid header name
            line 3 sets the header "Host", which is set by the connection
            line 3 sets the header "Proxy-Authorization", which is set by the connection
            line 3 sets the header "Expect", which is set by the connection
            line 3 sets the header "Content-Length", which is set by the connection
            line 3: invalid value for headers.allowPlain: expected true or false
            line 3: invalid value for headers.x-a: expected one line of text, where ${NAME} stands for an environment variable
            line 3: invalid value for headers.x-a: expected one line of text, where ${NAME} stands for an environment variable
            line 3: invalid value for headers.x-a: expected one line of text, where ${NAME} stands for an environment variable
            line 3: invalid value for headers.x-a: expected one line of text, where ${NAME} stands for an environment variable
            line 3: invalid value for headers.x-a: expected one line of text, where ${NAME} stands for an environment variable
            line 3: invalid value for headers.x-a: expected one line of text, where ${NAME} stands for an environment variable
            line 1 is not valid YAML (while parsing a flow sequence, expected ',' or ']')
            "#);
    }
}
