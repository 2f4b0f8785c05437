//! Compiled components, kept for this user.
//!
//! wasmtime runs what it maps as it is, so only what this user has put here is mapped. A file is named by the component's
//! digest, by the hash of everything that machine code depends on (this program's version and wasmtime's, their
//! configuration, the processor: homes are shared between machines), by whose secret it was made with, and by the code
//! that the secret gives over all that and the content. It is verified on the very descriptor that is then mapped. The
//! directory, and all that leads to it, is one that nobody else can write to; but that alone would not do: what came with
//! a repository belongs to the user, too.
//! Files are written to a new name and renamed, since overwriting a mapped file would crash its readers.

use std::ffi::OsString;
use std::fs::{File, FileTimes};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use cap_std::fs::Dir;
use tracing::debug;
use uuid::Uuid;
use wasmtime::Engine;

use super::secret::Secret;
use super::{limits, processor};
use crate::config::user_dirs::UserDir;
use crate::domain::{Digest, Reason, shown};
use crate::files::lock::PassingLock;
use crate::files::regular::RegularFile;
use crate::files::{PRIVATE_FILE, create_new, private};

/// How long a component that could not be compiled is not tried again.
const FAILURE_LASTS: Duration = Duration::from_hours(1);

/// How long after the last note of its use a file's use is noted again: a note is a write.
const USE_IS_NOTED: Duration = Duration::from_hours(1);

/// The most bytes that are read of a remembered failure.
const FAILURE_BYTES: u64 = 4 * 1024;

/// The most bytes of what a component says of itself.
pub(super) const DESCRIPTION_BYTES: usize = 64 * 1024;

const CODE: &str = ".cwasm";

const FAILURE: &str = ".failed";

const DESCRIPTION: &str = ".about";

const LOCK: &str = ".lock";

/// What files are called until they are whole.
const UNFINISHED: &str = ".new-";

/// Where compiled components are kept, if anywhere.
#[derive(Clone, Debug)]
pub struct Cache {
    place: Option<Place>,
    capacity: u64,
}

#[derive(Clone, Debug)]
struct Place {
    dir: PathBuf,
    state: PathBuf,
}

/// The cache's directory, and the secret that vouches for what is in it.
struct Opened {
    dir: Dir,
    secret: Secret,
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

    /// What names begin with of what was made with this secret.
    fn prefix(&self, secret: &Secret) -> String {
        format!("{}-{}", self.0, secret.id())
    }

    /// What the secret vouches for: content of this kind under this key, and under no other.
    fn what(&self, kind: &str) -> String {
        format!("{}{kind}", self.0)
    }
}

/// What the cache knows of a component.
pub(super) enum Found {
    /// Its machine code, verified.
    Code(File),
    /// It could not be compiled the last time, for this reason.
    Failure(Reason),
    /// Nothing.
    Nothing,
}

/// A file for machine code that is being compiled.
pub(super) enum Output {
    /// It will be kept.
    Kept(Unfinished),
    /// There is no cache: it goes when it is closed.
    Fleeting(File),
}

/// A file of the cache that goes unless it gets its name.
pub(super) struct Unfinished {
    cache: Opened,
    name: String,
    file: File,
}

impl Output {
    pub(super) fn file(&self) -> &File {
        match self {
            Self::Kept(unfinished) => &unfinished.file,
            Self::Fleeting(file) => file,
        }
    }
}

impl Unfinished {
    fn create(cache: Opened) -> io::Result<Self> {
        let name = format!("{UNFINISHED}{}", Uuid::new_v4().simple());
        let file = create_new(&cache.dir, &name, PRIVATE_FILE)?;
        Ok(Self { cache, name, file })
    }

    fn rename_to(&self, name: &str) -> io::Result<()> {
        let dir = &self.cache.dir;
        dir.rename(&self.name, dir, name)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Once it was renamed there is none.
        self.cache.dir.remove_file(&self.name).ok();
    }
}

impl Cache {
    /// The cache in `dir`, an absolute path, with its secret in `state`, another. Both are created when they are
    /// needed.
    #[must_use]
    pub const fn new(dir: PathBuf, state: PathBuf) -> Self {
        Self::bounded(dir, state, limits::CACHE_BYTES)
    }

    /// As [`new`](Self::new), but with room for so many bytes.
    #[must_use]
    pub const fn bounded(dir: PathBuf, state: PathBuf, capacity: u64) -> Self {
        Self {
            place: Some(Place { dir, state }),
            capacity,
        }
    }

    /// No cache: every load compiles.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            place: None,
            capacity: 0,
        }
    }

    /// This user's cache: `components` in [`UserDir::Cache`], with its secret in [`UserDir::State`]. `root` is the
    /// repository in use: a state directory in it could have come along with it, and there is no cache then.
    #[must_use]
    pub fn of_user(root: Option<&Path>, env: impl Fn(&str) -> Option<OsString>) -> Self {
        let dir = UserDir::Cache.path(&env);
        let state = match root {
            Some(root) => UserDir::State.outside(root, &env),
            None => UserDir::State.path(&env),
        };
        let (Some(dir), Some(state)) = (dir, state) else {
            debug!("compiled components are not kept: there is no directory for them");
            return Self::none();
        };
        Self::new(dir.join("components"), state)
    }

    pub(super) fn find(&self, key: &Key) -> Found {
        let Some(cache) = self.open() else {
            return Found::Nothing;
        };
        for name in cache.names_of(key) {
            match cache.found(key, &name) {
                Ok(Some(found)) => return found,
                Ok(None) => {}
                Err(error) => {
                    debug!("ignored the cached component {name}: {error}");
                    cache.dir.remove_file(name).ok();
                }
            }
        }
        Found::Nothing
    }

    /// Forgets whatever is known under `key`.
    pub(super) fn forget(&self, key: &Key) {
        if let Some(cache) = self.open() {
            for name in cache.names_of(key) {
                cache.dir.remove_file(name).ok();
            }
        }
    }

    /// Waits until no other process of this user compiles what `key` is of; none does while this is held. Without a
    /// cache, nothing is waited for.
    pub(super) fn alone(&self, key: &Key) -> Option<PassingLock> {
        let cache = self.create().ok()?;
        let name = format!("{}{LOCK}", key.0);
        let on_wait = || debug!("waiting for another process, which compiles the same");
        PassingLock::wait_in(&cache.dir, &name, on_wait)
            .inspect_err(|why| debug!("compiled without locking {name}: {why}"))
            .ok()
    }

    /// A file to compile into.
    pub(super) fn output(&self) -> io::Result<Output> {
        match self.create() {
            Ok(cache) => Ok(Output::Kept(Unfinished::create(cache)?)),
            Err(error) => {
                debug!("compiled components are not cached: {error}");
                Ok(Output::Fleeting(unnamed()?))
            }
        }
    }

    /// Keeps what was compiled, and gives its file.
    pub(super) fn keep(&self, key: &Key, output: Output) -> io::Result<File> {
        let unfinished = match output {
            Output::Kept(unfinished) => unfinished,
            Output::Fleeting(file) => return Ok(file),
        };
        let Opened { dir, secret } = &unfinished.cache;
        let code = secret.code(&key.what(CODE), &unfinished.file)?;
        self.make_room(dir, unfinished.file.metadata()?.len());
        unfinished.rename_to(&format!("{}-{code}{CODE}", key.prefix(secret)))?;
        unfinished.file.try_clone()
    }

    /// Remembers that the component could not be compiled.
    pub(super) fn keep_failure(&self, key: &Key, reason: &Reason) {
        if let Err(error) = self.keep_text(key, FAILURE, reason.to_record().as_bytes()) {
            debug!("could not store that a component failed to compile: {error}");
        }
    }

    /// Remembers what the component says of itself.
    pub(super) fn keep_description(&self, key: &Key, text: &[u8]) {
        if let Err(error) = self.keep_text(key, DESCRIPTION, text) {
            debug!("could not store the description of a component: {error}");
        }
    }

    fn keep_text(&self, key: &Key, kind: &str, text: &[u8]) -> io::Result<()> {
        let mut unfinished = Unfinished::create(self.create()?)?;
        unfinished.file.write_all(text)?;
        let secret = &unfinished.cache.secret;
        let code = secret.code_of(&key.what(kind), text);
        unfinished.rename_to(&format!("{}-{code}{kind}", key.prefix(secret)))
    }

    /// What the component said of itself, if that is remembered.
    pub(super) fn find_description(&self, key: &Key) -> Option<Vec<u8>> {
        let cache = self.open()?;
        cache.names_of(key).into_iter().find_map(|name| {
            let (code, kind) = code_and_kind(&name)?;
            if kind != DESCRIPTION {
                return None;
            }
            let file = RegularFile::find_in(&cache.dir, &name).ok()?;
            private::check_own(file.metadata()).ok()?;
            let text = file.read(DESCRIPTION_BYTES as u64).ok()?;
            (cache.secret.code_of(&key.what(kind), &text) == code).then_some(text)
        })
    }

    fn open(&self) -> Option<Opened> {
        let place = self.place.as_ref()?;
        let open = || {
            Ok(Opened {
                dir: private::open(&place.dir)?,
                secret: private::open(&place.state).and_then(|state| Secret::read(&state))?,
            })
        };
        open()
            .inspect_err(|error: &io::Error| {
                if error.kind() != io::ErrorKind::NotFound {
                    debug!("ignored the component cache {}: {error}", shown(&place.dir));
                }
            })
            .ok()
    }

    fn create(&self) -> io::Result<Opened> {
        let place = self.place.as_ref();
        let place = place.ok_or_else(|| io::Error::other("there is no directory for them"))?;
        Ok(Opened {
            dir: private::create(&place.dir)?,
            secret: private::create(&place.state)
                .and_then(|state| Secret::read_or_create(&state))?,
        })
    }

    /// Removes what was used least recently, until `bytes` more fit, and what a crash left behind.
    fn make_room(&self, dir: &Dir, bytes: u64) {
        let mut files: Vec<_> = names(dir)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|name| {
                let metadata = dir.symlink_metadata(&name).ok()?;
                Some((metadata.modified().ok()?.into_std(), metadata.len(), name))
            })
            .collect();
        files.retain(|(modified, _, name)| {
            let unfinished = name.starts_with(UNFINISHED);
            if unfinished && age(*modified) > limits::COMPILE_TIME * 2 {
                dir.remove_file(name).ok();
            }
            !unfinished && !name.ends_with(LOCK)
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

impl Opened {
    /// What this user's secret was used for under `key`.
    fn names_of(&self, key: &Key) -> Vec<String> {
        let prefix = key.prefix(&self.secret);
        let mut names = names(&self.dir).unwrap_or_default();
        names.retain(|name| name.starts_with(&prefix));
        names
    }

    fn found(&self, key: &Key, name: &str) -> io::Result<Option<Found>> {
        let Some((code, kind @ (CODE | FAILURE))) = code_and_kind(name) else {
            return Ok(None);
        };
        let file = RegularFile::find_in(&self.dir, name)?;
        private::check_own(file.metadata())?;
        let age = age(file.metadata().modified()?.into_std());
        let forged = || Err(io::Error::other("it is not what this user has put there"));
        match kind {
            FAILURE if age > FAILURE_LASTS => Err(io::Error::other("it is an hour old")),
            FAILURE => {
                let reason = file.read(FAILURE_BYTES)?;
                if self.secret.code_of(&key.what(FAILURE), &reason) != code {
                    return forged();
                }
                let reason = String::from_utf8(reason).map_err(io::Error::other)?;
                Ok(Some(Found::Failure(Reason::from_record(&reason))))
            }
            _ => {
                let file = file.open()?;
                if self.secret.code(&key.what(CODE), &file)? != code {
                    return forged();
                }
                // The least recently used goes first.
                if age > USE_IS_NOTED {
                    let now = FileTimes::new().set_modified(SystemTime::now());
                    file.set_times(now).ok();
                }
                Ok(Some(Found::Code(file)))
            }
        }
    }
}

/// What a file's name says of its content.
fn code_and_kind(name: &str) -> Option<(blake3::Hash, &str)> {
    let (_, rest) = name.rsplit_once('-')?;
    let (code, kind) = rest.split_at(rest.find('.')?);
    Some((blake3::Hash::from_hex(code).ok()?, kind))
}

/// A file without a name, in the directory for temporary files, or in memory where there is none.
#[cfg(target_os = "linux")]
fn unnamed() -> io::Result<File> {
    use rustix::fs::{MemfdFlags, memfd_create};
    tempfile::tempfile().or_else(|why| {
        let file = memfd_create("swamp-code", MemfdFlags::CLOEXEC).map_err(|_| why)?;
        Ok(file.into())
    })
}

#[cfg(not(target_os = "linux"))]
fn unnamed() -> io::Result<File> {
    tempfile::tempfile()
}

fn names(dir: &Dir) -> io::Result<Vec<String>> {
    let entries = dir.entries()?;
    Ok(entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect())
}

fn age(modified: SystemTime) -> Duration {
    modified.elapsed().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_least_recently_makes_room_for_what_is_new() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("components");
        let opened = private::create(&dir).unwrap();
        let now = SystemTime::now();
        for (name, minutes_ago) in [("old", 30), ("older", 60), ("new", 1), (".new-left", 90)] {
            let path = dir.join(name);
            std::fs::write(&path, [0; 100]).unwrap();
            let used = now - Duration::from_mins(minutes_ago);
            File::open(&path).unwrap().set_modified(used).unwrap();
        }
        let left = || {
            let mut names = names(&opened).unwrap();
            names.sort();
            names
        };
        let cache = Cache::bounded(dir.clone(), dir.clone(), 300);
        cache.make_room(&opened, 0);
        assert_eq!(
            left(),
            ["new", "old", "older"],
            "only what a crash left goes"
        );
        cache.make_room(&opened, 50);
        assert_eq!(left(), ["new", "old"]);
        cache.make_room(&opened, 200);
        assert_eq!(left(), ["new"]);
    }
}
