//! The adapters: files, processes, sockets and WebAssembly.

mod atomic_file;
pub mod background;
pub mod component;
pub mod flusher;
pub mod marker_file;
pub mod receiver;
pub mod spool;
pub mod trust_store;
pub mod user_config_file;
pub mod worker;
