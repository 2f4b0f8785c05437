//! What a marker or the user's file says that has no effect, or another one than meant: misspelled keys, and values
//! that are not used. None of it is an error; it is told where somebody asks.

use std::fmt;

use super::yaml::{Document, Entry, Kind};

/// The keys of `.swamp.yaml`.
pub const MARKER_KEYS: [&str; 15] = [
    "swampVersion",
    "initializedAt",
    "upgradedAt",
    "repoId",
    "telemetryEndpoint",
    "telemetryKeepFlushed",
    "telemetryDisabled",
    "telemetryRetentionDays",
    "telemetryUnsentRetentionDays",
    "telemetrySender",
    "telemetrySenderDigest",
    "telemetrySenderOptions",
    "telemetrySenderLimits",
    "telemetryTools",
    "logLevel",
];

/// The keys of `telemetrySenderLimits`.
const LIMIT_KEYS: [&str; 2] = ["memoryMiB", "deadlineMs"];

/// The keys of a program in `telemetryTools`.
const TOOL_KEYS: [&str; 4] = ["name", "version", "subcommands", "depth"];

/// The keys of the user's `config.yaml`.
pub const USER_KEYS: [&str; 3] = ["telemetryDisabled", "allowSenders", "headers"];

/// The levels of `logLevel`.
const LEVELS: [&str; 6] = ["trace", "debug", "info", "warning", "error", "fatal"];

/// Something that was hardly meant so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// The line, from 1.
    pub line: usize,
    /// The key, with those that it is within.
    pub key: String,
    /// What is odd about it.
    pub oddity: Oddity,
}

/// What is odd about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// It is not known, and looks like this one.
    Misspelled(&'static str),
    /// It is not known. Other versions and programs may know it.
    Unknown,
    /// Its value has no effect, or another one than it says.
    Value(String),
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, key, oddity } = self;
        match oddity {
            Oddity::Misspelled(known) => {
                write!(
                    f,
                    "line {line}: {key} is not a known key; did you mean {known}?"
                )
            }
            Oddity::Unknown => write!(f, "line {line}: {key} is not a known key"),
            Oddity::Value(why) => write!(f, "line {line}: {key} {why}"),
        }
    }
}

/// What is odd about the text of a marker, in the order of its lines. Nothing where it cannot be read at all.
#[must_use]
pub fn of_marker(text: &str) -> Vec<Advice> {
    let Ok(document) = Document::parse(text) else {
        return Vec::new();
    };
    let mut found = unknown("", &document.entries, &MARKER_KEYS);
    for entry in &document.entries {
        match (entry.key.as_deref(), &entry.value.kind) {
            (Some("logLevel"), Kind::Text(level))
                if !LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level)) =>
            {
                let levels = LEVELS.join(", ");
                found.push(value(
                    entry,
                    format!("is none of {levels}; warning is used"),
                ));
            }
            (Some("telemetrySenderLimits"), Kind::Mapping(limits)) => {
                found.extend(unknown("telemetrySenderLimits.", limits, &LIMIT_KEYS));
            }
            (Some("telemetryTools"), Kind::Mapping(tools)) => {
                for tool in tools {
                    if let (Some(name), Kind::Mapping(keys)) = (&tool.key, &tool.value.kind) {
                        found.extend(unknown(
                            &format!("telemetryTools.{name}."),
                            keys,
                            &TOOL_KEYS,
                        ));
                    }
                }
            }
            _ => {}
        }
    }
    found.sort_by_key(|advice| advice.line);
    found
}

/// The same of the user's file. No value of it is ever quoted.
#[must_use]
pub fn of_user_config(text: &str) -> Vec<Advice> {
    Document::parse(text).map_or_else(
        |_| Vec::new(),
        |document| unknown("", &document.entries, &USER_KEYS),
    )
}

/// The keys at the top level of a file of settings.
#[must_use]
pub fn top_level_keys(text: &str) -> Vec<String> {
    let entries = Document::parse(text).map_or_else(|_| Vec::new(), |document| document.entries);
    entries
        .into_iter()
        .filter(|entry| !matches!(entry.value.kind, Kind::Null))
        .filter_map(|entry| entry.key)
        .collect()
}

fn unknown(within: &str, entries: &[Entry], known: &[&'static str]) -> Vec<Advice> {
    let odd = |entry: &Entry| {
        let key = entry.key.as_deref()?;
        if known.contains(&key) {
            return None;
        }
        Some(Advice {
            line: entry.key_node.line,
            key: format!("{within}{key}"),
            oddity: nearest(key, known).map_or(Oddity::Unknown, Oddity::Misspelled),
        })
    };
    entries.iter().filter_map(odd).collect()
}

fn value(entry: &Entry, why: String) -> Advice {
    Advice {
        line: entry.key_node.line,
        key: entry.key.clone().unwrap_or_default(),
        oddity: Oddity::Value(why),
    }
}

/// The known key that somebody who typed `key` most likely meant.
#[must_use]
pub fn nearest(key: &str, known: &[&'static str]) -> Option<&'static str> {
    let plain = |text: &str| -> String {
        let letters = text.chars().filter(char::is_ascii_alphanumeric);
        letters.collect::<String>().to_ascii_lowercase()
    };
    let key = plain(key);
    let distance = |known: &str| {
        let known = plain(known);
        let is_part = known.ends_with(&key) && key.len() >= 4;
        let is_most = known.starts_with(&key) && key.len() * 3 >= known.len() * 2;
        if is_part || is_most {
            return 0;
        }
        strsim::damerau_levenshtein(&key, &known)
    };
    known
        .iter()
        .map(|known| (distance(known), *known))
        .filter(|(distance, _)| *distance <= (key.len() / 4).clamp(1, 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let advice = of_marker(text);
        let lines: Vec<_> = advice.iter().map(ToString::to_string).collect();
        lines.join("\n")
    }

    #[test]
    fn misspelled_keys_are_told_with_the_nearest_and_an_unknown_level_with_what_is_used() {
        insta::assert_snapshot!(
            told("telemetryEndpint: https://a.example\nlogLevel: loud\ntelemetrySenderLimits:\n  memoryMiB: 64\n  deadlinems: 900\nendpoint: x\ntelemetry_disabled: true\nrepoID: x\nvaults: {}\ntelemetryTools:\n  terraform: {nmae: tf}\n"),
            @r"
        line 1: telemetryEndpint is not a known key; did you mean telemetryEndpoint?
        line 2: logLevel is none of trace, debug, info, warning, error, fatal; warning is used
        line 5: telemetrySenderLimits.deadlinems is not a known key; did you mean deadlineMs?
        line 6: endpoint is not a known key; did you mean telemetryEndpoint?
        line 7: telemetry_disabled is not a known key; did you mean telemetryDisabled?
        line 8: repoID is not a known key; did you mean repoId?
        line 9: vaults is not a known key
        line 11: telemetryTools.terraform.nmae is not a known key; did you mean name?
        "
        );
        assert_eq!(told("telemetryEndpoint: x\nlogLevel: Debug\n"), "");
        assert_eq!(told("{: no yaml"), "");
    }

    #[test]
    fn every_key_that_is_read_is_known() {
        for (code, known) in [
            (include_str!("marker.rs"), &MARKER_KEYS[..]),
            (include_str!("user_config.rs"), &USER_KEYS[..]),
        ] {
            let quoted = code.split('"').skip(1).step_by(2);
            let keys = quoted.filter(|text| {
                text.starts_with("telemetry") && text.chars().all(|c| c.is_ascii_alphabetic())
            });
            for key in keys {
                assert!(known.contains(&key), "{key} is missing among the keys");
            }
        }
    }
}
