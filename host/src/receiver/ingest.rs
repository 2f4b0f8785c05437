//! The ingest format from the receiving end: the events in a body, and what is wrong with a body that is none.

use std::fmt;

use chrono::DateTime;
use serde_json::value::RawValue;
use thiserror::Error;

use super::event::{ReceivedEvent, View};
use super::json::{JsonKind, Members};
use crate::domain::{BATCH_SIZE, field, printable};

/// The only name that an event of this format has.
const EVENT_NAME: &str = "cli_invocation";

/// How much of an unknown event name a message quotes, in characters.
const QUOTED_NAME: usize = 64;

/// Why a body is not in the ingest format. Positions count from 0, as in `events[0]`; there is none for a bare
/// event.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IngestError {
    /// It is not UTF-8.
    #[error(
        "the body is not UTF-8 from byte {valid} on; send JSON in UTF-8, or name its compression in content-encoding: gzip"
    )]
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

/// The events of a request's body: one bare event object, or `{"events":[…]}` with 1 to [`BATCH_SIZE`] of them.
/// Further members of either object are let pass.
///
/// # Errors
///
/// Says what is wrong, and in which field of which event; the first that is found.
pub fn parse_ingest(body: &[u8]) -> Result<Vec<ReceivedEvent>, IngestError> {
    let body = std::str::from_utf8(body).map_err(|error| IngestError::NotText {
        valid: error.valid_up_to(),
    })?;
    let not_json = |error: serde_json::Error| IngestError::NotJson(error.to_string());
    let whole: &RawValue = serde_json::from_str(body).map_err(not_json)?;
    if JsonKind::of(whole) != JsonKind::Object {
        return Err(IngestError::NotAnObject(JsonKind::of(whole)));
    }
    let members: Members<'_> = serde_json::from_str(whole.get()).map_err(not_json)?;
    let list = match only(&members, "events") {
        Err(Flaw::Missing) => return Ok(vec![event_of(None, whole, &members)?]),
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
        event_of(Some(index), event, &members)
    });
    parsed.collect()
}

fn text(members: &Members<'_>, field: EventField) -> Result<String, Flaw> {
    let value = only(members, field.name())?;
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

/// The value of `key`, of which there must be one.
fn only<'a>(members: &Members<'a>, key: &str) -> Result<&'a RawValue, Flaw> {
    let mut values = members.all(key);
    match (values.next(), values.next()) {
        (None, _) => Err(Flaw::Missing),
        (Some(value), None) => Ok(value),
        (Some(_), Some(_)) => Err(Flaw::Twice),
    }
}

fn object<'a>(members: &Members<'a>, field: EventField) -> Result<&'a RawValue, Flaw> {
    let value = only(members, field.name())?;
    if JsonKind::of(value) != JsonKind::Object {
        return Err(Flaw::Is(JsonKind::of(value)));
    }
    Ok(value)
}

/// The id that tells the event from others, and what there is to say of it. The server that this format is from makes
/// one itself.
fn insert_id(members: &Members<'_>, place: &str) -> Result<(String, Option<String>), Flaw> {
    match text(members, EventField::InsertId) {
        Err(flaw @ (Flaw::Missing | Flaw::Is(JsonKind::Null))) => {
            let made = uuid::Uuid::new_v4().to_string();
            let warning = format!(
                "{place}insert_id {flaw}, so the event counts again if it is sent again; send the id of the entry"
            );
            Ok((made, Some(warning)))
        }
        found => found.map(|id| (id, None)),
    }
}

/// The event with the id that was made for it. Of several members of a name the last one counts.
fn with_id(json: &str, members: &Members<'_>, id: &str) -> String {
    match (text(members, EventField::InsertId), json.strip_suffix('}')) {
        (Err(_), Some(open)) => format!(r#"{open},"insert_id":"{id}"}}"#),
        _ => json.to_owned(),
    }
}

fn event_of(
    index: Option<usize>,
    json: &RawValue,
    members: &Members<'_>,
) -> Result<ReceivedEvent, IngestError> {
    let flawed = |field| move |flaw| IngestError::Field { index, field, flaw };
    let place = place(index);
    event_name(members).map_err(flawed(EventField::Event))?;
    let distinct_id =
        text(members, EventField::DistinctId).map_err(flawed(EventField::DistinctId))?;
    let (insert_id, mut warning) =
        insert_id(members, &place).map_err(flawed(EventField::InsertId))?;
    let properties =
        object(members, EventField::Properties).map_err(flawed(EventField::Properties))?;
    let view = Members::of(properties).map_or_else(View::default, |entry| {
        let id: Option<String> = entry.typed(field::ID);
        if warning.is_none() && id.is_some_and(|id| id != insert_id) {
            warning = Some(format!(
                "{place}insert_id is not the id in properties; send the id of the entry, which is the same whenever it is sent again"
            ));
        }
        view_of(&entry)
    });
    Ok(ReceivedEvent {
        json: with_id(json.get(), members, &insert_id),
        distinct_id,
        insert_id,
        properties: properties.get().to_owned(),
        view,
        warning,
    })
}

/// What an entry tells of an invocation.
fn view_of(entry: &Members<'_>) -> View {
    let key = |path| field::split(path).1;
    let part = |name| entry.last(name).and_then(Members::of);
    let (invocation, result) = (part(field::INVOCATION), part(field::RESULT));
    let text_in = |part: &Option<Members<'_>>, path: &'static str| -> Option<String> {
        let text: String = part.as_ref()?.typed(key(path))?;
        (!text.is_empty()).then_some(text)
    };
    let text = |name| entry.typed(name).filter(|text: &String| !text.is_empty());
    View {
        command: text_in(&invocation, field::COMMAND),
        subcommand: text_in(&invocation, field::SUBCOMMAND),
        status: result
            .as_ref()
            .and_then(|result| result.typed(key(field::STATUS))),
        exit_code: result
            .as_ref()
            .and_then(|result| result.typed(key(field::EXIT_CODE))),
        error_type: text_in(&result, field::ERROR_TYPE),
        error_message: text_in(&result, field::ERROR_MESSAGE),
        started_at: text(field::STARTED_AT).and_then(|text: String| {
            let instant = DateTime::parse_from_rfc3339(&text).ok()?;
            Some(instant.to_utc())
        }),
        duration_ms: entry.typed(field::DURATION_MS).and_then(whole_millis),
        tool: text(field::SWAMP_VERSION).map(|version| format!("swamp {version}")),
        platform: text(field::PLATFORM),
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
