//! Entries that are read before they are asked for, while the batch before them is on its way.

use std::collections::HashMap;
use std::io;
use std::mem;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use cap_std::fs::Dir;

use super::{Look, look_at};
use crate::domain::EntryName;

/// From this many bytes of entries on, the rest is left to be read when it is asked for: more than one request holds.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// A thread that reads entries, and what it has read.
#[derive(Debug)]
pub(super) struct ReadAhead {
    wanted: Sender<Vec<EntryName>>,
    looks: Receiver<HashMap<EntryName, Look>>,
    /// Whether what it was last told to read is still to come.
    is_reading: bool,
    there: HashMap<EntryName, Look>,
}

impl ReadAhead {
    /// Starts the thread, for the entries in `dir`. It ends when this is dropped, and nobody waits for it.
    ///
    /// # Errors
    ///
    /// When the system gives no thread, or no other descriptor of the directory.
    pub(super) fn start(dir: &Dir) -> io::Result<Self> {
        let dir = dir.try_clone()?;
        let (wanted, names) = channel::<Vec<EntryName>>();
        let (done, looks) = channel();
        thread::Builder::new()
            .name("spool-reader".into())
            .spawn(move || {
                for names in names {
                    if done.send(look_at_all(&dir, names)).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self {
            wanted,
            looks,
            is_reading: false,
            there: HashMap::new(),
        })
    }

    /// Has these read next, instead of whatever was read before and not taken.
    pub(super) fn read(&mut self, names: Vec<EntryName>) {
        self.wait();
        self.there.clear();
        self.is_reading = self.wanted.send(names).is_ok();
    }

    /// What was read under this name, once. `None` where that was not asked for.
    pub(super) fn take(&mut self, name: &EntryName) -> Option<Look> {
        self.wait();
        self.there.remove(name)
    }

    fn wait(&mut self) {
        if mem::take(&mut self.is_reading) {
            // A thread that is gone has nothing to tell, and each entry is read when it is asked for.
            self.there.extend(self.looks.recv().unwrap_or_default());
        }
    }
}

fn look_at_all(dir: &Dir, names: Vec<EntryName>) -> HashMap<EntryName, Look> {
    let mut looks = HashMap::with_capacity(names.len());
    let mut bytes = 0;
    for name in names {
        if bytes >= MOST_BYTES {
            break;
        }
        let look = look_at(dir, &name);
        bytes += look.entry.as_ref().map_or(0, |entry| entry.data.len());
        looks.insert(name, look);
    }
    looks
}
