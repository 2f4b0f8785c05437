//! The schema of an entry that is to be recorded, for those who write such entries: it takes what
//! [`RecordedEntry`](super::RecordedEntry) takes.

use serde_json::{Map, Value, json};

use super::values::{MAX_WHOLE, MILLIS_END};
use crate::domain::field;

const ID: &str = "^[A-Za-z0-9_-]{1,64}$";
const INSTANT: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$";
/// Without control characters.
const TEXT: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$";
/// Without control characters, white space and `=`.
const KEY: &str = "^-{0,2}[^-=\\u0000-\\u0020\\u007f-\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]\
[^=\\u0000-\\u0020\\u007f-\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]*$";

/// The JSON Schema of an entry that is to be recorded.
///
/// It does not say that an entry must not have begun more than a day ahead, nor so long ago that it would be removed
/// unsent, nor after it was completed; and that it has at most 256 KiB.
#[must_use]
pub fn entry_schema() -> Value {
    let mut schema = object(
        "Fields that are missing or null are filled in. Fields that are not listed are kept.",
        vec![
            (
                field::ID,
                optional(
                    "string",
                    Some(ID),
                    "Default: a new id. An id is recorded once.",
                ),
            ),
            (field::INVOCATION, invocation()),
            (field::RESULT, result()),
            (
                field::STARTED_AT,
                instant("Default: durationMs before completedAt, or before now."),
            ),
            (
                field::COMPLETED_AT,
                instant("Default: durationMs after startedAt, or now."),
            ),
            (
                field::DURATION_MS,
                json!({
                    "type": ["number", "null"],
                    "minimum": 0,
                    "exclusiveMaximum": MILLIS_END,
                    "description": "Milliseconds. Default: from startedAt until completedAt.",
                }),
            ),
            (
                field::SWAMP_VERSION,
                text("Version of the program that ran."),
            ),
            (
                field::PLATFORM,
                json!({
                    "enum": ["linux", "darwin", "windows", null],
                    "description": "Default: this machine's.",
                }),
            ),
            (field::INVOCATION_CONTEXT, context()),
            (
                field::PARENT_INVOCATION_ID,
                optional(
                    "string",
                    Some(ID),
                    "Id of the invocation that this one was part of.",
                ),
            ),
            (
                field::INSTALL_ID,
                text("Random id of the machine. Default: that of `swamp telemetry install-id`."),
            ),
        ],
    );
    schema.insert(
        "required".to_owned(),
        json!([field::INVOCATION, field::RESULT]),
    );
    let head = [
        ("$schema", "https://json-schema.org/draft/2020-12/schema"),
        ("title", "An invocation, as swamp telemetry record takes it"),
    ];
    let head = head.map(|(key, value)| (key.to_owned(), value.into()));
    Value::Object(head.into_iter().chain(schema).collect())
}

/// An entry that can be recorded as it is, at any time and again and again.
#[must_use]
pub fn entry_example() -> Value {
    let object = |fields: &[(&'static str, Value)]| -> Value {
        let fields = fields
            .iter()
            .map(|(path, value)| (key(path), value.clone()));
        Value::Object(fields.collect())
    };
    let invocation = object(&[
        (field::COMMAND, "deploy".into()),
        (field::SUBCOMMAND, "rollback".into()),
        (field::ARGS, 1.into()),
        (field::OPTION_KEYS, json!(["--force"])),
    ]);
    let result = object(&[
        (field::STATUS, "error".into()),
        (field::ERROR_TYPE, "Timeout".into()),
        (
            field::ERROR_MESSAGE,
            "the server did not answer in time".into(),
        ),
        (field::EXIT_CODE, 3.into()),
    ]);
    object(&[
        (field::INVOCATION, invocation),
        (field::RESULT, result),
        (field::DURATION_MS, 1200.into()),
        (field::SWAMP_VERSION, "2.3".into()),
    ])
}

fn invocation() -> Value {
    let keys = |description: &str| {
        json!({
            "type": ["array", "null"],
            "items": {"type": "string", "pattern": KEY},
            "description": description,
        })
    };
    let mut invocation = object(
        "What ran.",
        vec![
            (
                field::COMMAND,
                json!({"type": "string", "pattern": TEXT, "description": "Name of the program."}),
            ),
            (
                field::SUBCOMMAND,
                text("Words of its subcommand, separated by spaces."),
            ),
            (
                field::ARGS,
                json!({
                    "type": ["array", "integer", "null"],
                    "items": {"type": "string"},
                    "minimum": 0,
                    "maximum": MAX_WHOLE,
                    "description": "Positional arguments, or their number. Their values are recorded as <REDACTED>.",
                }),
            ),
            (
                field::OPTION_KEYS,
                keys("Keys of the options that were given, without their values."),
            ),
            (
                field::GLOBAL_OPTIONS,
                keys("Keys of the global options that were given."),
            ),
            (
                field::COMMAND_PATH,
                json!({
                    "type": ["array", "null"],
                    "items": {"type": "string"},
                    "description": "Default: command and subcommand, word by word.",
                }),
            ),
        ],
    );
    invocation.insert("required".to_owned(), json!([key(field::COMMAND)]));
    Value::Object(invocation)
}

fn result() -> Value {
    let mut result = object(
        "How it ended: status or exitCode must be there.",
        vec![
            (
                field::STATUS,
                json!({
                    "enum": ["success", "error", "user_error", null],
                    "description": "Default: from exitCode.",
                }),
            ),
            (
                field::ERROR_TYPE,
                text("Fixed word for the kind of failure."),
            ),
            (
                field::ERROR_MESSAGE,
                optional(
                    "string",
                    None,
                    "Fixed sentence for errorType, without values and paths. The first line is recorded.",
                ),
            ),
            (
                field::EXIT_CODE,
                json!({
                    "type": ["integer", "null"],
                    "minimum": i32::MIN,
                    "maximum": i32::MAX,
                    "description": "Default: 0, 1 or 2, from status.",
                }),
            ),
        ],
    );
    let there = |path| {
        let key = key(path);
        json!({"required": [key], "properties": {key: {"not": {"type": "null"}}}})
    };
    let either = [there(field::STATUS), there(field::EXIT_CODE)];
    result.insert("anyOf".to_owned(), either.to_vec().into());
    Value::Object(result)
}

fn context() -> Value {
    let yes_or_no = |description| optional("boolean", None, description);
    let mut context = object(
        "Where it ran. Default: where the entry is recorded.",
        vec![
            (
                field::IS_INTERACTIVE,
                yes_or_no("Whether a person was at a terminal."),
            ),
            (field::IS_CI, yes_or_no("Whether it was a CI job.")),
            (
                field::AGENT_SESSION_DETECTED,
                yes_or_no("Whether an agent ran it."),
            ),
            (field::DETECTED_AI_TOOL, text("Which agent.")),
        ],
    );
    context.insert("type".to_owned(), json!(["object", "null"]));
    Value::Object(context)
}

fn text(description: &str) -> Value {
    optional("string", Some(TEXT), description)
}

fn instant(description: &str) -> Value {
    optional("string", Some(INSTANT), description)
}

fn optional(kind: &str, pattern: Option<&str>, description: &str) -> Value {
    let mut schema = json!({"type": [kind, "null"], "description": description});
    if let Some(pattern) = pattern {
        schema["pattern"] = pattern.into();
    }
    schema
}

fn object(description: &str, fields: Vec<(&'static str, Value)>) -> Map<String, Value> {
    let properties: Map<_, _> = fields
        .into_iter()
        .map(|(path, of)| (key(path), of))
        .collect();
    let schema = [
        ("type", Value::from("object")),
        ("description", description.into()),
        ("properties", properties.into()),
    ];
    schema
        .map(|(key, value)| (key.to_owned(), value))
        .into_iter()
        .collect()
}

fn key(path: &'static str) -> String {
    field::split(path).1.to_owned()
}
