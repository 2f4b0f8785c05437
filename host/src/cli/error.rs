//! Why a command failed: in words for the person, and as a type with a fixed sentence for the record.

use std::io;

use swamp::config::{ConfigFileError, OffSwitch};
use swamp::domain::{EndpointError, InvocationResult, SpoolError, Status};

use super::hint;

/// The failure of a command.
#[derive(Debug)]
pub(crate) struct CommandError {
    kind: ErrorKind,
    source: anyhow::Error,
    /// Whether the answer, which was printed, says it too.
    is_in_answer: bool,
    hints: Vec<String>,
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
            Self::Sender => ("Sender", "the sender cannot be used"),
            Self::Trust => ("Trust", "the trust store could not be read or written"),
            Self::Scaffold => ("Scaffold", "the project could not be created"),
            Self::Demo => ("Demo", "the demo failed"),
            Self::Receiver => ("Receiver", "the receiver could not be started"),
            Self::Unconfirmed => ("Unconfirmed", "the command was not confirmed"),
            Self::Interrupted => ("Interrupted", "the command was interrupted"),
            Self::Unwell => ("Unwell", "a check failed"),
            Self::Usage => ("Usage", "the command line is wrong"),
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
            hints: Vec::new(),
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

    /// The same, with what to do next.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        self.hints([hint.into()])
    }

    /// The same, with what to do next, where there is something.
    pub(crate) fn hints(mut self, hints: impl IntoIterator<Item = String>) -> Self {
        self.hints.extend(hints);
        self
    }

    /// What to do next.
    pub(crate) fn hinted(&self) -> &[String] {
        &self.hints
    }

    /// The failure and what to do next, in one line.
    pub(crate) fn with_hints(&self) -> String {
        if self.hints.is_empty() {
            self.to_string()
        } else {
            format!("{self} ({})", self.hints.join("; "))
        }
    }

    /// Whether the answer, which was printed, says it too.
    pub(crate) const fn is_in_answer(&self) -> bool {
        self.is_in_answer
    }

    #[cfg(unix)]
    /// Whether Ctrl-C ended the command.
    pub(crate) fn is_interruption(&self) -> bool {
        self.kind == ErrorKind::Interrupted
    }

    /// A stable name for its kind.
    pub(crate) const fn kind(&self) -> &'static str {
        self.kind.described().0
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
        let mut text = self.source.to_string();
        // Many an error names its cause itself.
        for cause in self.source.chain().skip(1).map(ToString::to_string) {
            if !text.contains(&cause) {
                text = format!("{text}: {cause}");
            }
        }
        f.write_str(&text)
    }
}

impl CommandError {
    /// The failure of a command for which the user's `config.yaml` was not read or changed.
    pub(crate) fn of_user_config(error: ConfigFileError) -> Self {
        let hint = hint::of_config_file(&error);
        Self::new(ErrorKind::Io, error).hints(hint)
    }

    /// The same of the marker.
    pub(crate) fn of_marker(error: &ConfigFileError) -> Self {
        let kind = match error {
            ConfigFileError::Exists(_) => ErrorKind::AlreadyInitialized,
            _ => ErrorKind::Marker,
        };
        Self::msg(kind, error.to_string()).hints(hint::of_config_file(error))
    }
}

/// The marker's file: it is the one that nearly every command reads.
impl From<ConfigFileError> for CommandError {
    fn from(error: ConfigFileError) -> Self {
        Self::of_marker(&error)
    }
}

impl From<SpoolError> for CommandError {
    fn from(error: SpoolError) -> Self {
        let hint = hint::of_spool(&error);
        Self::new(ErrorKind::Spool, error).hint(hint)
    }
}

impl From<EndpointError> for CommandError {
    fn from(error: EndpointError) -> Self {
        let hint = hint::of_endpoint(&error);
        Self::new(ErrorKind::Endpoint, error).hint(hint)
    }
}

impl From<OffSwitch> for CommandError {
    fn from(switch: OffSwitch) -> Self {
        let hint = hint::of_switch(&switch);
        Self::msg(
            ErrorKind::TelemetryOff,
            format!("telemetry is off ({switch})"),
        )
        .hints(hint)
    }
}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        Self::new(ErrorKind::Io, error)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_cause_is_printed_once_whether_its_error_names_it_or_not() {
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        let naming = ConfigFileError::Read {
            path: PathBuf::from("x"),
            source: denied(),
        };
        let text = CommandError::from(naming).to_string();
        assert_eq!(text.matches("permission denied").count(), 1, "{text}");
        let path = || PathBuf::from("x");
        for error in [
            ConfigFileError::Read {
                path: path(),
                source: denied(),
            },
            ConfigFileError::Write {
                path: path(),
                source: denied(),
            },
            ConfigFileError::Lock {
                path: path(),
                source: denied(),
            },
            ConfigFileError::LinkOfOthers {
                path: path(),
                source: denied(),
            },
        ] {
            for error in [
                CommandError::of_marker(&error),
                CommandError::of_user_config(error),
            ] {
                let text = error.to_string();
                assert_eq!(text.matches("permission denied").count(), 1, "{text}");
                assert_eq!(error.hinted().len(), 1, "{text}");
                assert!(!text.contains(&error.hinted()[0]), "{text}");
            }
        }
        let context = anyhow::Error::from(denied()).context("could not write x");
        assert_eq!(
            CommandError::new(ErrorKind::Io, context).to_string(),
            "could not write x: permission denied"
        );
    }
}
