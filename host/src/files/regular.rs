//! Regular files, looked at before they are opened: opening a FIFO can wait for ever, and opening a device can do
//! anything.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt as _, OpenOptionsSyncExt as _};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata, OpenOptions};

use super::FileId;

/// A regular file that was found. What is read or written is this very file, and never another one that was put in its
/// place since.
#[derive(Debug)]
pub(crate) struct RegularFile<'a> {
    place: Place<'a>,
    metadata: Metadata,
    /// A descriptor that only tells which file it is.
    #[cfg(target_os = "linux")]
    held: File,
}

#[derive(Clone, Copy, Debug)]
enum Place<'a> {
    In(&'a Dir, &'a Path),
    /// The same, or what it leads to.
    #[cfg(target_os = "linux")]
    Behind(&'a Dir, &'a Path),
    At(&'a Path),
}

#[derive(Clone, Copy)]
enum Access {
    Read,
    Write,
}

impl<'a> RegularFile<'a> {
    /// Finds the file `name` in `dir`, which must not be a link.
    pub(crate) fn find_in(dir: &'a Dir, name: &'a (impl AsRef<Path> + ?Sized)) -> io::Result<Self> {
        Self::find(Place::In(dir, name.as_ref()))
    }

    /// Finds the file `name` in `dir`, or what it leads to where it is a link. `path` is the same in words, for systems
    /// that can only follow links from there.
    #[cfg_attr(
        target_os = "linux",
        allow(unused_variables, reason = "it follows links")
    )]
    pub(crate) fn find_through(
        dir: &'a Dir,
        name: &'a (impl AsRef<Path> + ?Sized),
        path: &'a Path,
    ) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        let behind = Place::Behind(dir, name.as_ref());
        #[cfg(not(target_os = "linux"))]
        let behind = if dir.symlink_metadata(name)?.is_symlink() {
            Place::At(path)
        } else {
            Place::In(dir, name.as_ref())
        };
        Self::find(behind)
    }

    /// Finds the file at `path`. Links are followed.
    pub(crate) fn find_at(path: &'a Path) -> io::Result<Self> {
        Self::find(Place::At(path))
    }

    #[cfg(target_os = "linux")]
    fn find(place: Place<'a>) -> io::Result<Self> {
        use rustix::fs::{CWD, Mode, OFlags, openat};
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let held: File = match place {
            Place::In(dir, name) => openat(dir, name, flags | OFlags::NOFOLLOW, Mode::empty()),
            Place::Behind(dir, name) => openat(dir, name, flags, Mode::empty()),
            Place::At(path) => openat(CWD, path, flags, Mode::empty()),
        }?
        .into();
        Ok(Self {
            place,
            metadata: checked(Metadata::from_file(&held)?)?,
            held,
        })
    }

    #[cfg(not(target_os = "linux"))]
    fn find(place: Place<'a>) -> io::Result<Self> {
        let metadata = match place {
            Place::In(dir, name) => dir.symlink_metadata(name),
            Place::At(path) => std::fs::metadata(path).map(Metadata::from_just_metadata),
        };
        Ok(Self {
            place,
            metadata: checked(metadata?)?,
        })
    }

    /// What the file was like when it was found.
    pub(crate) const fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The number of its owner, where the system has such numbers.
    pub(crate) fn owner(&self) -> Option<u32> {
        super::stranger::owner_of(&self.metadata)
    }

    /// How many bytes it had when it was found.
    pub(crate) fn len(&self) -> u64 {
        self.metadata.len()
    }

    /// Opens it for reading.
    pub(crate) fn open(&self) -> io::Result<File> {
        self.opened(Access::Read)
    }

    /// Opens it for writing.
    pub(crate) fn open_for_writing(&self) -> io::Result<File> {
        self.opened(Access::Write)
    }

    /// Its content, which must have at most `limit` bytes. Never more is read than there was when it was found: files
    /// that the kernel makes up can be endless, or wait for something to happen.
    pub(crate) fn read(&self, limit: u64) -> io::Result<Vec<u8>> {
        if self.len() > limit {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("it is larger than {limit} bytes"),
            ));
        }
        let mut content = Vec::with_capacity(usize::try_from(self.len()).unwrap_or_default());
        self.open()?.take(self.len()).read_to_end(&mut content)?;
        Ok(content)
    }

    /// The same, as text.
    pub(crate) fn read_text(&self, limit: usize) -> io::Result<String> {
        String::from_utf8(self.read(u64::try_from(limit).unwrap_or(u64::MAX))?)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
    }

    #[cfg(target_os = "linux")]
    fn opened(&self, access: Access) -> io::Result<File> {
        use std::os::fd::AsRawFd as _;

        use rustix::fs::{Mode, OFlags};
        let link = format!("/proc/self/fd/{}", self.held.as_raw_fd());
        let flags = match access {
            Access::Read => OFlags::RDONLY,
            Access::Write => OFlags::WRONLY,
        };
        let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        match rustix::fs::open(link, flags, Mode::empty()) {
            Ok(file) => Ok(file.into()),
            // There is no /proc.
            Err(rustix::io::Errno::NOENT) => self.opened_by_name(access),
            Err(why) => Err(why.into()),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn opened(&self, access: Access) -> io::Result<File> {
        self.opened_by_name(access)
    }

    fn opened_by_name(&self, access: Access) -> io::Result<File> {
        let mut options = OpenOptions::new();
        match access {
            Access::Read => options.read(true),
            Access::Write => options.write(true),
        };
        options.nonblock(true);
        let file = match self.place {
            Place::In(dir, name) => dir.open_with(name, options.follow(FollowSymlinks::No)),
            #[cfg(target_os = "linux")]
            Place::Behind(dir, name) => {
                use rustix::fs::{Mode, OFlags, openat};
                let access = match access {
                    Access::Read => OFlags::RDONLY,
                    Access::Write => OFlags::WRONLY,
                };
                let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
                let file: File = openat(dir, name, flags, Mode::empty())?.into();
                Ok(cap_std::fs::File::from_std(file))
            }
            Place::At(path) => {
                cap_std::fs::File::open_ambient_with(path, &options, ambient_authority())
            }
        }?;
        let opened = file.metadata()?;
        if FileId::of(&opened) != FileId::of(&self.metadata) {
            return Err(io::Error::other(
                "it was replaced while it was being opened",
            ));
        }
        Ok(file.into_std())
    }
}

fn checked(metadata: Metadata) -> io::Result<Metadata> {
    let what = if metadata.is_file() {
        return Ok(metadata);
    } else if metadata.is_symlink() {
        "it is a symbolic link"
    } else {
        "it is not a regular file"
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, what))
}
