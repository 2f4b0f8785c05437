//! Senders as WebAssembly components: reading, compiling, caching and running them.
//!
//! A component is a guest. What it may do is decided in `sandbox` and [`egress`](crate::egress), how much of it in
//! [`limits`], and nothing that it does reaches the command: whatever goes wrong is a
//! [`SendError`](crate::domain::SendError).

mod alarm;
mod belief;
mod cache;
mod compiled;
mod compiler;
mod contract;
mod describe;
mod description;
mod engine;
mod failure;
mod file;
mod grants;
mod inspect;
pub mod limits;
mod link;
mod outline;
mod output;
mod processor;
mod resources;
mod run;
mod sandbox;
mod secret;
mod services;
mod source_lines;

pub use cache::Cache;
pub use compiled::Compiled;
pub use compiler::{CompileError, Compiler, Patience, bound_compilation, compile};
pub use contract::{CONTRACT_VERSIONS, contract_versions};
pub use describe::{cached_description, describe};
pub use description::{Description, OptionDescription, OptionProblem};
pub use engine::AddressSpace;
pub use file::ComponentFile;
pub use grants::Grant;
pub use inspect::{Import, Inspection, inspect};
pub use run::{ComponentSender, SenderConfig};
pub use source_lines::{bound_locating, locate};
