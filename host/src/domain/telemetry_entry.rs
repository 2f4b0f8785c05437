//! One recorded invocation: what this program writes, and what it reads of entries that others wrote.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use super::entry_data::{self, EntryData, InvocationData, ResultData, field};
use super::json_text::readable;
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
            .and_then(TimeDelta::try_milliseconds);
        self.duration_ms = duration_ms;
        self.completed_at = duration
            .and_then(|duration| self.started_at.checked_add_signed(duration))
            .unwrap_or(self.started_at);
    }

    /// How long its command took.
    #[must_use]
    pub fn duration(&self) -> TimeDelta {
        self.completed_at - self.started_at
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
    /// Nothing in it identifies it.
    #[error("it has no valid id")]
    NoId,
}

/// An entry read from the spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpooledEntry {
    /// The name that it was read from.
    pub name: EntryName,
    /// Its own id, by which endpoints know it: mostly the one in its name, but other programs name files as they like.
    pub id: EntryId,
    /// The file's content, byte for byte.
    pub data: String,
    /// What is known of its fields.
    pub fields: EntryFields,
}

impl SpooledEntry {
    /// Takes the content of the file `name` for an entry. Where it holds what Unicode or a number cannot, the fields have
    /// something else in its place; the data is as it was.
    ///
    /// # Errors
    ///
    /// Says why it can never be delivered: it is not a JSON object with an `id` that is one.
    pub fn parse(name: EntryName, content: Vec<u8>) -> Result<Self, Undeliverable> {
        let data = String::from_utf8(content).map_err(|_| Undeliverable::NotText)?;
        let entry: Map<String, Value> = serde_json::from_str(&data)
            .or_else(|error| match readable(&data) {
                Some(readable) => serde_json::from_str(&readable),
                None => Err(error),
            })
            .map_err(|_| Undeliverable::NotAnObject)?;
        let id = entry.get(field::ID).and_then(Value::as_str);
        let id = id.and_then(EntryId::parse).ok_or(Undeliverable::NoId)?;
        let fields = EntryFields::of(&entry);
        Ok(Self {
            name,
            id,
            data,
            fields,
        })
    }

    /// Whether its name has its own id and the day that it started. One that does not say when it started must have a
    /// command, as no other JSON file has.
    #[must_use]
    pub fn is_named_after_itself(&self) -> bool {
        let is_of_its_day = match self.fields.started_at {
            Some(at) => at.date_naive() == self.name.date,
            None => self.fields.command.is_some(),
        };
        self.id == self.name.id && is_of_its_day
    }
}

#[cfg(test)]
mod tests;
