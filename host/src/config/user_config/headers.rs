//! The headers that this user adds to requests, by the URL that they are for.

use std::collections::HashSet;

use http::HeaderName;

use super::header::HeaderTemplate;
use super::{Kind, UserConfig};
use crate::config::file_error::ConfigError;
use crate::config::yaml::Entry;
use crate::domain::{Origin, UrlScope, is_connection_header};

/// Stands beside headers that may go out in plain text.
const ALLOW_PLAIN: &str = "allowPlain";

/// A URL, and the headers of requests at or below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlHeaders {
    /// The URL.
    pub scope: UrlScope,
    /// `allowPlain`: whether they may be sent over plain http to another machine.
    pub allow_plain: bool,
    /// The headers, each name once.
    pub headers: Vec<(HeaderName, HeaderTemplate)>,
}

impl UrlHeaders {
    /// Whether everybody on the way to the endpoint can read them.
    #[must_use]
    pub fn go_plain(&self) -> bool {
        let Origin { https, host, .. } = self.scope.origin();
        !https && !host.names_loopback() && !self.headers.is_empty()
    }
}

impl UserConfig {
    /// The headers of requests to `origin`, by path.
    pub fn headers_for(&self, origin: &Origin) -> impl Iterator<Item = &UrlHeaders> {
        self.headers
            .iter()
            .filter(move |headers| headers.scope.origin() == origin)
    }
}

/// The value of `headers`.
pub(super) fn parse(urls: &[Entry]) -> Result<Vec<UrlHeaders>, ConfigError> {
    let mut seen = HashSet::new();
    let mut all = Vec::new();
    for entry in urls {
        let text = entry.key.as_deref().unwrap_or_default();
        let line = entry.key_node.line;
        let Some(scope) = UrlScope::parse(text) else {
            return Err(ConfigError::NotAUrl {
                line,
                // Whatever is before an `@` could be a password, and a query a key.
                url: text
                    .rsplit('@')
                    .next()
                    .and_then(|rest| rest.split(['?', '#']).next())
                    .unwrap_or_default()
                    .into(),
            });
        };
        if !seen.insert(scope.clone()) {
            return Err(ConfigError::Twice {
                line,
                name: scope.to_string().into(),
            });
        }
        match &entry.value.kind {
            Kind::Null => {}
            Kind::Mapping(headers) => all.push(of_url(scope, headers)?),
            _ => {
                return Err(ConfigError::value(
                    entry,
                    "headers.",
                    "a mapping of header names to values",
                ));
            }
        }
    }
    Ok(all)
}

fn of_url(scope: UrlScope, entries: &[Entry]) -> Result<UrlHeaders, ConfigError> {
    let mut seen = HashSet::new();
    let mut found = UrlHeaders {
        scope,
        allow_plain: false,
        headers: Vec::new(),
    };
    for entry in entries {
        let text = entry.key.as_deref().unwrap_or_default();
        let line = entry.key_node.line;
        if text == ALLOW_PLAIN {
            match entry.value.kind {
                Kind::Bool(on) => found.allow_plain = on,
                _ => return Err(ConfigError::value(entry, "headers.", "true or false")),
            }
            continue;
        }
        let refused = |why| ConfigError::Header {
            line,
            name: text.into(),
            why,
        };
        let name = HeaderName::from_bytes(text.as_bytes())
            .map_err(|_| refused("is not a valid header name"))?;
        if is_connection_header(name.as_str()) {
            return Err(refused("is set by the connection"));
        }
        if !seen.insert(name.clone()) {
            return Err(ConfigError::Twice {
                line,
                name: format!("the header {name}").into(),
            });
        }
        let template = match &entry.value.kind {
            Kind::Text(value) => HeaderTemplate::parse(value),
            Kind::Bool(on) => HeaderTemplate::parse(&on.to_string()),
            _ => None,
        };
        let template = template.ok_or_else(|| {
            ConfigError::value(
                entry,
                "headers.",
                "one line of text, where ${NAME} stands for an environment variable",
            )
        })?;
        found.headers.push((name, template));
    }
    Ok(found)
}
