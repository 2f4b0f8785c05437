//! The user's own file, outside of every repository.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use super::own_file;
use super::user_dirs::UserDir;
use crate::config::{ConfigFileError, Edit, MAX_MARKER_BYTES, Scalar, UserConfig, edit};
use crate::files::regular::RegularFile;
use crate::files::replace::{self, LinkTarget};
use crate::files::{PRIVATE_FILE, private};

/// Where the file is: `config.yaml` in [`UserDir::Config`].
#[must_use]
pub fn config_path(env: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    Some(UserDir::Config.path(env)?.join("config.yaml"))
}

/// Reads the file at `path`; one that is missing sets nothing.
///
/// # Errors
///
/// When it is there, but is not such a file.
pub fn read_user_config(path: &Path) -> Result<UserConfig, ConfigFileError> {
    let text = text(path)?.unwrap_or_default();
    parse(path, &text)
}

fn parse(path: &Path, text: &str) -> Result<UserConfig, ConfigFileError> {
    UserConfig::parse(text).map_err(|source| ConfigFileError::Invalid {
        path: path.to_owned(),
        source,
    })
}

fn unreadable(path: &Path, source: io::Error) -> ConfigFileError {
    ConfigFileError::Read {
        path: path.to_owned(),
        source,
    }
}

/// The text of the file, which only this user can have written.
fn text(path: &Path) -> Result<Option<String>, ConfigFileError> {
    own_file::read(path, MAX_MARKER_BYTES).map_err(|source| unreadable(path, source))
}

/// Sets `telemetryDisabled` in the file at `path` and changes nothing else; makes the file, for this user alone, if
/// it is missing.
///
/// # Errors
///
/// When the file stays as it was.
pub fn set_telemetry_disabled(path: &Path, disabled: bool) -> Result<(), ConfigFileError> {
    let edits = [Edit::Set("telemetryDisabled", Scalar::Bool(disabled))];
    change(path, &edits)
}

/// Makes `edits` in the file at `path` and changes nothing else; makes the file, for this user alone, if it is missing.
///
/// # Errors
///
/// When the file stays as it was: also where it would not be such a file afterwards.
pub fn change(path: &Path, edits: &[Edit]) -> Result<(), ConfigFileError> {
    let before = text(path)?;
    let after = edit(before.as_deref().unwrap_or_default(), edits).map_err(|source| {
        ConfigFileError::Edit {
            path: path.to_owned(),
            source,
        }
    })?;
    parse(path, &after)?;
    let written = match before {
        Some(before) if before == after => Ok(()),
        None if after.is_empty() => Ok(()),
        Some(_) => replace(path, &after),
        None => create(path, &after),
    };
    written.map_err(|source| ConfigFileError::Write {
        path: path.to_owned(),
        source,
    })
}

fn create(path: &Path, text: &str) -> io::Result<()> {
    let (parent, name) = place(path)?;
    let dir = private::create(parent)?;
    replace::create_in(&dir, name.as_ref(), text, PRIVATE_FILE)
}

/// A link is followed where it leads to a file of this user's own: many keep such files elsewhere.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let (parent, name) = place(path)?;
    let dir = private::open(parent)?;
    if dir.symlink_metadata(name)?.is_symlink() {
        let LinkTarget { dir, name } = LinkTarget::of(path)?;
        let old = RegularFile::find_in(&dir, &name)?;
        return replace::replace_in(&dir, name.as_ref(), &old, text);
    }
    replace::replace_in(
        &dir,
        name.as_ref(),
        &RegularFile::find_in(&dir, name)?,
        text,
    )
}

fn place(path: &Path) -> io::Result<(&Path, &OsStr)> {
    (path.parent().zip(path.file_name())).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// The user's own configuration.
///
/// # Errors
///
/// When it cannot be read.
pub fn user_config(env: impl Fn(&str) -> Option<OsString>) -> Result<UserConfig, ConfigFileError> {
    let path = config_path(&env);
    let mut config =
        path.map_or_else(|| Ok(UserConfig::default()), |path| read_user_config(&path))?;
    if let Some(other) = UserDir::Config.of_other_user(&env) {
        config.telemetry_disabled |= is_disabled_by(&other.join("config.yaml"))?;
    }
    Ok(config)
}

/// Whether the file of another user turns telemetry off. Nothing else of it counts.
fn is_disabled_by(path: &Path) -> Result<bool, ConfigFileError> {
    let text = match RegularFile::find_at(path).and_then(|file| file.read_text(MAX_MARKER_BYTES)) {
        Ok(text) => text,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(why) => return Err(unreadable(path, why)),
    };
    Ok(parse(path, &text)?.telemetry_disabled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_path_is_in_the_users_configuration_directory() {
        let path = |variables: &[(&str, &str)]| {
            config_path(|name| {
                let found = variables.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| OsString::from(value))
            })
        };
        let expected = |text: &str| Some(PathBuf::from(text));
        assert_eq!(
            path(&[("XDG_CONFIG_HOME", "/x"), ("HOME", "/h")]),
            expected("/x/swamp/config.yaml")
        );
        for ignored in ["", "relative"] {
            assert_eq!(
                path(&[("XDG_CONFIG_HOME", ignored), ("HOME", "/h")]),
                expected("/h/.config/swamp/config.yaml")
            );
        }
        // Where the environment names no home, the user database does.
        assert_ne!(
            path(&[("HOME", "")]),
            expected("/.config/swamp/config.yaml")
        );
    }

    #[test]
    fn a_missing_file_sets_nothing_and_is_made_for_the_user_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("config/swamp/config.yaml");
        assert_eq!(read_user_config(&path).unwrap(), UserConfig::default());
        set_telemetry_disabled(&path, true).unwrap();
        assert!(read_user_config(&path).unwrap().telemetry_disabled);
        #[cfg(unix)]
        for (path, mode) in [(path.as_path(), 0o600), (path.parent().unwrap(), 0o700)] {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(
                fs::metadata(path).unwrap().permissions().mode() & 0o7777,
                mode
            );
        }
        set_telemetry_disabled(&path, false).unwrap();
        assert!(!read_user_config(&path).unwrap().telemetry_disabled);
    }

    #[test]
    fn the_rest_of_the_file_stays() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("config.yaml");
        fs::write(&path, "# mine\r\nheaders: {}").unwrap();
        set_telemetry_disabled(&path, true).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "# mine\r\nheaders: {}\r\ntelemetryDisabled: true"
        );
    }

    #[test]
    fn a_file_that_is_wrong_is_an_error_with_its_path_and_is_not_touched() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("config.yaml");
        fs::write(&path, "allowSenders: s3cret").unwrap();
        let why = read_user_config(&path).unwrap_err().to_string();
        insta::assert_snapshot!(why.replace(&home.path().display().to_string(), "HOME"), @"could not parse HOME/config.yaml: line 1: invalid value for allowSenders: expected any, trusted or builtin");
        fs::write(&path, "a: [").unwrap();
        assert!(set_telemetry_disabled(&path, true).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "a: [");
    }
}
