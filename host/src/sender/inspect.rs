//! What a component exports and asks for, in words.

use super::compiled::Compiled;
use super::compiler;
use super::contract::{reason, version_of};
use super::file::ComponentFile;
use super::grants::Grant;
use super::outline::Outline;
use super::run::{ComponentSender, SenderConfig};
use crate::domain::{Deadline, SendError, SenderFailure};

/// One interface that a component imports, and what it gets for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// Its name, with its version.
    pub name: String,
    /// What the host grants.
    pub grant: Grant,
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

/// Inspects a component.
///
/// # Errors
///
/// When its machine code could not be loaded.
pub fn inspect(compiled: &Compiled) -> Result<Inspection, SenderFailure> {
    let component = compiled.load()?;
    let engine = compiled.engine();
    let component_type = component.component_type();
    let outline = Outline {
        exports: component_type
            .exports(engine)
            .map(|(name, _)| reason(name))
            .collect(),
        imports: component_type
            .imports(engine)
            .map(|(name, _)| reason(name))
            .collect(),
    };
    Ok(Inspection::new(outline, verdict(compiled)))
}

impl Inspection {
    /// What the file of a component says that the engine refuses, and why it is refused.
    #[must_use]
    pub fn of_refused(file: &ComponentFile, why: SenderFailure) -> Self {
        let component = compiler::component(file.bytes()).unwrap_or_default();
        Self::new(Outline::read(component), Err(why.into()))
    }

    fn new(outline: Outline, verdict: Result<(), SendError>) -> Self {
        let exports = outline.exports.iter().map(String::as_str);
        let contract = version_of(exports).map(str::to_owned);
        let import = |name: String| Import {
            grant: Grant::of(&name),
            name,
        };
        Self {
            contract,
            imports: outline.imports.into_iter().map(import).collect(),
            exports: outline.exports,
            verdict,
        }
    }
}

/// Whether the component comes to life in a sandbox without a network: only then is its contract known to be ours to
/// the last type.
fn verdict(compiled: &Compiled) -> Result<(), SendError> {
    let config = SenderConfig::without_network()?;
    let limit = config.limits.deadline;
    ComponentSender::new(compiled, config)?.instantiate(Deadline::after(limit))
}
