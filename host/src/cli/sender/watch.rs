//! Waiting until a file is written anew.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

/// How often the file is looked at. By looking, since not every file system tells of changes.
const PERIOD: Duration = Duration::from_millis(200);

/// What tells one content of a file from the next: its time and size. `None` while the file is not there.
pub(super) type Version = Option<(SystemTime, u64)>;

/// The file as it is now.
pub(super) fn version(path: &Path) -> Version {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// Waits until the file at `path` is another than `seen`, and until nobody writes to it any more.
pub(super) fn wait_for_change(path: &Path, seen: Version) {
    let mut last = seen;
    loop {
        thread::sleep(PERIOD);
        let now = version(path);
        if now.is_some() && now != seen && now == last {
            return;
        }
        last = now;
    }
}
