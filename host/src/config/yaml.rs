//! Small YAML files of one mapping, with the place of every key and value.
//!
//! These files are in repositories, so anyone may have written them: nothing in one may cost more than its length.

use std::collections::HashSet;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use serde_yaml::Value;
use thiserror::Error;

use crate::domain::ForeignText;

/// The most bytes that are read of a file.
pub(crate) const MAX_BYTES: usize = 1 << 20;
const MAX_DEPTH: usize = 32;

/// Why a text is not a mapping that can be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum YamlError {
    /// It is too long to be looked at.
    #[error("it is larger than 1 MiB")]
    TooLarge,
    /// It is not YAML.
    #[error("line {line} is not valid YAML ({reason})")]
    Invalid {
        /// The line, from 1.
        line: usize,
        /// What the parser says, which never quotes the text.
        reason: ForeignText,
    },
    /// It is YAML 1.2, but not as other parsers read it.
    #[error("line {0} uses YAML syntax that is not supported here")]
    Disputed(usize),
    /// Collections within collections within collections.
    #[error("line {0} is nested more than {MAX_DEPTH} deep")]
    TooDeep(usize),
    /// A reference to an anchor, which a few bytes can make into gigabytes.
    #[error("line {0} holds an alias (`*name`), which is not supported here")]
    Alias(usize),
    /// A second document.
    #[error("line {0} starts a second document")]
    SecondDocument(usize),
    /// A key twice in one mapping.
    #[error("line {line} sets the key {key:?} twice")]
    Duplicate {
        /// The line of the second, from 1.
        line: usize,
        /// The key.
        key: ForeignText,
    },
    /// The top level is something else than a mapping.
    #[error("line {0} is not a `key: value` pair")]
    NotAMapping(usize),
}

/// A parsed file.
#[derive(Debug)]
pub(crate) struct Document {
    /// The top level's entries, in the order of the file.
    pub(crate) entries: Vec<Entry>,
    /// The bytes of the top-level mapping's start when it is written as `{…}`.
    pub(crate) flow: Option<Range<usize>>,
    /// Where the line `...` begins, if there is one.
    pub(crate) end_marker: Option<usize>,
}

/// A key and its value.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The key, if it is a scalar.
    pub(crate) key: Option<String>,
    pub(crate) key_node: Node,
    pub(crate) value: Node,
}

/// A value and its place.
#[derive(Debug)]
pub(crate) struct Node {
    /// The line that it starts on, from 1.
    pub(crate) line: usize,
    /// Its bytes. That of a quoted scalar may reach into a comment behind it, that of a block scalar begins after
    /// its header.
    pub(crate) span: Range<usize>,
    /// Whether it has an anchor or a tag.
    pub(crate) decorated: bool,
    pub(crate) kind: Kind,
}

/// What a value is.
#[derive(Debug)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    /// Any other scalar, numbers included, as it is spelled.
    Text(String),
    /// A scalar with a tag other than `!!str`.
    Tagged,
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
}

impl Document {
    pub(crate) fn parse(text: &str) -> Result<Self, YamlError> {
        if text.len() > MAX_BYTES {
            return Err(YamlError::TooLarge);
        }
        let document = Reader::new(text).document()?;
        // The parser above accepts a little more than the one that other programs have, such as tabs. Every command
        // reads a marker, and most hold nothing that the two could see differently.
        if !is_plain(text) {
            mapping(text).map_err(|line| YamlError::Disputed(line.unwrap_or(1)))?;
        }
        Ok(document)
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries
            .iter()
            .find(|entry| entry.key.as_deref() == Some(key))
    }
}

/// The values of `text`, or the line of the error. Only for texts that [`Document::parse`] has seen to be harmless.
pub(crate) fn mapping(text: &str) -> Result<serde_yaml::Mapping, Option<usize>> {
    match serde_yaml::from_str(without_mark(text)) {
        Ok(Value::Mapping(mapping)) => Ok(mapping),
        Ok(Value::Null) => Ok(serde_yaml::Mapping::new()),
        Ok(_) => Err(None),
        Err(why) => Err(why.location().map(|at| at.line())),
    }
}

/// Whether there is nothing in `text` but lines like `key: "value"` and `key: value`, as `swamp init` writes them.
fn is_plain(text: &str) -> bool {
    text.lines().all(|line| {
        let Some((key, value)) = line.split_once(": ") else {
            return false;
        };
        let quoted = value
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        let is_plain_value = match quoted {
            Some(text) => text
                .bytes()
                .all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')),
            None => is_word(value),
        };
        is_word(key) && is_plain_value
    })
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

struct Reader<'a> {
    text: &'a str,
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    /// The byte at which each character begins: the parser counts characters.
    bytes: Vec<usize>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        let content = without_mark(text);
        // The parser would take a byte order mark for an indentation of one.
        let mark = text.len() - content.len();
        Self {
            text,
            parser: Parser::new_from_str(content),
            bytes: content
                .char_indices()
                .map(|(byte, _)| byte + mark)
                .collect(),
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), YamlError> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(why)) => Err(YamlError::Invalid {
                // At the end of the text the parser is one line further.
                line: why.marker().line().min(self.text.lines().count().max(1)),
                reason: why.info().into(),
            }),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn byte(&self, character: usize) -> usize {
        self.bytes
            .get(character)
            .copied()
            .unwrap_or(self.text.len())
    }

    fn range(&self, span: Span) -> Range<usize> {
        let start = self.byte(span.start.index());
        start..self.byte(span.end.index()).max(start)
    }

    fn document(&mut self) -> Result<Document, YamlError> {
        let mut document = Document {
            entries: Vec::new(),
            flow: None,
            end_marker: None,
        };
        let mut seen = false;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(document),
                Event::DocumentStart(_) if seen => {
                    return Err(YamlError::SecondDocument(span.start.line()));
                }
                Event::DocumentStart(_) => {
                    seen = true;
                    let root = self.next()?;
                    let root = self.node(root, 0)?;
                    match root.kind {
                        Kind::Mapping(entries) if !root.decorated => {
                            document.entries = entries;
                            document.flow = self.text[root.span.clone()]
                                .starts_with('{')
                                .then_some(root.span);
                        }
                        Kind::Null => {}
                        _ => return Err(YamlError::NotAMapping(root.line)),
                    }
                }
                Event::DocumentEnd => {
                    let at = self.range(span).start;
                    document.end_marker = self.text[at..].starts_with("...").then_some(at);
                }
                _ => {}
            }
        }
    }

    fn node(&mut self, (event, span): (Event<'a>, Span), depth: usize) -> Result<Node, YamlError> {
        let line = span.start.line();
        if depth > MAX_DEPTH {
            return Err(YamlError::TooDeep(line));
        }
        let start = self.range(span);
        let (kind, decorated, end) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let decorated = anchor != 0 || tag.is_some();
                (
                    scalar(text.into_owned(), style, tag.as_deref()),
                    decorated,
                    start.end,
                )
            }
            Event::SequenceStart(anchor, tag) => {
                let mut items = Vec::new();
                loop {
                    let item = self.next()?;
                    if matches!(item.0, Event::SequenceEnd) {
                        break;
                    }
                    items.push(self.node(item, depth + 1)?);
                }
                (
                    Kind::Sequence(items),
                    anchor != 0 || tag.is_some(),
                    start.end,
                )
            }
            Event::MappingStart(anchor, tag) => {
                let (entries, end) = self.entries(depth)?;
                (Kind::Mapping(entries), anchor != 0 || tag.is_some(), end)
            }
            Event::Alias(_) => return Err(YamlError::Alias(line)),
            _ => return Err(YamlError::NotAMapping(line)),
        };
        Ok(Node {
            line,
            span: start.start..end,
            decorated,
            kind,
        })
    }

    /// The entries of a mapping that has begun, and where it ends.
    fn entries(&mut self, depth: usize) -> Result<(Vec<Entry>, usize), YamlError> {
        let mut entries = Vec::new();
        let mut keys = HashSet::new();
        loop {
            let first = self.next()?;
            if matches!(first.0, Event::MappingEnd) {
                return Ok((entries, self.range(first.1).end));
            }
            let key = match &first.0 {
                Event::Scalar(text, ..) => Some(text.to_string()),
                _ => None,
            };
            let key_node = self.node(first, depth + 1)?;
            if let Some(key) = &key
                && !keys.insert(key.clone())
            {
                return Err(YamlError::Duplicate {
                    line: key_node.line,
                    key: key.clone().into(),
                });
            }
            let value = self.next()?;
            entries.push(Entry {
                key,
                key_node,
                value: self.node(value, depth + 1)?,
            });
        }
    }
}

fn scalar(text: String, style: ScalarStyle, tag: Option<&Tag>) -> Kind {
    match tag {
        Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => Kind::Text(text),
        Some(_) => Kind::Tagged,
        None if style != ScalarStyle::Plain => Kind::Text(text),
        None => match text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
            "true" | "True" | "TRUE" => Kind::Bool(true),
            "false" | "False" | "FALSE" => Kind::Bool(false),
            _ => Kind::Text(text),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_init_writes_is_plain() {
        assert!(is_plain(
            "swampVersion: \"0.1.0\"\ntelemetryDisabled: true\n"
        ));
        assert!(!is_plain("key: 'value'"));
        assert!(!is_plain("key:\tvalue"));
    }

    proptest! {
        // What the parsers see differently is rare.
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn plain_text_is_read_alike_by_both_parsers(
            lines in prop::collection::vec(r#"[0-9a-zA-Z~#]{1,5}:[ \t]{0,2}("[\t -~]{0,5}"|[\t -~]{1,5})"#, 1..4),
        ) {
            let text = lines.join("\n");
            if is_plain(&text) && let Ok(document) = Reader::new(&text).document() {
                let values = mapping(&text);
                prop_assert!(values.is_ok_and(|values| values.len() == document.entries.len()), "{text}");
            }
        }
    }
}
