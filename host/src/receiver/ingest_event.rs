//! The ingest format from the receiving end: the events in a body, and what is wrong with a body that is none.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::domain::{BATCH_SIZE, Status, field, printable};

/// The only name that an event of this format has.
const EVENT_NAME: &str = "cli_invocation";

/// How much of an unknown event name a message quotes, in characters.
const QUOTED_NAME: usize = 64;

/// One event, as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngestEvent {
    json: String,
    distinct_id: String,
    insert_id: String,
    properties: String,
    command: Option<String>,
    subcommand: Option<String>,
    status: Option<Status>,
    started_at: Option<DateTime<Utc>>,
    duration_ms: Option<u64>,
}

/// Why a body is not in the ingest format. Positions count from 0, as in `events[0]`; there is none for a bare
/// event.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IngestError {
    /// It is larger than the receiver takes.
    #[error("the body is larger than {limit} bytes; send fewer events in one request")]
    TooLarge {
        /// The most that is taken, in bytes.
        limit: usize,
    },
    /// It is not UTF-8.
    #[error("the body is not UTF-8 from byte {valid} on; send JSON in UTF-8, not compressed")]
    NotText {
        /// How many bytes at its beginning are.
        valid: usize,
    },
    /// It is not JSON.
    #[error(r#"the body is not JSON ({0}); send one event object, or {{"events":[…]}}"#)]
    NotJson(String),
    /// It is JSON, but not an object.
    #[error(r#"the body is {0}; send one event object, or {{"events":[…]}}"#)]
    NotAnObject(JsonKind),
    /// It is an event and a batch at once.
    #[error(
        r#"the body has both "event" and "events"; send one event object, or {{"events":[…]}}"#
    )]
    BothForms,
    /// `events` is there twice.
    #[error("events is given twice; give it once")]
    EventsTwice,
    /// `events` is not a list.
    #[error("events is {0}; it must be a list of 1 to {BATCH_SIZE} event objects")]
    NotAList(JsonKind),
    /// `events` holds none or too many.
    #[error("events holds {0} events; it must hold 1 to {BATCH_SIZE}")]
    Count(usize),
    /// A member of `events` is not an object.
    #[error("events[{index}] is {found}; it must be an event object")]
    NotAnEvent {
        /// Its position.
        index: usize,
        /// What it is.
        found: JsonKind,
    },
    /// A field of an event is not what it must be.
    #[error("{}{} {flaw}; it must be {}", place(*index), field.name(), remedy(*field, flaw))]
    Field {
        /// The event's position.
        index: Option<usize>,
        /// The field.
        field: EventField,
        /// What is wrong with it.
        flaw: Flaw,
    },
}

fn place(index: Option<usize>) -> String {
    index.map_or_else(String::new, |index| format!("events[{index}]."))
}

const fn remedy(field: EventField, flaw: &Flaw) -> &'static str {
    match flaw {
        Flaw::Twice => "there once",
        _ => field.expected(),
    }
}

/// A field that an event must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventField {
    /// `event`
    Event,
    /// `distinct_id`
    DistinctId,
    /// `insert_id`
    InsertId,
    /// `properties`
    Properties,
}

impl EventField {
    /// Its key.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::DistinctId => "distinct_id",
            Self::InsertId => "insert_id",
            Self::Properties => "properties",
        }
    }

    const fn expected(self) -> &'static str {
        match self {
            Self::Event => r#"the string "cli_invocation""#,
            Self::DistinctId => "a non-empty string, the repository's id",
            Self::InsertId => "a non-empty string, the same whenever this event is sent again",
            Self::Properties => "an object",
        }
    }
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It is not there.
    Missing,
    /// It is there twice.
    Twice,
    /// It is of another type.
    Is(JsonKind),
    /// It is an empty string.
    Empty,
    /// It is a string with half of a surrogate pair.
    NotUnicode,
    /// It is another string.
    Reads(String),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is missing"),
            Self::Twice => f.write_str("is given twice"),
            Self::Is(kind) => write!(f, "is {kind}"),
            Self::Empty => f.write_str("is empty"),
            Self::NotUnicode => f.write_str("has half of a surrogate pair"),
            Self::Reads(text) => {
                let start: String = text.chars().take(QUOTED_NAME).collect();
                let cut = if start.len() < text.len() { "…" } else { "" };
                write!(f, "is \"{}{cut}\"", printable(&start))
            }
        }
    }
}

/// What a JSON value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonKind {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean,
    /// A number.
    Number,
    /// A string.
    Text,
    /// A list.
    List,
    /// An object.
    Object,
}

impl JsonKind {
    fn of(value: &RawValue) -> Self {
        match value.get().as_bytes().first() {
            Some(b'{') => Self::Object,
            Some(b'[') => Self::List,
            Some(b'"') => Self::Text,
            Some(b't' | b'f') => Self::Boolean,
            Some(b'n') => Self::Null,
            _ => Self::Number,
        }
    }
}

impl fmt::Display for JsonKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::Text => "a string",
            Self::List => "a list",
            Self::Object => "an object",
        })
    }
}

/// The members of an object in their order, each value as it was written. Reading them this way costs no memory
/// beyond the body's own, however the values are nested.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    members.push((key, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

impl<'a> Members<'a> {
    /// `None` where `value` is no object.
    fn of(value: &'a RawValue) -> Option<Self> {
        serde_json::from_str(value.get()).ok()
    }

    fn all<'k>(
        &self,
        key: &'k str,
    ) -> impl DoubleEndedIterator<Item = &'a RawValue> + use<'_, 'a, 'k> {
        self.0
            .iter()
            .filter(move |(name, _)| name == key)
            .map(|(_, value)| *value)
    }

    /// The value of `key`; of several the last, as JavaScript has it.
    fn last(&self, key: &str) -> Option<&'a RawValue> {
        self.all(key).next_back()
    }

    fn only(&self, key: &str) -> Result<&'a RawValue, Flaw> {
        let mut values = self.all(key);
        match (values.next(), values.next()) {
            (None, _) => Err(Flaw::Missing),
            (Some(value), None) => Ok(value),
            (Some(_), Some(_)) => Err(Flaw::Twice),
        }
    }

    fn typed<T: Deserialize<'a>>(&self, key: &str) -> Option<T> {
        serde_json::from_str(self.last(key)?.get()).ok()
    }
}

/// The events of a request's body: one bare event object, or `{"events":[…]}` with 1 to [`BATCH_SIZE`] of them.
/// Further members of either object are let pass.
///
/// # Errors
///
/// Says what is wrong, and in which field of which event; the first that is found.
pub fn parse_body(body: &[u8]) -> Result<Vec<IngestEvent>, IngestError> {
    let body = std::str::from_utf8(body).map_err(|error| IngestError::NotText {
        valid: error.valid_up_to(),
    })?;
    let not_json = |error: serde_json::Error| IngestError::NotJson(error.to_string());
    let whole: &RawValue = serde_json::from_str(body).map_err(not_json)?;
    if JsonKind::of(whole) != JsonKind::Object {
        return Err(IngestError::NotAnObject(JsonKind::of(whole)));
    }
    let members: Members<'_> = serde_json::from_str(whole.get()).map_err(not_json)?;
    let list = match members.only("events") {
        Err(Flaw::Missing) => return Ok(vec![IngestEvent::of(None, whole, &members)?]),
        Err(_) => return Err(IngestError::EventsTwice),
        Ok(_) if members.last("event").is_some() => return Err(IngestError::BothForms),
        Ok(list) => list,
    };
    if JsonKind::of(list) != JsonKind::List {
        return Err(IngestError::NotAList(JsonKind::of(list)));
    }
    let events: Vec<&RawValue> = serde_json::from_str(list.get()).map_err(not_json)?;
    if !(1..=BATCH_SIZE).contains(&events.len()) {
        return Err(IngestError::Count(events.len()));
    }
    let parsed = events.into_iter().enumerate().map(|(index, event)| {
        let found = JsonKind::of(event);
        if found != JsonKind::Object {
            return Err(IngestError::NotAnEvent { index, found });
        }
        let members: Members<'_> = serde_json::from_str(event.get()).map_err(not_json)?;
        IngestEvent::of(Some(index), event, &members)
    });
    parsed.collect()
}

fn text(members: &Members<'_>, field: EventField) -> Result<String, Flaw> {
    let value = members.only(field.name())?;
    if JsonKind::of(value) != JsonKind::Text {
        return Err(Flaw::Is(JsonKind::of(value)));
    }
    let text: String = serde_json::from_str(value.get()).map_err(|_| Flaw::NotUnicode)?;
    if text.is_empty() {
        return Err(Flaw::Empty);
    }
    Ok(text)
}

fn event_name(members: &Members<'_>) -> Result<(), Flaw> {
    let name = text(members, EventField::Event)?;
    if name == EVENT_NAME {
        Ok(())
    } else {
        Err(Flaw::Reads(name))
    }
}

fn object<'a>(
    members: &Members<'a>,
    field: EventField,
) -> Result<(&'a RawValue, Members<'a>), Flaw> {
    let value = members.only(field.name())?;
    if JsonKind::of(value) != JsonKind::Object {
        return Err(Flaw::Is(JsonKind::of(value)));
    }
    let members = Members::of(value).ok_or(Flaw::NotUnicode)?;
    Ok((value, members))
}

impl IngestEvent {
    fn of(
        index: Option<usize>,
        json: &RawValue,
        members: &Members<'_>,
    ) -> Result<Self, IngestError> {
        let flawed = |field| move |flaw| IngestError::Field { index, field, flaw };
        event_name(members).map_err(flawed(EventField::Event))?;
        let distinct_id =
            text(members, EventField::DistinctId).map_err(flawed(EventField::DistinctId))?;
        let insert_id =
            text(members, EventField::InsertId).map_err(flawed(EventField::InsertId))?;
        let (properties, entry) =
            object(members, EventField::Properties).map_err(flawed(EventField::Properties))?;
        let invocation = entry.last(field::INVOCATION).and_then(Members::of);
        let result = entry.last(field::RESULT).and_then(Members::of);
        let key = |path| field::split(path).1;
        Ok(Self {
            json: json.get().to_owned(),
            distinct_id,
            insert_id,
            properties: properties.get().to_owned(),
            command: invocation
                .as_ref()
                .and_then(|invocation| invocation.typed(key(field::COMMAND))),
            subcommand: invocation.and_then(|invocation| invocation.typed(key(field::SUBCOMMAND))),
            status: result.and_then(|result| result.typed(key(field::STATUS))),
            started_at: entry.typed(field::STARTED_AT).and_then(|text: String| {
                let instant = DateTime::parse_from_rfc3339(&text).ok()?;
                Some(instant.to_utc())
            }),
            duration_ms: entry.typed(field::DURATION_MS).and_then(whole_millis),
        })
    }

    /// The id of the repository that the event is about.
    #[must_use]
    pub fn distinct_id(&self) -> &str {
        &self.distinct_id
    }

    /// What tells this event from every other, however often it is sent.
    #[must_use]
    pub fn insert_id(&self) -> &str {
        &self.insert_id
    }

    /// The JSON object of its properties, byte for byte as it arrived.
    #[must_use]
    pub fn properties(&self) -> &str {
        &self.properties
    }

    /// `properties.invocation.command`, unless it is missing or no string.
    #[must_use]
    pub fn command(&self) -> Option<&str> {
        self.command.as_deref()
    }

    /// `properties.invocation.subcommand`, unless it is missing or no string.
    #[must_use]
    pub fn subcommand(&self) -> Option<&str> {
        self.subcommand.as_deref()
    }

    /// `properties.result.status`, unless it is missing or unknown.
    #[must_use]
    pub const fn status(&self) -> Option<Status> {
        self.status
    }

    /// `properties.startedAt`, unless it is missing or no instant.
    #[must_use]
    pub const fn started_at(&self) -> Option<DateTime<Utc>> {
        self.started_at
    }

    /// `properties.durationMs`, rounded to whole milliseconds, unless it is missing or no duration.
    #[must_use]
    pub const fn duration_ms(&self) -> Option<u64> {
        self.duration_ms
    }

    /// The whole event as one line of JSON: as it arrived, but for white space between its tokens.
    #[must_use]
    pub fn to_line(&self) -> String {
        let mut in_string = false;
        let mut escaped = false;
        let keeps = |&character: &char| {
            if in_string {
                in_string = escaped || character != '"';
                escaped = !escaped && character == '\\';
                return true;
            }
            in_string = character == '"';
            !matches!(character, ' ' | '\t' | '\n' | '\r')
        };
        self.json.chars().filter(keeps).collect()
    }
}

/// Some writers record fractions.
fn whole_millis(millis: f64) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is checked"
    )]
    (0.0..1e15).contains(&millis).then(|| millis.round() as u64)
}

#[cfg(test)]
mod tests;
