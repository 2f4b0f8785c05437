//! The headers that this user adds to requests, by origin.

use std::collections::HashSet;

use http::HeaderName;

use super::header::{HeaderTemplate, is_http_own};
use super::{Entry, Kind, UserConfig, UserConfigError, wrong};
use crate::domain::Origin;

/// An origin, and the headers of requests to it.
pub type OriginHeaders = (Origin, Vec<(HeaderName, HeaderTemplate)>);

impl UserConfig {
    /// The headers of requests to `origin`.
    #[must_use]
    pub fn headers_for(&self, origin: &Origin) -> &[(HeaderName, HeaderTemplate)] {
        self.headers
            .iter()
            .find(|(of, _)| of == origin)
            .map_or(&[], |(_, headers)| headers)
    }
}

/// The value of `headers`.
pub(super) fn parse(origins: &[Entry]) -> Result<Vec<OriginHeaders>, UserConfigError> {
    let mut seen = HashSet::new();
    let mut all = Vec::new();
    for entry in origins {
        let text = entry.key.as_deref().unwrap_or_default();
        let line = entry.key_node.line;
        let Some(origin) = Origin::parse(text) else {
            return Err(UserConfigError::NotAnOrigin {
                line,
                // Whatever is before an `@` could be a password, and a query a key.
                origin: text
                    .rsplit('@')
                    .next()
                    .and_then(|rest| rest.split(['?', '#']).next())
                    .unwrap_or_default()
                    .to_owned(),
            });
        };
        if !seen.insert(origin.clone()) {
            return Err(UserConfigError::Twice {
                line,
                name: origin.to_string(),
            });
        }
        match &entry.value.kind {
            Kind::Null => {}
            Kind::Mapping(headers) => all.push((origin, of_origin(headers)?)),
            _ => {
                return Err(wrong(
                    entry,
                    "headers.",
                    "a mapping of header names to values",
                ));
            }
        }
    }
    Ok(all)
}

fn of_origin(entries: &[Entry]) -> Result<Vec<(HeaderName, HeaderTemplate)>, UserConfigError> {
    let mut seen = HashSet::new();
    let mut headers = Vec::new();
    for entry in entries {
        let text = entry.key.as_deref().unwrap_or_default();
        let line = entry.key_node.line;
        let refused = |why| UserConfigError::Header {
            line,
            name: text.to_owned(),
            why,
        };
        let name = HeaderName::from_bytes(text.as_bytes())
            .map_err(|_| refused("is not the name of a header"))?;
        if is_http_own(&name) {
            return Err(refused("belongs to the connection and not to the user"));
        }
        if !seen.insert(name.clone()) {
            return Err(UserConfigError::Twice {
                line,
                name: format!("the header {name}"),
            });
        }
        let template = match &entry.value.kind {
            Kind::Text(value) => HeaderTemplate::parse(value),
            Kind::Bool(on) => HeaderTemplate::parse(&on.to_string()),
            _ => None,
        };
        let template = template.ok_or_else(|| {
            wrong(
                entry,
                "headers.",
                "one line of text, in which ${NAME} stands for an environment variable",
            )
        })?;
        headers.push((name, template));
    }
    Ok(headers)
}
