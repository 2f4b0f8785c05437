//! How a value is spelled, so that every YAML parser reads the same.

use std::fmt::Write as _;

use super::Scalar;

/// `scalar` as YAML, in the style of the value that begins with `style` where it can be, or else in double quotes.
pub(super) fn written(scalar: &Scalar, style: Option<char>) -> String {
    match (scalar, style) {
        (Scalar::Bool(on), _) => on.to_string(),
        (Scalar::Number(number), _) => number.to_string(),
        (Scalar::Text(text), Some('\'')) if !text.chars().any(needs_escape) => {
            format!("'{}'", text.replace('\'', "''"))
        }
        (Scalar::Text(text), Some(style))
            if !matches!(style, '"' | '\'' | '|' | '>') && is_plainly_safe(text) =>
        {
            text.clone()
        }
        (Scalar::Text(text), _) => double_quoted(text),
    }
}

/// Pairs of texts as a mapping in one line.
pub(super) fn written_pairs(pairs: &[(String, String)]) -> String {
    let pairs = pairs.iter();
    let pairs =
        pairs.map(|(key, value)| format!("{}: {}", double_quoted(key), double_quoted(value)));
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
}

/// Whether no parser, of YAML 1.1 or 1.2, could take the bare text for something else.
fn is_plainly_safe(text: &str) -> bool {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-./:".contains(c))
        && !text.ends_with(':')
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
}

fn needs_escape(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

/// `text` as a scalar in double quotes.
pub(crate) fn double_quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            // Writing to a string cannot fail.
            _ if needs_escape(character) => drop(write!(quoted, "\\u{:04X}", u32::from(character))),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}
