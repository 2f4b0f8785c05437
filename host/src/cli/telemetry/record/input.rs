//! JSON objects from a stream: one a line, or spread over several from a lone `{` to a lone `}`.

use std::io::{self, BufRead, Read as _};

use thiserror::Error;

/// One object's text, and where it began.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The number of its first line, from 1 on.
    pub(super) line: u64,
    pub(super) text: Result<String, Unreadable>,
}

/// Why a piece is no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum Unreadable {
    #[error("it is larger than 256 KiB")]
    TooLarge,
    #[error("it is not UTF-8")]
    NotText,
}

/// Reads piece by piece, and holds no more than one piece's limit of it.
pub(super) struct Input<R> {
    reader: R,
    /// The most bytes that a piece has.
    limit: usize,
    line: u64,
}

impl<R: BufRead> Input<R> {
    pub(super) const fn new(reader: R, limit: usize) -> Self {
        Self {
            reader,
            limit,
            line: 0,
        }
    }

    /// The next piece; blank lines are none. `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Piece>> {
        let mut bytes = Vec::new();
        let mut fits = true;
        loop {
            if !self.line(&mut bytes, &mut fits)? {
                return Ok(None);
            }
            if !fits || !bytes.trim_ascii().is_empty() {
                break;
            }
            bytes.clear();
        }
        let line = self.line;
        if bytes.trim_ascii_end() == b"{" {
            let mut begin = bytes.len();
            while self.line(&mut bytes, &mut fits)? {
                if bytes[begin..].trim_ascii_end() == b"}" {
                    break;
                }
                if !fits {
                    // What follows only has to be recognised.
                    bytes.clear();
                }
                begin = bytes.len();
            }
        }
        let text = if fits {
            String::from_utf8(bytes).map_err(|_| Unreadable::NotText)
        } else {
            Err(Unreadable::TooLarge)
        };
        Ok(Some(Piece { line, text }))
    }

    /// Adds the next line to `bytes`, as far as the limit goes. `false` at the end.
    fn line(&mut self, bytes: &mut Vec<u8>, fits: &mut bool) -> io::Result<bool> {
        let room = self.limit.saturating_sub(bytes.len()) + 1;
        let room = u64::try_from(room).unwrap_or(u64::MAX);
        let read = self.reader.by_ref().take(room).read_until(b'\n', bytes)?;
        if read == 0 {
            return Ok(false);
        }
        self.line += 1;
        if bytes.len() > self.limit {
            *fits = false;
            if !bytes.ends_with(b"\n") {
                self.reader.skip_until(b'\n')?;
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pieces(text: &[u8], limit: usize) -> Vec<Piece> {
        let mut input = Input::new(text, limit);
        std::iter::from_fn(|| input.next().unwrap()).collect()
    }

    fn texts(text: &str, limit: usize) -> Vec<(u64, Result<String, Unreadable>)> {
        let piece = |piece: Piece| (piece.line, piece.text.map(|text| text.trim().to_owned()));
        pieces(text.as_bytes(), limit)
            .into_iter()
            .map(piece)
            .collect()
    }

    #[test]
    fn lines_and_spread_objects_are_pieces_and_blank_lines_are_not() {
        let text = "{\"a\":1}\r\n\n  \n{\n  \"b\": {\n  }\n}\n{\"c\":3}";
        let expected = [
            (1, "{\"a\":1}"),
            (4, "{\n  \"b\": {\n  }\n}"),
            (8, "{\"c\":3}"),
        ];
        assert_eq!(
            texts(text, 100),
            expected.map(|(line, text)| (line, Ok(text.to_owned())))
        );
    }

    #[test]
    fn what_is_too_large_or_no_text_is_passed_over() {
        let long = "x".repeat(40);
        let text = format!("{long}\na\n{{\n{long}\n  y\n}}\nb\n");
        let expected = [
            (1, Err(Unreadable::TooLarge)),
            (2, Ok("a".to_owned())),
            (3, Err(Unreadable::TooLarge)),
            (7, Ok("b".to_owned())),
        ];
        assert_eq!(texts(&text, 20), expected);
        let pieces = pieces(b"\xff\nb\n", 20);
        assert_eq!(pieces[0].text, Err(Unreadable::NotText));
        assert_eq!(pieces[1].text.as_deref(), Ok("b\n"));
    }

    proptest! {
        #[test]
        fn no_line_is_lost(lines in prop::collection::vec("[a-z]{1,9}", 0..20), limit in 10_usize..30) {
            let text = lines.join("\n");
            let read: Vec<_> = pieces(text.as_bytes(), limit)
                .into_iter()
                .map(|piece| piece.text.unwrap().trim().to_owned())
                .collect();
            prop_assert_eq!(read, lines);
        }
    }
}
