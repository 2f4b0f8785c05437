//! The batches that a sender is given.

use serde_json::{Value, json};

use crate::domain::{EntryId, EntryName, SpooledEntry};

/// What a batch is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TestBatch {
    /// So many ordinary entries.
    Ordinary(usize),
    /// Entries with nothing but their ids.
    Bare,
    /// An entry with every field that the contract names.
    Full,
    /// An entry whose texts hold whatever breaks JSON that is spelled by hand.
    OddText,
    /// An entry with fields that the contract does not name.
    LaterFields,
    /// An entry with values that are not the same when they are read and written again.
    Unreadable,
    /// 25 entries of 64 KiB each.
    Large,
    /// The entries of the batch before.
    Again,
}

/// The size of an entry of [`TestBatch::Large`], in bytes, roughly.
const LARGE_BYTES: usize = 64 * 1024;

const ODD_TEXT: &str =
    "quote \" backslash \\ newline \n return \r tab \t nul \0 é 日本 \u{1f980} \u{202e}";

impl TestBatch {
    /// Its entries, with ids that occur nowhere else, or those of the batch `before`.
    pub(super) fn entries(self, before: &[SpooledEntry]) -> Vec<SpooledEntry> {
        match self {
            Self::Again => before.to_vec(),
            Self::Ordinary(count) => (0..count).map(|_| entry(&ordinary())).collect(),
            Self::Bare => (0..2).map(|_| entry(&json!({}))).collect(),
            Self::Full => vec![entry(&with(
                json!({
                    "status": "user_error",
                    "errorType": "UnknownOption",
                    "errorMessage": "an option is not known",
                    "exitCode": 2,
                }),
                "result",
            ))],
            Self::OddText => vec![entry(&with(
                json!({
                    "command": ODD_TEXT,
                    "subcommand": ODD_TEXT,
                    "args": [ODD_TEXT],
                    "optionKeys": [ODD_TEXT],
                    "globalOptions": [ODD_TEXT],
                }),
                "invocation",
            ))],
            Self::LaterFields => vec![entry(&with(
                json!({ "nested": [1.5, null, { "deeper": true }] }),
                "laterField",
            ))],
            Self::Unreadable => vec![spooled(UNREADABLE)],
            Self::Large => (0..25)
                .map(|_| entry(&with("x".repeat(LARGE_BYTES).into(), "padding")))
                .collect(),
        }
    }
}

fn ordinary() -> Value {
    json!({
        "invocation": {
            "command": "repo",
            "subcommand": "init",
            "args": ["<REDACTED>"],
            "optionKeys": ["endpoint"],
            "globalOptions": ["json"],
        },
        "result": { "status": "success", "exitCode": 0 },
        "startedAt": "2026-02-11T12:00:00.001Z",
        "completedAt": "2026-02-11T12:00:00.043Z",
        "durationMs": 42,
        "swampVersion": "20260211.1",
        "platform": "linux",
    })
}

fn with(value: Value, key: &str) -> Value {
    let mut fields = ordinary();
    fields[key] = value;
    fields
}

/// Numbers that no type holds, half of a surrogate pair, a key that is there twice, and white space.
const UNREADABLE: &str = r#""invocation": {"command": "repo"}, "large": 123456789012345678901234567890, "huge": 1e400, "whole": 1.0, "exact": 0.10,
  "cut": "\ud83d", "escaped": "\u00e9\/", "twice": 1, "twice": 2"#;

/// The entry with these fields, as the spool would give it.
fn entry(fields: &Value) -> SpooledEntry {
    let fields = format!("{fields:#}");
    spooled(fields.trim_start_matches('{').trim_end_matches('}').trim())
}

/// The entry with these members, as they are written.
fn spooled(members: &str) -> SpooledEntry {
    let started_at = chrono::Utc::now();
    let name = EntryName::pending(started_at, EntryId::generate(started_at));
    let comma = if members.is_empty() { "" } else { "," };
    let json = format!(
        "{{\n  \"id\": \"{}\"{comma}\n  {members}\n}}\n",
        name.id.as_str()
    );
    SpooledEntry::parse(name, json.into_bytes())
        .unwrap_or_else(|_| unreachable!("it is an object, and its id is the name's"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::domain::EntryFields;

    #[test]
    fn ids_never_repeat_and_a_batch_is_what_its_name_says() {
        let all: Vec<_> = [
            TestBatch::Ordinary(25),
            TestBatch::Bare,
            TestBatch::Large,
            TestBatch::OddText,
            TestBatch::Unreadable,
        ]
        .into_iter()
        .flat_map(|batch| batch.entries(&[]))
        .collect();
        let ids: HashSet<_> = all.iter().map(|entry| entry.name.id.clone()).collect();
        assert_eq!(ids.len(), all.len());
        let bare = TestBatch::Bare.entries(&[]).remove(0).fields;
        assert_eq!(bare, EntryFields::default());
        let full = TestBatch::Full.entries(&[]).remove(0).fields;
        assert!(full.error_type.is_some() && full.subcommand.is_some());
        assert!(full.started_at.is_some() && full.status.is_some());
        let odd = TestBatch::OddText.entries(&[]).remove(0).fields;
        assert_eq!(odd.command.as_deref(), Some(ODD_TEXT));
    }
}
