//! The ingest format from the receiving end: the events in a body, and what is wrong with a body that is none.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use thiserror::Error;

use super::{BATCH_SIZE, Status, printable};

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
        let invocation = entry.last("invocation").and_then(Members::of);
        let result = entry.last("result").and_then(Members::of);
        Ok(Self {
            json: json.get().to_owned(),
            distinct_id,
            insert_id,
            properties: properties.get().to_owned(),
            command: invocation
                .as_ref()
                .and_then(|invocation| invocation.typed("command")),
            subcommand: invocation.and_then(|invocation| invocation.typed("subcommand")),
            status: result.and_then(|result| result.typed("status")),
            started_at: entry.typed("startedAt").and_then(|text: String| {
                let instant = DateTime::parse_from_rfc3339(&text).ok()?;
                Some(instant.to_utc())
            }),
            duration_ms: entry.typed("durationMs").and_then(whole_millis),
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PROPERTIES: &str = r#"{
  "id": "a",
  "invocation": { "command": "repo", "subcommand": "init" },
  "result": { "status": "user_error", "exitCode": 2 },
  "startedAt": "2026-02-11T12:00:00.001Z",
  "durationMs": 41.6, "later": 1e400, "note": "a \" b \\"
}"#;

    fn event(insert_id: &str) -> String {
        format!(
            r#"{{ "event": "cli_invocation", "distinct_id": "repo-1", "insert_id": "{insert_id}", "properties": {PROPERTIES} }}"#
        )
    }

    fn why(body: &str) -> String {
        parse_body(body.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_bare_event_is_one_event_and_keeps_its_properties_byte_for_byte() {
        let [event] = &parse_body(event("a").as_bytes()).unwrap()[..] else {
            panic!("one event was sent");
        };
        assert_eq!(event.properties(), PROPERTIES);
        assert_eq!(event.distinct_id(), "repo-1");
        assert_eq!(event.insert_id(), "a");
        assert_eq!(event.command(), Some("repo"));
        assert_eq!(event.subcommand(), Some("init"));
        assert_eq!(event.status(), Some(Status::UserError));
        assert_eq!(
            event.started_at().unwrap().timestamp_millis(),
            1_770_811_200_001
        );
        assert_eq!(event.duration_ms(), Some(42));
    }

    #[test]
    fn a_batch_holds_its_events_in_order() {
        let ids: Vec<String> = (0..25).map(|number| format!("id-{number}")).collect();
        let events: Vec<String> = ids.iter().map(|id| event(id)).collect();
        let body = format!(r#"{{"events":[{}]}}"#, events.join(","));
        let parsed = parse_body(body.as_bytes()).unwrap();
        assert_eq!(
            parsed
                .iter()
                .map(IngestEvent::insert_id)
                .collect::<Vec<_>>(),
            ids
        );
    }

    #[test]
    fn an_event_is_written_on_one_line_with_every_token_as_it_came() {
        let parsed = parse_body(event("a").as_bytes()).unwrap();
        insta::assert_snapshot!(parsed[0].to_line(), @r#"{"event":"cli_invocation","distinct_id":"repo-1","insert_id":"a","properties":{"id":"a","invocation":{"command":"repo","subcommand":"init"},"result":{"status":"user_error","exitCode":2},"startedAt":"2026-02-11T12:00:00.001Z","durationMs":41.6,"later":1e400,"note":"a \" b \\"}}"#);
    }

    #[test]
    fn properties_of_any_other_shape_are_taken_and_tell_nothing() {
        for properties in [
            "{}",
            r#"{"invocation":[],"result":{"status":"odd"},"startedAt":"noon","durationMs":-1}"#,
            r#"{"invocation":{"command":7},"durationMs":"1"}"#,
        ] {
            let body = event("a").replace(PROPERTIES, properties);
            let [event] = &parse_body(body.as_bytes()).unwrap()[..] else {
                panic!("one event was sent");
            };
            assert_eq!(event.properties(), properties);
            assert_eq!(
                (event.command(), event.subcommand(), event.status()),
                (None, None, None)
            );
            assert_eq!((event.started_at(), event.duration_ms()), (None, None));
        }
    }

    #[test]
    fn properties_may_be_nested_deeper_than_any_stack() {
        let deep = format!(
            r#"{{"deep":{}{}}}"#,
            "[".repeat(500_000),
            "]".repeat(500_000)
        );
        let parsed = parse_body(event("a").replace(PROPERTIES, &deep).as_bytes()).unwrap();
        assert_eq!(parsed[0].properties(), deep);
    }

    #[test]
    fn a_body_that_is_no_event_is_told_why() {
        let many = format!(r#"{{"events":[{}]}}"#, vec![event("a"); 26].join(","));
        insta::assert_snapshot!(
            [
                why(""),
                why("event=cli_invocation"),
                why(r#"{"event":"cli_invocation""#),
                why("[]"),
                why("7"),
                why(r#"{"events":{}}"#),
                why(r#"{"events":[]}"#),
                why(&many),
                why(r#"{"events":[],"events":[]}"#),
                why(r#"{"events":[],"event":"cli_invocation"}"#),
                parse_body(b"{\"event\":\"\xff\"}").unwrap_err().to_string(),
                IngestError::TooLarge { limit: 8 }.to_string(),
            ]
            .join("\n"),
            @r#"
            the body is not JSON (EOF while parsing a value at line 1 column 0); send one event object, or {"events":[…]}
            the body is not JSON (expected value at line 1 column 1); send one event object, or {"events":[…]}
            the body is not JSON (EOF while parsing an object at line 1 column 25); send one event object, or {"events":[…]}
            the body is a list; send one event object, or {"events":[…]}
            the body is a number; send one event object, or {"events":[…]}
            events is an object; it must be a list of 1 to 25 event objects
            events holds 0 events; it must hold 1 to 25
            events holds 26 events; it must hold 1 to 25
            events is given twice; give it once
            the body has both "event" and "events"; send one event object, or {"events":[…]}
            the body is not UTF-8 from byte 10 on; send JSON in UTF-8, not compressed
            the body is larger than 8 bytes; send fewer events in one request
            "#
        );
    }

    #[test]
    fn a_flaw_is_told_with_the_events_position_the_field_and_what_is_expected() {
        let bare = |from: &str, to: &str| why(&event("a").replace(from, to));
        let second = |from: &str, to: &str| {
            let batch = format!(
                r#"{{"events":[{},{}]}}"#,
                event("a"),
                event("b").replace(from, to)
            );
            why(&batch)
        };
        insta::assert_snapshot!(
            [
                bare(r#""event": "cli_invocation", "#, ""),
                bare("cli_invocation", "page\\u001b[2J_view"),
                bare("cli_invocation", &"x".repeat(1000)),
                bare(r#""repo-1""#, r#""""#),
                bare(r#""repo-1""#, "null"),
                bare(r#""insert_id": "a", "#, ""),
                bare(r#""insert_id""#, r#""insert_id": "b", "insert_id""#),
                bare(PROPERTIES, "[]"),
                second(r#""insert_id": "b", "#, ""),
                second(r#""b""#, "7"),
                second(r#""b""#, r#""\ud800""#),
                second(PROPERTIES, "true"),
                second(&event("b"), "\"event\""),
            ]
            .join("\n"),
            @r#"
            event is missing; it must be the string "cli_invocation"
            event is "page\u{1b}[2J_view"; it must be the string "cli_invocation"
            event is "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…"; it must be the string "cli_invocation"
            distinct_id is empty; it must be a non-empty string, the repository's id
            distinct_id is null; it must be a non-empty string, the repository's id
            insert_id is missing; it must be a non-empty string, the same whenever this event is sent again
            insert_id is given twice; it must be there once
            properties is a list; it must be an object
            events[1].insert_id is missing; it must be a non-empty string, the same whenever this event is sent again
            events[1].insert_id is a number; it must be a non-empty string, the same whenever this event is sent again
            events[1].insert_id has half of a surrogate pair; it must be a non-empty string, the same whenever this event is sent again
            events[1].properties is a boolean; it must be an object
            events[1] is a string; it must be an event object
            "#
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_events_or_an_error_of_one_line(body in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Err(error) = parse_body(&body) {
                prop_assert!(!error.to_string().contains(char::is_control));
            }
        }

        #[test]
        fn a_body_with_bytes_changed_never_panics_and_errors_are_one_line(
            changes in prop::collection::vec((any::<prop::sample::Index>(), "[ -~\\x00-\\x1f]"), 0..6),
        ) {
            let mut body = format!(r#"{{"events":[{},{}]}}"#, event("a"), event("b")).into_bytes();
            for (index, with) in changes {
                let at = index.index(body.len());
                body[at] = with.as_bytes()[0];
            }
            match parse_body(&body) {
                Ok(events) => prop_assert!((1..=25).contains(&events.len())),
                Err(error) => prop_assert!(!error.to_string().contains(char::is_control)),
            }
        }

        #[test]
        fn a_line_means_the_same_as_the_event_and_has_no_line_break(
            key in "[ -~\\n\\t\"\\\\é]{0,12}", value in any::<f64>(), text in any::<String>(),
        ) {
            let properties = serde_json::json!({ key: { "n": value, "t": text } });
            let pretty = serde_json::to_string_pretty(&properties).unwrap();
            let parsed = parse_body(event("a").replace(PROPERTIES, &pretty).as_bytes()).unwrap();
            prop_assert_eq!(parsed[0].properties(), &pretty);
            let line = parsed[0].to_line();
            prop_assert!(!line.contains(['\n', '\r']));
            let again = parse_body(line.as_bytes()).unwrap();
            prop_assert_eq!(again[0].properties(), serde_json::to_string(&properties).unwrap());
        }
    }
}
