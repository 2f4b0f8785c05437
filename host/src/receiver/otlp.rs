//! OTLP's log records as JSON, from the receiving end.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use thiserror::Error;

use super::event::{ReceivedEvent, View};
use super::json::{JsonKind, Members};

/// The most log records that one request may hold.
const MOST_RECORDS: usize = 4096;

/// Why a body is no OTLP request for logs. The place is that of the value at fault, such as `resourceLogs[0].scopeLogs`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OtlpError {
    /// It is not UTF-8.
    #[error(
        "the body is not UTF-8 from byte {valid} on; send OTLP as JSON, the exporter's protocol http/json"
    )]
    NotText {
        /// How many bytes at its beginning are.
        valid: usize,
    },
    /// It is not JSON.
    #[error("the body is not JSON ({0}); send OTLP as JSON, the exporter's protocol http/json")]
    NotJson(String),
    /// There is no list of resources.
    #[error("resourceLogs is missing; send {{\"resourceLogs\":[…]}}")]
    NoResources,
    /// A value is of another type.
    #[error("{place} is {found}; it must be {expected}")]
    Kind {
        /// Where it is.
        place: String,
        /// What it is.
        found: JsonKind,
        /// What it must be.
        expected: JsonKind,
    },
    /// There are too many records.
    #[error("the request holds more than {MOST_RECORDS} log records; send fewer in one request")]
    Count,
}

/// The log records of a request's body, each with its resource. There may be none.
///
/// Attributes have the names that `builtin:otlp` gives them; a record without the one that tells it from others is a new
/// one whenever it comes.
///
/// # Errors
///
/// Says what is wrong, and where; the first that is found.
pub fn parse_otlp(body: &[u8]) -> Result<Vec<ReceivedEvent>, OtlpError> {
    let body = std::str::from_utf8(body).map_err(|error| OtlpError::NotText {
        valid: error.valid_up_to(),
    })?;
    let whole: &RawValue =
        serde_json::from_str(body).map_err(|error| OtlpError::NotJson(error.to_string()))?;
    let body = object("the body", whole)?;
    let resources = list(&body, "", ["resourceLogs", "resource_logs"])?;
    let mut events = Vec::new();
    for (place, value) in resources.ok_or(OtlpError::NoResources)? {
        let logs = object(&place, value)?;
        let resource = logs.last("resource");
        let described = Attributes::of(resource.and_then(Members::of).as_ref());
        for (place, value) in list(&logs, &place, ["scopeLogs", "scope_logs"])?.unwrap_or_default()
        {
            let scope = object(&place, value)?;
            let records = list(&scope, &place, ["logRecords", "log_records"])?.unwrap_or_default();
            for (place, value) in records {
                if events.len() == MOST_RECORDS {
                    return Err(OtlpError::Count);
                }
                let record = object(&place, value)?;
                events.push(event_of(resource, &described, value, &record));
            }
        }
    }
    Ok(events)
}

fn object<'a>(place: &str, value: &'a RawValue) -> Result<Members<'a>, OtlpError> {
    Members::of(value).ok_or_else(|| OtlpError::Kind {
        place: place.to_owned(),
        found: JsonKind::of(value),
        expected: JsonKind::Object,
    })
}

/// The list that has one of these names, each value with its place; `None` where there is none. OTLP's own spelling comes
/// first; protobuf's JSON has the other too.
fn list<'a>(
    members: &Members<'a>,
    within: &str,
    names: [&str; 2],
) -> Result<Option<Vec<(String, &'a RawValue)>>, OtlpError> {
    let Some((name, value)) = names
        .iter()
        .find_map(|name| Some((*name, members.last(name)?)))
        .filter(|(_, value)| JsonKind::of(value) != JsonKind::Null)
    else {
        return Ok(None);
    };
    let dot = if within.is_empty() { "" } else { "." };
    let place = format!("{within}{dot}{name}");
    let Ok(values) = serde_json::from_str::<Vec<&RawValue>>(value.get()) else {
        return Err(OtlpError::Kind {
            place,
            found: JsonKind::of(value),
            expected: JsonKind::List,
        });
    };
    let placed = values.into_iter().enumerate();
    Ok(Some(
        placed
            .map(|(index, value)| (format!("{place}[{index}]"), value))
            .collect(),
    ))
}

/// Attributes by their keys. What is no attribute is left out.
struct Attributes<'a>(Vec<(String, Members<'a>)>);

impl<'a> Attributes<'a> {
    fn of(object: Option<&Members<'a>>) -> Self {
        let listed = object.and_then(|object| object.typed::<Vec<&'a RawValue>>("attributes"));
        let attribute = |one: &'a RawValue| {
            let one = Members::of(one)?;
            Some((one.typed("key")?, Members::of(one.last("value")?)?))
        };
        Self(
            listed
                .unwrap_or_default()
                .into_iter()
                .filter_map(attribute)
                .collect(),
        )
    }

    fn get(&self, key: &str) -> Option<&Members<'a>> {
        let mut found = self.0.iter().filter(|(name, _)| name == key);
        found.next().map(|(_, value)| value)
    }

    fn text(&self, key: &str) -> Option<String> {
        let text: String = self.get(key)?.typed("stringValue")?;
        (!text.is_empty()).then_some(text)
    }

    /// Those of a list that are texts.
    fn texts(&self, key: &str) -> Option<Vec<String>> {
        let list = Members::of(self.get(key)?.last("arrayValue")?)?;
        let values = list.typed::<Vec<&'a RawValue>>("values")?;
        let text = |value| Members::of(value)?.typed("stringValue");
        Some(values.into_iter().filter_map(text).collect())
    }

    fn integer(&self, key: &str) -> Option<i64> {
        integer(self.get(key)?.last("intValue")?)
    }
}

/// 64-bit numbers are texts in OTLP's JSON, or numbers.
fn integer(value: &RawValue) -> Option<i64> {
    value.get().trim_matches('"').parse().ok()
}

fn event_of(
    resource: Option<&RawValue>,
    described: &Attributes<'_>,
    json: &RawValue,
    record: &Members<'_>,
) -> ReceivedEvent {
    let own = Attributes::of(Some(record));
    let body = || {
        let body = Members::of(record.last("body")?)?;
        body.typed("stringValue")
    };
    let version = || {
        own.text("service.version")
            .or_else(|| described.text("service.version"))
    };
    let tool = described.text("service.name").map(|name| match version() {
        Some(version) => format!("{name} {version}"),
        None => name,
    });
    let id = own
        .text("swamp.entry.id")
        .or_else(|| own.text("log.record.uid"));
    let insert_id = id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    let distinct_id = described.text("swamp.repo.id").unwrap_or_default();
    let status = own.text("swamp.status");
    let view = View {
        command: own.text("swamp.command").or_else(body),
        subcommand: own.text("swamp.subcommand"),
        status: status.and_then(|word| serde_json::from_value(word.into()).ok()),
        exit_code: own.integer("process.exit.code"),
        error_type: own.text("error.type"),
        error_message: own.text("exception.message"),
        started_at: record
            .last("timeUnixNano")
            .and_then(integer)
            .map(DateTime::from_timestamp_nanos),
        duration_ms: own
            .integer("swamp.duration_ms")
            .and_then(|millis| millis.try_into().ok()),
        tool,
        platform: own.text("os.type"),
    };
    let properties = entry_of(&own, &view, &insert_id, version().as_deref()).to_string();
    let event =
        json!({ "event": "cli_invocation", "distinct_id": distinct_id, "insert_id": insert_id });
    let event = event.to_string();
    let event = event.trim_end_matches('}');
    let resource = resource.map_or("null", RawValue::get);
    ReceivedEvent {
        json: format!(
            r#"{event},"properties":{properties},"resource":{resource},"logRecord":{json}}}"#
        ),
        distinct_id,
        insert_id,
        properties,
        view,
        warning: None,
    }
}

/// The entry that a log record tells of: its own data where the record brings it along.
fn entry_of(own: &Attributes<'_>, view: &View, id: &str, version: Option<&str>) -> Value {
    let data = own.text("swamp.entry.data");
    if let Some(data @ Value::Object(_)) = data.and_then(|data| serde_json::from_str(&data).ok()) {
        return data;
    }
    let at = |instant: DateTime<Utc>| instant.to_rfc3339_opts(SecondsFormat::Millis, true);
    told([
        ("id", json!(id)),
        (
            "invocation",
            told([
                ("command", json!(view.command)),
                ("subcommand", json!(view.subcommand)),
                ("args", json!(own.texts("swamp.args"))),
                ("optionKeys", json!(own.texts("swamp.option_keys"))),
                ("globalOptions", json!(own.texts("swamp.global_options"))),
            ]),
        ),
        (
            "result",
            told([
                ("status", json!(view.status)),
                ("errorType", json!(view.error_type)),
                ("errorMessage", json!(view.error_message)),
                ("exitCode", json!(view.exit_code)),
            ]),
        ),
        ("startedAt", json!(view.started_at.map(at))),
        ("durationMs", json!(view.duration_ms)),
        ("swampVersion", json!(version)),
        ("platform", json!(view.platform)),
    ])
}

/// An object of those that have a value.
fn told<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let told = fields.into_iter().filter(|(_, value)| !value.is_null());
    let told: Map<_, _> = told.map(|(key, value)| (key.to_owned(), value)).collect();
    Value::Object(told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Status;
    use proptest::prelude::*;

    const BODY: &str = r#"{"resourceLogs":[{"resource":{"attributes":[
      {"key":"service.name","value":{"stringValue":"tool"}},
      {"key":"service.version","value":{"stringValue":"1.2"}},
      {"key":"swamp.repo.id","value":{"stringValue":"repo-1"}}]},
      "scopeLogs":[{"scope":{"name":"swamp"},"logRecords":[
        {"timeUnixNano":"1732460400123000000","body":{"stringValue":"tool build"},"attributes":[
          {"key":"swamp.entry.id","value":{"stringValue":"a"}},
          {"key":"swamp.command","value":{"stringValue":"build"}},
          {"key":"swamp.status","value":{"stringValue":"user_error"}},
          {"key":"swamp.duration_ms","value":{"intValue":"42"}},
          {"key":"process.exit.code","value":{"intValue":2}},
          {"key":"error.type","value":{"stringValue":"Usage"}},
          {"key":"os.type","value":{"stringValue":"linux"}}]},
        {"body":{"stringValue":"hello"}}]}]}]}"#;

    #[test]
    fn a_record_tells_of_an_invocation_and_is_kept_with_its_resource() {
        for body in [
            BODY.to_owned(),
            BODY.replace("resourceLogs", "resource_logs")
                .replace("scopeLogs", "scope_logs")
                .replace("logRecords", "log_records"),
        ] {
            let [first, second] = &parse_otlp(body.as_bytes()).unwrap()[..] else {
                panic!("two records were sent");
            };
            assert_eq!((first.distinct_id(), first.insert_id()), ("repo-1", "a"));
            assert_eq!((first.command(), first.subcommand()), (Some("build"), None));
            assert_eq!(first.status(), Some(Status::UserError));
            assert_eq!(
                (first.exit_code(), first.duration_ms()),
                (Some(2), Some(42))
            );
            assert_eq!(
                (first.error_type(), first.error_message()),
                (Some("Usage"), None)
            );
            assert_eq!(
                (first.tool(), first.platform()),
                (Some("tool 1.2"), Some("linux"))
            );
            assert_eq!(
                first.started_at().unwrap().timestamp_millis(),
                1_732_460_400_123
            );
            let line: Value = serde_json::from_str(&first.to_line()).unwrap();
            assert_eq!(line["insert_id"], "a");
            assert_eq!(line["properties"]["result"]["exitCode"], 2);
            assert_eq!(line["properties"]["swampVersion"], "1.2");
            assert_eq!(line["resource"]["attributes"][0]["key"], "service.name");
            assert_eq!(line["logRecord"]["timeUnixNano"], "1732460400123000000");
            assert_eq!(second.command(), Some("hello"));
            assert!(
                second
                    .to_line()
                    .ends_with(r#""logRecord":{"body":{"stringValue":"hello"}}}"#)
            );
            let again = parse_otlp(body.as_bytes()).unwrap();
            assert_ne!(second.insert_id(), again[1].insert_id());
        }
    }

    #[test]
    fn what_is_left_out_is_no_mistake() {
        for body in [
            r#"{"resourceLogs":[]}"#,
            r#"{"resourceLogs":[{}]}"#,
            r#"{"resourceLogs":[{"resource":null,"scopeLogs":null}],"later":1}"#,
            r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[]}]}]}"#,
        ] {
            assert_eq!(parse_otlp(body.as_bytes()), Ok(Vec::new()), "{body}");
        }
        let bare = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}, {"attributes":7}, {"attributes":[7,{},{"key":"swamp.entry.id"}]}]}]}]}"#;
        let events = parse_otlp(bare.as_bytes()).unwrap();
        assert!(events.iter().all(|event| event.command().is_none()));
        assert_eq!(events.len(), 3);
    }

    #[test]
    fn a_body_that_is_none_is_told_what_is_wrong_and_where() {
        let many = format!(
            r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{}{{}}]}}]}}]}}"#,
            "{},".repeat(MOST_RECORDS)
        );
        let told: Vec<_> = [
            "",
            "[]",
            "{}",
            r#"{"resourceLogs":{}}"#,
            r#"{"resourceLogs":[{"scopeLogs":[]},7]}"#,
            r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{},"x"]}]}]}"#,
            &many,
        ]
        .map(|body| parse_otlp(body.as_bytes()).unwrap_err().to_string())
        .to_vec();
        let not_text = parse_otlp(b"\x0a\xff").unwrap_err().to_string();
        insta::assert_snapshot!(format!("{}\n{not_text}", told.join("\n")), @r#"
            the body is not JSON (EOF while parsing a value at line 1 column 0); send OTLP as JSON, the exporter's protocol http/json
            the body is a list; it must be an object
            resourceLogs is missing; send {"resourceLogs":[…]}
            resourceLogs is an object; it must be a list
            resourceLogs[1] is a number; it must be an object
            resourceLogs[0].scopeLogs[0].logRecords[1] is a string; it must be an object
            the request holds more than 4096 log records; send fewer in one request
            the body is not UTF-8 from byte 1 on; send OTLP as JSON, the exporter's protocol http/json
            "#);
    }

    proptest! {
        #[test]
        fn a_body_with_bytes_changed_never_panics_and_errors_are_one_line(
            changes in prop::collection::vec((any::<prop::sample::Index>(), "[ -~\\x00-\\x1f]"), 0..6),
        ) {
            let mut body = BODY.as_bytes().to_vec();
            for (index, with) in changes {
                let at = index.index(body.len());
                body[at] = with.as_bytes()[0];
            }
            match parse_otlp(&body) {
                Ok(events) => prop_assert!(events.len() <= 2),
                Err(error) => prop_assert!(!error.to_string().contains(char::is_control)),
            }
        }
    }
}
