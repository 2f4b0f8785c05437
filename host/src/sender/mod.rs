//! Senders as WebAssembly components: reading, compiling, caching and running them.
//!
//! A component is a guest. What it may do is decided in `sandbox` and [`egress`](crate::egress), how much of it in
//! [`limits`], and nothing that it does reaches the command: whatever goes wrong is a
//! [`SendError`](crate::domain::SendError).

mod alarm;
mod cache;
mod compiled;
mod compiler;
mod contract;
mod engine;
mod failure;
mod file;
mod inspect;
pub mod limits;
mod link;
mod output;
mod processor;
mod sandbox;
mod sender;

pub use cache::Cache;
pub use compiled::Compiled;
pub use compiler::{CompileError, Compiler, bound_compilation, compile};
pub use file::ComponentFile;
pub use inspect::{CONTRACT_VERSION, Grant, Import, Inspection, inspect};
pub use sender::{ComponentSender, SenderConfig};
