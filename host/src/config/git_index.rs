//! What git's index names of a repository: its marker, and entries below its spool.
//!
//! What is named came with a checkout, or was added by this user on purpose. A directory that git does not know (an
//! unpacked archive, another system for versions) names nothing.

mod format;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::marker_file::MARKER;
use crate::domain::{EntryName, EntryState, shown};
use crate::files::regular::RegularFile;

/// The largest index that is read, in bytes: some two million files.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// The largest `.git` file of a worktree or a submodule.
const MAX_LINK_BYTES: usize = 4096;

/// Where the spool is, relative to the repository.
const SPOOL: &[u8] = b".swamp/telemetry/";

/// The index that speaks of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitIndex {
    directory: PathBuf,
    /// What the directory is called in the index, with a `/` at its end unless it is the top.
    prefix: Vec<u8>,
}

/// What an index names of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tracked {
    /// Whether it names the marker.
    pub marker: bool,
    /// The entries that it names below the spool, wherever there and in whatever state: as if they were pending.
    pub entries: HashSet<EntryName>,
}

impl GitIndex {
    /// The index of the git repository that `root` is in. `None` where it is in none.
    #[must_use]
    pub fn of(root: &Path) -> Option<Self> {
        let root = root.canonicalize().ok()?;
        root.ancestors().find_map(|top| {
            let directory = git_directory(&top.join(".git"))?;
            let below = root.strip_prefix(top).ok()?;
            Some(Self {
                directory,
                prefix: prefix(below),
            })
        })
    }

    /// What tells this version of the index from every other one: git replaces the file each time. `None` where there is
    /// no index.
    #[must_use]
    pub fn version(&self) -> Option<String> {
        let metadata = fs::metadata(self.directory.join("index")).ok()?;
        let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        let size = metadata.len();
        #[cfg(unix)]
        let file = {
            use std::os::unix::fs::MetadataExt as _;
            // A change of the file's names and links is in its own time of change, which nobody can set.
            format!(
                "{}.{:09} {}",
                metadata.ctime(),
                metadata.ctime_nsec(),
                metadata.ino()
            )
        };
        #[cfg(not(unix))]
        let file = "";
        let below = String::from_utf8_lossy(&self.prefix);
        Some(format!("{size} {} {file} {below}\n", modified.as_nanos()))
    }

    /// What it names of the repository.
    ///
    /// # Errors
    ///
    /// When it is there but cannot be read.
    pub fn tracked(&self) -> io::Result<Tracked> {
        let mut tracked = Tracked::default();
        let Some(index) = self.read("index")? else {
            return Ok(tracked);
        };
        // What a split index has taken out of the shared one counts as named: such a removal is undone by the next
        // write of the shared file, and the safe answer is the one that trusts less.
        let shared = index.shared.as_deref();
        let shared = shared.map(|name| self.read(name)).transpose()?.flatten();
        let names = [Some(index), shared].into_iter().flatten();
        for path in names.flat_map(|names| names.paths) {
            self.note(&path, &mut tracked);
        }
        Ok(tracked)
    }

    fn note(&self, path: &[u8], tracked: &mut Tracked) {
        // File systems that do not tell case apart make one file of both spellings.
        let Some(path) = without_prefix(path, &self.prefix) else {
            // A directory that a sparse index does not list.
            tracked.marker |= path.ends_with(b"/") && without_prefix(&self.prefix, path).is_some();
            return;
        };
        tracked.marker |= path.eq_ignore_ascii_case(MARKER.as_bytes()) || path.is_empty();
        if let Some(below) = without_prefix(path, SPOOL) {
            let name = below.rsplit(|byte| *byte == b'/').next();
            let name = name.and_then(|name| str::from_utf8(name).ok());
            let name = name.and_then(EntryName::parse);
            tracked
                .entries
                .extend(name.map(|name| name.in_state(EntryState::Pending)));
        }
    }

    fn read(&self, name: &str) -> io::Result<Option<format::Names>> {
        let path = self.directory.join(name);
        match RegularFile::find_at(&path).and_then(|file| file.read(MAX_BYTES)) {
            Ok(bytes) => format::parse(&bytes).map(Some).ok_or_else(|| {
                let why = format!("{} is not an index that swamp can read", shown(&path));
                io::Error::new(io::ErrorKind::InvalidData, why)
            }),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(why),
        }
    }
}

/// The directory that `path`, a directory or a file that names one, stands for. `None` where git would go on
/// looking further up.
fn git_directory(path: &Path) -> Option<PathBuf> {
    let directory = if fs::metadata(path).ok()?.is_dir() {
        path.to_owned()
    } else {
        let text = RegularFile::find_at(path)
            .ok()?
            .read_text(MAX_LINK_BYTES)
            .ok()?;
        let target = text
            .strip_prefix("gitdir: ")?
            .trim_end_matches(['\r', '\n']);
        path.parent()?.join(target)
    };
    fs::symlink_metadata(directory.join("HEAD"))
        .is_ok()
        .then_some(directory)
}

fn prefix(below: &Path) -> Vec<u8> {
    let mut prefix = Vec::new();
    for component in below.components() {
        if let Component::Normal(name) = component {
            prefix.extend_from_slice(as_bytes(name));
            prefix.push(b'/');
        }
    }
    prefix
}

/// As git spells it on this system.
fn as_bytes(name: &OsStr) -> &[u8] {
    name.as_encoded_bytes()
}

fn without_prefix<'a>(path: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = path.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::process::Command;

    fn git(directory: &Path, line: &str) {
        let mut git = Command::new("git");
        git.current_dir(directory)
            .args(["-c", "user.name=a", "-c", "user.email=a@example.com"])
            .args(["-c", "protocol.file.allow=always"])
            .args(line.split(' '))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null");
        let output = git.output().unwrap();
        assert!(output.status.success(), "git {line}: {output:?}");
    }

    const ENTRY: &str = "telemetry-2026-02-11-ours.json";

    /// A repository at `below` a git repository, made with these options of `git init`.
    fn repository(below: &str, options: &str) -> (tempfile::TempDir, PathBuf) {
        let top = tempfile::tempdir().unwrap();
        git(top.path(), &format!("init -q{options}"));
        let root = top.path().join(below);
        let open = root.join(".swamp/telemetry/.open");
        fs::create_dir_all(&open).unwrap();
        for file in [".swamp.yaml", "other"] {
            fs::write(root.join(file), "a: 1\n").unwrap();
        }
        fs::write(open.join(ENTRY), "{}").unwrap();
        fs::write(
            root.join(".swamp/telemetry/telemetry-2026-02-11-kept.flushed.json"),
            "{}",
        )
        .unwrap();
        (top, root)
    }

    fn tracked(root: &Path) -> (bool, Vec<String>) {
        let tracked = GitIndex::of(root).unwrap().tracked().unwrap();
        let mut entries: Vec<_> = tracked.entries.iter().map(ToString::to_string).collect();
        entries.sort();
        (tracked.marker, entries)
    }

    #[test]
    fn a_marker_and_entries_are_tracked_once_git_knows_them() {
        for (below, options) in [("", ""), ("deep/down", ""), ("", " --object-format=sha256")] {
            let (top, root) = repository(below, options);
            assert_eq!(tracked(&root), (false, vec![]), "{below}{options}");
            git(&root, "add other");
            assert_eq!(tracked(&root), (false, vec![]), "{below}{options}");
            git(&root, "add -f .");
            let all = ["telemetry-2026-02-11-kept.json", ENTRY].map(str::to_owned);
            for version in ["2", "3", "4"] {
                git(&root, &format!("update-index --index-version {version}"));
                assert_eq!(
                    tracked(&root),
                    (true, all.to_vec()),
                    "{below}{options} {version}"
                );
            }
            git(&root, "update-index --split-index");
            git(&root, "rm -q --cached other");
            assert_eq!(
                tracked(&root),
                (true, all.to_vec()),
                "split: {below}{options}"
            );
            git(&root, "commit -q -m all");
            git(top.path(), "worktree add -q copy");
            assert_eq!(
                tracked(&top.path().join("copy").join(below)),
                (true, all.to_vec())
            );
        }
    }

    #[test]
    fn the_spelling_of_another_case_is_the_same_file_on_some_systems() {
        let (_top, root) = repository("", "");
        fs::write(root.join(".Swamp.YAML"), "a: 1\n").unwrap();
        git(&root, "add -f .Swamp.YAML");
        assert!(tracked(&root).0);
    }

    #[test]
    fn where_git_is_not_nothing_is_tracked_and_an_empty_directory_is_not_git() {
        let top = tempfile::tempdir().unwrap();
        assert_eq!(GitIndex::of(top.path()), None);
        fs::create_dir(top.path().join(".git")).unwrap();
        assert_eq!(GitIndex::of(top.path()), None);
    }

    #[test]
    fn an_index_that_cannot_be_read_is_an_error() {
        let (_top, root) = repository("", "");
        fs::write(root.join(".git/index"), "DIRC, but not really").unwrap();
        assert!(GitIndex::of(&root).unwrap().tracked().is_err());
    }
}
