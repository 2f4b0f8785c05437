//! How commands were used, day by day, when their entries are gone: counts and durations, and no entry.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Durations, EntryFields, EntryName, SpooledEntry, Status, with_dashes};

/// For how many days usage is kept.
pub const HISTORY_DAYS: u64 = 90;

/// The most kinds of usage that are kept, whatever entries say: when there are more, the oldest go.
const MAX_KINDS: usize = 5_000;

/// The most options that are told apart in one kind of usage.
const MAX_OPTIONS: usize = 100;

/// The longest text that is kept, in characters.
const MAX_TEXT: usize = 100;

/// What happened on one day, by what it was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageKind {
    /// The day, in UTC.
    pub day: NaiveDate,
    /// The tool; `None` for swamp's own commands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// The command and its subcommand; empty where no command is known.
    pub command: String,
    /// How it ended, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// The operating system, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
}

/// How often something happened, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Usage {
    /// How often.
    pub count: u64,
    /// How long it took.
    pub durations: Durations,
    /// How often with which option.
    pub options: BTreeMap<String, u64>,
    /// The install ids that it was recorded with. They are not kept.
    #[serde(skip)]
    pub machines: BTreeSet<String>,
}

impl Usage {
    /// Adds what happened besides.
    pub fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.durations.merge(&other.durations);
        for (option, count) in &other.options {
            *self.options.entry(option.clone()).or_default() += count;
        }
        self.machines.extend(other.machines.iter().cloned());
    }
}

/// Usage by day, and what was counted last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    #[serde(serialize_with = "pairs", deserialize_with = "map")]
    usage: BTreeMap<UsageKind, Usage>,
    /// The files of entries that are counted and may still be there: a process that is killed when it has counted them
    /// and not yet marked them sends them again, and then they must not count twice.
    counted: BTreeSet<String>,
}

impl History {
    /// What happened, the oldest first.
    pub fn usage(&self) -> impl Iterator<Item = (&UsageKind, &Usage)> {
        self.usage.iter()
    }

    /// Whether the entry of this name is counted already.
    #[must_use]
    pub fn has_counted(&self, name: &EntryName) -> bool {
        !self.counted.is_empty() && self.counted.contains(&name.to_string())
    }

    /// Counts one entry.
    pub fn add(&mut self, name: &EntryName, fields: &EntryFields) {
        self.add_on(
            fields.started_at.map_or(name.date, |at| at.date_naive()),
            fields,
        );
    }

    /// Counts one entry of this day.
    pub fn add_on(&mut self, day: NaiveDate, fields: &EntryFields) {
        let short = |text: &str| text.chars().take(MAX_TEXT).collect::<String>();
        let kind = UsageKind {
            day,
            tool: fields.tool.as_deref().map(short),
            command: short(&fields.full_command().unwrap_or_default()),
            status: fields.status,
            platform: fields.platform.as_deref().map(short),
        };
        let usage = self.usage.entry(kind).or_default();
        usage.count += 1;
        usage.durations.extend(fields.duration_ms);
        let options = [&fields.option_keys, &fields.global_options];
        // As the Deno implementation does, an option that was given twice counts twice.
        for option in options.into_iter().flatten().flatten() {
            let option = short(&with_dashes(option));
            if usage.options.len() < MAX_OPTIONS || usage.options.contains_key(&option) {
                *usage.options.entry(option).or_default() += 1;
            }
        }
        usage.machines.extend(fields.install_id.clone());
    }

    /// Counts entries that were delivered and are not marked yet; `is_there` tells of the file of an entry that was
    /// counted before whether it still is.
    pub fn count_delivered(&mut self, entries: &[&SpooledEntry], is_there: impl Fn(&str) -> bool) {
        self.counted.retain(|name| is_there(name));
        for SpooledEntry { name, fields, .. } in entries {
            if self.counted.insert(name.to_string()) {
                self.add(name, fields);
            }
        }
        while self.usage.len() > MAX_KINDS {
            self.usage.pop_first();
        }
    }

    /// The file of this name is gone: nobody needs to look whether it is, and it cannot count twice.
    pub fn is_gone(&mut self, name: &str) {
        self.counted.remove(name);
    }

    /// Forgets what is older than [`HISTORY_DAYS`].
    pub fn expire(&mut self, today: NaiveDate) {
        if let Some(oldest) = today.checked_sub_days(Days::new(HISTORY_DAYS)) {
            self.usage.retain(|kind, _| kind.day > oldest);
        }
    }
}

fn pairs<S: Serializer>(
    usage: &BTreeMap<UsageKind, Usage>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(usage)
}

fn map<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<UsageKind, Usage>, D::Error> {
    let pairs = Vec::<(UsageKind, Usage)>::deserialize(deserializer)?;
    Ok(pairs.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, command: &str) -> SpooledEntry {
        let name = EntryName::parse(&format!("telemetry-2026-02-11-{id}.json")).unwrap();
        let json = format!(
            r#"{{"id":"{id}","invocation":{{"command":"{command}","optionKeys":["l","--all"]}},"result":{{"status":"error"}},"durationMs":40}}"#
        );
        SpooledEntry::parse(name, json.into_bytes()).unwrap()
    }

    fn counts(history: &History) -> Vec<(&str, u64)> {
        let usage = history.usage();
        usage
            .map(|(kind, usage)| (kind.command.as_str(), usage.count))
            .collect()
    }

    #[test]
    fn what_is_counted_and_not_yet_marked_does_not_count_twice() {
        let batch = [entry("a", "x"), entry("b", "x")];
        let mut history = History::default();
        history.count_delivered(&[&batch[0], &batch[1]], |_| true);
        // Killed here, the next process reads what is stored, and sends both again with a third.
        let json = serde_json::to_string(&history).unwrap();
        let mut history: History = serde_json::from_str(&json).unwrap();
        let [a, b] = batch;
        assert!(history.has_counted(&a.name));
        history.count_delivered(&[&a, &b, &entry("c", "x")], |_| true);
        assert_eq!(counts(&history), [("x", 3)]);
        // Those are gone then, and a new entry of that id is another.
        history.count_delivered(&[&entry("d", "x")], |_| false);
        history.count_delivered(&[&entry("a", "x")], |_| true);
        assert_eq!(counts(&history), [("x", 5)]);
    }

    #[test]
    fn what_is_stored_comes_back_but_for_machines() {
        let mut history = History::default();
        history.count_delivered(&[&entry("a", "x"), &entry("b", "y")], |_| true);
        let json = serde_json::to_string(&history).unwrap();
        assert_eq!(serde_json::from_str::<History>(&json).unwrap(), history);
        insta::assert_snapshot!(json, @r#"{"usage":[[{"day":"2026-02-11","command":"x","status":"error"},{"count":1,"durations":{"totalMs":40,"buckets":{"36":1}},"options":{"--all":1,"-l":1}}],[{"day":"2026-02-11","command":"y","status":"error"},{"count":1,"durations":{"totalMs":40,"buckets":{"36":1}},"options":{"--all":1,"-l":1}}]],"counted":["telemetry-2026-02-11-a.json","telemetry-2026-02-11-b.json"]}"#);
    }

    #[test]
    fn usage_is_kept_for_ninety_days_and_is_bounded() {
        let mut history = History::default();
        let first: NaiveDate = "2026-01-01".parse().unwrap();
        for day in first.iter_days().take(100) {
            history.add_on(day, &EntryFields::default());
        }
        history.expire("2026-04-10".parse().unwrap());
        assert_eq!(history.usage().count(), 90);
        for n in 0..=MAX_KINDS {
            history.add_on(
                first,
                &EntryFields {
                    command: Some(n.to_string()),
                    ..EntryFields::default()
                },
            );
        }
        history.count_delivered(&[&entry("a", "x")], |_| true);
        assert_eq!(history.usage().count(), MAX_KINDS);
        assert!(counts(&history).contains(&("x", 1)), "the oldest go");
    }
}
