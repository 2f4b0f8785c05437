//! Compiled components, kept for this user.
//!
//! A file is named by the component's digest, by the hash of everything that machine code depends on (this program's
//! version and wasmtime's, their configuration, the processor: homes are shared between machines) and by its own
//! checksum, which is verified on the very descriptor that the code is then mapped from: wasmtime does not check what
//! it maps. A checksum guards against damage, and that is all there is to guard against: whoever can write here, this
//! user alone, could write any digest as well.
//! Files are written to a new name and renamed, since overwriting a mapped file would crash its readers.

use std::ffi::OsString;
use std::fs::{File, FileTimes};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata, OpenOptions};
use crc32fast::Hasher as Crc32;
use tempfile::NamedTempFile;
use tracing::debug;
use wasmtime::Engine;

use super::{limits, processor};
use crate::config::user_dirs::UserDir;
use crate::domain::Digest;
use crate::files::private;

/// How long a component that could not be compiled is not tried again.
const FAILURE_LASTS: Duration = Duration::from_hours(1);

/// How long after the last note of its use a file's use is noted again: a note is a write.
const USE_IS_NOTED: Duration = Duration::from_hours(1);

/// The most bytes that are read of a remembered failure.
const FAILURE_BYTES: u64 = 4 * 1024;

/// How much of a file is read at once, in bytes.
const PIECE: usize = 16 * 1024;

/// Where compiled components are kept, if anywhere.
#[derive(Clone, Debug)]
pub struct Cache {
    dir: Option<PathBuf>,
    capacity: u64,
}

/// What machine code is for: a component, an engine and this processor.
#[derive(Clone, Debug)]
pub(super) struct Key(String);

impl Key {
    pub(super) fn new(component: Digest, engine: &Engine) -> Self {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        processor::features().hash(&mut hasher);
        // The compiler's own settings may change with it.
        env!("CARGO_PKG_VERSION").hash(&mut hasher);
        let component = component.to_string().replace("sha256:", "");
        Self(format!("{component}-{:016x}", hasher.finish()))
    }
}

/// What the cache knows of a component.
pub(super) enum Found {
    /// Its machine code, verified.
    Code(File),
    /// It could not be compiled the last time, for this reason.
    Failure(String),
    /// Nothing.
    Nothing,
}

/// A file for machine code that is being compiled.
pub(super) enum Output {
    /// It will be kept.
    Kept(NamedTempFile),
    /// There is no cache: it goes when it is closed.
    Fleeting(File),
}

impl Output {
    pub(super) fn file(&self) -> &File {
        match self {
            Self::Kept(file) => file.as_file(),
            Self::Fleeting(file) => file,
        }
    }
}

impl Cache {
    /// The cache in `dir`, which is created when it is needed; without one, every load compiles.
    #[must_use]
    pub const fn new(dir: Option<PathBuf>) -> Self {
        Self::bounded(dir, limits::CACHE_BYTES)
    }

    /// As [`new`](Self::new), but with room for so many bytes.
    #[must_use]
    pub const fn bounded(dir: Option<PathBuf>, capacity: u64) -> Self {
        Self { dir, capacity }
    }

    /// Where this user's cache is: `components` in [`UserDir::Cache`].
    #[must_use]
    pub fn default_dir(env: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
        Some(UserDir::Cache.path(env)?.join("components"))
    }

    pub(super) fn find(&self, key: &Key) -> Found {
        let Some(dir) = self.open() else {
            return Found::Nothing;
        };
        let Ok(names) = names(&dir) else {
            return Found::Nothing;
        };
        for name in names.iter().filter(|name| name.starts_with(&key.0)) {
            match found(&dir, name) {
                Ok(Some(found)) => return found,
                Ok(None) => {}
                Err(error) => {
                    debug!("ignored the cached component {name}: {error}");
                    dir.remove_file(name).ok();
                }
            }
        }
        Found::Nothing
    }

    /// Forgets whatever is known under `key`.
    pub(super) fn forget(&self, key: &Key) {
        if let Some(dir) = self.open()
            && let Ok(names) = names(&dir)
        {
            for name in names.iter().filter(|name| name.starts_with(&key.0)) {
                dir.remove_file(name).ok();
            }
        }
    }

    /// A file to compile into.
    pub(super) fn output(&self) -> io::Result<Output> {
        match self.create() {
            Ok(dir) => Ok(Output::Kept(NamedTempFile::with_prefix_in(".new-", dir)?)),
            Err(error) => {
                debug!("compiled components are not cached: {error}");
                Ok(Output::Fleeting(tempfile::tempfile()?))
            }
        }
    }

    /// Keeps what was compiled, and opens it.
    pub(super) fn keep(&self, key: &Key, output: Output) -> io::Result<File> {
        let temporary = match output {
            Output::Kept(temporary) => temporary,
            Output::Fleeting(file) => return Ok(file),
        };
        let mut code = temporary.reopen()?;
        let name = format!("{}-{}.cwasm", key.0, checksum(&mut code)?);
        let dir = temporary.path().with_file_name("");
        self.make_room(code.metadata()?.len());
        temporary
            .persist(dir.join(name))
            .map_err(|error| error.error)?;
        Ok(code)
    }

    /// Remembers that the component could not be compiled.
    pub(super) fn keep_failure(&self, key: &Key, reason: &str) {
        let keep = || {
            let dir = self.create()?;
            let mut temporary = NamedTempFile::with_prefix_in(".new-", dir)?;
            temporary.write_all(reason.as_bytes())?;
            temporary.persist(dir.join(format!("{}.failed", key.0)))?;
            io::Result::Ok(())
        };
        if let Err(error) = keep() {
            debug!("could not remember that a component failed to compile: {error}");
        }
    }

    fn open(&self) -> Option<Dir> {
        let path = self.dir.as_deref()?;
        let dir = open_own(path);
        if let Err(error) = &dir
            && error.kind() != io::ErrorKind::NotFound
        {
            debug!("ignored the component cache {}: {error}", path.display());
        }
        dir.ok()
    }

    fn create(&self) -> io::Result<&Path> {
        let path = self.dir.as_deref().ok_or_else(|| {
            io::Error::other("there is no cache directory (set HOME or XDG_CACHE_HOME)")
        })?;
        private::create(path)?;
        Ok(path)
    }

    /// Removes what was used least recently, until `bytes` more fit, and what a crash left behind.
    fn make_room(&self, bytes: u64) {
        let Some(dir) = self.open() else { return };
        let mut files: Vec<_> = names(&dir)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|name| {
                let metadata = dir.symlink_metadata(&name).ok()?;
                Some((metadata.modified().ok()?.into_std(), metadata.len(), name))
            })
            .collect();
        files.retain(|(modified, _, name)| {
            let unfinished = name.starts_with(".new-");
            if unfinished && age(*modified) > limits::COMPILE_TIME * 2 {
                dir.remove_file(name).ok();
            }
            !unfinished
        });
        files.sort_unstable();
        let mut total = bytes + files.iter().map(|(_, len, _)| len).sum::<u64>();
        for (_, len, name) in files {
            if total <= self.capacity {
                return;
            }
            if dir.remove_file(name).is_ok() {
                total -= len;
            }
        }
    }
}

fn names(dir: &Dir) -> io::Result<Vec<String>> {
    let entries = dir.entries()?;
    Ok(entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect())
}

fn found(dir: &Dir, name: &str) -> io::Result<Option<Found>> {
    let mut options = OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No);
    let file = dir.open_with(name, &options)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    check_owner(&metadata)?;
    let modified = metadata.modified()?.into_std();
    let mut file = file.into_std();
    if name.ends_with(".failed") {
        if age(modified) > FAILURE_LASTS {
            return Err(io::Error::other("it is an hour old"));
        }
        let mut reason = String::new();
        file.take(FAILURE_BYTES).read_to_string(&mut reason)?;
        return Ok(Some(Found::Failure(reason)));
    }
    let Some((_, whole)) = name
        .strip_suffix(".cwasm")
        .and_then(|stem| stem.rsplit_once('-'))
    else {
        return Ok(None);
    };
    if checksum(&mut file)? != whole {
        return Err(io::Error::other("it is damaged"));
    }
    // The least recently used goes first.
    if age(modified) > USE_IS_NOTED {
        file.set_times(FileTimes::new().set_modified(SystemTime::now()))
            .ok();
    }
    Ok(Some(Found::Code(file)))
}

fn open_own(path: &Path) -> io::Result<Dir> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::other("it is no directory"));
    };
    let dir = Dir::open_ambient_dir(parent, ambient_authority())?.open_dir_nofollow(name)?;
    check_owner(&dir.dir_metadata()?)?;
    Ok(dir)
}

#[cfg(unix)]
fn check_owner(metadata: &Metadata) -> io::Result<()> {
    use cap_std::fs::MetadataExt as _;
    if metadata.uid() != nix::unistd::geteuid().as_raw() {
        return Err(io::Error::other("it belongs to another user"));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(io::Error::other("other users can write to it"));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_owner(_: &Metadata) -> io::Result<()> {
    Ok(())
}

fn age(modified: SystemTime) -> Duration {
    modified.elapsed().unwrap_or_default()
}

/// The CRC-32 of the whole file.
fn checksum(file: &mut File) -> io::Result<String> {
    let mut crc = Crc32::new();
    let mut piece = [0; PIECE];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(format!("{:08x}", crc.finalize())),
            Ok(read) => crc.update(&piece[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_least_recently_makes_room_for_what_is_new() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("components");
        private::create(&dir).unwrap();
        let now = SystemTime::now();
        for (name, minutes_ago) in [("old", 30), ("older", 60), ("new", 1), (".new-left", 90)] {
            let path = dir.join(name);
            std::fs::write(&path, [0; 100]).unwrap();
            let used = now - Duration::from_mins(minutes_ago);
            File::open(&path).unwrap().set_modified(used).unwrap();
        }
        let left = || {
            let mut names = names(&open_own(&dir).unwrap()).unwrap();
            names.sort();
            names
        };
        let cache = Cache::bounded(Some(dir.clone()), 300);
        cache.make_room(0);
        assert_eq!(
            left(),
            ["new", "old", "older"],
            "only what a crash left goes"
        );
        cache.make_room(50);
        assert_eq!(left(), ["new", "old"]);
        cache.make_room(200);
        assert_eq!(left(), ["new"]);
    }
}
