//! The names of entries that wait: kept small, since every flush holds as many as there are.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use super::entry_name::{EntryId, EntryName, EntryState, NameParts};

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// The names of entries that wait, by the day in their name, in no order within it.
#[derive(Clone, Debug, Default)]
pub struct WaitingNames {
    days: BTreeMap<NaiveDate, WaitingDay>,
}

/// What waits of one day.
#[derive(Clone, Debug, Default)]
pub(super) struct WaitingDay {
    /// Ids that are `UUIDv7` of this very day, spelled as this program spells them: they sort by time. 16 bytes instead
    /// of a text each.
    pub(super) ours: Vec<Reverse<Uuid>>,
    /// All others.
    pub(super) others: Vec<EntryName>,
}

impl WaitingNames {
    /// Adds a pending entry.
    pub(super) fn add(&mut self, name: NameParts<'_>) {
        let day = self.days.entry(name.date).or_default();
        match ours(name) {
            Some(uuid) => day.ours.push(Reverse(uuid)),
            None => day.others.push(name.to_name()),
        }
    }

    /// How many they are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.days.values().map(WaitingDay::len).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.days.is_empty()
    }

    /// Each of them, day by day.
    pub fn iter(&self) -> impl Iterator<Item = EntryName> {
        self.days.iter().flat_map(|(date, day)| {
            let ours = day.ours.iter().map(|Reverse(uuid)| named(*date, *uuid));
            ours.chain(day.others.iter().cloned())
        })
    }

    /// Those of the days before `day`.
    #[must_use]
    pub fn before(&self, day: NaiveDate) -> Self {
        let days = self.days.range(..day);
        Self {
            days: days.map(|(date, day)| (*date, day.clone())).collect(),
        }
    }

    /// Those that may have been recorded at `since` or later, as far as their names tell. An id of ours says when its
    /// command began; of others only the day is known.
    pub fn recorded_since(&self, since: DateTime<Utc>) -> impl Iterator<Item = EntryName> {
        let millis = since.timestamp_millis();
        let days = self.days.range(since.date_naive()..);
        days.flat_map(move |(date, day)| {
            let ours = day
                .ours
                .iter()
                .filter(move |Reverse(uuid)| unix_millis(*uuid) >= millis);
            let ours = ours.map(|Reverse(uuid)| named(*date, *uuid));
            let others = day.others.iter();
            let others = others
                .filter(move |name| name.id.unix_millis().is_none_or(|began| began >= millis));
            ours.chain(others.cloned())
        })
    }

    pub(super) const fn days(&mut self) -> &mut BTreeMap<NaiveDate, WaitingDay> {
        &mut self.days
    }
}

impl FromIterator<EntryName> for WaitingNames {
    fn from_iter<I: IntoIterator<Item = EntryName>>(names: I) -> Self {
        let mut waiting = Self::default();
        for name in names {
            waiting.add(name.parts());
        }
        waiting
    }
}

impl WaitingDay {
    pub(super) const fn len(&self) -> usize {
        self.ours.len() + self.others.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the one with the latest instant in its id, and of those without one the greatest.
    pub(super) fn pop_newest(&mut self, date: NaiveDate) -> Option<EntryName> {
        let key = |name: &EntryName| (name.id.unix_millis(), name.clone());
        let ours = (0..self.ours.len()).min_by_key(|at| self.ours[*at]);
        let others = (0..self.others.len()).max_by_key(|at| key(&self.others[*at]));
        let name_of_ours = ours.map(|at| named(date, self.ours[at].0));
        match (ours.zip(name_of_ours), others) {
            (Some((at, name)), others)
                if others.is_none_or(|other| key(&self.others[other]) < key(&name)) =>
            {
                self.ours.swap_remove(at);
                Some(name)
            }
            (_, others) => others.map(|at| self.others.swap_remove(at)),
        }
    }
}

/// The name of an entry of ours.
pub(super) fn named(date: NaiveDate, uuid: Uuid) -> EntryName {
    EntryName {
        date,
        id: EntryId::of(uuid),
        state: EntryState::Pending,
    }
}

/// When the command of an entry of ours began, in milliseconds since 1970.
pub(super) fn unix_millis(uuid: Uuid) -> i64 {
    // 48 bits always fit.
    i64::try_from(uuid.as_u128() >> 80).unwrap_or(i64::MAX)
}

/// The instants of a day, in milliseconds since 1970.
pub(super) fn instants(date: NaiveDate) -> std::ops::Range<i64> {
    let dawn = date.and_time(chrono::NaiveTime::MIN).and_utc();
    let dawn = dawn.timestamp_millis();
    dawn..dawn + DAY_MILLIS
}

fn ours(name: NameParts<'_>) -> Option<Uuid> {
    let uuid = name.uuid?;
    let is_of_the_day = instants(name.date).contains(&unix_millis(uuid));
    (uuid.get_version_num() == 7 && is_of_the_day).then_some(uuid)
}
