//! One entry as a log record.

use alloc::borrow::ToOwned as _;
use alloc::string::{String, ToString as _};
use alloc::vec;
use alloc::vec::Vec;

use serde_json::{Map, Value, json};

use super::KnownEntry;
use super::data::Data;
use guest_sender::bindings::swamp::telemetry::types::InvocationStatus;

const NANOSECONDS_PER_MILLISECOND: u64 = 1_000_000;

/// `2025-01-31T12:00:00.000Z`: an instant that is spelled longer has a finer fraction or another time zone.
const PLAIN_INSTANT_CHARS: usize = 24;

/// Attributes in OTLP's JSON, where 64-bit numbers are texts.
#[derive(Debug, Default)]
pub(super) struct Attributes(Vec<Value>);

impl Attributes {
    pub(super) fn text(&mut self, key: &str, value: Option<&str>) {
        self.push(key, value.map(text));
    }

    fn texts(&mut self, key: &str, value: Option<&Vec<String>>) {
        let list = |items: &Vec<String>| {
            let values: Vec<_> = items.iter().map(|item| text(item)).collect();
            json!({ "arrayValue": { "values": values } })
        };
        self.push(key, value.map(list));
    }

    fn integer(&mut self, key: &str, value: Option<i64>) {
        let integer = |number: i64| json!({ "intValue": number.to_string() });
        self.push(key, value.map(integer));
    }

    fn boolean(&mut self, key: &str, value: Option<bool>) {
        let boolean = |value: bool| json!({ "boolValue": value });
        self.push(key, value.map(boolean));
    }

    fn push(&mut self, key: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.0.push(json!({ "key": key, "value": value }));
        }
    }

    pub(super) fn into_value(self) -> Value {
        Value::Array(self.0)
    }
}

fn text(text: &str) -> Value {
    json!({ "stringValue": text })
}

pub(super) fn log_record(entry: &KnownEntry<'_>, data: &Data) -> Value {
    let mut record = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            record.insert(key.to_owned(), value);
        }
    };
    let nanoseconds = |millis| Some(json!(nanoseconds(millis)?.to_string()));
    let severity = entry.fields.status.map(severity);
    put("timeUnixNano", nanoseconds(entry.fields.started_at));
    put(
        "observedTimeUnixNano",
        nanoseconds(entry.fields.completed_at),
    );
    put("severityNumber", severity.map(|(number, _)| number.into()));
    put("severityText", severity.map(|(_, name)| name.into()));
    put("body", command_line(entry, data).map(|line| text(&line)));
    put("attributes", Some(attributes(entry, data).into_value()));
    Value::Object(record)
}

fn attributes(entry: &KnownEntry<'_>, data: &Data) -> Attributes {
    let mut attributes = Attributes::default();
    attributes.text("swamp.entry.id", Some(entry.id));
    attributes.text("swamp.command", entry.fields.command.as_deref());
    attributes.text("swamp.subcommand", entry.fields.subcommand.as_deref());
    attributes.texts("swamp.args", entry.fields.args.as_ref());
    attributes.texts("swamp.option_keys", entry.fields.option_keys.as_ref());
    attributes.texts("swamp.global_options", entry.fields.global_options.as_ref());
    attributes.text("swamp.status", entry.fields.status.map(status_word));
    attributes.integer("swamp.duration_ms", duration(entry));
    attributes.integer("process.exit.code", entry.fields.exit_code.map(i64::from));
    attributes.text("error.type", entry.fields.error_type.as_deref());
    // The conventions have given up `error.message`.
    attributes.text("exception.message", entry.fields.error_message.as_deref());
    attributes.text("os.type", entry.fields.platform.as_deref());
    attributes.text("swamp.install.id", data.text("installId"));
    attributes.text("swamp.parent.entry.id", data.text("parentInvocationId"));
    let boolean = |key| data.context(key).and_then(Value::as_bool);
    attributes.boolean("swamp.context.interactive", boolean("isInteractive"));
    attributes.boolean("swamp.context.ci", boolean("isCi"));
    attributes.boolean(
        "swamp.context.agent_session",
        boolean("agentSessionDetected"),
    );
    let agent = data.context("detectedAiTool").and_then(Value::as_str);
    attributes.text("swamp.context.agent", agent);
    if has_more(entry, data) {
        attributes.text("swamp.entry.data", Some(entry.data));
    }
    attributes
}

/// The command line as far as it was recorded, which is without options: their keys are attributes.
fn command_line(entry: &KnownEntry<'_>, data: &Data) -> Option<String> {
    let mut words = vec![entry.fields.command.as_deref()?];
    if data.tool().is_none() {
        words.insert(0, "swamp");
    }
    words.extend(entry.fields.subcommand.as_deref());
    words.extend(entry.fields.args.iter().flatten().map(String::as_str));
    Some(words.join(" "))
}

/// The severity's number and name.
const fn severity(status: InvocationStatus) -> (u8, &'static str) {
    match status {
        InvocationStatus::Success => (9, "INFO"),
        InvocationStatus::UserError => (13, "WARN"),
        InvocationStatus::Error => (17, "ERROR"),
    }
}

const fn status_word(status: InvocationStatus) -> &'static str {
    match status {
        InvocationStatus::Success => "success",
        InvocationStatus::Error => "error",
        InvocationStatus::UserError => "user_error",
    }
}

fn nanoseconds(millis: Option<u64>) -> Option<u64> {
    millis?.checked_mul(NANOSECONDS_PER_MILLISECOND)
}

fn duration(entry: &KnownEntry<'_>) -> Option<i64> {
    i64::try_from(entry.fields.duration_ms?).ok()
}

/// Whether the entry's data holds anything that the rest of the record does not: fields of a later version, or in a
/// spelling that the host does not know.
fn has_more(entry: &KnownEntry<'_>, data: &Data) -> bool {
    let Some(data) = data.fields() else {
        return true;
    };
    data.iter().any(|(key, value)| match (key.as_str(), value) {
        ("invocation" | "result" | "invocationContext", Value::Object(fields)) => fields
            .iter()
            .any(|(field, value)| !is_told(entry, key, field, value)),
        _ => !is_told(entry, "", key, value),
    })
}

/// Whether the record tells this field of the entry's data, which is within `parent` or, if that is empty, at the top.
fn is_told(entry: &KnownEntry<'_>, parent: &str, key: &str, value: &Value) -> bool {
    let is_instant = |typed| {
        nanoseconds(typed).is_some()
            && value
                .as_str()
                .is_some_and(|text| text.len() <= PLAIN_INSTANT_CHARS)
    };
    value.is_null()
        || match (parent, key) {
            ("", "id") => true,
            ("", "startedAt") => is_instant(entry.fields.started_at),
            ("", "completedAt") => is_instant(entry.fields.completed_at),
            // The host rounds fractions.
            ("", "durationMs") => value.is_u64() && duration(entry).is_some(),
            ("", "swampVersion") => entry.fields.swamp_version.is_some(),
            ("", "platform") => entry.fields.platform.is_some(),
            ("", "installId" | "parentInvocationId") | ("invocationContext", "detectedAiTool") => {
                value.is_string()
            }
            ("invocationContext", "isInteractive" | "isCi" | "agentSessionDetected") => {
                value.is_boolean()
            }
            ("invocation", "commandPath") => is_command_path(entry, value),
            ("invocation", "command") => entry.fields.command.is_some(),
            ("invocation", "subcommand") => entry.fields.subcommand.is_some(),
            ("invocation", "args") => entry.fields.args.is_some(),
            ("invocation", "optionKeys") => entry.fields.option_keys.is_some(),
            ("invocation", "globalOptions") => entry.fields.global_options.is_some(),
            ("result", "status") => entry.fields.status.is_some(),
            ("result", "errorType") => entry.fields.error_type.is_some(),
            ("result", "errorMessage") => entry.fields.error_message.is_some(),
            ("result", "exitCode") => entry.fields.exit_code.is_some(),
            _ => false,
        }
}

/// Whether this path says what the command and the subcommand do.
fn is_command_path(entry: &KnownEntry<'_>, path: &Value) -> bool {
    let Some(path) = path.as_array() else {
        return false;
    };
    let subcommand = entry.fields.subcommand.iter();
    let words = subcommand.flat_map(|words| words.split(' '));
    let told = entry.fields.command.as_deref().into_iter().chain(words);
    path.iter().map(Value::as_str).eq(told.map(Some))
}
