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
pub mod config;
#[cfg(feature = "sender")]
pub mod conformance;
#[cfg_attr(not(feature = "cli"), doc(hidden))]
pub mod domain;
#[cfg(feature = "sender")]
pub mod egress;
mod files;
#[cfg_attr(not(feature = "cli"), doc(hidden))]
pub mod flush;
#[cfg_attr(not(feature = "cli"), doc(hidden))]
pub mod process;
#[cfg(feature = "sender")]
pub mod receiver;
pub mod recorder;
#[cfg(feature = "sender")]
pub mod scaffold;
#[cfg(feature = "sender")]
pub mod sender;
#[cfg_attr(not(feature = "cli"), doc(hidden))]
pub mod spool;
