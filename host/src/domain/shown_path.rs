//! A path where a person sees it.

use std::fmt;
use std::path::Path;

use super::{in_shell, printable};

/// A path as messages show it: escaped, since repositories and guests name files too. [`shown`] makes it.
#[derive(Clone, Copy, Debug)]
pub struct ShownPath<'a>(&'a Path);

/// `path` for a message. `tests/house.rs` sees to it that no path is shown in another way.
#[must_use]
pub fn shown(path: &Path) -> ShownPath<'_> {
    ShownPath(path)
}

impl ShownPath<'_> {
    /// The path as an argument of a command that is suggested to a person.
    #[must_use]
    pub fn in_shell(self) -> String {
        in_shell(&self.0.to_string_lossy())
    }
}

impl fmt::Display for ShownPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&printable(&self.0.to_string_lossy()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_escaped_and_suggested_as_it_is() {
        let path = shown(Path::new("a \x1b[2J\u{202e}b"));
        assert_eq!(path.to_string(), r"a \u{1b}[2J\u{202e}b");
        assert_eq!(path.in_shell(), r"$'a \033[2J\342\200\256b'");
    }
}
