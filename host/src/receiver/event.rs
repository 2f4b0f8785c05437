//! One event as it arrived, whatever the format.

use chrono::{DateTime, Utc};

use crate::domain::Status;

/// One event: of the ingest format, or a log record of OTLP with its resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedEvent {
    pub(super) json: String,
    pub(super) distinct_id: String,
    pub(super) insert_id: String,
    pub(super) properties: String,
    pub(super) view: View,
    pub(super) warning: Option<String>,
}

/// What an event tells of an invocation; each field only where it is told, and of its type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct View {
    pub(super) command: Option<String>,
    pub(super) subcommand: Option<String>,
    pub(super) status: Option<Status>,
    pub(super) exit_code: Option<i64>,
    pub(super) error_type: Option<String>,
    pub(super) error_message: Option<String>,
    pub(super) started_at: Option<DateTime<Utc>>,
    pub(super) duration_ms: Option<u64>,
    pub(super) tool: Option<String>,
    pub(super) platform: Option<String>,
}

impl ReceivedEvent {
    /// The id of the repository that the event is about. Of a log record it can be empty.
    #[must_use]
    pub fn distinct_id(&self) -> &str {
        &self.distinct_id
    }

    /// What tells this event from every other, however often it is sent; the receiver's own where it came without one.
    #[must_use]
    pub fn insert_id(&self) -> &str {
        &self.insert_id
    }

    /// The JSON object of its properties, byte for byte as it arrived; of a log record, what it tells of an entry.
    #[must_use]
    pub fn properties(&self) -> &str {
        &self.properties
    }

    /// The command, where it is told.
    #[must_use]
    pub fn command(&self) -> Option<&str> {
        self.view.command.as_deref()
    }

    /// The subcommand, where it is told.
    #[must_use]
    pub fn subcommand(&self) -> Option<&str> {
        self.view.subcommand.as_deref()
    }

    /// How the invocation ended, where that is told.
    #[must_use]
    pub const fn status(&self) -> Option<Status> {
        self.view.status
    }

    /// When it began, where that is told.
    #[must_use]
    pub const fn started_at(&self) -> Option<DateTime<Utc>> {
        self.view.started_at
    }

    /// How long it took, rounded to whole milliseconds, where that is told.
    #[must_use]
    pub const fn duration_ms(&self) -> Option<u64> {
        self.view.duration_ms
    }

    /// The exit code, where it is told.
    #[must_use]
    pub const fn exit_code(&self) -> Option<i64> {
        self.view.exit_code
    }

    /// The type of the error, where it is told.
    #[must_use]
    pub fn error_type(&self) -> Option<&str> {
        self.view.error_type.as_deref()
    }

    /// What is said of the error, where anything is.
    #[must_use]
    pub fn error_message(&self) -> Option<&str> {
        self.view.error_message.as_deref()
    }

    /// The program that was invoked, with its version, where that is told.
    #[must_use]
    pub fn tool(&self) -> Option<&str> {
        self.view.tool.as_deref()
    }

    /// The platform, where it is told.
    #[must_use]
    pub fn platform(&self) -> Option<&str> {
        self.view.platform.as_deref()
    }

    /// What is wrong with it although it was taken, in one sentence.
    #[must_use]
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// The whole event as one line of JSON: as it arrived, but for white space between its tokens, and with an id where it
    /// came without one. A log record is there as it arrived too, beside the event that it tells of.
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
