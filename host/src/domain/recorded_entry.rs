//! An entry that another program asks to be recorded: what it says is checked, and what it leaves out is added.

mod schema;
mod values;

use chrono::{DateTime, Days, TimeDelta, Utc};
use serde_json::{Map, Value};
use thiserror::Error;

pub use self::schema::{entry_example, entry_schema};
use self::values::{
    AN_ID, AN_INSTANT, KEYS, TEXT, args, entry_id, instant, keys, millis, text, texts, whole,
};
use super::entry_data::{ContextData, EntryData, InvocationData, ResultData, field};
use super::telemetry_entry::{iso_millis, typed};
use super::{
    EntryId, EntryName, Label, Platform, Positions, REDACTED, Status, Subcommands, Surroundings,
    Tool, Tools, command_path,
};

/// How entries are taken.
#[derive(Clone, Copy, Debug)]
pub struct RecordContext<'a> {
    /// The time.
    pub now: DateTime<Utc>,
    /// The version of an entry that names none, and of whose tool the repository says none.
    pub version: &'a str,
    /// Where entries took place that do not tell it themselves.
    pub surroundings: &'a Surroundings,
    /// What the repository says of tools.
    pub tools: &'a Tools,
    /// Which arguments may be recorded, whatever the repository says.
    pub subcommands: Option<&'a Subcommands>,
    /// How many days unsent entries are kept: none that is older is taken.
    pub retention_days: u16,
    /// Whether positional arguments are kept as they are, since whoever recorded them has redacted them.
    pub args_are_redacted: bool,
}

/// What is wrong with an entry.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EntryFlaw {
    /// It is not JSON.
    #[error("it is not valid JSON at line {line}, column {column}")]
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
        "startedAt is older than the {0} days that unsent entries are kept (telemetryUnsentRetentionDays in .swamp.yaml)"
    )]
    Expired(u16),
}

/// An entry to record that is complete and right.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedEntry {
    id: EntryId,
    started_at: DateTime<Utc>,
    /// What was given of it, in the form that it is kept in.
    given: EntryData,
    data: EntryData,
}

impl RecordedEntry {
    /// Takes JSON text for an entry.
    ///
    /// # Errors
    ///
    /// Says what is wrong with it, by the path of the field.
    pub fn parse(text: &str, recording: &RecordContext<'_>) -> Result<Self, EntryFlaw> {
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
    pub fn of(
        mut entry: Map<String, Value>,
        recording: &RecordContext<'_>,
    ) -> Result<Self, EntryFlaw> {
        let id = take(&mut entry, field::ID, AN_ID, entry_id)?;
        let started = take(&mut entry, field::STARTED_AT, AN_INSTANT, instant)?;
        let completed = take(&mut entry, field::COMPLETED_AT, AN_INSTANT, instant)?;
        let duration_ms = take(
            &mut entry,
            field::DURATION_MS,
            "a number of milliseconds, 0 or more",
            millis,
        )?;
        let parent = take(&mut entry, field::PARENT_INVOCATION_ID, AN_ID, entry_id)?;
        let (invocation, tool) = invocation(&mut entry, recording)?;
        let given = EntryData {
            id: id.as_ref().map(ToString::to_string),
            invocation,
            result: result(&mut entry)?,
            started_at: started.as_ref().map(iso_millis),
            completed_at: completed.as_ref().map(iso_millis),
            duration_ms,
            swamp_version: take(&mut entry, field::SWAMP_VERSION, TEXT, text)?,
            platform: take(
                &mut entry,
                field::PLATFORM,
                "one of linux, darwin and windows",
                typed,
            )?,
            invocation_context: context(&mut entry)?,
            parent_invocation_id: parent.as_ref().map(ToString::to_string),
            install_id: take(&mut entry, field::INSTALL_ID, TEXT, text)?,
            unknown: entry,
        };
        let times = Times::complete(started, completed, duration_ms, recording.now)?;
        times.check(recording)?;
        let id = id.unwrap_or_else(|| EntryId::generate(times.started));
        let version = tool.and_then(|tool| tool.version.as_ref());
        let version = version.map_or(recording.version, Label::as_str);
        let data = completed_data(given.clone(), &id, &times, version, recording.surroundings);
        Ok(Self {
            id,
            started_at: times.started,
            given,
            data,
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
        self.data.to_json()
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

/// The entry with all that was not given of it.
fn completed_data(
    mut data: EntryData,
    id: &EntryId,
    times: &Times,
    version: &str,
    surroundings: &Surroundings,
) -> EntryData {
    data.id = Some(id.to_string());
    let invocation = &mut data.invocation;
    invocation.args.get_or_insert_default();
    invocation.option_keys.get_or_insert_default();
    invocation.global_options.get_or_insert_default();
    if !data.unknown.contains_key(field::DENO_VERSION) {
        invocation.command_path.get_or_insert_with(|| {
            command_path(&invocation.command, invocation.subcommand.as_deref())
        });
    }
    let result = &mut data.result;
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
    data.started_at = Some(iso_millis(&times.started));
    data.completed_at = Some(iso_millis(&times.completed));
    data.duration_ms = Some(times.duration_ms);
    data.swamp_version.get_or_insert_with(|| version.to_owned());
    data.platform.get_or_insert(Platform::CURRENT);
    data.within(surroundings)
}

const FITS_CALENDAR: &str = "a time that fits the calendar";
const NO_EARLIER: &str = "no earlier than startedAt";
const NOT_AHEAD: &str = "no more than a day ahead";

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
        let too_long = || wrong(field::DURATION_MS, FITS_CALENDAR);
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
            .map_err(|_| wrong(field::COMPLETED_AT, NO_EARLIER))?;
        Ok(Self {
            started,
            completed,
            duration_ms: duration_ms.unwrap_or(elapsed),
        })
    }

    fn check(&self, recording: &RecordContext<'_>) -> Result<(), EntryFlaw> {
        let RecordContext {
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
            return Err(wrong(field::STARTED_AT, NOT_AHEAD));
        }
        Ok(())
    }
}

/// The invocation, and what the repository says of its tool.
fn invocation<'a>(
    entry: &mut Map<String, Value>,
    recording: &RecordContext<'a>,
) -> Result<(InvocationData, Option<&'a Tool>), EntryFlaw> {
    let mut fields = object(entry, field::INVOCATION)?;
    let command =
        take(&mut fields, field::COMMAND, TEXT, text)?.ok_or(EntryFlaw::Missing(field::COMMAND))?;
    let tool = recording.tools.get(&command);
    let list = recording.subcommands.or_else(|| tool?.subcommands.as_ref());
    let mut invocation = InvocationData {
        command: match tool.and_then(|tool| tool.name.as_ref()) {
            Some(name) => name.as_str().to_owned(),
            None => command,
        },
        subcommand: take(&mut fields, field::SUBCOMMAND, TEXT, text)?,
        args: take(
            &mut fields,
            field::ARGS,
            "a list of strings, or their number",
            args,
        )?,
        option_keys: take(&mut fields, field::OPTION_KEYS, KEYS, keys)?,
        global_options: take(&mut fields, field::GLOBAL_OPTIONS, KEYS, keys)?,
        command_path: take(&mut fields, field::COMMAND_PATH, "a list of strings", texts)?,
        unknown: fields,
    };
    match list {
        Some(list) => keep_listed(&mut invocation, list, recording.args_are_redacted),
        None if recording.args_are_redacted => {}
        None => {
            for arg in invocation.args.iter_mut().flatten() {
                REDACTED.clone_into(arg);
            }
        }
    }
    Ok((invocation, tool))
}

/// Leaves only listed words: of the subcommand or, where none is given, of the leading arguments, which become it.
fn keep_listed(invocation: &mut InvocationData, list: &Subcommands, args_are_redacted: bool) {
    let sort = |words: &mut dyn Iterator<Item = &str>| {
        let mut positions = Positions::new(Some(list));
        words.for_each(|word| positions.push(Some(word), false));
        positions.finish()
    };
    let given = invocation.subcommand.take();
    let args = invocation.args.as_deref().unwrap_or_default();
    let mut taken = 0;
    let (subcommand, kept) = if let Some(words) = &given {
        let (listed, unlisted) = sort(&mut words.split_whitespace());
        let subcommand = listed.filter(|_| unlisted.is_empty());
        let redacted = vec![REDACTED.to_owned(); args.len()];
        (subcommand.or_else(|| Some(REDACTED.to_owned())), redacted)
    } else {
        let (subcommand, kept) = sort(&mut args.iter().map(String::as_str));
        taken = args.len() - kept.len();
        (subcommand, kept)
    };
    invocation.subcommand = subcommand;
    invocation.command_path = None;
    if let Some(args) = &mut invocation.args {
        if args_are_redacted {
            args.drain(..taken);
        } else {
            *args = kept;
        }
    }
}

fn result(entry: &mut Map<String, Value>) -> Result<ResultData, EntryFlaw> {
    let mut fields = object(entry, field::RESULT)?;
    let result = ResultData {
        status: take(
            &mut fields,
            field::STATUS,
            "one of success, error and user_error",
            typed,
        )?,
        error_type: take(&mut fields, field::ERROR_TYPE, TEXT, text)?,
        error_message: take(&mut fields, field::ERROR_MESSAGE, "text", |message| {
            Some(message.as_str()?.lines().next().unwrap_or("").to_owned())
        })?,
        exit_code: take(
            &mut fields,
            field::EXIT_CODE,
            "a whole number of 32 bits",
            whole,
        )?,
        unknown: fields,
    };
    if result.status.is_none() && result.exit_code.is_none() {
        return Err(EntryFlaw::Missing(field::STATUS));
    }
    Ok(result)
}

fn context(entry: &mut Map<String, Value>) -> Result<Option<ContextData>, EntryFlaw> {
    const YES_OR_NO: &str = "true or false";
    let Some(mut fields) = optional_object(entry, field::INVOCATION_CONTEXT)? else {
        return Ok(None);
    };
    Ok(Some(ContextData {
        is_interactive: take(&mut fields, field::IS_INTERACTIVE, YES_OR_NO, typed)?,
        is_ci: take(&mut fields, field::IS_CI, YES_OR_NO, typed)?,
        agent_session_detected: take(&mut fields, field::AGENT_SESSION_DETECTED, YES_OR_NO, typed)?,
        detected_ai_tool: take(&mut fields, field::DETECTED_AI_TOOL, TEXT, text)?,
        unknown: fields,
    }))
}

fn object(
    parent: &mut Map<String, Value>,
    path: &'static str,
) -> Result<Map<String, Value>, EntryFlaw> {
    optional_object(parent, path)?.ok_or(EntryFlaw::Missing(path))
}

fn optional_object(
    parent: &mut Map<String, Value>,
    path: &'static str,
) -> Result<Option<Map<String, Value>>, EntryFlaw> {
    take(parent, path, "an object", |value| {
        value.as_object().cloned()
    })
}

/// Takes the field at this path out of the object that holds it. `null` counts as missing.
fn take<T>(
    parent: &mut Map<String, Value>,
    path: &'static str,
    expected: &'static str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Option<T>, EntryFlaw> {
    let (_, key) = field::split(path);
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
