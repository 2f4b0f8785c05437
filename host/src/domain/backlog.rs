//! The order in which pending entries are delivered, oldest first, found by reading as little as possible.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use chrono::NaiveDate;
use uuid::Uuid;

use super::waiting::{WaitingDay, instants, named, unix_millis};
use super::{EntryName, SpooledEntry, WaitingNames};

/// The most bytes of entries that are taken at once. A request may have 8 MiB: the rest is for what a sender writes around
/// them.
const BATCH_BYTES: usize = 7 * 1024 * 1024;

/// The names of the entries that wait, to be taken oldest first.
///
/// Days are told apart by the date in the name. Within a day, an entry whose id is a `UUIDv7` stands where its
/// id says; the others are read for their `startedAt`, and only once their day has come. An instant that is
/// missing or lies outside the day counts as the day's first.
#[derive(Debug, Default)]
pub struct Backlog {
    waiting: WaitingNames,
    today: Today,
    /// Taken, and put back.
    read: VecDeque<SpooledEntry>,
}

/// The first day, in heaps: mostly few of very many are taken.
#[derive(Debug, Default)]
struct Today {
    date: NaiveDate,
    /// The first of them, in their order, once they have been named.
    named: VecDeque<EntryName>,
    ours: BinaryHeap<Reverse<Uuid>>,
    /// Each with its place in the day.
    others: BinaryHeap<Reverse<(i64, EntryName)>>,
}

impl Backlog {
    /// The backlog of these entries, in whatever order they come.
    #[must_use]
    pub fn new(names: impl IntoIterator<Item = EntryName>) -> Self {
        Self::of(names.into_iter().collect())
    }

    /// The backlog of these entries.
    #[must_use]
    pub fn of(waiting: WaitingNames) -> Self {
        Self {
            waiting,
            ..Self::default()
        }
    }

    /// How many entries have not been taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read.len() + self.today.len() + self.waiting.len()
    }

    /// Whether all have been taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts back entries that were just taken: they are the next to be taken, and are not read again.
    pub fn put_back(&mut self, entries: Vec<SpooledEntry>) {
        self.read = entries.into_iter().chain(self.read.drain(..)).collect();
    }

    /// Names up to `limit` entries that are the next to be read, in their order. Those of one day alone: only reading
    /// tells the order of the next.
    pub fn upcoming(&mut self, limit: usize) -> Vec<EntryName> {
        self.today.upcoming(limit)
    }

    /// Takes up to `limit` entries of no more than 7 MiB together, oldest first. `read` gives an entry, or `None` for one
    /// that is not there to be delivered: the next one takes its place.
    pub fn take(
        &mut self,
        limit: usize,
        mut read: impl FnMut(&EntryName) -> Option<SpooledEntry>,
    ) -> Vec<SpooledEntry> {
        let mut taken = Vec::with_capacity(limit.min(self.len()));
        let mut bytes = 0;
        while taken.len() < limit {
            let entry = match self.read.pop_front() {
                Some(entry) => entry,
                None => match self.next(&mut read) {
                    Some(entry) => entry,
                    None => break,
                },
            };
            bytes += entry.data.len();
            if bytes > BATCH_BYTES && !taken.is_empty() {
                self.read.push_front(entry);
                break;
            }
            taken.push(entry);
        }
        taken
    }

    /// Takes the newest entry that `read` gives: of the ids of the last day the greatest, which among ours is the latest.
    pub fn take_newest(
        &mut self,
        mut read: impl FnMut(&EntryName) -> Option<SpooledEntry>,
    ) -> Option<SpooledEntry> {
        while let Some(mut last) = self.waiting.days().last_entry() {
            let date = *last.key();
            let name = last.get_mut().pop_newest(date);
            if last.get().is_empty() {
                last.remove();
            }
            if let Some(entry) = name.and_then(|name| read(&name)) {
                return Some(entry);
            }
        }
        while let Some(name) = self.today.pop_newest() {
            if let Some(entry) = read(&name) {
                return Some(entry);
            }
        }
        self.read.pop_back()
    }

    fn next(
        &mut self,
        read: &mut impl FnMut(&EntryName) -> Option<SpooledEntry>,
    ) -> Option<SpooledEntry> {
        loop {
            let Some(name) = self.today.pop() else {
                let (date, day) = self.waiting.days().pop_first()?;
                self.today = Today::new(date, day, read);
                continue;
            };
            if let Some(entry) = read(&name) {
                return Some(entry);
            }
        }
    }
}

impl Today {
    fn new(
        date: NaiveDate,
        day: WaitingDay,
        read: &mut impl FnMut(&EntryName) -> Option<SpooledEntry>,
    ) -> Self {
        let instants = instants(date);
        let keyed = day.others.into_iter().filter_map(|name| {
            let instant = match name.id.unix_millis() {
                Some(instant) => Some(instant),
                None => read(&name)?
                    .fields
                    .started_at
                    .map(|at| at.timestamp_millis()),
            };
            let within_day = instant.filter(|instant| instants.contains(instant));
            Some(Reverse((within_day.unwrap_or(instants.start), name)))
        });
        Self {
            date,
            named: VecDeque::new(),
            others: keyed.collect(),
            ours: day.ours.into(),
        }
    }

    fn len(&self) -> usize {
        self.named.len() + self.ours.len() + self.others.len()
    }

    fn upcoming(&mut self, limit: usize) -> Vec<EntryName> {
        while self.named.len() < limit
            && let Some(name) = self.pop_unnamed()
        {
            self.named.push_back(name);
        }
        self.named.iter().take(limit).cloned().collect()
    }

    fn pop(&mut self) -> Option<EntryName> {
        self.named.pop_front().or_else(|| self.pop_unnamed())
    }

    fn pop_unnamed(&mut self) -> Option<EntryName> {
        let ours = self.ours.peek().map(|Reverse(uuid)| self.keyed(*uuid));
        let others = self.others.peek().map(|Reverse(keyed)| keyed);
        match (ours, others) {
            (Some(ours), others) if others.is_none_or(|others| ours < *others) => {
                self.ours.pop();
                Some(ours.1)
            }
            _ => self.others.pop().map(|Reverse((_, name))| name),
        }
    }

    /// Looks at all that is left: this is for the one entry that tells whether an endpoint takes any.
    fn pop_newest(&mut self) -> Option<EntryName> {
        let ours = self.ours.iter().map(|Reverse(uuid)| *uuid).max();
        let others = self
            .others
            .iter()
            .map(|Reverse(keyed)| keyed)
            .max()
            .cloned();
        match (ours, others) {
            (Some(uuid), others)
                if others
                    .as_ref()
                    .is_none_or(|others| *others < self.keyed(uuid)) =>
            {
                self.ours.retain(|Reverse(other)| *other != uuid);
                Some(named(self.date, uuid))
            }
            (_, Some(newest)) => {
                self.others.retain(|Reverse(other)| *other != newest);
                Some(newest.1)
            }
            (_, None) => self.named.pop_back(),
        }
    }

    fn keyed(&self, uuid: Uuid) -> (i64, EntryName) {
        (unix_millis(uuid), named(self.date, uuid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{EntryFields, EntryId};
    use chrono::{DateTime, Utc};
    use proptest::prelude::*;
    use std::cell::RefCell;

    const DAY: i64 = 86_400_000;

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(millis).unwrap()
    }

    fn entry(name: &EntryName, started_at: Option<DateTime<Utc>>) -> SpooledEntry {
        SpooledEntry {
            name: name.clone(),
            id: name.id.clone(),
            data: String::new(),
            fields: EntryFields {
                started_at,
                ..EntryFields::default()
            },
        }
    }

    fn ours(millis: i64) -> EntryName {
        EntryName::pending(at(millis), EntryId::generate(at(millis)))
    }

    fn foreign(millis: i64, id: &str) -> EntryName {
        EntryName::pending(at(millis), EntryId::parse(id).unwrap())
    }

    #[test]
    fn our_own_entries_are_read_only_when_they_are_taken() {
        let mut names: Vec<_> = (0..1000).map(|n| ours(DAY * 3 + n * 7)).collect();
        names.reverse();
        let opened = RefCell::new(0);
        let taken = Backlog::new(names.clone()).take(25, |name| {
            *opened.borrow_mut() += 1;
            Some(entry(name, None))
        });
        names.reverse();
        assert_eq!(opened.into_inner(), 25);
        assert!(taken.iter().map(|entry| &entry.name).eq(&names[..25]));
    }

    #[test]
    fn foreign_entries_are_read_only_on_the_days_that_are_needed() {
        let old: Vec<_> = (0..30).map(|n| foreign(DAY, &format!("old-{n}"))).collect();
        let new: Vec<_> = (0..30)
            .map(|n| foreign(DAY * 2, &format!("new-{n}")))
            .collect();
        let mut backlog = Backlog::new(new.into_iter().chain(old));
        let taken = backlog.take(25, |name| {
            assert!(name.id.as_str().starts_with("old"), "read {name}");
            Some(entry(name, None))
        });
        assert_eq!(taken.len(), 25);
        assert_eq!(backlog.len(), 35);
    }

    #[test]
    fn an_entry_whose_start_is_missing_or_of_another_day_is_delivered_with_its_day() {
        let nonsense = foreign(DAY * 2, "from-the-future");
        let missing = foreign(DAY * 2, "no-start");
        let before = ours(DAY * 2 - 1);
        let after = ours(DAY * 2 + 1);
        let names = [
            after.clone(),
            nonsense.clone(),
            before.clone(),
            missing.clone(),
        ];
        let taken = Backlog::new(names).take(9, |name| {
            Some(entry(name, (*name == nonsense).then(|| at(DAY * 900))))
        });
        let taken: Vec<_> = taken.into_iter().map(|entry| entry.name).collect();
        assert_eq!(taken, [before, nonsense, missing, after]);
    }

    #[test]
    fn a_batch_ends_before_it_is_too_large_for_a_request() {
        let names: Vec<_> = (0..20).map(|n| ours(DAY + n)).collect();
        let mut backlog = Backlog::new(names.clone());
        let mut read = |name: &EntryName| {
            let mut entry = entry(name, None);
            entry.data = "x".repeat(1024 * 1024);
            Some(entry)
        };
        let mut sizes = Vec::new();
        let mut taken = Vec::new();
        while !backlog.is_empty() {
            let batch = backlog.take(25, &mut read);
            sizes.push(batch.len());
            taken.extend(batch.into_iter().map(|entry| entry.name));
        }
        assert_eq!(sizes, [7, 7, 6]);
        assert_eq!(taken, names);
    }

    #[test]
    fn the_newest_is_taken_from_the_other_end() {
        let names: Vec<_> = (0..4)
            .map(|n| ours(DAY + n))
            .chain([ours(DAY * 2)])
            .collect();
        let mut backlog = Backlog::new(names.clone());
        let mut read = |name: &EntryName| Some(entry(name, None));
        assert_eq!(backlog.take(1, &mut read)[0].name, names[0]);
        // To name some of them makes no difference.
        assert_eq!(backlog.upcoming(2), names[1..3]);
        for newest in [4, 3, 2, 1] {
            assert_eq!(backlog.take_newest(&mut read).unwrap().name, names[newest]);
        }
        assert!(backlog.is_empty());
        assert!(backlog.take_newest(&mut read).is_none());
    }

    #[test]
    fn entries_that_are_gone_or_damaged_make_room_for_the_next() {
        let names: Vec<_> = (0..500).map(|n| ours(DAY + n)).collect();
        let good = names[490..].to_vec();
        let taken =
            Backlog::new(names).take(25, |name| good.contains(name).then(|| entry(name, None)));
        assert!(taken.iter().map(|entry| &entry.name).eq(&good));
    }

    proptest! {
        #[test]
        fn however_taken_all_come_once_and_by_their_start(
            starts in prop::collection::vec((0..DAY * 3, any::<bool>()), 0..60),
            shuffle in any::<u64>(),
            step in 1_usize..30,
            ahead in 0_usize..40,
        ) {
            let mut names: Vec<_> = starts
                .iter()
                .enumerate()
                .map(|(n, (millis, own))| {
                    let name = if *own { ours(*millis) } else { foreign(*millis, &format!("f{n}")) };
                    (name, at(*millis))
                })
                .collect();
            names.sort_by_key(|(name, _)| (name.id.to_string().len() as u64).wrapping_mul(shuffle));
            let start_of = |name: &EntryName| names.iter().find(|(other, _)| other == name).unwrap().1;
            let mut backlog = Backlog::new(names.iter().map(|(name, _)| name.clone()));
            let mut taken = Vec::new();
            while !backlog.is_empty() {
                let mut upcoming = backlog.upcoming(ahead);
                let batch = backlog.take(step, |name| Some(entry(name, Some(start_of(name)))));
                prop_assert!(batch.len() <= step);
                upcoming.truncate(batch.len());
                prop_assert!(batch.iter().map(|entry| &entry.name).take(upcoming.len()).eq(&upcoming));
                taken.extend(batch.into_iter().map(|entry| entry.name));
            }
            prop_assert_eq!(taken.len(), names.len());
            prop_assert!(taken.is_sorted_by_key(start_of));
        }
    }
}
