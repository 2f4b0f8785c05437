//! One recorded invocation: what this program writes, and what it reads of entries that others wrote.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use super::entry_data::{self, EntryData, InvocationData, ResultData, field};
use super::{EntryId, EntryName, Surroundings, command_path};

/// What stands in an entry for a value that must not be recorded.
pub const REDACTED: &str = "<REDACTED>";

/// A command as it was invoked, without any value that the user gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invocation {
    /// The command.
    pub command: String,
    /// The subcommand, where the command has any.
    pub subcommand: Option<String>,
    /// The positional arguments, in order: [`REDACTED`] but for positions declared categorical.
    pub args: Vec<String>,
    /// The keys of the command's own options, with their dashes.
    pub option_keys: Vec<String>,
    /// The keys of the global options, with their dashes.
    pub global_options: Vec<String>,
    /// The tool that `command` names and the words of `subcommand`; `None` for a command of swamp's own.
    pub command_path: Option<Vec<String>>,
}

impl Invocation {
    /// The same invocation as that of a tool, which is its command.
    #[must_use]
    pub fn of_tool(mut self) -> Self {
        self.command_path = Some(command_path(&self.command, self.subcommand.as_deref()));
        self
    }
}

/// The key of an option with its dashes, whether it is spelled with them or without.
#[must_use]
pub fn with_dashes(key: &str) -> String {
    if key.starts_with('-') {
        key.to_owned()
    } else if key.chars().count() == 1 {
        format!("-{key}")
    } else {
        format!("--{key}")
    }
}

/// How an invocation ended, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It did what it was asked to do.
    Success,
    /// It failed.
    Error,
    /// It was used wrongly.
    UserError,
}

/// How an invocation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvocationResult {
    /// In one word.
    pub status: Status,
    /// The type of the error.
    pub error_type: Option<String>,
    /// A fixed sentence for that type of error: never text that could quote a value or a path.
    pub error_message: Option<String>,
    /// The exit code of the process.
    pub exit_code: i32,
}

impl InvocationResult {
    /// Success, with exit code 0.
    #[must_use]
    pub const fn success() -> Self {
        Self {
            status: Status::Success,
            error_type: None,
            error_message: None,
            exit_code: 0,
        }
    }
}

/// The operating system that an entry was recorded on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// Linux, and whatever else is no other.
    Linux,
    /// macOS.
    Darwin,
    /// Windows.
    Windows,
}

impl Platform {
    /// The one that this program was built for.
    pub const CURRENT: Self = if cfg!(target_os = "macos") {
        Self::Darwin
    } else if cfg!(windows) {
        Self::Windows
    } else {
        Self::Linux
    };
}

pub(super) fn iso_millis(instant: &DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// An entry as this program records it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryEntry {
    id: EntryId,
    invocation: Invocation,
    result: InvocationResult,
    started_at: DateTime<Utc>,
    completed_at: DateTime<Utc>,
    duration_ms: u64,
    swamp_version: String,
    platform: Platform,
    surroundings: Surroundings,
}

impl TelemetryEntry {
    /// A new entry, with an id of its own. `duration_ms` comes from a monotonic clock, so that a clock that was
    /// set meanwhile does not spoil it; the completion is derived from it.
    #[must_use]
    pub fn new(
        invocation: Invocation,
        result: InvocationResult,
        started_at: DateTime<Utc>,
        duration_ms: u64,
        swamp_version: &str,
    ) -> Self {
        let mut entry = Self {
            id: EntryId::generate(started_at),
            invocation,
            result,
            started_at,
            completed_at: started_at,
            duration_ms,
            swamp_version: swamp_version.to_owned(),
            platform: Platform::CURRENT,
            surroundings: Surroundings::default(),
        };
        entry.set_duration(duration_ms);
        entry
    }

    /// The same entry with this id, which was told before there was an entry.
    #[must_use]
    pub fn with_id(mut self, id: EntryId) -> Self {
        self.id = id;
        self
    }

    /// The same entry, of an invocation that took place there.
    #[must_use]
    pub fn within(mut self, surroundings: Surroundings) -> Self {
        self.surroundings = surroundings;
        self
    }

    /// Gives the same entry another end.
    pub fn end(&mut self, result: InvocationResult, duration_ms: u64) {
        self.result = result;
        self.set_duration(duration_ms);
    }

    fn set_duration(&mut self, duration_ms: u64) {
        let duration = i64::try_from(duration_ms)
            .ok()
            .and_then(chrono::TimeDelta::try_milliseconds);
        self.duration_ms = duration_ms;
        self.completed_at = duration
            .and_then(|duration| self.started_at.checked_add_signed(duration))
            .unwrap_or(self.started_at);
    }

    /// The name that it is spooled under.
    #[must_use]
    pub fn name(&self) -> EntryName {
        EntryName::pending(self.started_at, self.id.clone())
    }

    /// The JSON that is spooled: pretty-printed, with a newline at its end.
    #[must_use]
    pub fn to_json(&self) -> String {
        let Invocation {
            command,
            subcommand,
            args,
            option_keys,
            global_options,
            command_path,
        } = self.invocation.clone();
        let InvocationResult {
            status,
            error_type,
            error_message,
            exit_code,
        } = self.result.clone();
        let data = EntryData {
            id: Some(self.id.to_string()),
            invocation: InvocationData {
                command,
                subcommand,
                args: Some(args),
                option_keys: Some(option_keys),
                global_options: Some(global_options),
                command_path,
                unknown: Map::new(),
            },
            result: ResultData {
                status: Some(status),
                error_type,
                error_message,
                exit_code: Some(exit_code),
                unknown: Map::new(),
            },
            started_at: Some(iso_millis(&self.started_at)),
            completed_at: Some(iso_millis(&self.completed_at)),
            duration_ms: Some(self.duration_ms),
            swamp_version: Some(self.swamp_version.clone()),
            platform: Some(self.platform),
            ..EntryData::default()
        };
        data.within(&self.surroundings).to_json()
    }
}

/// What is known of a spooled entry's fields. All of them are optional: others write entries too, and what
/// an entry lacks or spells oddly is `None`, while its JSON still carries it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryFields {
    /// `invocation.command`.
    pub command: Option<String>,
    /// `invocation.subcommand`.
    pub subcommand: Option<String>,
    /// `invocation.args`.
    pub args: Option<Vec<String>>,
    /// `invocation.optionKeys`, as they are spelled: most have their dashes.
    pub option_keys: Option<Vec<String>>,
    /// `invocation.globalOptions`, spelled likewise.
    pub global_options: Option<Vec<String>>,
    /// The tool whose invocation it is: what `invocation.commandPath` begins with. `None` for swamp's own commands, and
    /// for those of the Deno implementation.
    pub tool: Option<String>,
    /// `result.status`.
    pub status: Option<Status>,
    /// `result.errorType`.
    pub error_type: Option<String>,
    /// `result.errorMessage`.
    pub error_message: Option<String>,
    /// `result.exitCode`.
    pub exit_code: Option<i32>,
    /// `startedAt`.
    pub started_at: Option<DateTime<Utc>>,
    /// `completedAt`.
    pub completed_at: Option<DateTime<Utc>>,
    /// `durationMs`, in whole milliseconds.
    pub duration_ms: Option<u64>,
    /// `swampVersion`.
    pub swamp_version: Option<String>,
    /// `platform`.
    pub platform: Option<String>,
    /// `installId`.
    pub install_id: Option<String>,
}

impl EntryFields {
    /// The command and its subcommand.
    #[must_use]
    pub fn full_command(&self) -> Option<String> {
        let words: Vec<_> = (self.command.iter().chain(&self.subcommand))
            .map(String::as_str)
            .collect();
        (!words.is_empty()).then(|| words.join(" "))
    }

    /// What is known of the fields of this entry.
    #[must_use]
    pub fn of(entry: &Map<String, Value>) -> Self {
        fn read<T: serde::de::DeserializeOwned>(
            entry: &Map<String, Value>,
            path: &'static str,
        ) -> Option<T> {
            entry_data::get(entry, path).and_then(typed)
        }
        let of_deno = entry_data::get(entry, field::DENO_VERSION).is_some();
        let path = read::<Vec<String>>(entry, field::COMMAND_PATH).filter(|_| !of_deno);
        Self {
            command: read(entry, field::COMMAND),
            subcommand: read(entry, field::SUBCOMMAND),
            args: read(entry, field::ARGS),
            option_keys: read(entry, field::OPTION_KEYS),
            global_options: read(entry, field::GLOBAL_OPTIONS),
            tool: path.and_then(|path| path.into_iter().next()),
            status: read(entry, field::STATUS),
            error_type: read(entry, field::ERROR_TYPE),
            error_message: read(entry, field::ERROR_MESSAGE),
            exit_code: read(entry, field::EXIT_CODE),
            started_at: entry_data::get(entry, field::STARTED_AT).and_then(instant),
            completed_at: entry_data::get(entry, field::COMPLETED_AT).and_then(instant),
            duration_ms: entry_data::get(entry, field::DURATION_MS).and_then(whole_millis),
            swamp_version: read(entry, field::SWAMP_VERSION),
            platform: read(entry, field::PLATFORM),
            install_id: read(entry, field::INSTALL_ID),
        }
    }
}

pub(super) fn typed<T: serde::de::DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}

pub(super) fn instant(value: &Value) -> Option<DateTime<Utc>> {
    let instant = DateTime::parse_from_rfc3339(value.as_str()?).ok()?;
    Some(instant.to_utc())
}

/// `performance.now()` differences, which some writers record, have fractions.
pub(super) fn whole_millis(value: &Value) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast from f64 saturates, and the range is checked"
    )]
    value.as_u64().or_else(|| {
        value
            .as_f64()
            .filter(|millis| (0.0..1e15).contains(millis))
            .map(|millis| millis.round() as u64)
    })
}

/// Why the content of a spool file cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Undeliverable {
    /// It is not UTF-8.
    #[error("it is not UTF-8")]
    NotText,
    /// It is not a JSON object, or one nested so deeply that receivers would choke on it.
    #[error("it is not a JSON object")]
    NotAnObject,
    /// Its `id` is not the one in its name.
    #[error("its id is not the one in its name")]
    OtherId,
}

/// An entry read from the spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpooledEntry {
    /// The name that it was read from.
    pub name: EntryName,
    /// The file's content, byte for byte.
    pub data: String,
    /// What is known of its fields.
    pub fields: EntryFields,
}

impl SpooledEntry {
    /// Takes the content of the file `name` for an entry.
    ///
    /// # Errors
    ///
    /// Says why it can never be delivered: it is not a JSON object whose string `id` equals the id in its name.
    pub fn parse(name: EntryName, content: Vec<u8>) -> Result<Self, Undeliverable> {
        let data = String::from_utf8(content).map_err(|_| Undeliverable::NotText)?;
        let entry: Map<String, Value> =
            serde_json::from_str(&data).map_err(|_| Undeliverable::NotAnObject)?;
        if entry.get(field::ID).and_then(Value::as_str) != Some(name.id.as_str()) {
            return Err(Undeliverable::OtherId);
        }
        let fields = EntryFields::of(&entry);
        Ok(Self { name, data, fields })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(millis).unwrap()
    }

    fn entry() -> TelemetryEntry {
        let invocation = Invocation {
            command: "repo".into(),
            subcommand: Some("init".into()),
            args: vec![REDACTED.into()],
            option_keys: vec!["--endpoint".into()],
            global_options: vec!["--json".into()],
            command_path: None,
        };
        TelemetryEntry::new(
            invocation,
            InvocationResult::success(),
            at(1_770_811_200_001),
            42,
            "20260211.1",
        )
    }

    #[test]
    fn a_recorded_entry_has_the_fields_of_the_format_in_its_order() {
        let entry = entry();
        let json = entry.to_json().replace(entry.id.as_str(), "ID");
        insta::assert_snapshot!(json, @r#"
        {
          "id": "ID",
          "invocation": {
            "command": "repo",
            "subcommand": "init",
            "args": [
              "<REDACTED>"
            ],
            "optionKeys": [
              "--endpoint"
            ],
            "globalOptions": [
              "--json"
            ]
          },
          "result": {
            "status": "success",
            "exitCode": 0
          },
          "startedAt": "2026-02-11T12:00:00.001Z",
          "completedAt": "2026-02-11T12:00:00.043Z",
          "durationMs": 42,
          "swampVersion": "20260211.1",
          "platform": "linux"
        }
        "#);
    }

    #[test]
    fn what_was_recorded_is_deliverable_and_keeps_its_bytes() {
        let entry = entry();
        let spooled = SpooledEntry::parse(entry.name(), entry.to_json().into_bytes()).unwrap();
        assert_eq!(spooled.data, entry.to_json());
        assert_eq!(spooled.fields.command.as_deref(), Some("repo"));
        assert_eq!(spooled.fields.status, Some(Status::Success));
        assert_eq!(spooled.fields.started_at, Some(at(1_770_811_200_001)));
        assert_eq!(spooled.fields.duration_ms, Some(42));
    }

    #[test]
    fn an_entry_with_nothing_but_its_id_or_with_odd_fields_is_deliverable() {
        let name = EntryName::parse("telemetry-2026-02-11-a.json").unwrap();
        let bare = SpooledEntry::parse(name.clone(), br#"{"id":"a"}"#.to_vec()).unwrap();
        assert_eq!(bare.fields, EntryFields::default());
        let odd = br#"{"id":"a","invocation":7,"result":{"status":"odd","exitCode":"1"},"startedAt":"nonsense","durationMs":-1}"#;
        let odd = SpooledEntry::parse(name, odd.to_vec()).unwrap();
        assert_eq!(odd.fields, EntryFields::default());
    }

    #[test]
    fn what_is_no_object_with_the_names_id_is_undeliverable() {
        let name = EntryName::parse("telemetry-2026-02-11-a.json").unwrap();
        let parse = |content: &[u8]| SpooledEntry::parse(name.clone(), content.to_vec());
        let deep = format!(
            r#"{{"id":"a","deep":{}{}}}"#,
            "[".repeat(10_000),
            "]".repeat(10_000)
        );
        assert_eq!(parse(b""), Err(Undeliverable::NotAnObject));
        assert_eq!(parse(br#"{"id":"a""#), Err(Undeliverable::NotAnObject));
        assert_eq!(parse(br#"["a"]"#), Err(Undeliverable::NotAnObject));
        assert_eq!(parse(deep.as_bytes()), Err(Undeliverable::NotAnObject));
        assert_eq!(parse(b"{\"id\":\"a\xff\"}"), Err(Undeliverable::NotText));
        assert_eq!(parse(br#"{"id":"b"}"#), Err(Undeliverable::OtherId));
        assert_eq!(parse(br#"{"id":"../a"}"#), Err(Undeliverable::OtherId));
        assert_eq!(parse(br#"{"id":7}"#), Err(Undeliverable::OtherId));
    }
}
