//! The adapters: files, processes, sockets and WebAssembly.

pub mod spool;
