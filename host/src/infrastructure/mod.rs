//! The adapters: files, processes, sockets and WebAssembly.

pub mod component;
pub mod spool;
