//! The adapters: files, processes, sockets and WebAssembly.

mod atomic_file;
pub mod marker_file;
pub mod spool;
pub mod user_config_file;
