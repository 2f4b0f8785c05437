//! What a repository and its user have set: the marker, the user's own file, and what turns telemetry off; and what this
//! user allows: whose repository it is, whether it is known, whether its sender is trusted.

#[cfg(feature = "cli")]
pub mod advice;
pub mod backlogs;
mod builtin_sender;
mod edit;
mod file_error;
#[cfg(feature = "sender")]
pub mod git_index;
#[cfg(feature = "cli")]
pub mod group;
pub mod install_id;
#[cfg(feature = "sender")]
pub mod known;
mod marker;
pub mod marker_file;
mod off_switch;
mod own_file;
pub mod ownership;
#[cfg(feature = "sender")]
mod restraint;
#[cfg(feature = "cli")]
pub mod sender_copy;
#[cfg(feature = "sender")]
pub mod trust;
pub mod trust_store;
mod user_config;
pub mod user_config_file;
pub mod user_dirs;
pub mod user_repo;
mod yaml;

pub use builtin_sender::BuiltinSender;
pub use edit::{Edit, EditError, Scalar, edit};
pub use file_error::{ConfigError, ConfigFileError};
pub use marker::{Marker, SenderLimits, SenderSource};
pub use off_switch::{OFF_VARIABLES, OffSwitch, off_switch};
pub use user_config::{AllowSenders, UserConfig};
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
