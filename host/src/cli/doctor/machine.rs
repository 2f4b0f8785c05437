//! The machine: its clock and its disk.

use std::path::Path;

use chrono::{DateTime, Utc};

use super::Check;

/// What must be free for the spool to go on, in bytes.
const ROOM: u64 = 16 * 1024 * 1024;

/// No clock that is right is before this: the program is younger.
const YOUNGEST: i64 = 1_767_225_600;

pub(super) fn checks(root: Option<&Path>) -> Vec<Check> {
    let mut checks = vec![clock(Utc::now())];
    if let Some((bytes, files)) = root.and_then(free) {
        checks.push(disk(bytes, files));
    }
    checks
}

fn clock(now: DateTime<Utc>) -> Check {
    let shown = now.format("%F %T UTC").to_string();
    if now.timestamp() < YOUNGEST {
        Check::wrong(
            "clock",
            format!("{shown}, which is in the past"),
            "set the clock of this machine",
        )
    } else {
        Check::ok("clock", shown)
    }
}

fn disk(bytes: u64, files: Option<u64>) -> Check {
    let mib = bytes / (1024 * 1024);
    if bytes < ROOM {
        Check::wrong(
            "disk",
            format!("{mib} MiB are free"),
            "make room on the file system of the repository",
        )
    } else if files == Some(0) {
        Check::wrong(
            "disk",
            "the file system has no room for more files",
            "remove files from the file system of the repository",
        )
    } else {
        Check::ok("disk", format!("{mib} MiB are free"))
    }
}

/// The bytes and files that are free for this user. Some file systems do not count files.
#[cfg(unix)]
#[allow(clippy::useless_conversion, reason = "some systems count in 32 bits")]
fn free(path: &Path) -> Option<(u64, Option<u64>)> {
    let found = nix::sys::statvfs::statvfs(path).ok()?;
    let bytes = u64::from(found.blocks_available()).saturating_mul(found.fragment_size());
    let files = (found.files() > 0).then(|| u64::from(found.files_available()));
    Some((bytes, files))
}

#[cfg(not(unix))]
const fn free(_: &Path) -> Option<(u64, Option<u64>)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_and_a_clock_that_was_never_set_are_told() {
        assert!(disk(ROOM, Some(1)).ok && disk(ROOM, None).ok);
        assert!(!disk(ROOM - 1, None).ok && !disk(ROOM, Some(0)).ok);
        assert!(!clock("1970-01-01T00:00:07Z".parse().unwrap()).ok);
        assert!(clock("2026-11-27T00:00:00Z".parse().unwrap()).ok);
    }
}
