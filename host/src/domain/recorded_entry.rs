//! An entry that another program asks to be recorded: what it says is checked, and what it leaves out is added.

use chrono::{DateTime, Days, SecondsFormat, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

use super::telemetry_entry::{instant, typed, whole_millis};
use super::{EntryId, EntryName, Platform, REDACTED, Status};

/// How entries are taken.
#[derive(Clone, Copy, Debug)]
pub struct Recording<'a> {
    /// The time.
    pub now: DateTime<Utc>,
    /// The version of an entry that names none.
    pub version: &'a str,
    /// How many days unsent entries are kept: none that is older is taken.
    pub retention_days: u16,
    /// Whether positional arguments are kept as they are, since whoever recorded them has redacted them.
    pub args_are_redacted: bool,
}

/// What is wrong with an entry.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EntryFlaw {
    /// It is not JSON.
    #[error("it is not JSON from its line {line}, column {column} on")]
    NotJson {
        /// The line of the entry, from 1 on.
        line: usize,
        /// The column of the line.
        column: usize,
    },
    /// It is JSON, but not an object.
    #[error("it is not a JSON object")]
    NotAnObject,
    /// A field that must be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A field does not hold what it has to.
    #[error("{field} must be {expected}")]
    Wrong {
        /// The path of the field: `result.exitCode`.
        field: String,
        /// What it has to hold.
        expected: &'static str,
    },
    /// It would be removed before it is sent.
    #[error(
        "startedAt is older than the {0} days that unsent entries are kept (telemetryRetentionDays in .swamp.yaml)"
    )]
    Expired(u16),
}

/// An entry to record that is complete and right.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedEntry {
    id: EntryId,
    started_at: DateTime<Utc>,
    /// What was given of it, in the form that it is kept in.
    given: Fields,
    fields: Fields,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    invocation: InvocationFields,
    result: ResultFields,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    swamp_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<Platform>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct InvocationFields {
    command: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subcommand: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    option_keys: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    global_options: Option<Vec<String>>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ResultFields {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

impl RecordedEntry {
    /// Takes JSON text for an entry.
    ///
    /// # Errors
    ///
    /// Says what is wrong with it, by the path of the field.
    pub fn parse(text: &str, recording: &Recording<'_>) -> Result<Self, EntryFlaw> {
        match serde_json::from_str(text) {
            Ok(Value::Object(entry)) => Self::of(entry, recording),
            Ok(_) => Err(EntryFlaw::NotAnObject),
            Err(error) => Err(EntryFlaw::NotJson {
                line: error.line(),
                column: error.column(),
            }),
        }
    }

    /// Takes a JSON object for an entry.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn of(mut entry: Map<String, Value>, recording: &Recording<'_>) -> Result<Self, EntryFlaw> {
        let id = take(
            &mut entry,
            "id",
            "1 to 64 ASCII letters, digits, - and _",
            |id| EntryId::parse(id.as_str()?),
        )?;
        let started = take(&mut entry, "startedAt", AN_INSTANT, instant)?;
        let completed = take(&mut entry, "completedAt", AN_INSTANT, instant)?;
        let duration_ms = take(
            &mut entry,
            "durationMs",
            "a number of milliseconds, 0 or more",
            whole_millis,
        )?;
        let given = Fields {
            id: id.as_ref().map(ToString::to_string),
            invocation: invocation(&mut entry, recording.args_are_redacted)?,
            result: result(&mut entry)?,
            started_at: started.as_ref().map(iso_millis),
            completed_at: completed.as_ref().map(iso_millis),
            duration_ms,
            swamp_version: take(&mut entry, "swampVersion", TEXT, text)?,
            platform: take(
                &mut entry,
                "platform",
                "one of linux, darwin and windows",
                typed,
            )?,
            unknown: entry,
        };
        let times = Times::complete(started, completed, duration_ms, recording.now)?;
        times.check(recording)?;
        let id = id.unwrap_or_else(|| EntryId::generate(times.started));
        let fields = given.clone().completed(&id, &times, recording.version);
        Ok(Self {
            id,
            started_at: times.started,
            given,
            fields,
        })
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> &EntryId {
        &self.id
    }

    /// Whether its id was given, so that it may have been recorded already.
    #[must_use]
    pub const fn has_given_id(&self) -> bool {
        self.given.id.is_some()
    }

    /// The name that it is spooled under.
    #[must_use]
    pub fn name(&self) -> EntryName {
        EntryName::pending(self.started_at, self.id.clone())
    }

    /// The JSON that is spooled: pretty-printed, with a newline at its end.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Writing to a `String` cannot fail and no map in here has keys that are not strings.
        let mut json = serde_json::to_string_pretty(&self.fields).unwrap_or_default();
        json.push('\n');
        json
    }

    /// Whether a stored entry is this one, recorded before: it has all that was given of this one. What was added, such
    /// as the time, may differ.
    #[must_use]
    pub fn repeats(&self, stored: &Value) -> bool {
        // Through text, as what is stored: that rounds fractions.
        serde_json::to_string(&self.given)
            .and_then(|given| serde_json::from_str(&given))
            .is_ok_and(|given| is_within(&given, stored))
    }
}

impl Fields {
    fn completed(mut self, id: &EntryId, times: &Times, version: &str) -> Self {
        self.id = Some(id.to_string());
        let invocation = &mut self.invocation;
        invocation.args.get_or_insert_default();
        invocation.option_keys.get_or_insert_default();
        invocation.global_options.get_or_insert_default();
        let result = &mut self.result;
        match (result.status, result.exit_code) {
            (None, code) => {
                result.status = Some(if code == Some(0) {
                    Status::Success
                } else {
                    Status::Error
                });
            }
            (Some(status), None) => {
                result.exit_code = Some(match status {
                    Status::Success => 0,
                    Status::Error => 1,
                    Status::UserError => 2,
                });
            }
            (Some(_), Some(_)) => {}
        }
        self.started_at = Some(iso_millis(&times.started));
        self.completed_at = Some(iso_millis(&times.completed));
        self.duration_ms = Some(times.duration_ms);
        self.swamp_version.get_or_insert_with(|| version.to_owned());
        self.platform.get_or_insert(Platform::CURRENT);
        self
    }
}

/// When an invocation began and ended.
struct Times {
    started: DateTime<Utc>,
    completed: DateTime<Utc>,
    duration_ms: u64,
}

impl Times {
    /// Works out what is missing from what is there.
    fn complete(
        started: Option<DateTime<Utc>>,
        completed: Option<DateTime<Utc>>,
        duration_ms: Option<u64>,
        now: DateTime<Utc>,
    ) -> Result<Self, EntryFlaw> {
        let too_long = || wrong("durationMs", "a time that fits the calendar");
        let duration = i64::try_from(duration_ms.unwrap_or(0))
            .ok()
            .and_then(TimeDelta::try_milliseconds)
            .ok_or_else(too_long)?;
        let started = match started {
            Some(started) => started,
            None => completed
                .unwrap_or(now)
                .checked_sub_signed(duration)
                .ok_or_else(too_long)?,
        };
        let completed = match (completed, duration_ms) {
            (Some(completed), _) => completed,
            (None, Some(_)) => started.checked_add_signed(duration).ok_or_else(too_long)?,
            (None, None) => now.max(started),
        };
        let elapsed = u64::try_from((completed - started).num_milliseconds())
            .map_err(|_| wrong("completedAt", "no earlier than startedAt"))?;
        Ok(Self {
            started,
            completed,
            duration_ms: duration_ms.unwrap_or(elapsed),
        })
    }

    fn check(&self, recording: &Recording<'_>) -> Result<(), EntryFlaw> {
        let Recording {
            now,
            retention_days: days,
            ..
        } = *recording;
        let started = self.started.date_naive();
        let oldest = now.date_naive().checked_sub_days(Days::new(days.into()));
        if oldest.is_some_and(|oldest| started < oldest) {
            return Err(EntryFlaw::Expired(days));
        }
        // Clocks differ, but what lies far ahead would never expire.
        let latest = now.date_naive().checked_add_days(Days::new(1));
        if latest.is_some_and(|latest| started > latest) {
            return Err(wrong("startedAt", "no more than a day ahead"));
        }
        Ok(())
    }
}

const AN_INSTANT: &str = "an instant as ISO 8601 has it, such as 2026-02-11T12:00:00.000Z";
const TEXT: &str = "text without control characters, and not empty";
const KEYS: &str = "a list of option keys, without their dashes and values";

fn invocation(
    entry: &mut Map<String, Value>,
    args_are_redacted: bool,
) -> Result<InvocationFields, EntryFlaw> {
    let mut fields = object(entry, "invocation")?;
    Ok(InvocationFields {
        command: take(&mut fields, "invocation.command", TEXT, text)?
            .ok_or(EntryFlaw::Missing("invocation.command"))?,
        subcommand: take(&mut fields, "invocation.subcommand", TEXT, text)?,
        args: take(
            &mut fields,
            "invocation.args",
            "a list of texts, or their number",
            |args| positions(args, args_are_redacted),
        )?,
        option_keys: take(&mut fields, "invocation.optionKeys", KEYS, keys)?,
        global_options: take(&mut fields, "invocation.globalOptions", KEYS, keys)?,
        unknown: fields,
    })
}

fn result(entry: &mut Map<String, Value>) -> Result<ResultFields, EntryFlaw> {
    let mut fields = object(entry, "result")?;
    let result = ResultFields {
        status: take(
            &mut fields,
            "result.status",
            "one of success, error and user_error",
            typed,
        )?,
        error_type: take(&mut fields, "result.errorType", TEXT, text)?,
        error_message: take(&mut fields, "result.errorMessage", "text", |message| {
            Some(message.as_str()?.lines().next().unwrap_or("").to_owned())
        })?,
        exit_code: take(
            &mut fields,
            "result.exitCode",
            "a whole number of 32 bits",
            typed,
        )?,
        unknown: fields,
    };
    if result.status.is_none() && result.exit_code.is_none() {
        return Err(EntryFlaw::Missing("result.status"));
    }
    Ok(result)
}

fn object(
    parent: &mut Map<String, Value>,
    field: &'static str,
) -> Result<Map<String, Value>, EntryFlaw> {
    take(parent, field, "an object", |value| {
        value.as_object().cloned()
    })?
    .ok_or(EntryFlaw::Missing(field))
}

/// Takes the field at this path out of the object that holds it. `null` counts as missing.
fn take<T>(
    parent: &mut Map<String, Value>,
    path: &'static str,
    expected: &'static str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Option<T>, EntryFlaw> {
    let key = path.rsplit('.').next().unwrap_or(path);
    match parent.shift_remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match read(&value) {
            Some(value) => Ok(Some(value)),
            None => Err(wrong(path, expected)),
        },
    }
}

fn wrong(field: &str, expected: &'static str) -> EntryFlaw {
    EntryFlaw::Wrong {
        field: field.to_owned(),
        expected,
    }
}

fn text(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    (!text.is_empty() && !text.contains(char::is_control)).then(|| text.to_owned())
}

/// Only whoever records knows which positions hold one of a few known words, and must say that all others are redacted.
fn positions(args: &Value, are_redacted: bool) -> Option<Vec<String>> {
    /// More would be no entry that the spool takes.
    const MOST: u64 = 100_000;
    if let Some(count) = args.as_u64() {
        let count = usize::try_from(count.min(MOST)).ok()?;
        return Some(vec![REDACTED.to_owned(); count]);
    }
    let texts = args.as_array()?.iter().map(Value::as_str);
    texts
        .map(|text| text.map(|text| if are_redacted { text } else { REDACTED }.to_owned()))
        .collect()
}

fn keys(value: &Value) -> Option<Vec<String>> {
    let is_key = |key: &&str| {
        !key.starts_with('-')
            && !key.contains(|c: char| c == '=' || c.is_whitespace() || c.is_control())
    };
    let keys = value.as_array()?.iter().map(text);
    keys.map(|key| key.filter(|key| is_key(&key.as_str())))
        .collect()
}

fn iso_millis(instant: &DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn is_within(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => part
            .iter()
            .all(|(key, value)| whole.get(key).is_some_and(|whole| is_within(value, whole))),
        (part, whole) => part == whole,
    }
}

#[cfg(test)]
mod tests;
