//! JSON text that is valid and still holds what Rust's types cannot: halves of surrogate pairs, and numbers that are too
//! large.

use serde::de::IgnoredAny;

/// Rewrites JSON text so that it can be read: `U+FFFD` in the place of each lone surrogate, `null` in that of each number
/// out of range. `None` where the text is not JSON.
pub(super) fn readable(text: &str) -> Option<String> {
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let mut readable = String::with_capacity(text.len());
    let mut rest = text;
    // Outside of its strings, valid JSON has digits only in numbers.
    while let Some(at) = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit()) {
        readable.push_str(&rest[..at]);
        rest = &rest[at..];
        rest = if rest.starts_with('"') {
            string(rest, &mut readable)
        } else {
            number(rest, &mut readable)
        };
    }
    readable.push_str(rest);
    Some(readable)
}

/// Takes the number at the beginning of `text`, and gives what comes after it.
fn number<'a>(text: &'a str, readable: &mut String) -> &'a str {
    let is_part = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    let (number, rest) = text.split_at(text.find(|c| !is_part(c)).unwrap_or(text.len()));
    let fits = number.parse::<f64>().is_ok_and(f64::is_finite);
    readable.push_str(if fits { number } else { "null" });
    rest
}

/// Takes the string at the beginning of `text`, and gives what comes after it.
fn string<'a>(text: &'a str, readable: &mut String) -> &'a str {
    readable.push('"');
    let mut rest = &text[1..];
    while let Some(at) = rest.find(['"', '\\']) {
        readable.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix('"') {
            readable.push('"');
            return after;
        }
        let length = match unit(rest) {
            Some(0xD800..=0xDBFF) if matches!(unit(&rest[6..]), Some(0xDC00..=0xDFFF)) => 12,
            Some(0xD800..=0xDFFF) => {
                readable.push_str("\\ufffd");
                rest = &rest[6..];
                continue;
            }
            Some(_) => 6,
            None => 2,
        };
        let (escape, after) = rest.split_at(length);
        readable.push_str(escape);
        rest = after;
    }
    rest
}

/// The UTF-16 unit that an escape at the beginning of `text` stands for: that of `\uXXXX`.
fn unit(text: &str) -> Option<u32> {
    u32::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn what_cannot_be_read_is_replaced_and_the_rest_stays() {
        for (text, expected) in [
            (
                r#"{"a":"x\ud83dy","b":1e400}"#,
                r#"{"a":"x\ufffdy","b":null}"#,
            ),
            (
                r#"["\ude00\ud83d","\ud83d\ude00"]"#,
                r#"["\ufffd\ufffd","\ud83d\ude00"]"#,
            ),
            (
                r#"["\\ud83d \" \ud83d\n", -1E+999, 12.5e3]"#,
                r#"["\\ud83d \" \ufffd\n", null, 12.5e3]"#,
            ),
            (r#"{"\ud800":"-1e999"}"#, r#"{"\ufffd":"-1e999"}"#),
        ] {
            assert_eq!(readable(text).unwrap(), expected);
            serde_json::from_str::<Value>(expected).unwrap();
        }
        for text in ["", "{", r#"{"a":"\ud83"}"#, r#"{"a":1e}"#, "1 2"] {
            assert_eq!(readable(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_can_be_read_stays_as_it_is(text in ".{0,40}", number in any::<f64>()) {
            let json = serde_json::json!({ &text: [&text], "number": number }).to_string();
            prop_assert_eq!(readable(&json).unwrap(), json);
        }
    }
}
