//! The repository of this user's own, in the state directory: it takes what is recorded outside of any other, where this
//! user made it.

use std::ffi::OsString;
use std::path::PathBuf;

use tracing::debug;

use super::marker_file::MARKER;
use super::user_dirs::UserDir;
use crate::domain::shown;
use crate::files::private;

const NAME: &str = "user";

/// Where it is, whether it was made or not.
#[must_use]
pub fn path(env: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    Some(UserDir::State.path(env)?.join(NAME))
}

/// Where it is, if this user made it. One that somebody else could exchange is not used.
#[must_use]
pub fn find(env: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = path(env)?;
    if !path.join(MARKER).is_file() {
        return None;
    }
    match private::open(&path) {
        Ok(_) => Some(path),
        Err(why) => {
            debug!("{} is not used: {why}", shown(&path));
            None
        }
    }
}

/// Makes its directory, for this user alone.
///
/// # Errors
///
/// When that is not possible, or when somebody else could exchange it.
#[cfg(feature = "sender")]
pub fn create_directory(path: &std::path::Path) -> std::io::Result<()> {
    private::create(path).map(drop)
}
