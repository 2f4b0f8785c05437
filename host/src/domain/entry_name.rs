//! The names of the spool's files, which carry the day, the id and the state of an entry.

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

/// Identifies an entry: 1 to 64 ASCII letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(Box<str>);

impl EntryId {
    /// The most characters that an id has.
    pub const MAX_LEN: usize = 64;

    /// A new id for an entry that started at `started_at`: a `UUIDv7`, so that ids sort by time.
    #[must_use]
    pub fn generate(started_at: DateTime<Utc>) -> Self {
        let millis = u64::try_from(started_at.timestamp_millis()).unwrap_or(0);
        let timestamp = uuid::Timestamp::from_unix(
            uuid::NoContext,
            millis / 1000,
            u32::try_from(millis % 1000).unwrap_or(0) * 1_000_000,
        );
        Self(Uuid::new_v7(timestamp).to_string().into())
    }

    /// Takes `text` for an id, if it is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        ((1..=Self::MAX_LEN).contains(&text.len()) && text.bytes().all(legal))
            .then(|| Self(text.into()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The instant that the id itself carries, if it is a `UUIDv7`.
    #[must_use]
    pub fn instant(&self) -> Option<DateTime<Utc>> {
        let uuid = Uuid::try_parse(&self.0).ok()?;
        if uuid.get_version_num() != 7 {
            return None;
        }
        let (seconds, nanos) = uuid.get_timestamp()?.to_unix();
        DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
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
        const DATE_LEN: usize = "YYYY-MM-DD".len();
        let rest = name.strip_prefix("telemetry-")?;
        let (stem, state) = [
            EntryState::Flushed,
            EntryState::Quarantined,
            EntryState::Pending,
        ]
        .into_iter()
        .find_map(|state| Some((rest.strip_suffix(state.suffix())?, state)))?;
        let (date, id) = stem.split_at_checked(DATE_LEN)?;
        let id = EntryId::parse(id.strip_prefix('-')?)?;
        let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
        let parsed = Self { date, id, state };
        // chrono accepts spellings such as `2026-1-2` and `+026-01-02`, which would not lead back to this file.
        (parsed.to_string() == name).then_some(parsed)
    }
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
            "telemetry-2026-02-11-a.b.json",
            "telemetry-2026-02-11-../a.json",
            "telemetry-2026-02-11-a.json.tmp",
            ".telemetry-2026-02-11-a.json",
            "telemetry-2026-02-11é-a.json",
            "telemetry-2026-02-1",
            &format!("telemetry-2026-02-11-{}.json", "a".repeat(65)),
        ] {
            assert_eq!(EntryName::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_generated_id_carries_the_instant_to_the_millisecond() {
        let started_at = DateTime::from_timestamp_millis(1_770_811_200_123).unwrap();
        assert_eq!(EntryId::generate(started_at).instant(), Some(started_at));
    }

    proptest! {
        #[test]
        fn every_name_leads_back_to_itself(
            days in 0_i32..40_000,
            id in "[A-Za-z0-9_-]{1,64}",
            state in prop::sample::select(vec![EntryState::Pending, EntryState::Flushed, EntryState::Quarantined]),
        ) {
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
    }
}
