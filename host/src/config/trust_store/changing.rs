//! Changing the store: what the program does, and no program that only records.

use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use cap_std::fs::Dir;

use super::{Allowed, Document, TrustError, TrustStore};
use crate::files::lock::LockedFile;
use crate::files::regular::RegularFile;
use crate::files::{PRIVATE_FILE, private, replace};

/// The most senders that are remembered of one repository, the latest ones.
const MAX_SENDERS: usize = 32;

/// The most repositories that this user is remembered to have been told about, the latest ones.
const MAX_TOLD: usize = 1024;

const LOCK: &str = "trust.lock";

const LOCK_WAIT: Duration = Duration::from_secs(1);
const LOCK_POLL: Duration = Duration::from_millis(5);

impl TrustStore {
    /// Allows this from now on. Senders that were allowed before, to the same repository with the same origin, stay
    /// so.
    ///
    /// # Errors
    ///
    /// When that could not be remembered.
    pub fn allow(&self, mut allowed: Allowed) -> Result<(), TrustError> {
        if allowed.path.to_str().is_none() {
            return Err(TrustError::NotText(allowed.path));
        }
        self.change(|document| {
            let all = &mut document.repositories;
            let before = all.iter().position(|other| other.path == allowed.path);
            if let Some(before) = before.map(|at| all.remove(at))
                && (&before.repo_id, &before.origin) == (&allowed.repo_id, &allowed.origin)
            {
                let kept = before.senders.into_iter();
                let mut senders: Vec<_> = kept
                    .filter(|sender| !allowed.senders.contains(sender))
                    .collect();
                senders.append(&mut allowed.senders);
                senders.drain(..senders.len().saturating_sub(MAX_SENDERS));
                allowed.senders = senders;
                allowed.others_files |= before.others_files;
            }
            all.push(allowed);
            true
        })
        .map(drop)
    }

    /// Takes back all that was allowed to the repository at `root`. `false` where nothing was.
    ///
    /// # Errors
    ///
    /// When it still stands.
    pub fn forget(&self, root: &Path) -> Result<bool, TrustError> {
        let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        if self.path.as_ref().is_none_or(|path| !path.exists()) {
            return Ok(false);
        }
        self.change(|document| {
            let all = &mut document.repositories;
            let before = all.len();
            all.retain(|allowed| allowed.path != root);
            all.len() < before
        })
    }

    /// Remembers that this user has been told what is recorded in the repository at `root`. `false` where that is
    /// remembered already.
    ///
    /// # Errors
    ///
    /// When it could not be remembered.
    pub fn tell(&self, root: &Path) -> Result<bool, TrustError> {
        let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        if root.to_str().is_none() {
            return Err(TrustError::NotText(root));
        }
        if self.read()?.told.contains(&root) {
            return Ok(false);
        }
        self.change(|document| {
            let is_new = !document.told.contains(&root);
            if is_new {
                document.told.push(root);
                let forgotten = document.told.len().saturating_sub(MAX_TOLD);
                document.told.drain(..forgotten);
            }
            is_new
        })
    }

    /// Reads, changes and writes it while nobody else does. `change` says whether there is something to write.
    fn change(&self, change: impl FnOnce(&mut Document) -> bool) -> Result<bool, TrustError> {
        let path = self.path.as_deref().ok_or(TrustError::NoPlace)?;
        let failed = |source| TrustError::Write {
            path: path.to_owned(),
            source,
        };
        let directory = path.parent().ok_or(TrustError::NoPlace)?;
        let name = path.file_name().map(Path::new).ok_or(TrustError::NoPlace)?;
        let dir = private::create(directory).map_err(failed)?;
        let _lock = lock(&dir).map_err(failed)?;
        let mut document = self.read()?;
        if !change(&mut document) {
            return Ok(false);
        }
        let mut text = serde_json::to_string_pretty(&document).map_err(|why| failed(why.into()))?;
        text.push('\n');
        let written = match RegularFile::find_in(&dir, name) {
            Ok(old) => replace::replace_in(&dir, name, &old, &text),
            Err(why) if why.kind() == io::ErrorKind::NotFound => {
                replace::create_in(&dir, name, &text, PRIVATE_FILE)
            }
            Err(why) => Err(why),
        };
        written.map_err(failed)?;
        Ok(true)
    }
}

fn lock(dir: &Dir) -> io::Result<LockedFile> {
    let began = Instant::now();
    loop {
        if let Some(lock) = LockedFile::try_lock_in(dir, LOCK)? {
            return Ok(lock);
        }
        if began.elapsed() > LOCK_WAIT {
            let why = "another process has held its lock for a second";
            return Err(io::Error::new(io::ErrorKind::WouldBlock, why));
        }
        thread::sleep(LOCK_POLL);
    }
}
