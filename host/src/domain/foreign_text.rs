//! Text that a repository, a sender or an endpoint wrote.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{in_shell, printable};

/// Text that a repository, a sender or an endpoint wrote. It is shown escaped, whoever shows it and wherever: a message
/// with it in it needs no care. JSON has it as it was written, and escapes it in its own way.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ForeignText(String);

impl ForeignText {
    /// The text as it was written, for whatever is no display: files, comparisons, a marker's key.
    #[must_use]
    pub fn as_written(&self) -> &str {
        &self.0
    }

    /// The text as an argument of a command that is suggested to a person.
    #[must_use]
    pub fn in_shell(&self) -> String {
        in_shell(&self.0)
    }
}

impl From<String> for ForeignText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for ForeignText {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// What is no Unicode in it is replaced.
impl From<&Path> for ForeignText {
    fn from(path: &Path) -> Self {
        Self(path.to_string_lossy().into_owned())
    }
}

impl fmt::Display for ForeignText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&printable(&self.0))
    }
}

impl fmt::Debug for ForeignText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_shown_escaped_and_kept_as_written() {
        let text = ForeignText::from("a\x1b[31m\u{202e}b");
        assert_eq!(text.to_string(), r"a\u{1b}[31m\u{202e}b");
        assert_eq!(format!("{text:?}"), r#""a\u{1b}[31m\u{202e}b""#);
        assert_eq!(text.as_written(), "a\x1b[31m\u{202e}b");
        assert_eq!(serde_json::to_value(&text).unwrap(), text.as_written());
    }
}
