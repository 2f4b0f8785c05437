use std::fs;
use std::io::Read as _;

use super::lock::{LockedFile, PassingLock};
use super::regular::RegularFile;
use super::*;

fn place() -> (tempfile::TempDir, Dir) {
    let place = tempfile::tempdir().unwrap();
    let dir = directory::open(place.path()).unwrap();
    (place, dir)
}

#[test]
fn a_file_that_was_found_is_the_one_that_is_opened() {
    let (place, dir) = place();
    let path = place.path().join("file");
    fs::write(&path, "first").unwrap();
    let file = RegularFile::find_in(&dir, "file").unwrap();
    fs::rename(&path, place.path().join("elsewhere")).unwrap();
    fs::write(&path, "other").unwrap();
    match file.read(5) {
        Ok(content) => assert_eq!(content, b"first"),
        Err(why) => assert!(why.to_string().contains("replaced"), "{why}"),
    }
}

#[test]
fn no_more_is_read_than_there_was() {
    let (place, dir) = place();
    let path = place.path().join("file");
    fs::write(&path, "first").unwrap();
    let file = RegularFile::find_in(&dir, "file").unwrap();
    fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    assert_eq!(file.read(5).unwrap(), b"first");
    let why = RegularFile::find_in(&dir, "file").unwrap().read(5);
    assert_eq!(why.unwrap_err().kind(), io::ErrorKind::FileTooLarge);
}

#[test]
fn one_at_a_time_holds_a_lock() {
    let (_place, dir) = place();
    let held = LockedFile::try_lock_in(&dir, "lock").unwrap();
    assert!(held.is_some());
    assert!(LockedFile::try_lock_in(&dir, "lock").unwrap().is_none());
    drop(held);
    assert!(LockedFile::try_lock_in(&dir, "lock").unwrap().is_some());
}

#[test]
fn one_at_a_time_holds_a_lock_whose_file_goes() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let (place, dir) = place();
    let (holders, times) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while times.load(Ordering::SeqCst) < 200 {
                    if let Ok(Some(lock)) = PassingLock::try_lock_in(&dir, "lock") {
                        assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                        times.fetch_add(1, Ordering::SeqCst);
                        std::thread::yield_now();
                        holders.fetch_sub(1, Ordering::SeqCst);
                        drop(lock);
                    }
                }
            });
        }
    });
    assert!(!place.path().join("lock").exists());
    fs::write(place.path().join("lock"), "").unwrap();
    let held = LockedFile::try_lock_in(&dir, "lock").unwrap().unwrap();
    PassingLock::sweep(&dir, "lock").unwrap();
    assert!(place.path().join("lock").exists(), "somebody holds it");
    drop(held);
    PassingLock::sweep(&dir, "lock").unwrap();
    assert!(!place.path().join("lock").exists());
    PassingLock::sweep(&dir, "lock").unwrap();
}

#[test]
fn what_is_there_is_not_created() {
    let (place, dir) = place();
    fs::write(place.path().join("file"), "first").unwrap();
    let kind = |created: io::Result<()>| created.unwrap_err().kind();
    let again = replace::create_in(&dir, "file".as_ref(), "other", 0o600);
    assert_eq!(kind(again), io::ErrorKind::AlreadyExists);
    let again = create_new(&dir, "file", 0o600).map(drop);
    assert_eq!(kind(again), io::ErrorKind::AlreadyExists);
    let mut content = String::new();
    let mut file = RegularFile::find_in(&dir, "file").unwrap().open().unwrap();
    file.read_to_string(&mut content).unwrap();
    assert_eq!(content, "first");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
    use std::path::Path;

    const ATTEMPTS: [&str; 4] = ["link", "broken", "fifo", "dir"];

    /// A place with one of everything that is no regular file.
    fn odd_place() -> (tempfile::TempDir, Dir) {
        let (place, dir) = place();
        let path = |name: &str| place.path().join(name);
        fs::write(path("target"), "target").unwrap();
        symlink("target", path("link")).unwrap();
        symlink("nowhere", path("broken")).unwrap();
        nix::unistd::mkfifo(&path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        fs::create_dir(path("dir")).unwrap();
        (place, dir)
    }

    #[test]
    fn what_is_no_regular_file_is_not_opened_locked_or_written() {
        let (place, dir) = odd_place();
        for name in ATTEMPTS {
            assert!(RegularFile::find_in(&dir, name).is_err(), "{name}");
            assert!(LockedFile::try_lock_in(&dir, name).is_err(), "{name}");
            assert!(create_new(&dir, name, 0o600).is_err(), "{name}");
            let created = replace::create_in(&dir, name.as_ref(), "x", 0o600);
            assert!(created.is_err(), "{name}");
        }
        assert_eq!(
            fs::read_to_string(place.path().join("target")).unwrap(),
            "target"
        );
        assert!(!place.path().join("nowhere").exists());
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_replaced_file_keeps_its_mode_but_lends_nobody_its_owners_rights() {
        let (place, dir) = place();
        let path = place.path().join("file");
        for (before, after) in [(0o640, 0o640), (0o4755, 0o755)] {
            fs::write(&path, "first").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(before)).unwrap();
            let old = RegularFile::find_in(&dir, "file").unwrap();
            replace::replace_in(&dir, "file".as_ref(), &old, "other").unwrap();
            assert_eq!(mode(&path), after);
            assert_eq!(fs::read_to_string(&path).unwrap(), "other");
        }
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }

    #[test]
    fn only_what_is_new_gets_the_owner_of_its_directory() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let (place, dir) = place();
        fs::write(place.path().join("old"), "").unwrap();
        fs::create_dir(place.path().join("old-dir")).unwrap();
        chown(place.path(), Some(12345), Some(23456)).unwrap();
        drop(LockedFile::try_lock_in(&dir, "old").unwrap().unwrap());
        drop(LockedFile::try_lock_in(&dir, "new").unwrap().unwrap());
        directory::ensure_in(&dir, "old-dir", 0o700).unwrap();
        directory::ensure_in(&dir, "new-dir", 0o700).unwrap();
        let owner = |name: &str| fs::metadata(place.path().join(name)).unwrap().uid();
        assert_eq!((owner("old"), owner("old-dir")), (0, 0));
        assert_eq!((owner("new"), owner("new-dir")), (12345, 12345));
    }

    #[test]
    fn a_place_is_private_only_where_all_that_leads_to_it_is() {
        let private = |change: &dyn Fn(&Path)| {
            let place = tempfile::tempdir().unwrap();
            let inner = place.path().join("a/b");
            fs::create_dir_all(&inner).unwrap();
            fs::set_permissions(place.path().join("a"), fs::Permissions::from_mode(0o755)).unwrap();
            fs::set_permissions(&inner, fs::Permissions::from_mode(0o755)).unwrap();
            change(place.path());
            private::open(&inner).map(drop)
        };
        let chmod = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let moved = |from: &Path, to: &Path| {
            fs::rename(from, to).unwrap();
            symlink(to, from).unwrap();
        };
        private(&|_| {}).unwrap();
        private(&|place| chmod(place, 0o1777)).unwrap();
        private(&|place| moved(&place.join("a/b"), &place.join("c"))).unwrap();
        private(&|place| chmod(&place.join("a/b"), 0o1777)).unwrap_err();
        private(&|place| chmod(&place.join("a/b"), 0o757)).unwrap_err();
        private(&|place| chmod(&place.join("a"), 0o757)).unwrap_err();
        private(&|place| chmod(place, 0o757)).unwrap_err();
        private(&|place| {
            fs::create_dir(place.join("open")).unwrap();
            chmod(&place.join("open"), 0o777);
            moved(&place.join("a/b"), &place.join("open/c"));
        })
        .unwrap_err();
        private(&|place| {
            moved(&place.join("a"), &place.join("d"));
            chmod(place, 0o1777);
        })
        .unwrap_err();
        private(&|place| {
            fs::remove_dir(place.join("a/b")).unwrap();
            symlink("b", place.join("a/b")).unwrap();
        })
        .unwrap_err();
        if rustix::process::geteuid().is_root() {
            let chown = |path: &Path| chown(path, Some(12345), None).unwrap();
            private(&|place| chown(&place.join("a/b"))).unwrap_err();
            private(&|place| chown(&place.join("a"))).unwrap_err();
            private(&|place| {
                moved(&place.join("a/b"), &place.join("c"));
                std::os::unix::fs::lchown(place.join("a/b"), Some(12345), None).unwrap();
            })
            .unwrap_err();
        }
    }
}
