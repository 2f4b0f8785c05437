//! Records command-line invocations, and delivers them through a sandboxed WebAssembly sender.
//!
//! The library never prints. The binary `swamp` is a thin layer over it.

#![deny(unsafe_code)]

pub mod domain;
pub mod infrastructure;
