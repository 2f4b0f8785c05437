//! Why a command failed: in words for the person, and as a type with a fixed sentence for the record.

use std::io;

use swamp::config::OffSwitch;
use swamp::config::marker_file::MarkerFileError;
use swamp::domain::{EndpointError, InvocationResult, SpoolError, Status};

/// The failure of a command.
#[derive(Debug)]
pub(crate) struct CommandError {
    kind: ErrorKind,
    source: anyhow::Error,
    /// Whether the answer, which was printed, says it too.
    is_in_answer: bool,
}

/// What is recorded of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    NotARepository,
    AlreadyInitialized,
    Marker,
    Endpoint,
    TelemetryOff,
    Spool,
    Entry,
    Flush,
    Sender,
    Trust,
    Scaffold,
    Demo,
    Receiver,
    Unconfirmed,
    Interrupted,
    Io,
    Unwell,
    Usage,
}

impl ErrorKind {
    /// A stable name, and a sentence that quotes nothing.
    const fn described(self) -> (&'static str, &'static str) {
        match self {
            Self::NotARepository => ("NotARepository", "there is no repository here"),
            Self::AlreadyInitialized => ("AlreadyInitialized", "the repository exists already"),
            Self::Marker => ("Marker", "the marker could not be read or written"),
            Self::Endpoint => ("Endpoint", "the endpoint is not valid"),
            Self::TelemetryOff => ("TelemetryOff", "telemetry is off"),
            Self::Spool => ("Spool", "the spool could not be read or written"),
            Self::Entry => ("Entry", "an entry could not be recorded"),
            Self::Flush => ("Flush", "telemetry could not be delivered"),
            Self::Sender => ("Sender", "the sender is not one that can be used"),
            Self::Trust => ("Trust", "what is allowed could not be read or written"),
            Self::Scaffold => ("Scaffold", "the project could not be created"),
            Self::Demo => ("Demo", "the demonstration failed"),
            Self::Receiver => ("Receiver", "the receiver could not be started"),
            Self::Unconfirmed => ("Unconfirmed", "what was asked was not confirmed"),
            Self::Interrupted => ("Interrupted", "the command was interrupted"),
            Self::Unwell => ("Unwell", "a check of the doctor failed"),
            Self::Usage => ("Usage", "the command was used wrongly"),
            Self::Io => ("Io", "a file or stream could not be read or written"),
        }
    }
}

impl CommandError {
    pub(crate) fn new(kind: ErrorKind, source: impl Into<anyhow::Error>) -> Self {
        Self {
            kind,
            source: source.into(),
            is_in_answer: false,
        }
    }

    /// The same, of a command whose answer was printed and says it too: with `--json` it is told on stderr.
    pub(crate) fn told_in_answer(mut self) -> Self {
        self.is_in_answer = true;
        self
    }

    /// A failure that one sentence says.
    pub(crate) fn msg(kind: ErrorKind, sentence: impl Into<String>) -> Self {
        Self::new(kind, anyhow::Error::msg(sentence.into()))
    }

    /// What is recorded of it.
    pub(crate) fn result(&self) -> InvocationResult {
        let (name, sentence) = self.kind.described();
        InvocationResult {
            status: match self.kind {
                ErrorKind::Usage => Status::UserError,
                _ => Status::Error,
            },
            error_type: Some(name.to_owned()),
            error_message: Some(sentence.to_owned()),
            exit_code: self.exit_code().into(),
        }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self.kind {
            // As shells say it of a program that SIGINT ended.
            ErrorKind::Interrupted => 130,
            ErrorKind::Usage => 2,
            _ => 1,
        }
    }
}

impl std::fmt::Display for CommandError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#}", self.source)
    }
}

impl From<MarkerFileError> for CommandError {
    fn from(error: MarkerFileError) -> Self {
        let kind = match error {
            MarkerFileError::Exists(_) => ErrorKind::AlreadyInitialized,
            _ => ErrorKind::Marker,
        };
        Self::new(kind, error)
    }
}

impl From<SpoolError> for CommandError {
    fn from(error: SpoolError) -> Self {
        Self::new(ErrorKind::Spool, error)
    }
}

impl From<EndpointError> for CommandError {
    fn from(error: EndpointError) -> Self {
        Self::new(ErrorKind::Endpoint, error)
    }
}

impl From<OffSwitch> for CommandError {
    fn from(switch: OffSwitch) -> Self {
        Self::msg(
            ErrorKind::TelemetryOff,
            format!("telemetry is off ({switch})"),
        )
    }
}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        Self::new(ErrorKind::Io, error)
    }
}
