//! Copies of senders in their repository, which its clones have too: `.swamp/senders`, which git sees.

use std::io;
use std::path::Path;

use super::marker_file::MARKER;
use crate::files::regular::RegularFile;
use crate::files::{directory, replace};

const PARENT: &str = ".swamp";
const NAME: &str = "senders";

/// The modes without the umask's bits: what is in the repository is for all who may read it.
const DIR_MODE: u32 = 0o777;
const FILE_MODE: u32 = 0o666;

/// Writes `content` to the file `name` among the copies of the repository at `root`, whole or not at all: a flush may
/// read the one that is there meanwhile. The path from `root`, with `/`.
///
/// # Errors
///
/// When it cannot be written, or when there is a link or something else in its place.
pub fn write_sender_copy(root: &Path, name: &str, content: &[u8]) -> io::Result<String> {
    let root = directory::open(root)?;
    // Somebody who can rename the repository could have put another directory in its place.
    root.symlink_metadata(MARKER)?;
    let own = directory::ensure_in(&root, PARENT, DIR_MODE)?;
    let copies = directory::ensure_in(&own, NAME, DIR_MODE)?;
    match RegularFile::find_in(&copies, name) {
        Ok(old) => replace::replace_in(&copies, name.as_ref(), &old, content)?,
        Err(why) if why.kind() == io::ErrorKind::NotFound => {
            replace::create_in(&copies, name.as_ref(), content, FILE_MODE)?;
        }
        Err(why) => return Err(why),
    }
    Ok(format!("{PARENT}/{NAME}/{name}"))
}
