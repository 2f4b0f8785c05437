//! Text from outside, made safe for a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// `text` with every character that a terminal would act on, or not show, written as `\u{…}`: control characters
/// (newline and tab too, and the escape that opens a sequence), line and paragraph separators, whatever changes
/// the direction of writing, and whatever has no width and no visible effect of its own.
///
/// Borrowed where nothing has to change. Combining marks, which whole scripts are written with, stay.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_unprintable(character) {
            // Writing to a string cannot fail.
            let _ = write!(safe, "\\u{{{:x}}}", u32::from(character));
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            // Unicode's Default_Ignorable_Code_Point, which holds the zero width characters and all that steers
            // direction.
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
            // Separators of lines and paragraphs, and the marks of interlinear annotation.
            | '\u{2028}'..='\u{2029}' | '\u{fff9}'..='\u{fffb}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_terminal_would_act_on_is_written_out() {
        for (text, shown) in [
            ("\x1b]0;title\x07", r"\u{1b}]0;title\u{7}"),
            ("\x1b[2J", r"\u{1b}[2J"),
            ("a\r\nb\tc", r"a\u{d}\u{a}b\u{9}c"),
            ("\u{9b}31m", r"\u{9b}31m"),
            ("\u{7f}\0", r"\u{7f}\u{0}"),
            ("user\u{202e}gnp.exe", r"user\u{202e}gnp.exe"),
            ("\u{2066}a\u{2069}", r"\u{2066}a\u{2069}"),
            ("ad\u{200b}min\u{feff}", r"ad\u{200b}min\u{feff}"),
            ("a\u{e0041}", r"a\u{e0041}"),
        ] {
            assert_eq!(printable(text), shown);
        }
    }

    #[test]
    fn text_of_many_scripts_is_borrowed_unchanged() {
        for text in [
            "",
            r"C:\temp <REDACTED>",
            "naïve Ελληνικά",
            "नमस्ते",
            "עברית عربى",
            "日本語 한국어",
            "🦀",
        ] {
            assert!(matches!(printable(text), Cow::Borrowed(same) if same == text));
        }
    }

    /// Spelled out apart from the code, so that a range lost there is missed here.
    const BIDI: [char; 12] = [
        '\u{61c}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}',
        '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}',
    ];
    const ZERO_WIDTH: [char; 6] = [
        '\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}', '\u{feff}', '\u{ad}',
    ];

    const SEPARATORS: [char; 2] = ['\u{2028}', '\u{2029}'];

    fn nasty() -> impl Strategy<Value = String> {
        let special = prop::sample::select(
            [
                &BIDI[..],
                &ZERO_WIDTH[..],
                &['\x1b', '\n', '\t', '\u{85}', '\u{2028}'][..],
            ]
            .concat(),
        );
        prop::collection::vec(
            prop_oneof![special, any::<char>(), prop::char::range(' ', '~')],
            0..40,
        )
        .prop_map(|characters| characters.into_iter().collect())
    }

    proptest! {
        #[test]
        fn nothing_that_steers_a_terminal_comes_out(text in nasty()) {
            let safe = printable(&text);
            prop_assert!(!safe.contains(char::is_control));
            prop_assert!(!safe.contains(BIDI));
            prop_assert!(!safe.contains(ZERO_WIDTH));
            prop_assert!(!safe.contains(SEPARATORS));
        }

        #[test]
        fn what_came_out_is_not_changed_again(text in nasty()) {
            let safe = printable(&text);
            prop_assert!(matches!(printable(&safe), Cow::Borrowed(_)));
        }

        #[test]
        fn plain_text_is_borrowed_unchanged(text in "[ -~à-ÿα-ωא-ת一-丿]{0,40}") {
            prop_assert!(matches!(printable(&text), Cow::Borrowed(same) if same == text));
        }
    }
}
