//! The program that flushes for others.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::domain::variables::BIN as VARIABLE;
use crate::process::worker::Program;

/// The `swamp` that `SWAMP_BIN` names by its absolute path, or the first on PATH. Nothing from within the repository
/// at `root`: whoever made it would choose what runs.
pub(super) fn find(root: &Path, env: impl Fn(&str) -> Option<OsString>) -> Option<Program> {
    if let Some(named) = env(VARIABLE).filter(|named| !named.is_empty()) {
        let path = PathBuf::from(named);
        return (path.is_absolute() && is_program(&path)).then(|| Program::new(path));
    }
    let root = root.canonicalize().ok()?;
    let is_elsewhere = |path: &Path| {
        path.canonicalize()
            .is_ok_and(|path| !path.starts_with(&root))
    };
    env::split_paths(&env("PATH")?)
        .filter(|dir| dir.is_absolute())
        .find_map(|dir| {
            let path = dir.join(format!("swamp{}", env::consts::EXE_SUFFIX));
            // A link could lead out of the repository or into it.
            (is_program(&path) && is_elsewhere(&dir) && is_elsewhere(&path))
                .then(|| Program::new(path))
        })
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata()
        .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}
