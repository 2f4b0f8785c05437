//! A power cut after a background flush that failed: a file system that loses what was not synced.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{SWAMP, cache_home, dead_endpoint, run, skipped};

/// An ext4 file system in a file, mounted. It is unmounted when it is dropped.
struct Disk {
    dir: tempfile::TempDir,
}

impl Disk {
    /// `None` where this user may not mount, or there are no tools for it.
    fn mount() -> Option<Self> {
        let disk = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(disk.root()).unwrap();
        let image = fs::File::create(disk.image()).unwrap();
        image.set_len(64 * 1024 * 1024).unwrap();
        let made = succeeds(
            Command::new("mkfs.ext4")
                .args(["-q", "-F"])
                .arg(disk.image()),
        );
        (made && disk.remount()).then_some(disk)
    }

    fn remount(&self) -> bool {
        succeeds(
            Command::new("mount")
                .args(["-o", "loop"])
                .args([self.image(), self.root()]),
        )
    }

    /// Cuts the power: what is not on the disk by now never gets there (`EXT4_IOC_SHUTDOWN` with
    /// `EXT4_GOING_FLAGS_NOLOGFLUSH`, of the kernel's `fs/ext4/ext4.h`).
    fn cut_power(&self) {
        let script = "import fcntl, os, struct, sys\n\
            fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))";
        let cut = succeeds(
            Command::new("python3")
                .args(["-c", script])
                .arg(self.root()),
        );
        assert!(cut, "the power could not be cut");
        assert!(succeeds(Command::new("umount").arg(self.root())));
        assert!(self.remount());
    }

    fn image(&self) -> PathBuf {
        self.dir.path().join("image")
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        succeeds(Command::new("umount").arg("-l").arg(self.root()));
    }
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

fn swamp(repo: &Path, args: &[&str], flush: &str) {
    let run = run(Command::new(SWAMP)
        .args(args)
        .current_dir(repo)
        .env_clear()
        .env("HOME", repo)
        .env("XDG_CACHE_HOME", cache_home())
        .env("SWAMP_TELEMETRY_FLUSH", flush));
    assert_eq!(run.code, 0, "{run:?}");
}

fn entries(repo: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(repo.join(".swamp/telemetry"))
        .into_iter()
        .flatten()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("telemetry-"))
        .collect();
    names.sort();
    names
}

/// A repository on `disk` whose endpoint is dead.
fn repo_on(disk: &Disk) -> PathBuf {
    let repo = disk.root().join("repo");
    fs::create_dir(&repo).unwrap();
    let endpoint = dead_endpoint();
    swamp(
        &repo,
        &["--no-telemetry", "init", "--endpoint", &endpoint],
        "off",
    );
    repo
}

#[test]
fn a_power_cut_after_a_failed_flush_loses_no_entry() {
    let Some(disk) = Disk::mount() else {
        skipped(
            "an ext4 file system cannot be mounted here (it takes root, mkfs.ext4 and a loop device)",
        );
        return;
    };
    let repo = repo_on(&disk);
    for _ in 0..5 {
        swamp(&repo, &["version"], "off");
    }
    swamp(&repo, &["version"], "inline");
    let before = entries(&repo);
    assert_eq!(before.len(), 6);
    disk.cut_power();
    assert_eq!(entries(&repo), before);
    for name in before {
        let json = fs::read_to_string(repo.join(".swamp/telemetry").join(&name)).unwrap();
        let entry: Value = serde_json::from_str(&json).unwrap();
        assert!(name.contains(entry["id"].as_str().unwrap()));
    }
}

#[test]
fn without_a_flush_the_power_cut_would_have_shown() {
    let Some(disk) = Disk::mount() else {
        skipped("an ext4 file system cannot be mounted here");
        return;
    };
    let repo = repo_on(&disk);
    swamp(&repo, &["version"], "off");
    assert_eq!(entries(&repo).len(), 1);
    disk.cut_power();
    assert_eq!(
        entries(&repo).len(),
        0,
        "this disk keeps what was never synced"
    );
}
