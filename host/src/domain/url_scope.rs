//! A URL as the key of what belongs to it and to all below it.

use std::fmt;

use super::{Endpoint, Origin};

/// An origin and a path. What is at or below that path on that origin is within; without a path, the whole origin is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UrlScope {
    origin: Origin,
    /// Without a slash at its end, so that the whole origin's is empty.
    path: String,
}

impl UrlScope {
    /// Takes `text` for a scope, such as `https://telemetry.example.com/team`. `None` where it is no URL, or has user
    /// information, a query or a fragment.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let endpoint = Endpoint::parse(text).ok()?;
        Some(Self {
            origin: endpoint.origin(),
            path: endpoint.path().trim_end_matches('/').to_owned(),
        })
    }

    /// The origin.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The path, without a slash at its end.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether a request to `target`, a path with or without a query, on the scope's own origin is within.
    ///
    /// A path that servers may read as another one is within the whole origin only.
    #[must_use]
    pub fn covers(&self, target: &str) -> bool {
        let path = target.split(['?', '#']).next().unwrap_or_default();
        let below = path.strip_prefix(&self.path);
        self.path.is_empty()
            || below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
                && !is_ambiguous(path)
    }
}

impl fmt::Display for UrlScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path)
    }
}

/// Whether a server may take `path` for another one: it has a step to itself or upwards, or a slash in other letters.
fn is_ambiguous(path: &str) -> bool {
    let mut decoded = path.to_ascii_lowercase();
    // Some servers decode more than once.
    while decoded.contains("%25") {
        decoded = decoded.replace("%25", "%");
    }
    for (code, letter) in [("%2e", "."), ("%2f", "/"), ("%5c", "\\"), ("%3b", ";")] {
        decoded = decoded.replace(code, letter);
    }
    let slashes = |text: &str| text.matches('/').count();
    decoded.contains('\\')
        || slashes(&decoded) != slashes(path)
        || decoded.split('/').any(|segment| {
            // What follows a semicolon is a parameter to some.
            matches!(segment.split(';').next(), Some("." | ".."))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_at_or_below_the_path_is_within() {
        let scope = UrlScope::parse("https://example.com/team/a/").unwrap();
        for (target, within) in [
            ("/team/a", true),
            ("/team/a/", true),
            ("/team/a/ingest", true),
            ("/team/a?x=/team/b", true),
            ("/team/a/b.c/..d/ingest", true),
            ("/team/a/%20x", true),
            ("/", false),
            ("", false),
            ("/team", false),
            ("/team/ab", false),
            ("/team/A", false),
            ("/other/team/a", false),
            ("/team/a/../b", false),
            ("/team/a/..", false),
            ("/team/a/./../b", false),
            ("/team/a/%2e%2e/b", false),
            ("/team/a/.%2E/b", false),
            ("/team/a/%252e%252e/b", false),
            ("/team/a/%25252e%25252e/b", false),
            ("/team/a/..%2fb", false),
            ("/team/a/..%5cb", false),
            ("/team/a/..\\b", false),
            ("/team/a/..;/b", false),
            ("/team/a/..%3b/b", false),
            ("/team/a%2f..%2fb", false),
        ] {
            assert_eq!(scope.covers(target), within, "{target}");
        }
    }

    #[test]
    fn without_a_path_the_whole_origin_is_within() {
        for text in ["https://example.com", "https://EXAMPLE.com:443/"] {
            let scope = UrlScope::parse(text).unwrap();
            assert_eq!(scope.to_string(), "https://example.com:443");
            for target in ["", "/", "/any?x", "/../x", "?x"] {
                assert!(scope.covers(target), "{target}");
            }
        }
        assert_eq!(UrlScope::parse("https://example.com/?key=1"), None);
    }

    proptest! {
        #[test]
        fn what_leads_out_of_the_path_when_it_is_resolved_is_never_within(
            steps in prop::collection::vec("(\\.|%2e|%2E|;|/|a|b|%2f){0,6}", 1..6),
        ) {
            let target = format!("/a/{}", steps.join("/"));
            let scope = UrlScope::parse("http://h/a").unwrap();
            let url = url::Url::parse(&format!("http://h{target}")).unwrap();
            let resolved = url.path();
            if scope.covers(&target) {
                prop_assert!(resolved == "/a" || resolved.starts_with("/a/"), "{target} is {resolved}");
            }
        }
    }
}
