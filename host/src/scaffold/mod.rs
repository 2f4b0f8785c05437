//! What a new sender project consists of, before anything is written.

mod contract;
mod files;
mod lang;
mod name;

pub use files::scaffold;
pub use name::{SenderName, SenderNameError};

/// The language, and where there are several, the toolchain of a scaffold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScaffoldLang {
    /// Rust for the target `wasm32-wasip2`.
    Rust,
    /// Rust for the target `wasm32-wasip2`, with the HTTP client of wstd.
    RustWstd,
    /// Rust by cargo-component.
    RustCargoComponent,
    /// C by Zig's compiler.
    C,
    /// Go, with nothing of it changed.
    Go,
    /// JavaScript by componentize-js.
    JavaScript,
    /// Python by componentize-py.
    Python,
}

/// What the endpoint of a scaffold's sender understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScaffoldTemplate {
    /// What the default sender speaks.
    Ingest,
    /// Log records of OpenTelemetry, as OTLP/HTTP JSON.
    Otlp,
}

/// The contract that a scaffold's sender is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScaffoldContract {
    /// 0.1.0: a batch is taken as a whole.
    V0_1,
    /// 0.2.0: an outcome for each entry, and a description.
    V0_2,
    /// 0.3.0: the same, with async functions.
    V0_3,
}

/// There is no project in a language for a contract: no toolchain of it is known to build such a sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no tested toolchain for this language builds senders of contract {}", .0.version())]
pub struct NoProject(pub ScaffoldContract);

/// A tool that building needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScaffoldTool {
    /// Its name.
    pub name: &'static str,
    /// How to see that it is there.
    pub probe: ScaffoldProbe,
    /// The command, or the place, that brings it.
    pub install: &'static str,
}

/// How to see that a tool is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScaffoldProbe {
    /// This program succeeds with these arguments.
    Succeeds(&'static str, &'static [&'static str]),
    /// The Rust compiler has the standard library of this target, whoever installed it.
    RustTarget(&'static str),
}

/// One file of a scaffold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScaffoldFile {
    /// Relative to the project, with `/`.
    pub path: &'static str,
    /// Its text.
    pub contents: String,
}

impl ScaffoldLang {
    const fn is_rust(self) -> bool {
        matches!(self, Self::Rust | Self::RustWstd | Self::RustCargoComponent)
    }
}

#[cfg(test)]
mod tests;
