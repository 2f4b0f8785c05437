//! The flush of one repository, and starting it in the background.

pub mod background;
#[cfg(feature = "sender")]
mod flusher;

#[cfg(feature = "sender")]
pub use flusher::{FlushSetup, Flusher, component_file};
