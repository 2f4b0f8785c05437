//! Changing single values of a YAML file that belongs to somebody else: every other byte stays.

use std::ops::Range;

use thiserror::Error;

use super::yaml::{Document, Entry, Kind, Node, YamlError, mapping};

mod quoting;

use quoting::{written, written_pairs};

pub(crate) use quoting::double_quoted;

/// A value to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// A text.
    Text(String),
    /// A switch.
    Bool(bool),
    /// A number.
    Number(u64),
}

/// A change of one top-level key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Gives the key this value, in its place if it is there, or else after the others.
    Set(&'static str, Scalar),
    /// Gives the key these pairs of texts as its value, in one line.
    SetPairs(&'static str, Vec<(String, String)>),
    /// Removes the key, and the rest of its line with it.
    Remove(&'static str),
}

impl Edit {
    const fn key(&self) -> &'static str {
        let (Self::Set(key, _) | Self::SetPairs(key, _) | Self::Remove(key)) = self;
        key
    }
}

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EditError {
    /// The text is not such a mapping.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// It is written in a way that could not be changed without changing more.
    #[error("line {line} has a form of {key} that swamp cannot edit")]
    NotPlain {
        /// The line, from 1.
        line: usize,
        /// The key.
        key: &'static str,
    },
    /// There is no place for a new key.
    #[error("{0} cannot be added without changing other lines")]
    NoPlace(&'static str),
}

/// The `text` after all `edits`, in their order. Comments, order, quoting, line endings and every other key stay as
/// they are.
///
/// # Errors
///
/// When an edit cannot be made without changing anything else.
pub fn edit(text: &str, edits: &[Edit]) -> Result<String, EditError> {
    let mut edited = text.to_owned();
    for change in edits {
        edited = apply(&edited, change)?;
    }
    Ok(edited)
}

/// Bytes to replace, and by what. Of several, in the order of the file.
type Splices = Vec<(Range<usize>, String)>;

fn apply(text: &str, change: &Edit) -> Result<String, EditError> {
    let document = Document::parse(text)?;
    let key = change.key();
    let entry = document.get(key);
    let candidates: Vec<Splices> = match (change, entry) {
        (Edit::Remove(_), None) => return Ok(text.to_owned()),
        (Edit::Set(_, scalar), Some(entry)) if is(&entry.value, scalar) => {
            return Ok(text.to_owned());
        }
        (Edit::Set(_, scalar), Some(entry)) => {
            replacement(text, entry, scalar).into_iter().collect()
        }
        (Edit::Set(_, scalar), None) => additions(text, &document, key, &written(scalar, None)),
        (Edit::SetPairs(_, pairs), Some(entry)) => {
            pairs_replacement(text, entry, pairs).into_iter().collect()
        }
        (Edit::SetPairs(_, pairs), None) => additions(text, &document, key, &written_pairs(pairs)),
        (Edit::Remove(_), Some(entry)) => removal(text, &document, entry).into_iter().collect(),
    };
    candidates
        .into_iter()
        .map(|splices| spliced(text, splices))
        .find(|edited| is_only_change(text, edited, change))
        .ok_or(match entry {
            Some(entry) => EditError::NotPlain {
                line: entry.key_node.line,
                key,
            },
            None => EditError::NoPlace(key),
        })
}

fn is(value: &Node, scalar: &Scalar) -> bool {
    match (&value.kind, scalar) {
        (Kind::Text(is), Scalar::Text(wanted)) => is == wanted && !looks_like_a_number(value, is),
        (Kind::Bool(is), Scalar::Bool(wanted)) => is == wanted,
        // Not one in quotes: other programs would take that for a text.
        (Kind::Text(is), Scalar::Number(wanted)) => {
            value.span.len() == is.len() && *is == wanted.to_string()
        }
        _ => false,
    }
}

/// Whether another program could take the text for something else than a text.
fn looks_like_a_number(value: &Node, text: &str) -> bool {
    // A quoted scalar is longer than its text.
    value.span.len() == text.len()
        && !matches!(serde_yaml::from_str(text), Ok(serde_yaml::Value::String(_)))
}

fn spliced(text: &str, splices: Splices) -> String {
    let mut edited = String::with_capacity(text.len() + 64);
    let mut from = 0;
    for (range, new) in splices {
        edited.push_str(&text[from..range.start]);
        edited.push_str(&new);
        from = range.end;
    }
    edited + &text[from..]
}

/// Whether `edited` has the same keys and values in the same order as `text`, but for what was to change.
fn is_only_change(text: &str, edited: &str, change: &Edit) -> bool {
    let key = change.key();
    let Ok(now) = Document::parse(edited) else {
        return false;
    };
    let as_wanted = match (change, now.get(key)) {
        (Edit::Set(_, scalar), Some(entry)) => is(&entry.value, scalar),
        (Edit::SetPairs(..), Some(_)) | (Edit::Remove(_), None) => true,
        _ => false,
    };
    let (Ok(before), Ok(after)) = (mapping(text), mapping(edited)) else {
        return false;
    };
    let key = serde_yaml::Value::from(key);
    let others = |mapping: serde_yaml::Mapping| {
        mapping
            .into_iter()
            .filter(|pair| pair.0 != key)
            .collect::<Vec<_>>()
    };
    let wanted = match change {
        Edit::Set(_, Scalar::Text(text)) => Some(text.as_str().into()),
        Edit::Set(_, Scalar::Bool(on)) => Some((*on).into()),
        Edit::Set(_, Scalar::Number(number)) => Some((*number).into()),
        Edit::SetPairs(_, pairs) => {
            let pairs = pairs.iter();
            let pairs = pairs.map(|(key, value)| (key.as_str().into(), value.as_str().into()));
            Some(serde_yaml::Value::Mapping(pairs.collect()))
        }
        Edit::Remove(_) => None,
    };
    as_wanted && after.get(&key) == wanted.as_ref() && others(before) == others(after)
}

/// The end of a key or of a value's own characters, without the blanks and the comment behind it.
fn end_of(text: &str, node: &Node) -> Option<usize> {
    let own = &text[node.span.clone()];
    let quote = own
        .chars()
        .next()
        .filter(|first| matches!(first, '"' | '\''));
    let Some(quote) = quote.filter(|_| matches!(node.kind, Kind::Text(_))) else {
        return Some(node.span.start + own.trim_end().len());
    };
    let mut rest = own.char_indices().skip(1).peekable();
    while let Some((at, character)) = rest.next() {
        if character == '\\' && quote == '"' {
            rest.next();
        } else if character == quote {
            if quote == '\'' && rest.next_if(|next| next.1 == quote).is_some() {
                continue;
            }
            return Some(node.span.start + at + 1);
        }
    }
    None
}

/// The byte behind the colon of `entry`, which must stand on its key's line.
fn after_colon(text: &str, entry: &Entry) -> Option<usize> {
    let end = end_of(text, &entry.key_node)?;
    let rest = text[end..].trim_start_matches([' ', '\t']);
    let colon = text.len() - rest.len();
    rest.starts_with(':').then_some(colon + 1)
}

fn line_end(text: &str, from: usize) -> usize {
    text[from..]
        .find(['\r', '\n'])
        .map_or(text.len(), |at| from + at)
}

/// The parts of a scalar value: its own characters, and for a block scalar `|`, `>` the lines below as a second part.
fn value_parts(text: &str, entry: &Entry) -> Option<(Range<usize>, Option<Range<usize>>)> {
    let value = &entry.value;
    let colon = after_colon(text, entry)?;
    if value.decorated || entry.key_node.decorated {
        return None;
    }
    match &value.kind {
        Kind::Sequence(_) | Kind::Mapping(_) | Kind::Tagged => return None,
        Kind::Null
            if value.span.is_empty() || !text[value.span.clone()].starts_with(['~', 'n', 'N']) =>
        {
            return Some((colon..colon, None));
        }
        _ => {}
    }
    let blanks = text[colon..].len() - text[colon..].trim_start_matches([' ', '\t']).len();
    let header = colon + blanks;
    if !text[header..].starts_with(['|', '>']) {
        return Some((value.span.start..end_of(text, value)?, None));
    }
    let indicators = text[header..]
        .find(|c: char| c.is_whitespace())
        .map_or(text.len(), |at| header + at);
    let below = line_end(text, indicators);
    let content = text[..value.span.end].trim_end().len().max(below);
    Some((header..indicators, Some(below..content)))
}

fn replacement(text: &str, entry: &Entry, scalar: &Scalar) -> Option<Splices> {
    let (own, below) = value_parts(text, entry)?;
    let written = written(scalar, text[own.clone()].chars().next());
    let written = if own.is_empty() {
        format!(" {written}")
    } else {
        written
    };
    Some(
        std::iter::once((own, written))
            .chain(below.map(|below| (below, String::new())))
            .collect(),
    )
}

/// In place of a scalar, or of a mapping without comments.
fn pairs_replacement(text: &str, entry: &Entry, pairs: &[(String, String)]) -> Option<Splices> {
    let written = format!(" {}", written_pairs(pairs));
    if !matches!(entry.value.kind, Kind::Mapping(_)) {
        let (own, below) = value_parts(text, entry)?;
        let removed = below.map(|below| (below, String::new()));
        let colon = after_colon(text, entry)?;
        return Some(
            std::iter::once((colon..own.end, written))
                .chain(removed)
                .collect(),
        );
    }
    if entry.value.decorated || entry.key_node.decorated {
        return None;
    }
    let colon = after_colon(text, entry)?;
    let end = text[..entry.value.span.end].trim_end().len();
    let old = text.get(colon..end)?;
    (!old.contains('#')).then(|| vec![(colon..end, written)])
}

fn additions(text: &str, document: &Document, key: &str, value: &str) -> Vec<Splices> {
    let pair = format!("{key}: {value}");
    let first = document
        .entries
        .first()
        .map(|entry| entry.key_node.span.start);
    if let Some(flow) = &document.flow {
        let quoted = document
            .entries
            .first()
            .is_some_and(|entry| text[entry.key_node.span.clone()].starts_with('"'));
        let pair = if quoted {
            format!("\"{key}\": {value}")
        } else {
            pair
        };
        return vec![vec![match first {
            Some(first) => (first..first, pair + ", "),
            None => (flow.start + 1..flow.start + 1, pair),
        }]];
    }
    let line_start = first.map(|first| {
        text[..first]
            .rfind(['\r', '\n', '\u{feff}'])
            .map_or(0, |at| {
                at + text[at..].chars().next().map_or(0, char::len_utf8)
            })
    });
    let indent = line_start
        .zip(first)
        .map_or("", |(start, first)| &text[start..first]);
    let ending = line_ending(text);
    let at = document.end_marker.unwrap_or(text.len());
    let before = text[..at].trim_start_matches('\u{feff}');
    let new = if before.is_empty() || before.ends_with(['\r', '\n']) {
        format!("{indent}{pair}{ending}")
    } else {
        format!("{ending}{indent}{pair}")
    };
    let mut places = vec![vec![(at..at, new)]];
    // Behind a block scalar at the end of the file, a line more can change the scalar.
    places.extend(line_start.map(|start| vec![(start..start, format!("{indent}{pair}{ending}"))]));
    places
}

fn line_ending(text: &str) -> &'static str {
    match text.find(['\r', '\n']) {
        Some(at) if text[at..].starts_with("\r\n") => "\r\n",
        Some(at) if text[at..].starts_with('\r') => "\r",
        _ => "\n",
    }
}

fn removal(text: &str, document: &Document, entry: &Entry) -> Option<Splices> {
    let (own, below) = value_parts(text, entry)?;
    let start = entry.key_node.span.start;
    let end = below.map_or(own.end, |below| below.end);
    if document.flow.is_some() {
        return flow_removal(text, document, start..end);
    }
    let line = text[..start].trim_end_matches(' ').len();
    if !text[..line].trim_start_matches('\u{feff}').is_empty()
        && !text[..line].ends_with(['\r', '\n'])
    {
        return None;
    }
    let end = line_end(text, end);
    let break_len = |rest: &str| {
        if rest.starts_with("\r\n") {
            2
        } else {
            rest.len().min(1)
        }
    };
    let (line, end) = match break_len(&text[end..]) {
        // A file without a last newline stays one.
        0 => (
            text[..line]
                .strip_suffix("\r\n")
                .or_else(|| text[..line].strip_suffix(['\r', '\n']))
                .map_or(line, str::len),
            end,
        ),
        len => (line, end + len),
    };
    Some(vec![(line..end, String::new())])
}

fn flow_removal(text: &str, document: &Document, own: Range<usize>) -> Option<Splices> {
    let index = document
        .entries
        .iter()
        .position(|entry| entry.key_node.span.start == own.start)?;
    let next = document
        .entries
        .get(index + 1)
        .map(|next| next.key_node.span.start);
    let range = match (next, index.checked_sub(1)) {
        (Some(next), _) => own.start..next,
        (None, Some(previous)) => {
            let (own_of_previous, below) = value_parts(text, &document.entries[previous])?;
            below.map_or(own_of_previous.end, |below| below.end)..own.end
        }
        (None, None) => own,
    };
    let comments = text[range.clone()].contains(['\r', '\n']);
    (!comments).then(|| vec![(range, String::new())])
}

#[cfg(test)]
mod tests;
