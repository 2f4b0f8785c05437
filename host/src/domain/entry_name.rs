//! The names of the spool's files, which carry the day, the id and the state of an entry.

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

/// Identifies an entry: 1 to 128 ASCII letters, digits, `-`, `_` and `.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(Box<str>);

impl EntryId {
    /// The most characters that an id has.
    pub const MAX_LEN: usize = 128;

    /// The most characters of an id that this program records, and that contract 0.1 promises to senders.
    pub const MAX_RECORDED_LEN: usize = 64;

    /// A new id for an entry that started at `started_at`: a `UUIDv7`, so that ids sort by time.
    #[must_use]
    pub fn generate(started_at: DateTime<Utc>) -> Self {
        let millis = u64::try_from(started_at.timestamp_millis()).unwrap_or(0);
        let timestamp = uuid::Timestamp::from_unix(
            uuid::NoContext,
            millis / 1000,
            u32::try_from(millis % 1000).unwrap_or(0) * 1_000_000,
        );
        Self::of(Uuid::new_v7(timestamp))
    }

    pub(super) fn of(uuid: Uuid) -> Self {
        Self(uuid.to_string().into())
    }

    /// Takes `text` for an id, if it is one. What ends as the names of sent and quarantined entries do is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::is_one(text).then(|| Self(text.into()))
    }

    fn is_one(text: &str) -> bool {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        (1..=Self::MAX_LEN).contains(&text.len())
            && text.bytes().all(legal)
            && !text.ends_with(".flushed")
            && !text.ends_with(".quarantined")
    }

    /// Whether it is one that this program records and that contract 0.1 promises to senders: at most
    /// [`MAX_RECORDED_LEN`](Self::MAX_RECORDED_LEN) letters, digits, `-` and `_`.
    #[must_use]
    pub fn is_recordable(&self) -> bool {
        self.0.len() <= Self::MAX_RECORDED_LEN && !self.0.contains('.')
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The instant that the id itself carries, if it is a `UUIDv7` in its usual form.
    #[must_use]
    pub fn instant(&self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_millis(self.unix_millis()?)
    }

    /// The same, in milliseconds since 1970.
    ///
    /// Read from the text itself: a flush asks every entry that waits.
    #[must_use]
    pub(super) fn unix_millis(&self) -> Option<i64> {
        let text: &[u8; 36] = self.0.as_bytes().try_into().ok()?;
        let mut millis = 0;
        for (place, byte) in text.iter().enumerate() {
            match place {
                8 | 13 | 18 | 23 if *byte == b'-' => {}
                8 | 13 | 18 | 23 => return None,
                14 if *byte != b'7' => return None,
                _ => {
                    let digit = char::from(*byte).to_digit(16)?;
                    if place < 13 {
                        millis = millis << 4 | i64::from(digit);
                    }
                }
            }
        }
        Some(millis)
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What has become of a spooled entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryState {
    /// It waits to be sent: `.json`.
    Pending,
    /// It was sent and is kept: `.flushed.json`.
    Flushed,
    /// It cannot be delivered and was set aside: `.quarantined.json`.
    Quarantined,
}

impl EntryState {
    const fn suffix(self) -> &'static str {
        match self {
            Self::Pending => ".json",
            Self::Flushed => ".flushed.json",
            Self::Quarantined => ".quarantined.json",
        }
    }
}

/// The name of a spool file: `telemetry-YYYY-MM-DD-{id}.json`, with `.flushed` or `.quarantined` before
/// `.json` where the entry is no longer pending.
///
/// The date is the UTC date of the entry's `startedAt`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryName {
    /// The day that the entry started.
    pub date: NaiveDate,
    /// The entry's id.
    pub id: EntryId,
    /// What has become of it.
    pub state: EntryState,
}

impl EntryName {
    /// The name of a pending entry.
    #[must_use]
    pub fn pending(started_at: DateTime<Utc>, id: EntryId) -> Self {
        Self {
            date: started_at.date_naive(),
            id,
            state: EntryState::Pending,
        }
    }

    /// The same entry's name in another state.
    #[must_use]
    pub fn in_state(&self, state: EntryState) -> Self {
        Self {
            state,
            ..self.clone()
        }
    }

    /// Takes a file name for an entry's, if it is one to the letter.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        NameParts::parse(name).map(NameParts::to_name)
    }

    pub(super) fn parts(&self) -> NameParts<'_> {
        NameParts {
            date: self.date,
            id: self.id.as_str(),
            uuid: spelled_as_ours(self.id.as_str()),
            state: self.state,
        }
    }
}

/// An entry's name, in the text that it was found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameParts<'a> {
    pub(super) date: NaiveDate,
    pub(super) id: &'a str,
    /// The id, where it is a UUID that is spelled as this program spells them.
    pub(super) uuid: Option<Uuid>,
    pub(super) state: EntryState,
}

impl<'a> NameParts<'a> {
    /// Takes a file name for an entry's, if it is one to the letter.
    #[must_use]
    pub fn parse(name: &'a str) -> Option<Self> {
        const DATE_LEN: usize = "YYYY-MM-DD".len();
        let (stem, state) = [
            EntryState::Flushed,
            EntryState::Quarantined,
            EntryState::Pending,
        ]
        .into_iter()
        .find_map(|state| Some((name.strip_suffix(state.suffix())?, state)))?;
        let (date, id) = stem
            .strip_prefix("telemetry-")?
            .split_at_checked(DATE_LEN)?;
        let id = id.strip_prefix('-')?;
        let uuid = spelled_as_ours(id);
        // Those are legal, and a listing has very many of them.
        if uuid.is_none() && !EntryId::is_one(id) {
            return None;
        }
        Some(Self {
            date: day(date.as_bytes())?,
            id,
            uuid,
            state,
        })
    }

    /// The name by itself.
    #[must_use]
    pub fn to_name(self) -> EntryName {
        EntryName {
            date: self.date,
            id: EntryId(self.id.into()),
            state: self.state,
        }
    }
}

/// The UUID that `id` is, where it is spelled as this program spells them.
fn spelled_as_ours(id: &str) -> Option<Uuid> {
    let may_be = id.len() == uuid::fmt::Hyphenated::LENGTH
        && !id.bytes().any(|byte| byte.is_ascii_uppercase());
    may_be.then(|| Uuid::try_parse(id).ok()).flatten()
}

/// The day that `YYYY-MM-DD` spells; each in this one way.
fn day(text: &[u8]) -> Option<NaiveDate> {
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0, |number, byte| {
            Some(number * 10 + char::from(*byte).to_digit(10)?)
        })
    };
    let [year @ .., b'-', m, n, b'-', d, e] = text else {
        return None;
    };
    NaiveDate::from_ymd_opt(
        i32::try_from(number(year)?).ok()?,
        number(&[*m, *n])?,
        number(&[*d, *e])?,
    )
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { date, id, state } = self;
        write!(f, "telemetry-{date}-{id}{}", state.suffix())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_says_its_day_its_id_and_its_state() {
        let name = EntryName::parse("telemetry-2026-02-11-abc_1.flushed.json").unwrap();
        assert_eq!(name.date, NaiveDate::from_ymd_opt(2026, 2, 11).unwrap());
        assert_eq!(name.id.as_str(), "abc_1");
        assert_eq!(name.state, EntryState::Flushed);
    }

    #[test]
    fn what_is_not_exactly_an_entry_name_is_none() {
        for name in [
            "telemetry-2026-02-11-.json",
            "telemetry-2026-2-11-a.json",
            "telemetry-2026-02-31-a.json",
            "telemetry-2026-02-11-a.flushed.flushed.json",
            "telemetry-2026-02-11-a.flushed.quarantined.json",
            "telemetry-+026-02-11-a.json",
            "telemetry-2026-02-11-../a.json",
            "telemetry-2026-02-11-a.json.tmp",
            ".telemetry-2026-02-11-a.json",
            "telemetry-2026-02-11é-a.json",
            "telemetry-2026-02-1",
            &format!("telemetry-2026-02-11-{}.json", "a".repeat(129)),
        ] {
            assert_eq!(EntryName::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_generated_id_carries_the_instant_to_the_millisecond() {
        let started_at = DateTime::from_timestamp_millis(1_770_811_200_123).unwrap();
        assert_eq!(EntryId::generate(started_at).instant(), Some(started_at));
    }

    #[test]
    fn only_a_uuid_of_version_7_carries_an_instant() {
        for id in [
            "01a20e41-164b-4c42-a06a-fa78f6ad1127",
            "01a20e41-164b-7c42-a06a-fa78f6ad112g",
            "01a20e41x164b-7c42-a06a-fa78f6ad1127",
            "01a20e41-164b-7c42-a06a-fa78f6ad112",
            "a",
        ] {
            assert_eq!(EntryId::parse(id).unwrap().instant(), None, "{id}");
        }
    }

    proptest! {
        #[test]
        fn every_name_leads_back_to_itself(
            days in 0_i32..40_000,
            id in "[A-Za-z0-9_.-]{1,128}",
            state in prop::sample::select(vec![EntryState::Pending, EntryState::Flushed, EntryState::Quarantined]),
        ) {
            prop_assume!(EntryId::parse(&id).is_some());
            let date = NaiveDate::from_epoch_days(days).unwrap();
            let name = EntryName { date, id: EntryId::parse(&id).unwrap(), state };
            prop_assert_eq!(EntryName::parse(&name.to_string()), Some(name));
        }

        #[test]
        fn any_text_is_a_name_or_none(text in ".{0,80}") {
            if let Some(name) = EntryName::parse(&text) {
                prop_assert_eq!(name.to_string(), text);
            }
        }

        #[test]
        fn a_uuid_is_known_by_its_spelling_alone(
            uuid in any::<u128>().prop_map(Uuid::from_u128),
            place in 0_usize..36,
            other in any::<char>(),
        ) {
            let text = uuid.to_string();
            let file = format!("telemetry-2026-02-11-{text}.json");
            prop_assert_eq!(NameParts::parse(&file).and_then(|name| name.uuid), Some(uuid));
            let changed: String = text
                .chars()
                .enumerate()
                .map(|(at, letter)| if at == place { other } else { letter })
                .collect();
            let file = format!("telemetry-2026-02-11-{changed}.json");
            let parsed = NameParts::parse(&file);
            prop_assert_eq!(parsed.is_some(), EntryId::parse(&changed).is_some());
            if let Some(uuid) = parsed.and_then(|name| name.uuid) {
                prop_assert_eq!(uuid.to_string(), changed);
            }
        }
    }
}
