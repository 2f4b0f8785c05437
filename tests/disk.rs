//! Spools that cannot be written: nobody is bothered, and nothing is deleted.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Run, TestRepo, say};
use crate::unruly::{Plan, Unruly};

/// A file system of a test's own.
struct Mount(PathBuf);

impl Mount {
    /// Mounts one of this size. Says in words where that is not possible.
    fn tmpfs(at: &Path, size: &str) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o"])
            .arg(format!("size={size},mode=0700"))
            .arg("swamp-test")
            .arg(at)
            .output();
        if mounted.is_ok_and(|mount| mount.status.success()) {
            return Some(Self(at.to_owned()));
        }
        say("nothing can be mounted here: full and read-only file systems are not tested");
        None
    }

    fn resize(&self, size: &str) {
        self.remount(&format!("size={size}"));
    }

    fn make_read_only(&self, read_only: bool) {
        self.remount(if read_only { "ro" } else { "rw" });
    }

    fn remount(&self, options: &str) {
        let mount = Command::new("mount")
            .args(["-o", &format!("remount,{options}")])
            .arg(&self.0)
            .status();
        assert!(mount.unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        Command::new("umount")
            .arg("--lazy")
            .arg(&self.0)
            .status()
            .ok();
    }
}

fn repo_of(server: &Unruly) -> TestRepo {
    TestRepo::with_marker(&format!(
        "telemetryEndpoint: {}\nrepoId: 550e8400-e29b-41d4-a716-446655440000\n",
        server.endpoint()
    ))
}

#[track_caller]
fn assert_unbothered(run: &Run) {
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert!(!run.stdout.is_empty());
}

fn record(repo: &TestRepo) -> Run {
    crate::support::run(
        repo.command(&["version"])
            .env("SWAMP_TELEMETRY_FLUSH", "off"),
    )
}

fn hidden(repo: &TestRepo) -> Vec<String> {
    fs::read_dir(repo.spool())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".tmp"))
        .collect()
}

#[test]
fn a_full_disk_loses_the_entry_that_does_not_fit_and_nothing_else() {
    let server = Unruly::always(Plan::Accept);
    let repo = repo_of(&server);
    fs::create_dir_all(repo.spool()).unwrap();
    let Some(_mount) = Mount::tmpfs(&repo.spool(), "64k") else {
        return;
    };
    for _ in 0..3 {
        assert_unbothered(&record(&repo));
    }
    let before = repo.entries();
    assert_eq!(before.len(), 3);
    fs::write(repo.spool().join("ballast"), vec![0; 128 * 1024]).unwrap_err();
    assert_unbothered(&record(&repo));
    assert_eq!(hidden(&repo), [""; 0]);
    let with_ballast = [&["ballast".to_owned()], &before[..]].concat();
    assert_eq!(repo.entries(), with_ballast);

    // What waits can still be delivered, and that makes room.
    let flush = repo.swamp(&["telemetry", "flush"]);
    assert_eq!((flush.code, flush.stderr.as_str()), (0, ""));
    assert_eq!(server.events().len(), 3);
    assert_eq!(repo.entries(), ["ballast"]);
    fs::remove_file(repo.spool().join("ballast")).unwrap();
    assert_unbothered(&repo.swamp(&["version"]));
    assert_eq!(server.events().len(), 4);
}

#[test]
fn a_full_disk_keeps_a_sender_from_being_compiled_no_longer_than_it_is_full() {
    let server = Unruly::always(Plan::Accept);
    let repo = repo_of(&server);
    let cache = repo.home().join("own-cache");
    fs::create_dir(&cache).unwrap();
    let Some(mount) = Mount::tmpfs(&cache, "64k") else {
        return;
    };
    let version = || crate::support::run(repo.command(&["version"]).env("XDG_CACHE_HOME", &cache));
    assert_unbothered(&version());
    assert_eq!(repo.entries().len(), 1);
    let status = repo.swamp(&["telemetry", "status"]);
    assert!(
        status.stdout.contains("No space left on device"),
        "{status:?}"
    );

    mount.resize("16m");
    assert_unbothered(&version());
    assert_eq!(server.events().len(), 3);
}

#[test]
fn a_full_disk_does_not_keep_a_failed_flush_from_keeping_what_it_has() {
    let server = Unruly::always(Plan::StoreThenReset);
    let repo = repo_of(&server);
    fs::create_dir_all(repo.spool()).unwrap();
    let Some(_mount) = Mount::tmpfs(&repo.spool(), "64k") else {
        return;
    };
    assert_unbothered(&record(&repo));
    fs::write(repo.spool().join("ballast"), vec![0; 128 * 1024]).unwrap_err();
    let before = repo.entries();
    assert_unbothered(&repo.swamp(&["version"]));
    assert_eq!(repo.swamp(&["telemetry", "flush"]).code, 1);
    assert_eq!(repo.entries(), before);
}

#[test]
fn a_read_only_spool_is_left_as_it_is() {
    let server = Unruly::always(Plan::Accept);
    let repo = repo_of(&server);
    fs::create_dir_all(repo.spool()).unwrap();
    let Some(mount) = Mount::tmpfs(&repo.spool(), "1m") else {
        return;
    };
    assert_unbothered(&record(&repo));
    let before = repo.entries();
    mount.make_read_only(true);
    assert_unbothered(&repo.swamp(&["version"]));
    assert_eq!(repo.entries(), before);
    let flush = repo.swamp(&["telemetry", "flush"]);
    assert_eq!(flush.code, 1);
    assert!(flush.stderr.contains("ead-only"), "{}", flush.stderr);
    assert_eq!(flush.stderr.trim().lines().count(), 1, "{}", flush.stderr);
    mount.make_read_only(false);
    assert_unbothered(&repo.swamp(&["version"]));
    assert_eq!(server.events().len(), 2);
    assert_eq!(repo.entries(), [""; 0]);
}

#[test]
fn a_spool_that_is_deleted_during_the_flush_is_no_mishap() {
    let server = Unruly::always(Plan::Drip(std::time::Duration::from_millis(5)));
    let repo = repo_of(&server);
    let moments = server.watch();
    let child = repo.command(&["version"]).spawn().unwrap();
    while moments.recv_timeout(crate::support::AMPLE).unwrap() != crate::unruly::Moment::Requested {
    }
    fs::remove_dir_all(repo.root().join(".swamp")).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        !repo.spool().exists(),
        "what was deleted does not come back"
    );
    assert_unbothered(&repo.swamp(&["version"]));
    assert_eq!(server.events().len(), 2);
}

/// Something else stands where a directory should be: the command does not care, and neither does that.
fn in_the_way(put: impl Fn(&TestRepo)) {
    let server = Unruly::always(Plan::Accept);
    let repo = repo_of(&server);
    put(&repo);
    let before = tree(&repo.root());
    assert_unbothered(&repo.swamp(&["version"]));
    let status = repo.swamp(&["telemetry", "status"]);
    assert!(
        status.code <= 1 && status.stderr.trim().lines().count() <= 1,
        "{status:?}"
    );
    assert_eq!(repo.swamp(&["telemetry", "flush"]).code, 1);
    assert_eq!(tree(&repo.root()), before);
    assert_eq!(server.connections(), 0);
}

/// Every path below, with the content of what is a file.
fn tree(root: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for file in fs::read_dir(root).unwrap() {
        let path = file.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap();
        if kind.is_dir() {
            found.extend(tree(&path));
        }
        let content = if kind.is_file() {
            fs::read(&path).unwrap()
        } else {
            Vec::new()
        };
        found.push((path, content));
    }
    found.sort();
    found
}

#[test]
fn whatever_stands_where_the_spool_should_be_stays() {
    in_the_way(|repo| fs::write(repo.root().join(".swamp"), "mine").unwrap());
    in_the_way(|repo| symlink("nowhere", repo.root().join(".swamp")).unwrap());
    in_the_way(|repo| {
        fs::create_dir_all(repo.root().join("elsewhere/telemetry")).unwrap();
        fs::write(
            repo.root()
                .join("elsewhere/telemetry/telemetry-2020-01-01-x.json"),
            r#"{"id":"x"}"#,
        )
        .unwrap();
        symlink("elsewhere", repo.root().join(".swamp")).unwrap();
    });
    in_the_way(|repo| {
        fs::create_dir(repo.root().join(".swamp")).unwrap();
        fs::write(repo.spool(), "mine").unwrap();
    });
    in_the_way(|repo| {
        fs::create_dir_all(repo.root().join("elsewhere")).unwrap();
        fs::write(
            repo.root().join("elsewhere/telemetry-2020-01-01-x.json"),
            r#"{"id":"x"}"#,
        )
        .unwrap();
        fs::create_dir(repo.root().join(".swamp")).unwrap();
        symlink("../elsewhere", repo.spool()).unwrap();
    });
}
