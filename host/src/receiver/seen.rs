//! Which events were taken before.

use std::collections::{HashSet, VecDeque};

use sha2::{Digest, Sha256};

/// An `insert_id` in a size that does not depend on the sender.
type Mark = [u8; 16];

/// The `insert_id`s taken so far; of more than `capacity`, the latest.
#[derive(Debug)]
pub(super) struct Seen {
    known: HashSet<Mark>,
    order: VecDeque<Mark>,
    capacity: usize,
}

impl Seen {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            known: HashSet::new(),
            order: VecDeque::new(),
            capacity,
        }
    }

    /// For each of `ids`, whether it is new: neither remembered nor earlier among `ids`. Remembers nothing.
    pub(super) fn which_are_new<'a>(&self, ids: impl Iterator<Item = &'a str>) -> Vec<bool> {
        let mut earlier = HashSet::new();
        ids.map(|id| !self.known.contains(&mark(id)) && earlier.insert(id))
            .collect()
    }

    /// Remembers `id`, and forgets the oldest where that is one too many.
    pub(super) fn remember(&mut self, id: &str) {
        let mark = mark(id);
        if self.known.insert(mark) {
            self.order.push_back(mark);
        }
        if self.order.len() > self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

fn mark(id: &str) -> Mark {
    let mut mark = Mark::default();
    let length = mark.len();
    mark.copy_from_slice(&Sha256::digest(id)[..length]);
    mark
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_new_once_among_those_remembered_and_those_given() {
        let mut seen = Seen::new(10);
        seen.remember("a");
        assert_eq!(
            seen.which_are_new(["a", "b", "b", "c"].into_iter()),
            [false, true, false, true]
        );
        assert_eq!(seen.which_are_new(["b"].into_iter()), [true]);
    }

    #[test]
    fn of_more_ids_than_fit_the_oldest_are_forgotten() {
        let mut seen = Seen::new(2);
        for id in ["a", "b", "b", "c"] {
            seen.remember(id);
        }
        assert_eq!(
            seen.which_are_new(["a", "b", "c"].into_iter()),
            [true, false, false]
        );
        assert_eq!((seen.known.len(), seen.order.len()), (2, 2));
    }
}
