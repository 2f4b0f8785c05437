//! The random id of this user on this machine, where the user wants one: it tells how many machines there are, and not
//! whose.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use thiserror::Error;
use uuid::Uuid;

use super::user_dirs::UserDir;
use crate::domain::shown;
use crate::files::regular::RegularFile;
use crate::files::{PRIVATE_FILE, private, replace};

const NAME: &str = "install-id";

/// The largest file that is read, in bytes.
const MAX_BYTES: usize = 64;

/// Why the id could not be made or removed.
#[derive(Debug, Error)]
pub enum InstallIdError {
    /// There is no place for it.
    #[error("could not store the install id: no home directory")]
    NoHome,
    /// The file could not be written or removed.
    #[error("could not write {}: {source}", shown(path))]
    Write {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}

fn path(env: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    Some(UserDir::State.path(env)?.join(NAME))
}

/// The id, where there is one.
pub fn install_id(env: impl Fn(&str) -> Option<OsString>) -> Option<String> {
    let path = path(env)?;
    let text = RegularFile::find_at(&path)
        .ok()?
        .read_text(MAX_BYTES)
        .ok()?;
    let id = Uuid::try_parse(text.trim()).ok()?;
    Some(id.to_string())
}

/// Makes an id, unless there is one already, and gives it.
///
/// # Errors
///
/// When it could not be written.
pub fn make_install_id(
    env: impl Fn(&str) -> Option<OsString> + Copy,
) -> Result<String, InstallIdError> {
    if let Some(id) = install_id(env) {
        return Ok(id);
    }
    let path = path(env).ok_or(InstallIdError::NoHome)?;
    let id = Uuid::new_v4().to_string();
    let write = || {
        let dir = private::create(path.parent().unwrap_or(&path))?;
        // What is there is no id.
        dir.remove_file(NAME).ok();
        replace::create_in(&dir, NAME.as_ref(), format!("{id}\n"), PRIVATE_FILE)
    };
    match write() {
        Ok(()) => Ok(id),
        Err(source) => match install_id(env) {
            // Another command has just made one.
            Some(id) => Ok(id),
            None => Err(InstallIdError::Write { path, source }),
        },
    }
}

/// Removes the id. Whether there was one.
///
/// # Errors
///
/// When it could not be removed.
pub fn remove_install_id(env: impl Fn(&str) -> Option<OsString>) -> Result<bool, InstallIdError> {
    let Some(path) = path(env) else {
        return Ok(false);
    };
    let remove = || private::open(path.parent().unwrap_or(&path))?.remove_file(NAME);
    match remove() {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(InstallIdError::Write { path, source }),
    }
}
