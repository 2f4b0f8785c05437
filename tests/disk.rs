//! Spools that cannot be written: nobody is bothered, and nothing is deleted.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Run, TestRepo, say, wasm};
use crate::unruly::{Plan, Unruly};

/// A file system of a test's own.
struct Mount(PathBuf);

impl Mount {
    /// Mounts one of this size. Says in words where that is not possible.
    fn tmpfs(at: &Path, size: &str) -> Option<Self> {
        let options = format!("size={size},mode=0700");
        let tmpfs = ["-t", "tmpfs", "-o", &options, "swamp-test"];
        Self::mounted(Command::new("mount").args(tmpfs), at)
    }

    /// Mounts what is there on itself: it can be written, but not replaced.
    fn itself(at: &Path) -> Option<Self> {
        Self::mounted(Command::new("mount").arg("--bind").arg(at), at)
    }

    fn mounted(mount: &mut Command, at: &Path) -> Option<Self> {
        let mounted = mount.arg(at).output();
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

#[track_caller]
fn assert_unbothered(run: &Run) {
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert!(!run.stdout.is_empty());
}

/// Whether the run told its failure in one line, and in a second one what to do about it.
fn is_error_with_hint(run: &Run) -> bool {
    let lines: Vec<_> = run.stderr.lines().collect();
    matches!(lines[..], [error, hint] if error.starts_with("error: ") && hint.starts_with("hint: "))
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
    let repo = TestRepo::of_server(&server.endpoint(), "");
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
    let repo = TestRepo::of_server(&server.endpoint(), "");
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
    let repo = TestRepo::of_server(&server.endpoint(), "");
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
    let repo = TestRepo::of_server(&server.endpoint(), "");
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
    assert!(is_error_with_hint(&flush), "{}", flush.stderr);
    mount.make_read_only(false);
    assert_unbothered(&repo.swamp(&["version"]));
    assert_eq!(server.events().len(), 2);
    assert_eq!(repo.entries(), [""; 0]);
}

#[test]
fn a_spool_that_is_deleted_during_the_flush_is_no_mishap() {
    let server = Unruly::always(Plan::Drip(std::time::Duration::from_millis(5)));
    let repo = TestRepo::of_server(&server.endpoint(), "");
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
    let repo = TestRepo::of_server(&server.endpoint(), "");
    put(&repo);
    let before = tree(&repo.root());
    assert_unbothered(&repo.swamp(&["version"]));
    let status = repo.swamp(&["telemetry", "status"]);
    assert!(
        status.code == 0 || status.code == 1 && is_error_with_hint(&status),
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

#[test]
fn a_marker_that_can_only_be_written_in_place_is() {
    let repo = TestRepo::with_marker("telemetryEndpoint: ENDPOINT\n# stays\n");
    let before = repo.marker();
    let Some(_mount) = Mount::itself(&repo.root().join(".swamp.yaml")) else {
        return;
    };
    assert_unbothered(&repo.swamp(&["version"]));
    assert_eq!(repo.arrived(), ["version"]);
    assert!(repo.marker().starts_with(&before), "{}", repo.marker());
    assert_unbothered(&repo.swamp(&["telemetry", "disable"]));
    assert_unbothered(&repo.swamp(&["telemetry", "enable"]));
    assert!(repo.marker().starts_with(&before), "{}", repo.marker());
    let mut names: Vec<_> = fs::read_dir(repo.root())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, [".swamp", ".swamp.yaml"]);
}

#[test]
fn a_spool_without_room_for_a_lock_is_delivered_by_one_flusher_at_a_time() {
    let server = Unruly::always(Plan::Accept);
    let repo = TestRepo::of_server(&server.endpoint(), "");
    fs::create_dir_all(repo.spool()).unwrap();
    let Some(mount) = Mount::tmpfs(&repo.spool(), "64k,nr_inodes=6") else {
        return;
    };
    // The directory, the list of what git ignores, and entries until there is no inode left.
    for _ in 0..6 {
        assert_unbothered(&record(&repo));
    }
    let before = repo.entries().len();
    assert!(before > 0 && !repo.spool().join(".lock").exists());

    let held = Command::new("flock")
        .args(["--exclusive", "--nonblock"])
        .arg(repo.spool())
        .arg(crate::support::SWAMP)
        .args(["telemetry", "flush"])
        .current_dir(repo.root())
        .env_clear()
        .env("HOME", repo.home())
        .env("XDG_CACHE_HOME", crate::support::cache_home())
        .output()
        .unwrap();
    assert_eq!(held.status.code(), Some(1), "{held:?}");
    assert_eq!(repo.entries().len(), before);

    let flush = repo.swamp(&["telemetry", "flush"]);
    assert_eq!((flush.code, flush.stderr.as_str()), (0, ""));
    assert_eq!(server.events().len(), before);
    assert_eq!(repo.entries(), [""; 0]);
    drop(mount);
}

#[test]
fn a_umask_takes_nothing_that_the_owner_needs() {
    let repo = TestRepo::with_marker("telemetryEndpoint: ENDPOINT\n");
    for umask in ["177", "777"] {
        fs::remove_dir_all(repo.root().join(".swamp")).ok();
        repo.write_marker("telemetryEndpoint: ENDPOINT\n");
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(format!(
                "umask {umask}; exec {} version",
                crate::support::SWAMP
            ))
            .current_dir(repo.root())
            .env_clear()
            .env("HOME", repo.home())
            .env("XDG_CACHE_HOME", crate::support::cache_home())
            .env("SWAMP_TELEMETRY_FLUSH", "inline");
        assert_unbothered(&crate::support::run(&mut command));
        for (name, mode) in [(".swamp", 0o700), (".swamp/telemetry", 0o700)] {
            let metadata = fs::metadata(repo.root().join(name)).unwrap();
            assert_eq!(
                metadata.permissions().mode() & 0o777,
                mode,
                "{name} {umask}"
            );
        }
        for name in ["telemetry/.lock", "telemetry/.gitignore"] {
            let metadata = fs::metadata(repo.root().join(".swamp").join(name)).unwrap();
            assert_eq!(
                metadata.permissions().mode() & 0o777,
                0o600,
                "{name} {umask}"
            );
        }
    }
    assert_eq!(repo.arrived(), ["version"; 2]);
}

/// What such a file system says to who wants a lock is said by strace.
#[test]
fn where_nothing_can_be_locked_entries_are_delivered_and_that_is_told_at_debug_level() {
    for errno in ["ENOLCK", "ENOSYS", "EOPNOTSUPP"] {
        let repo = TestRepo::with_marker("telemetryEndpoint: ENDPOINT\n");
        let traced = Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "-e"])
            .arg(format!("inject=flock:error={errno}"))
            .arg(crate::support::SWAMP)
            .args(["--log-level", "debug", "version"])
            .current_dir(repo.root())
            .env_clear()
            .env("HOME", repo.home())
            .env("XDG_CACHE_HOME", crate::support::cache_home())
            .env("SWAMP_TELEMETRY_FLUSH", "inline")
            .output();
        let Ok(traced) = traced else {
            return say("there is no strace: file systems without locks are not tested");
        };
        let told = String::from_utf8(traced.stderr).unwrap();
        assert_eq!(traced.status.code(), Some(0), "{told}");
        assert!(told.contains("went on without locking"), "{told}");
        assert_eq!(repo.arrived(), ["version"], "{told}");
    }
}

/// A command in a shell that first does `limits`, with a cache of its own.
fn limited(repo: &TestRepo, limits: &str) -> Run {
    let mut command = Command::new("bash");
    command
        .arg("-c")
        .arg(format!("{limits}; exec \"$0\" --log-level debug version"))
        .arg(crate::support::SWAMP)
        .current_dir(repo.root())
        .env_clear()
        .env("HOME", repo.home())
        .env("PATH", "/usr/bin:/bin")
        .env("XDG_CACHE_HOME", repo.home().join("own-cache"));
    crate::support::run(&mut command)
}

/// The machine code that is kept, and when it was written.
fn kept(repo: &TestRepo) -> Vec<(PathBuf, std::time::SystemTime)> {
    let components = repo.home().join("own-cache/swamp/components");
    let Ok(files) = fs::read_dir(components) else {
        return Vec::new();
    };
    let mut kept: Vec<_> = files
        .map(|file| file.unwrap())
        .map(|file| (file.path(), file.metadata().unwrap().modified().unwrap()))
        .collect();
    kept.sort();
    kept
}

#[test]
fn machine_code_is_run_from_memory_where_it_may_not_be_run_from_its_file() {
    let repo = TestRepo::with_marker("telemetryEndpoint: ENDPOINT\n");
    let cache = repo.home().join("own-cache");
    fs::create_dir(&cache).unwrap();
    let Some(_mount) = Mount::tmpfs(&cache, "16m,noexec") else {
        return;
    };
    for count in 1..=2 {
        let run = limited(&repo, "true");
        assert_eq!(repo.arrived().len(), count, "{run:?}");
    }
    assert_eq!(kept(&repo).len(), 1);
}

/// As with `MemoryDenyWriteExecute` of systemd.
#[test]
fn where_no_memory_may_be_executable_that_is_told_and_the_code_stays() {
    let repo = TestRepo::with_marker("telemetryEndpoint: ENDPOINT\n");
    limited(&repo, "true");
    let before = kept(&repo);
    assert_eq!(before.len(), 1);
    // PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN
    let deny = "import ctypes, os, sys; sys.exit(ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) and 9 or \
                os.execv(sys.argv[1], sys.argv[1:]))";
    let denied = Command::new("python3")
        .args(["-c", deny, crate::support::SWAMP])
        .args(["--log-level", "debug", "version"])
        .current_dir(repo.root())
        .env_clear()
        .env("HOME", repo.home())
        .env("XDG_CACHE_HOME", repo.home().join("own-cache"))
        .output();
    let Ok(denied) = denied.map(|run| (run.status.code(), String::from_utf8(run.stderr).unwrap()))
    else {
        return say("there is no python: memory that may not be executable is not tested");
    };
    if denied.0 == Some(9) {
        return say("this kernel cannot deny executable memory: that is not tested");
    }
    assert_eq!(denied.0, Some(0), "{denied:?}");
    assert!(
        denied.1.contains("no memory may be made executable here"),
        "{denied:?}"
    );
    assert_eq!(kept(&repo), before);
    limited(&repo, "true");
    assert_eq!(kept(&repo), before);
}

#[test]
fn a_limit_of_address_space_is_lived_with_from_1_gib_on_and_told_below() {
    let repo = TestRepo::with_marker("telemetryEndpoint: ENDPOINT\n");
    for (count, gib) in (1..).zip([1, 2, 4]) {
        let run = limited(&repo, &format!("ulimit -v {}", gib * 1024 * 1024));
        assert_eq!(repo.arrived().len(), count, "{gib} GiB: {run:?}");
    }
    // A sender of 200 MiB.
    let small = crate::hostile::sender_with_types("(import ", "(import ");
    let memory = "(memory (export \"memory\") 1)";
    assert!(small.contains(memory));
    let large = small.replace(memory, "(memory (export \"memory\") 3200)");
    fs::write(repo.root().join("large.wasm"), wasm(&large)).unwrap();
    repo.configure("telemetrySender: large.wasm\n");
    let run = limited(&repo, "ulimit -v 250000");
    assert!(run.stderr.contains("`ulimit -v`"), "{run:?}");
    assert_eq!(repo.arrived().len(), 3);
}

#[test]
fn a_compiler_that_a_limit_of_the_machine_ends_is_tried_again_at_the_next_flush() {
    let repo = TestRepo::with_marker("telemetryEndpoint: ENDPOINT\n");
    let run = limited(&repo, "ulimit -f 32");
    assert!(run.stderr.contains("could not compile"), "{run:?}");
    assert_eq!(repo.arrived().len(), 0);
    limited(&repo, "true");
    assert_eq!(repo.arrived().len(), 2);
}
