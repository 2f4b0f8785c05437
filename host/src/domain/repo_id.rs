//! The identity of a repository, by which its events are told from other repositories'.

use std::fmt;

use uuid::Uuid;

/// A UUID in the spelling that the marker has, so that the endpoint sees one name for one repository.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RepoId(Box<str>);

impl RepoId {
    /// A new random one.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::new_v4().to_string().into())
    }

    /// Takes `text` for an id, if it is a UUID in any of the usual spellings.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).is_ok().then(|| Self(text.into()))
    }

    /// The id as the marker spells it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RepoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
