//! Records command-line invocations, and delivers them through a sandboxed WebAssembly sender.
//!
//! Without its default features, this library is a recorder that other command-line programs embed: [`recorder`]. It
//! brings neither wasmtime nor tokio.
//!
//! ```toml
//! [dependencies]
//! swamp = { path = "../swamp/host", default-features = false }
//! ```
//!
//! The other modules are what the binary `swamp` is made of. They change with it, and are no part of what the
//! version number promises.
//!
//! The library never prints.

#![deny(unsafe_code)]

#[cfg_attr(not(feature = "cli"), doc(hidden))]
pub mod domain;
#[cfg_attr(not(feature = "cli"), doc(hidden))]
pub mod infrastructure;
pub mod recorder;
#[cfg_attr(not(feature = "cli"), doc(hidden))]
pub mod redaction;
