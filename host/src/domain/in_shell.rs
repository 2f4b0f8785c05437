//! Arguments of the commands that people are told to run.

use std::fmt::Write as _;

use super::printable;

/// `text` as one argument in a shell, quoted where it has to be: bash, zsh and ksh take it for exactly that text, and
/// other POSIX shells where all of it is printable.
#[must_use]
pub fn in_shell(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    // Of a path the same, and no option.
    let text = if text.starts_with('-') {
        format!("./{text}")
    } else {
        text.to_owned()
    };
    if !text.is_empty() && text.chars().all(plain) {
        return text;
    }
    if printable(&text) == text {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let mut quoted = String::from("$'");
    for c in text.chars() {
        let mut letters = [0; 4];
        let c: &str = c.encode_utf8(&mut letters);
        if matches!(c, "'" | "\\") {
            quoted.push('\\');
            quoted.push_str(c);
        } else if printable(c) == c {
            quoted.push_str(c);
        } else {
            for byte in c.bytes() {
                // Three digits always: a digit may follow. Writing to a string cannot fail.
                let _ = write!(quoted, "\\{byte:03o}");
            }
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_what_a_shell_would_act_on_is_quoted() {
        for (text, quoted) in [
            ("senders/ours_1.wasm", "senders/ours_1.wasm"),
            ("builtin:otlp", "builtin:otlp"),
            ("http://[::1]:8090/a", "'http://[::1]:8090/a'"),
            ("", "''"),
            ("my sender.wasm", "'my sender.wasm'"),
            ("$(touch x).wasm", "'$(touch x).wasm'"),
            ("it's", r"'it'\''s'"),
            ("~/a", "'~/a'"),
            ("-rf", "./-rf"),
            ("a\n\x1b1'", r"$'a\012\0331\''"),
            ("é", "'é'"),
        ] {
            assert_eq!(in_shell(text), quoted);
        }
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_printable_and_every_quote_is_closed(text: String) {
            let quoted = in_shell(&text);
            prop_assert_eq!(&printable(&quoted), &quoted);
            prop_assert_eq!(quoted.starts_with(['\'', '$']), quoted.ends_with('\''));
        }
    }
}
