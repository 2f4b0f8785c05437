//! The name of a new sender: a directory everywhere, and a package in its language.

use super::ScaffoldLang;

const MAX_LENGTH: usize = 64;

/// Names that Windows keeps for devices, whatever follows after a dot.
const DEVICES: [&str; 22] = [
    "aux", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9", "con", "lpt1",
    "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9", "nul", "prn",
];

/// Words that no Rust package can have for a name: keywords, the crates that come with the compiler, and those
/// that the scaffold depends on.
const RUST: [&str; 61] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "self",
    "serde_json",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "wasip2",
    "wasip3",
    "where",
    "while",
    "wit_bindgen",
    "wstd",
    "yield",
];

/// A name that is safe as a directory on every system, and as a package of its language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderName(String);

/// Why a name was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SenderNameError {
    /// It has other characters, or too many.
    #[error(
        "invalid name for a sender: a name begins with a letter and has 1 to {MAX_LENGTH} lower-case letters, \
         digits, `-` and `_`"
    )]
    Spelling,
    /// It is a device on Windows.
    #[error("could not name a sender `{0}`: Windows reserves that name for a device")]
    Device(String),
    /// The language has a use of its own for it.
    #[error("could not name a sender `{0}`: no Rust package can have that name")]
    Reserved(String),
}

impl SenderName {
    /// Takes a name for a project in `lang`.
    ///
    /// # Errors
    ///
    /// When it is no portable file name, or no name of a package in that language.
    pub fn parse(name: &str, lang: ScaffoldLang) -> Result<Self, SenderNameError> {
        let is_spelled = name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.len() <= MAX_LENGTH
            && name
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'));
        if !is_spelled {
            return Err(SenderNameError::Spelling);
        }
        if DEVICES.contains(&name) {
            return Err(SenderNameError::Device(name.to_owned()));
        }
        if lang.is_rust() && RUST.contains(&name.replace('-', "_").as_str()) {
            return Err(SenderNameError::Reserved(name.to_owned()));
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_names_are_taken() {
        for name in ["a", "my-sender", "otlp_2"] {
            let parsed = SenderName::parse(name, ScaffoldLang::Rust).unwrap();
            assert_eq!(parsed.as_str(), name);
        }
    }

    #[test]
    fn names_that_are_no_package_or_no_portable_file_are_refused() {
        let long = "a".repeat(65);
        for name in [
            "", "A", "-a", "_a", "1a", "a b", "a/b", "..", "a.b", "é", &long,
        ] {
            let refused = SenderName::parse(name, ScaffoldLang::Python);
            assert_eq!(refused, Err(SenderNameError::Spelling), "{name}");
        }
        assert!(matches!(
            SenderName::parse("nul", ScaffoldLang::JavaScript),
            Err(SenderNameError::Device(_))
        ));
        for name in ["fn", "std", "serde-json"] {
            assert!(matches!(
                SenderName::parse(name, ScaffoldLang::Rust),
                Err(SenderNameError::Reserved(_))
            ));
        }
        assert!(SenderName::parse("fn", ScaffoldLang::Python).is_ok());
    }

    proptest! {
        #[test]
        fn a_name_that_is_taken_stays_in_its_directory(name in "\\PC*") {
            if SenderName::parse(&name, ScaffoldLang::Rust).is_ok() {
                prop_assert!(!name.contains(['/', '\\', '.', ':']));
            }
        }
    }
}
