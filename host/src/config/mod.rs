//! What a repository and its user have set: the marker, the user's own file, whom the user trusts, and what turns
//! telemetry off.

#[cfg(feature = "cli")]
pub mod advice;
mod builtin_sender;
mod edit;
mod marker;
pub mod marker_file;
mod off_switch;
#[cfg(feature = "sender")]
pub mod trust;
mod user_config;
pub mod user_config_file;
pub mod user_dirs;
mod yaml;

pub use builtin_sender::BuiltinSender;
pub use edit::{Edit, EditError, Scalar, edit};
pub use marker::{Marker, MarkerError, SenderLimits, SenderSource};
pub use off_switch::{OFF_VARIABLES, OffSwitch, off_switch};
pub use user_config::{AllowSenders, UserConfig, UserConfigError};
#[cfg(feature = "sender")]
pub use user_config::{HeaderTemplate, MissingVariable, UrlHeaders};
pub(crate) use yaml::MAX_BYTES as MAX_MARKER_BYTES;
pub use yaml::YamlError;

/// The text of the file at `path`, which must be a regular one of no more than a configuration file may have.
///
/// # Errors
///
/// When it cannot be read, or is no such file.
pub fn read_text(path: &std::path::Path) -> std::io::Result<String> {
    crate::files::regular::RegularFile::find_at(path)?.read_text(MAX_MARKER_BYTES)
}
