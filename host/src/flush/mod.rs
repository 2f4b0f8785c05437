//! The flush of one repository, and starting it for a command.

pub mod background;
#[cfg(feature = "sender")]
mod clean_up;
#[cfg(feature = "sender")]
mod dry_run;
#[cfg(feature = "sender")]
mod flusher;
#[cfg(feature = "sender")]
mod held_back;
#[cfg(feature = "sender")]
mod setup;
#[cfg(feature = "sender")]
mod test_event;
#[cfg(feature = "sender")]
mod watch;

#[cfg(feature = "sender")]
pub use clean_up::clean_up;
#[cfg(feature = "sender")]
pub use flusher::{FlushJob, Flushed, How, flush};
#[cfg(feature = "sender")]
pub use held_back::held_back;
#[cfg(feature = "sender")]
pub use setup::{FlushSetup, component_file};
#[cfg(feature = "sender")]
pub use watch::Watch;
