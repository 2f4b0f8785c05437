//! Processes of this program that work apart from a command, and what bounds their time.

#[cfg(all(feature = "sender", target_os = "linux"))]
pub mod children;
#[cfg(feature = "sender")]
pub(crate) mod cpu;
#[cfg(feature = "sender")]
pub mod timer;
#[cfg(feature = "sender")]
pub mod watchdog;
pub mod worker;
