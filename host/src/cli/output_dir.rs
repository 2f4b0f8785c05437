//! A directory that a person names and this program fills: opened once, and no link below it is followed.

use std::io::{self, Write as _};
use std::path::{Component, Path};

use cap_fs_ext::{DirExt as _, FollowSymlinks, OpenOptionsFollowExt as _};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use uuid::Uuid;

pub(crate) struct OutputDir(Dir);

impl OutputDir {
    /// The directory at `path`, which is created where it is missing.
    ///
    /// # Errors
    ///
    /// When it cannot be created or opened.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        Dir::open_ambient_dir(path, ambient_authority()).map(Self)
    }

    /// Puts a file there, whole or not at all. What has its name is replaced: a link, and not what that leads to.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(crate) fn put(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let temporary = temporary(name);
        let put = || {
            write(&self.0, temporary.as_ref(), content)?;
            self.0.rename(&temporary, &self.0, name)
        };
        put().inspect_err(|_| {
            self.0.remove_file(&temporary).ok();
        })
    }

    /// Puts a directory with these files there, whole or not at all.
    ///
    /// # Errors
    ///
    /// When there is something of its name, or it cannot be written.
    pub(crate) fn put_directory<'a>(
        &self,
        name: &str,
        mut files: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> io::Result<()> {
        if self.0.symlink_metadata(name).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let temporary = temporary(name);
        let mut put = || {
            self.0.create_dir(&temporary)?;
            let dir = self.0.open_dir_nofollow(&temporary)?;
            files.try_for_each(|(path, content)| write_below(&dir, path.as_ref(), content))?;
            self.0.rename(&temporary, &self.0, name)
        };
        put().map_err(|error| {
            self.0.remove_dir_all(&temporary).ok();
            match error.kind() {
                // Somebody else was faster.
                io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotADirectory => {
                    io::ErrorKind::AlreadyExists.into()
                }
                _ => error,
            }
        })
    }
}

fn temporary(name: &str) -> String {
    format!(".{name}-{}", Uuid::new_v4().simple())
}

fn write_below(dir: &Dir, path: &Path, content: &[u8]) -> io::Result<()> {
    let mut components = path.components();
    let (Some(Component::Normal(first)), rest) = (components.next(), components.as_path()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    if rest == Path::new("") {
        return write(dir, path, content);
    }
    match dir.create_dir(first) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    write_below(&dir.open_dir_nofollow(first)?, rest, content)
}

/// Writes a file that must not be there.
fn write(dir: &Dir, name: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options
        .write(true)
        .create_new(true)
        .follow(FollowSymlinks::No);
    dir.open_with(name, &options)?.write_all(content)
}
