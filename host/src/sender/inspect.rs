//! What a component exports and asks for, in words.

use super::compiled::Compiled;
use super::contract::{INTERFACE, VERSION, reason};
use super::sender::{ComponentSender, SenderConfig};
use crate::config::SenderLimits;
use crate::domain::{DEFAULT_ENDPOINT, Deadline, Endpoint, SendError, SenderFailure};
use crate::egress::{Network, Reach};
use crate::process::timer::Timer;

/// One interface that a component imports, and what it gets for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// Its name, with its version.
    pub name: String,
    /// What the host grants.
    pub grant: Grant,
}

/// What the host gives a component that imports an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// What these words say.
    Granted(&'static str),
    /// The interface works, but there is nothing behind it.
    Empty(&'static str),
    /// The host does not have it, so that the component cannot run.
    NotOffered,
}

impl Grant {
    /// In words: `files: none`.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Granted(words) | Self::Empty(words) => words,
            Self::NotOffered => "not offered by this host",
        }
    }

    fn of(import: &str) -> Self {
        let interface = import.split('@').next().unwrap_or(import);
        let (package, name) = interface.split_once('/').unwrap_or((interface, ""));
        match (package, name) {
            ("wasi:http", "outgoing-handler") => {
                Self::Granted("HTTP: POST and PUT to the endpoint's origin")
            }
            ("wasi:http", "types") => Self::Granted("HTTP: requests and answers"),
            ("wasi:io", _) => Self::Granted("streams and waiting"),
            ("wasi:clocks", _) => Self::Granted("the time"),
            ("wasi:random", _) => Self::Granted("random numbers"),
            ("wasi:cli", "stdout" | "stderr") => Self::Granted("output: to the debug log"),
            ("wasi:cli", "exit") => Self::Granted("exit: ends the batch as a failure"),
            ("wasi:cli", "environment") => Self::Empty("environment and arguments: none"),
            ("wasi:cli", "stdin") => Self::Empty("input: none"),
            ("wasi:cli", name) if name.starts_with("terminal-") => Self::Empty("terminal: none"),
            ("wasi:filesystem", _) => Self::Empty("filesystem: none"),
            ("wasi:sockets", _) => Self::Empty("sockets: none"),
            _ => Self::NotOffered,
        }
    }
}

/// What a component is, seen from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// The version of the contract that it is for, if it exports the contract at all.
    pub contract: Option<String>,
    /// All that it exports.
    pub exports: Vec<String>,
    /// All that it imports.
    pub imports: Vec<Import>,
    /// Why this host would not run it.
    pub verdict: Result<(), SendError>,
}

/// The version of the contract that this host runs.
pub const CONTRACT_VERSION: &str = VERSION;

/// Inspects a component.
///
/// # Errors
///
/// When its machine code could not be loaded.
pub fn inspect(compiled: &Compiled) -> Result<Inspection, SenderFailure> {
    let component = compiled.load()?;
    let engine = compiled.engine();
    let component_type = component.component_type();
    let exports: Vec<_> = component_type
        .exports(engine)
        .map(|(name, _)| reason(name))
        .collect();
    let imports = component_type.imports(engine).map(|(name, _)| Import {
        grant: Grant::of(name),
        name: reason(name),
    });
    let version = |name: &String| {
        Some(
            name.strip_prefix(INTERFACE)?
                .trim_start_matches('@')
                .to_owned(),
        )
    };
    Ok(Inspection {
        contract: exports.iter().find_map(version),
        imports: imports.collect(),
        verdict: verdict(compiled),
        exports,
    })
}

/// Whether the component comes to life in a sandbox without a network: only then is its contract known to be ours to
/// the last type.
fn verdict(compiled: &Compiled) -> Result<(), SendError> {
    let limits = SenderLimits::default();
    let config = SenderConfig {
        endpoint: Endpoint::parse(DEFAULT_ENDPOINT)
            .map_err(|error| SendError::InvalidConfiguration(error.to_string()))?,
        user_agent: String::new(),
        options: Vec::new(),
        limits,
        network: Network::DryRun,
        reach: Reach::default(),
        headers: Vec::new(),
        timer: Timer::default(),
    };
    ComponentSender::new(compiled, config)?.instantiate(Deadline::after(limits.deadline))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_told_in_plain_words() {
        let told = [
            "wasi:filesystem/types@0.2.6",
            "wasi:sockets/tcp@0.2.0",
            "wasi:cli/environment@0.2.6",
            "wasi:http/outgoing-handler@0.2.4",
            "wasi:keyvalue/store@0.2.0",
            "env",
        ]
        .map(|name| Grant::of(name).in_words());
        insta::assert_snapshot!(told.join("\n"), @r"
        filesystem: none
        sockets: none
        environment and arguments: none
        HTTP: POST and PUT to the endpoint's origin
        not offered by this host
        not offered by this host
        ");
    }
}
