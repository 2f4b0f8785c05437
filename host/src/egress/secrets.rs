//! The values of the user's headers, kept out of whatever is shown or stored of an answer.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::header::HostHeader;

/// What stands for a value.
const MASK: &str = "<redacted>";

/// Values that are shorter stay as they are: they would be found in all kinds of words.
const SHORTEST: usize = 8;

/// How much of a value is masked where the text begins or ends in the middle of it.
const SHORTEST_PART: usize = 4;

/// The values of the user's headers.
#[derive(Clone, Default)]
pub struct Secrets(Arc<[Secret]>);

struct Secret {
    value: Vec<u8>,
    /// What is certain of its base64 for each of the three places that its beginning can have.
    encoded: [Vec<u8>; 3],
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}

impl Secrets {
    /// The values of `headers` that are long enough, and the words of those: of `Bearer …`, the token too.
    #[must_use]
    pub fn of(headers: &[HostHeader]) -> Self {
        let values = headers.iter().map(|header| header.value.as_bytes());
        Self::new(values)
    }

    fn new<'a>(values: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut found: Vec<&[u8]> = values
            .flat_map(|value| std::iter::once(value).chain(value.split(|byte| *byte == b' ')))
            .filter(|value| value.len() >= SHORTEST)
            .collect();
        found.sort_unstable_by_key(|value| std::cmp::Reverse(value.len()));
        found.dedup();
        Self(found.into_iter().map(Secret::new).collect())
    }

    /// `text` with every value masked: as it is, percent-encoded, escaped as JSON or HTML do, and in base64 within
    /// whatever else was encoded with it.
    #[must_use]
    pub fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let bytes = text.as_bytes();
        let mut masked: Vec<Range<usize>> = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let found = self
                .0
                .iter()
                .filter_map(|secret| secret.at(bytes, at))
                .max_by_key(|found| found.end);
            match found {
                Some(found) => {
                    at = found.end.max(at + 1);
                    masked.push(found);
                }
                None => at += 1,
            }
        }
        if masked.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut shown = String::with_capacity(text.len());
        let mut from = 0;
        for range in masked {
            // Values are ASCII but for what headers may have besides, so that a range may end within a character.
            let start = text.floor_char_boundary(range.start).max(from);
            shown.push_str(&text[from..start]);
            shown.push_str(MASK);
            from = text.ceil_char_boundary(range.end).max(from);
        }
        shown.push_str(&text[from..]);
        Cow::Owned(shown)
    }
}

impl Secret {
    fn new(value: &[u8]) -> Self {
        let encoded = [0, 1, 2].map(|before| {
            let bytes = [&vec![0; before][..], value].concat();
            let text = STANDARD_NO_PAD.encode(&bytes).into_bytes();
            // Six bits a letter: the first ones and the last one are also of what is before and after.
            let certain = [0, 2, 3][before]..bytes.len() * 8 / 6;
            text[certain].to_vec()
        });
        Self {
            value: value.to_vec(),
            encoded,
        }
    }

    /// Where the value is in `text` if it begins at `at`, in whatever letters.
    fn at(&self, text: &[u8], at: usize) -> Option<Range<usize>> {
        let whole = self.value_at(text, at);
        let encoded = || {
            let found = self.encoded.iter().find_map(|encoded| {
                Some(
                    at..matched(text, at, encoded, true)
                        .filter(|found| found.letters == encoded.len())?
                        .end,
                )
            });
            found.map(|found| with_the_rest(text, found))
        };
        whole.map(|end| at..end).or_else(encoded)
    }

    /// Where the value ends that begins at `at`. A part counts where the text ends, or begins, in the middle of it.
    fn value_at(&self, text: &[u8], at: usize) -> Option<usize> {
        let found = matched(text, at, &self.value, false);
        let begun = found.filter(|found| {
            found.letters == self.value.len()
                || found.end == text.len() && found.letters >= SHORTEST_PART
        });
        let cut_off = || {
            (1..=self.value.len() - SHORTEST_PART).find_map(|skipped| {
                let rest = &self.value[skipped..];
                matched(text, at, rest, false).filter(|found| found.letters == rest.len())
            })
        };
        let found = if at == 0 {
            begun.or_else(cut_off)
        } else {
            begun
        };
        found.map(|found| found.end)
    }
}

/// The letters of base64 around `found` are partly the value's.
fn with_the_rest(text: &[u8], found: Range<usize>) -> Range<usize> {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(byte);
    let before = text[..found.start]
        .iter()
        .rev()
        .take_while(|byte| is_letter(byte))
        .count();
    let after = text[found.end..]
        .iter()
        .take_while(|byte| is_letter(byte))
        .count();
    found.start - before.min(1)..found.end + after.min(1)
}

struct Matched {
    /// How many bytes of the pattern were found.
    letters: usize,
    /// Where they end in the text.
    end: usize,
}

/// How much of `pattern` is in `text` from `at` on, each byte of it written in any way. `None` where the first is not.
fn matched(text: &[u8], at: usize, pattern: &[u8], base64: bool) -> Option<Matched> {
    let mut reached = vec![at];
    for (letters, &byte) in pattern.iter().enumerate() {
        let mut next = Vec::new();
        for &from in &reached {
            spellings(text, from, byte, base64, &mut next);
        }
        next.sort_unstable();
        next.dedup();
        if next.is_empty() {
            let end = reached.into_iter().max()?;
            return (letters > 0).then_some(Matched { letters, end });
        }
        reached = next;
    }
    let end = reached.into_iter().max()?;
    Some(Matched {
        letters: pattern.len(),
        end,
    })
}

/// Where each way to write `byte` ends that `text` has at `from`.
fn spellings(text: &[u8], from: usize, byte: u8, base64: bool, ends: &mut Vec<usize>) {
    let is =
        |found: u8| found == byte || base64 && matches!((found, byte), (b'-', b'+') | (b'_', b'/'));
    let rest = &text[from..];
    let Some(&first) = rest.first() else { return };
    if is(first) || !base64 && first == b'+' && byte == b' ' {
        ends.push(from + 1);
    }
    // Base64 may be broken into lines.
    if base64 && matches!(first, b'\r' | b'\n') {
        spellings(text, from + 1, byte, base64, ends);
    }
    match first {
        b'%' => {
            // `%2525…` was encoded more than once.
            let again = rest[1..]
                .chunks(2)
                .take_while(|pair| *pair == b"25")
                .count();
            for deep in 0..=again {
                let digits = rest.get(1 + 2 * deep..3 + 2 * deep);
                if digits
                    .and_then(|digits| number(digits, 16))
                    .is_some_and(|found| is_code(found, is))
                {
                    ends.push(from + 3 + 2 * deep);
                }
            }
        }
        b'\\' => {
            let depth = rest.iter().take_while(|byte| **byte == b'\\').count();
            let escaped = &rest[depth..];
            match escaped {
                [b'u', digits @ ..]
                    if digits
                        .get(..4)
                        .and_then(|digits| number(digits, 16))
                        .is_some_and(|found| is_code(found, is)) =>
                {
                    ends.push(from + depth + 5);
                }
                [found, ..] if is(*found) => ends.push(from + depth + 1),
                _ => {}
            }
            if byte == b'\\' {
                ends.extend((2..=depth).map(|taken| from + taken));
            }
            // Line breaks inside base64, as JSON writes them.
            if base64 && matches!(escaped.first(), Some(b'n' | b'r')) {
                spellings(text, from + depth + 1, byte, base64, ends);
            }
        }
        b'&' => {
            let Some(end) = rest.iter().take(10).position(|byte| *byte == b';') else {
                return;
            };
            let code = match &rest[1..end] {
                b"amp" => Some(b'&'.into()),
                b"lt" => Some(b'<'.into()),
                b"gt" => Some(b'>'.into()),
                b"quot" => Some(b'"'.into()),
                b"apos" => Some(b'\''.into()),
                [b'#', b'x' | b'X', digits @ ..] => number(digits, 16),
                [b'#', digits @ ..] => number(digits, 10),
                _ => None,
            };
            if code.is_some_and(|found| is_code(found, is)) {
                ends.push(from + end + 1);
            }
        }
        _ => {}
    }
}

fn is_code(code: u32, is: impl Fn(u8) -> bool) -> bool {
    u8::try_from(code).is_ok_and(is)
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let digits = std::str::from_utf8(digits).ok()?;
    u32::from_str_radix(digits, radix).ok()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use proptest::prelude::*;

    fn secrets(values: &[&str]) -> Secrets {
        Secrets::new(values.iter().map(|value| value.as_bytes()))
    }

    #[test]
    fn a_value_is_masked_in_whatever_letters_it_comes_back() {
        let secrets = secrets(&["Bearer tok/en+\"1\\23&"]);
        for (text, shown) in [
            ("nothing", "nothing"),
            ("Bearer and token", "Bearer and token"),
            (
                r#"you sent "Bearer tok/en+"1\23&"."#,
                r#"you sent "<redacted>"."#,
            ),
            (r#"only tok/en+"1\23& of it"#, "only <redacted> of it"),
            (
                r#"{"got":"Bearer tok\/en+\"1\\23&"}"#,
                r#"{"got":"<redacted>"}"#,
            ),
            (
                r#"{"got":"Bearer tok\u002fen\u002B\u00221\u005c23\u0026"}"#,
                r#"{"got":"<redacted>"}"#,
            ),
            (
                r#""{\"got\":\"Bearer tok/en+\\\"1\\\\23&\"}""#,
                r#""{\"got\":\"<redacted>\"}""#,
            ),
            ("?k=Bearer%20tok%2Fen%2b%221%5C23%26&x", "?k=<redacted>&x"),
            ("?k=Bearer+tok%2Fen%2b%221%5C23%26", "?k=<redacted>"),
            (
                "%2542earer%2520tok%252Fen%252b%25221%255C23%2526",
                "<redacted>",
            ),
            ("<p>Bearer tok/en+&quot;1\\23&amp;</p>", "<p><redacted></p>"),
            ("Bearer tok&#47;en&#x2b;&#34;1\\23&", "<redacted>"),
            ("cut off: Bearer tok/e", "cut off: <redacted>"),
            ("cut off: Bear", "cut off: <redacted>"),
            ("cut off: Bea", "cut off: Bea"),
            (r#"en+"1\23& was cut off"#, "<redacted> was cut off"),
            (r#"é Bearer tok/en+"1\23&é"#, "é <redacted>é"),
        ] {
            assert_eq!(secrets.mask(text), shown, "{text}");
        }
    }

    #[test]
    fn what_is_short_stays() {
        assert_eq!(secrets(&["1234567"]).mask("a 1234567 b"), "a 1234567 b");
        assert_eq!(
            secrets(&["12345678"]).mask("a 12345678 b"),
            "a <redacted> b"
        );
    }

    fn everything(text: &str) -> impl Iterator<Item = String> + use<'_> {
        use base64::engine::general_purpose::{STANDARD, URL_SAFE};
        let json = || serde_json::to_string(text).unwrap();
        let percent = || {
            text.bytes().fold(String::new(), |mut text, byte| {
                write!(text, "%{byte:02x}").unwrap();
                text
            })
        };
        let broken = |text: String| {
            let lines: Vec<_> = text
                .as_bytes()
                .chunks(5)
                .map(String::from_utf8_lossy)
                .collect();
            lines.join("\r\n")
        };
        [
            text.to_owned(),
            json(),
            serde_json::to_string(&json()).unwrap(),
            percent(),
            STANDARD.encode(text),
            URL_SAFE.encode(text),
            broken(STANDARD.encode(text)),
            STANDARD
                .encode(text)
                .replace('+', "%2B")
                .replace('/', "%2F"),
            STANDARD.encode(text).replace('/', "\\/"),
        ]
        .into_iter()
    }

    proptest! {
        #[test]
        fn nothing_of_a_value_is_left_whatever_is_around_it(
            value in "[!-~][ -~]{6,30}[!-~]",
            before in "[a-z .:{]{0,7}",
            after in "[a-z .:}]{0,7}",
        ) {
            let secrets = secrets(&[&value]);
            for text in everything(&format!("{before}{value}{after}")) {
                let shown = secrets.mask(&text);
                prop_assert!(shown.contains(MASK), "{text} is shown as {shown}");
                prop_assert!(!shown.contains(&value));
            }
        }

        #[test]
        fn any_text_is_masked_without_a_panic(text: String, value in "[ -~]{8,12}") {
            let _ = secrets(&[&value]).mask(&text);
        }
    }
}
