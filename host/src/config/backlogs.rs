//! Which repositories of this user have entries waiting: a small file each in the state directory, so that a command in
//! one of them can send what waits in another.
//!
//! A file each, and not one list: what a command leaves here needs neither a lock nor a rewrite.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use cap_std::fs::Dir;
use tracing::debug;

use super::user_dirs::UserDir;
use crate::domain::{Digest, shown};
use crate::files::regular::RegularFile;
use crate::files::{PRIVATE_FILE, create_new, private};

const NAME: &str = "backlogs";

/// The most repositories that are remembered.
const MAX: usize = 256;

/// The longest path that is remembered, in bytes.
const MAX_PATH: usize = 4096;

/// How old a file must be to be taken for one whose writer was killed.
const ABANDONED: Duration = Duration::from_mins(1);

/// The repositories that are remembered to have entries waiting.
#[derive(Clone, Debug)]
pub struct Backlogs {
    path: Option<PathBuf>,
}

/// What is remembered of one repository.
struct Remembered {
    file: String,
    since: SystemTime,
    /// Where it is, unless the file is damaged.
    root: Option<PathBuf>,
}

impl Backlogs {
    /// What this user's commands remember. Nothing is, where the state directory is inside of the repository at `root`,
    /// which could have brought it along.
    #[must_use]
    pub fn of(root: Option<&Path>, env: impl Fn(&str) -> Option<OsString>) -> Self {
        let state = match root {
            Some(root) => UserDir::State.outside(root, env),
            None => UserDir::State.path(env),
        };
        Self {
            path: state.map(|state| state.join(NAME)),
        }
    }

    /// Remembers the repository at `root`. Whatever goes wrong is told at debug level: its entries wait for a command in
    /// it.
    pub fn remember(&self, root: &Path) {
        if let Err(why) = self.try_remember(root) {
            debug!(
                "could not remember that entries are pending in {}: {why}",
                shown(root)
            );
        }
    }

    fn try_remember(&self, root: &Path) -> io::Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let root = root.canonicalize()?;
        let text = root.to_str().filter(|text| text.len() <= MAX_PATH);
        let text = text.ok_or_else(|| io::Error::other("its path is not UTF-8, or is too long"))?;
        let dir = match private::open(path) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => private::create(path)?,
            opened => opened?,
        };
        let name = file_name(text);
        if dir.symlink_metadata(&name).is_ok() {
            return Ok(());
        }
        if dir.entries()?.count() >= MAX {
            return Err(io::Error::other(format!("there are {MAX} others")));
        }
        match create_new(&dir, &name, PRIVATE_FILE) {
            Ok(mut file) => file.write_all(text.as_bytes()),
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(why) => Err(why),
        }
    }

    /// Whether the repository at `root` is remembered.
    #[must_use]
    pub fn has(&self, root: &Path) -> bool {
        let place = self.place(root);
        place.is_some_and(|(dir, name)| dir.symlink_metadata(name).is_ok())
    }

    /// Remembers the repository at `root` no more.
    pub fn forget(&self, root: &Path) {
        if let Some((dir, name)) = self.place(root) {
            dir.remove_file(name).ok();
        }
    }

    /// Moves the repository at `root` behind all others.
    pub fn put_last(&self, root: &Path) {
        self.forget(root);
        self.remember(root);
    }

    /// All that are remembered: first what was for the longest time, since it was put last.
    #[must_use]
    pub fn all(&self) -> Vec<PathBuf> {
        let Some(dir) = self.open() else {
            return Vec::new();
        };
        let mut all = remembered(&dir).unwrap_or_default();
        all.sort_by(|a, b| (a.since, &a.file).cmp(&(b.since, &b.file)));
        let mut roots = Vec::new();
        for one in all {
            match one.root {
                Some(root) => roots.push(root),
                None if one.since.elapsed().is_ok_and(|age| age >= ABANDONED) => {
                    dir.remove_file(one.file).ok();
                }
                None => {}
            }
        }
        roots
    }

    fn open(&self) -> Option<Dir> {
        let opened = private::open(self.path.as_ref()?);
        let is_news = |why: &io::Error| why.kind() != io::ErrorKind::NotFound;
        opened
            .inspect_err(|why| {
                if is_news(why) {
                    debug!("could not read which repositories have pending entries: {why}");
                }
            })
            .ok()
    }

    fn place(&self, root: &Path) -> Option<(Dir, String)> {
        // What is gone cannot be resolved any more: it is remembered without links.
        let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        let name = file_name(root.to_str()?);
        Some((self.open()?, name))
    }
}

fn remembered(dir: &Dir) -> io::Result<Vec<Remembered>> {
    let mut all = Vec::new();
    for entry in dir.entries()?.take(MAX) {
        let Ok(file) = entry?.file_name().into_string() else {
            continue;
        };
        let Ok(found) = RegularFile::find_in(dir, &file) else {
            continue;
        };
        let Ok(since) = found.metadata().modified() else {
            continue;
        };
        let root = found.read_text(MAX_PATH).ok().map(PathBuf::from);
        let root = root.filter(|root| {
            root.is_absolute() && root.to_str().is_some_and(|text| file_name(text) == file)
        });
        let since = since.into_std();
        all.push(Remembered { file, since, root });
    }
    Ok(all)
}

/// What the file of a path is called: the same in every build, since programs with a recorder and `swamp` share the files.
fn file_name(path: &str) -> String {
    Digest::of(path.as_bytes()).to_string().replace(':', "-")
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "helpers of tests fail with them")]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    struct Home {
        dir: tempfile::TempDir,
    }

    impl Home {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            Self { dir }
        }

        fn repo(&self, name: &str) -> PathBuf {
            let root = self.dir.path().canonicalize().unwrap().join(name);
            fs::create_dir_all(&root).unwrap();
            root
        }

        fn files(&self) -> PathBuf {
            self.dir.path().join("state/swamp/backlogs")
        }

        fn backlogs(&self, root: Option<&Path>) -> Backlogs {
            let state = self.dir.path().join("state");
            Backlogs::of(root, |name| {
                (name == "XDG_STATE_HOME").then(|| state.clone().into())
            })
        }
    }

    #[test]
    fn what_is_remembered_is_there_until_it_is_forgotten_and_nobody_else_can_read_it() {
        let home = Home::new();
        let (a, b) = (home.repo("a"), home.repo("b"));
        let backlogs = home.backlogs(None);
        assert!(backlogs.all().is_empty());
        backlogs.forget(&a);
        assert!(
            !home.files().exists(),
            "nothing is made to forget or to look"
        );
        for _ in 0..2 {
            backlogs.remember(&a);
        }
        std::os::unix::fs::symlink(&b, home.dir.path().join("link")).unwrap();
        backlogs.remember(&home.dir.path().join("link"));
        let mut all = backlogs.all();
        all.sort();
        assert_eq!(all, [a.clone(), b.clone()]);
        assert!(backlogs.has(&a));
        for file in fs::read_dir(home.files()).unwrap() {
            let mode = file.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::remove_dir(&a).unwrap();
        backlogs.forget(&a);
        assert_eq!(backlogs.all(), [b]);
    }

    #[test]
    fn the_oldest_comes_first_and_what_is_put_last_comes_last() {
        let home = Home::new();
        let backlogs = home.backlogs(None);
        let roots = ["a", "b", "c"].map(|name| home.repo(name));
        for (root, age) in roots.iter().zip([10, 30, 20]) {
            backlogs.remember(root);
            let file = home.files().join(file_name(root.to_str().unwrap()));
            let since = SystemTime::now() - Duration::from_secs(age);
            fs::File::open(file).unwrap().set_modified(since).unwrap();
        }
        let [a, b, c] = roots;
        assert_eq!(backlogs.all(), [b.clone(), c.clone(), a.clone()]);
        backlogs.put_last(&b);
        assert_eq!(backlogs.all(), [c, a, b]);
    }

    #[test]
    fn there_is_an_end_to_what_is_remembered() {
        let home = Home::new();
        let backlogs = home.backlogs(None);
        for number in 0..MAX + 5 {
            backlogs.remember(&home.repo(&number.to_string()));
        }
        assert_eq!(backlogs.all().len(), MAX);
    }

    #[test]
    fn a_damaged_file_names_no_repository_and_goes_once_it_is_old() {
        let home = Home::new();
        let backlogs = home.backlogs(None);
        backlogs.remember(&home.repo("a"));
        let damaged = home.files().join(file_name("/b"));
        for content in ["", "/elsewhere", "relative"] {
            fs::write(&damaged, content).unwrap();
            assert_eq!(backlogs.all().len(), 1, "{content}");
            assert!(damaged.exists(), "somebody may be writing it");
        }
        let since = SystemTime::now() - 2 * ABANDONED;
        fs::File::open(&damaged)
            .unwrap()
            .set_modified(since)
            .unwrap();
        assert_eq!(backlogs.all().len(), 1);
        assert!(!damaged.exists());
    }

    #[test]
    fn what_others_can_write_or_a_repository_has_brought_along_is_not_read() {
        let home = Home::new();
        let a = home.repo("a");
        let backlogs = home.backlogs(None);
        backlogs.remember(&a);
        assert_eq!(
            home.backlogs(Some(home.dir.path())).all(),
            Vec::<PathBuf>::new()
        );
        assert_eq!(home.backlogs(Some(&a)).all(), std::slice::from_ref(&a));
        fs::set_permissions(home.files(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(backlogs.all().is_empty());
    }
}
