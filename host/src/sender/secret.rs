//! What shows that machine code was put into the cache by this user: a code over it that only this user can make.
//!
//! The secret lies with the user's state and not in the cache: caches are shared, restored from elsewhere, and led into
//! repositories.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};

use blake3::{Hash, Hasher};
use cap_std::fs::Dir;
use uuid::Uuid;

use crate::files::private;
use crate::files::regular::RegularFile;
use crate::files::{PRIVATE_FILE, replace};

/// The name of its file in the user's state directory.
const FILE: &str = "cache.key";

/// How much of a file is read at once, in bytes: as much as keeps the processor's vectors busy.
const PIECE: usize = 64 * 1024;

/// The secret of one user, 32 bytes.
#[derive(Clone)]
pub(super) struct Secret([u8; blake3::KEY_LEN]);

impl Secret {
    /// The secret in `dir`.
    ///
    /// # Errors
    ///
    /// When there is none, or when it is not this user's alone.
    pub(super) fn read(dir: &Dir) -> io::Result<Self> {
        let file = RegularFile::find_in(dir, FILE)?;
        private::check_own(file.metadata())?;
        private::check_unread(file.metadata())?;
        let secret = file.read(u64::try_from(blake3::KEY_LEN).unwrap_or(u64::MAX));
        match secret.map(<[u8; blake3::KEY_LEN]>::try_from) {
            Ok(Ok(secret)) => Ok(Self(secret)),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("it does not have {} bytes", blake3::KEY_LEN),
            )),
        }
    }

    /// The secret in `dir`, which is made where there is none.
    pub(super) fn read_or_create(dir: &Dir) -> io::Result<Self> {
        match Self::read(dir) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => {}
            Err(why) if why.kind() == io::ErrorKind::InvalidData => dir.remove_file(FILE)?,
            read => return read,
        }
        match replace::create_in(dir, FILE.as_ref(), new().as_bytes(), PRIVATE_FILE) {
            // Another process has created it first.
            Err(why) if why.kind() != io::ErrorKind::AlreadyExists => Err(why),
            _ => Self::read(dir),
        }
    }

    /// Tells secrets apart, and nothing about them: which files of a cache are one's own.
    pub(super) fn id(&self) -> String {
        let id = blake3::keyed_hash(&self.0, b"id").to_hex();
        id[..16].to_owned()
    }

    /// The code over `what` this is, and over all of `file`, whose position it changes.
    pub(super) fn code(&self, what: &str, mut file: &File) -> io::Result<Hash> {
        file.rewind()?;
        let mut hasher = self.hasher(what);
        let mut piece = vec![0; PIECE];
        loop {
            match file.read(&mut piece) {
                Ok(0) => return Ok(hasher.finalize()),
                Ok(read) => hasher.update(&piece[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
        }
    }

    /// The same, over `content`.
    pub(super) fn code_of(&self, what: &str, content: &[u8]) -> Hash {
        self.hasher(what).update(content).finalize()
    }

    fn hasher(&self, what: &str) -> Hasher {
        let mut hasher = Hasher::new_keyed(&self.0);
        // No content can pose as a part of what it is: its length comes first.
        hasher.update(&what.len().to_le_bytes());
        hasher.update(what.as_bytes());
        hasher
    }
}

/// A new secret. Each UUID of version 4 holds 122 bits from the system's random number generator.
fn new() -> Hash {
    let mut hasher = Hasher::new_derive_key("swamp 2026-11-27 secret of the component cache");
    for _ in 0..3 {
        hasher.update(Uuid::new_v4().as_bytes());
    }
    hasher.finalize()
}
