//! The adapters: files, processes, sockets and WebAssembly.

mod atomic_file;
pub mod background;
#[cfg(feature = "sender")]
pub mod component;
#[cfg(feature = "sender")]
pub mod conformance;
#[cfg(feature = "sender")]
pub mod flusher;
pub mod marker_file;
#[cfg(feature = "sender")]
pub mod receiver;
pub mod recording;
pub mod spool;
#[cfg(feature = "sender")]
pub mod timer;
#[cfg(feature = "sender")]
pub mod trust_store;
pub mod user_config_file;
pub mod user_dirs;
#[cfg(feature = "sender")]
pub mod watchdog;
pub mod worker;
