//! The marker `.swamp.yaml`: what a repository says about itself and its telemetry.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use thiserror::Error;

use super::marker_edit::double_quoted;
use super::yaml::{Document, Entry, Kind, YamlError};
use super::{Digest, RepoId};

/// A sender that comes with the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltinSender {
    /// `builtin:ingest`, which posts to `{endpoint}/ingest`.
    Ingest,
    /// `builtin:otlp`, which posts log records to `{endpoint}/v1/logs`, as OpenTelemetry collectors take them.
    Otlp,
}

impl BuiltinSender {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Ingest, Self::Otlp];

    /// All of them, as messages name them.
    pub const NAMES: &str = "builtin:ingest or builtin:otlp";

    /// What every name of one begins with, and no path of a file.
    pub const PREFIX: &str = "builtin:";

    /// The sender that `text` names as `telemetrySender` does, if it is one that comes with the program.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sender| sender.name() == text)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Ingest => "builtin:ingest",
            Self::Otlp => "builtin:otlp",
        }
    }
}

/// As `telemetrySender` names it.
impl fmt::Display for BuiltinSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which component delivers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SenderSource {
    /// One that comes with the program.
    Builtin(BuiltinSender),
    /// A file, as the marker spells it: absolute, or relative to the repository.
    File(PathBuf),
}

impl Default for SenderSource {
    fn default() -> Self {
        Self::Builtin(BuiltinSender::Ingest)
    }
}

/// What a sender may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderLimits {
    /// Memory in MiB, 16 to 1024.
    pub memory_mib: u64,
    /// Time for one batch, 100 ms to 5 s.
    pub deadline: Duration,
}

impl Default for SenderLimits {
    fn default() -> Self {
        Self {
            memory_mib: 256,
            deadline: Duration::from_secs(5),
        }
    }
}

/// A parsed marker. Keys that are unknown here are not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// `swampVersion`.
    pub swamp_version: Option<String>,
    /// `initializedAt`, as spelled.
    pub initialized_at: Option<String>,
    /// `upgradedAt`, as spelled.
    pub upgraded_at: Option<String>,
    /// `repoId`.
    pub repo_id: Option<RepoId>,
    /// `telemetryEndpoint`, as spelled: one that is wrong must not stop recording.
    pub telemetry_endpoint: Option<String>,
    /// `telemetryKeepFlushed`: whether entries stay in the spool after they were sent.
    pub telemetry_keep_flushed: bool,
    /// `telemetryDisabled`.
    pub telemetry_disabled: bool,
    /// `logLevel`, as spelled.
    pub log_level: Option<String>,
    /// `telemetrySender`.
    pub telemetry_sender: SenderSource,
    /// `telemetrySenderDigest`.
    pub telemetry_sender_digest: Option<Digest>,
    /// `telemetrySenderOptions`, in the order of the file.
    pub telemetry_sender_options: Vec<(String, String)>,
    /// `telemetrySenderLimits`.
    pub telemetry_sender_limits: SenderLimits,
    /// `telemetryRetentionDays`: for how many days entries are kept, at least 1.
    pub telemetry_retention_days: u16,
}

impl Default for Marker {
    fn default() -> Self {
        Self {
            swamp_version: None,
            initialized_at: None,
            upgraded_at: None,
            repo_id: None,
            telemetry_endpoint: None,
            telemetry_keep_flushed: false,
            telemetry_disabled: false,
            log_level: None,
            telemetry_sender: SenderSource::default(),
            telemetry_sender_digest: None,
            telemetry_sender_options: Vec::new(),
            telemetry_sender_limits: SenderLimits::default(),
            telemetry_retention_days: 2,
        }
    }
}

/// Why a text is not a marker. Values are not quoted, since one could be a secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MarkerError {
    /// It cannot be read at all.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// A key has a value that it cannot have.
    #[error("line {line} sets {key} to something that it cannot be; write {wanted}")]
    Value {
        /// The line, from 1.
        line: usize,
        /// The key, with those that it is within.
        key: String,
        /// What to write instead.
        wanted: &'static str,
    },
}

const TEXT: &str = "one line of text";
const YES_OR_NO: &str = "true or false";

impl Marker {
    /// Takes `text` for a marker; an empty one sets nothing.
    ///
    /// # Errors
    ///
    /// Names the line or key that is wrong, and what to write instead.
    pub fn parse(text: &str) -> Result<Self, MarkerError> {
        let document = Document::parse(text)?;
        let default = Self::default();
        let top = Scope {
            within: "",
            entries: &document.entries,
        };
        Ok(Self {
            swamp_version: top.text("swampVersion")?,
            initialized_at: top.text("initializedAt")?,
            upgraded_at: top.text("upgradedAt")?,
            repo_id: top.parsed(
                "repoId",
                "a UUID, or remove the line to get a new one",
                RepoId::parse,
            )?,
            telemetry_endpoint: top.text("telemetryEndpoint")?,
            telemetry_keep_flushed: top.switch("telemetryKeepFlushed")?,
            telemetry_disabled: top.switch("telemetryDisabled")?,
            log_level: top.text("logLevel")?,
            telemetry_sender: top
                .parsed(
                    "telemetrySender",
                    "the path of a component file, builtin:ingest or builtin:otlp",
                    sender_source,
                )?
                .unwrap_or_default(),
            telemetry_sender_digest: top.parsed(
                "telemetrySenderDigest",
                "sha256: and 64 hexadecimal digits, as `swamp sender show` prints them",
                Digest::parse,
            )?,
            telemetry_sender_options: top.options()?,
            telemetry_sender_limits: top.limits()?,
            telemetry_retention_days: top
                .parsed(
                    "telemetryRetentionDays",
                    "a number of days from 1 to 65535",
                    |text| text.parse().ok().filter(|days| *days > 0),
                )?
                .unwrap_or(default.telemetry_retention_days),
        })
    }

    /// The text of a new marker.
    #[must_use]
    pub fn init_text(
        swamp_version: &str,
        now: DateTime<Utc>,
        repo_id: &RepoId,
        endpoint: Option<&str>,
    ) -> String {
        let now = now.to_rfc3339_opts(SecondsFormat::Millis, true);
        let pairs = [
            ("swampVersion", Some(swamp_version)),
            ("initializedAt", Some(now.as_str())),
            ("repoId", Some(repo_id.as_str())),
            ("telemetryEndpoint", endpoint),
        ];
        let line = |(key, value): (&str, Option<&str>)| {
            value.map(|value| format!("{key}: {}\n", double_quoted(value)))
        };
        pairs
            .into_iter()
            .filter_map(line)
            .collect::<Vec<_>>()
            .concat()
    }
}

fn sender_source(text: &str) -> Option<SenderSource> {
    if text.starts_with(BuiltinSender::PREFIX) {
        return BuiltinSender::parse(text).map(SenderSource::Builtin);
    }
    (!text.is_empty()).then(|| SenderSource::File(text.into()))
}

/// A mapping's entries, and the names of the keys that it is within.
struct Scope<'a> {
    within: &'a str,
    entries: &'a [Entry],
}

impl<'a> Scope<'a> {
    /// The entry of `key`, unless it is null.
    fn get(&self, key: &str) -> Option<&'a Entry> {
        self.entries.iter().find(|entry| {
            entry.key.as_deref() == Some(key) && !matches!(entry.value.kind, Kind::Null)
        })
    }

    fn wrong(&self, entry: &Entry, wanted: &'static str) -> MarkerError {
        let key = entry.key.as_deref().unwrap_or("a key that is no text");
        MarkerError::Value {
            line: entry.key_node.line,
            key: format!("{}{key}", self.within),
            wanted,
        }
    }

    fn parsed<T>(
        &self,
        key: &str,
        wanted: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, MarkerError> {
        self.get(key)
            .map(|entry| match &entry.value.kind {
                Kind::Text(text) => parse(text).ok_or_else(|| self.wrong(entry, wanted)),
                _ => Err(self.wrong(entry, wanted)),
            })
            .transpose()
    }

    fn text(&self, key: &str) -> Result<Option<String>, MarkerError> {
        self.parsed(key, TEXT, |text| Some(text.to_owned()))
    }

    fn switch(&self, key: &str) -> Result<bool, MarkerError> {
        self.get(key)
            .map_or(Ok(false), |entry| match entry.value.kind {
                Kind::Bool(on) => Ok(on),
                _ => Err(self.wrong(entry, YES_OR_NO)),
            })
    }

    fn options(&self) -> Result<Vec<(String, String)>, MarkerError> {
        let Some(entry) = self.get("telemetrySenderOptions") else {
            return Ok(Vec::new());
        };
        let Kind::Mapping(entries) = &entry.value.kind else {
            return Err(self.wrong(entry, "a mapping of names to values"));
        };
        let options = Self {
            within: "telemetrySenderOptions.",
            entries,
        };
        let mut pairs = Vec::new();
        for entry in entries {
            let value = match (&entry.key, &entry.value.kind) {
                // YAML's readers do not agree where an anchor or a tag ends, and a literal needs neither.
                _ if entry.value.decorated => {
                    return Err(
                        options.wrong(entry, "a text, number or boolean without anchor or tag")
                    );
                }
                (Some(_), Kind::Null) => continue,
                (Some(_), Kind::Text(text)) => text.clone(),
                (Some(_), Kind::Bool(on)) => on.to_string(),
                _ => return Err(options.wrong(entry, "a name with one text, number or boolean")),
            };
            pairs.extend(entry.key.clone().map(|key| (key, value)));
        }
        Ok(pairs)
    }

    fn limits(&self) -> Result<SenderLimits, MarkerError> {
        let default = SenderLimits::default();
        let Some(entry) = self.get("telemetrySenderLimits") else {
            return Ok(default);
        };
        let Kind::Mapping(entries) = &entry.value.kind else {
            return Err(self.wrong(entry, "a mapping of memoryMiB and deadlineMs"));
        };
        let limits = Self {
            within: "telemetrySenderLimits.",
            entries,
        };
        let number = |text: &str| text.parse::<u64>().ok();
        Ok(SenderLimits {
            memory_mib: limits
                .parsed("memoryMiB", "a whole number from 16 to 1024", number)?
                .map_or(default.memory_mib, |mib| mib.clamp(16, 1024)),
            deadline: limits
                .parsed(
                    "deadlineMs",
                    "a whole number of milliseconds from 100 to 5000",
                    number,
                )?
                .map_or(default.deadline, |ms| {
                    Duration::from_millis(ms.clamp(100, 5000))
                }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::yaml::MAX_BYTES;
    use super::*;
    use proptest::prelude::*;

    fn why(text: &str) -> String {
        Marker::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn the_issues_example_is_read_in_full() {
        let marker = Marker::parse(
            r#"swampVersion: "20260211.120000.0"
initializedAt: "2026-02-11T12:00:00.000Z"
repoId: "550e8400-e29b-41d4-a716-446655440000"         # auto-generated
telemetryEndpoint: "http://localhost:8090"               # optional override
telemetryKeepFlushed: true                               # optional, default false
somethingElse: [1, {a: b}]
"#,
        )
        .unwrap();
        assert_eq!(
            marker,
            Marker {
                swamp_version: Some("20260211.120000.0".into()),
                initialized_at: Some("2026-02-11T12:00:00.000Z".into()),
                repo_id: RepoId::parse("550e8400-e29b-41d4-a716-446655440000"),
                telemetry_endpoint: Some("http://localhost:8090".into()),
                telemetry_keep_flushed: true,
                ..Marker::default()
            }
        );
    }

    #[test]
    fn everything_about_the_sender_is_read() {
        let digest = Digest::parse(&format!("sha256:{}", "5e".repeat(32))).unwrap();
        let marker = Marker::parse(&format!(
            "telemetrySender: tools/sender.wasm\ntelemetrySenderDigest: {digest}\n\
             telemetrySenderOptions:\n  z: 1.10\n  a: 'x'\n  on: True\n  none:\n\
             telemetrySenderLimits: {{memoryMiB: 1, deadlineMs: 99999}}\ntelemetryRetentionDays: 30\n\
             telemetryDisabled: true\nlogLevel: debug\nupgradedAt: now\n"
        ))
        .unwrap();
        assert_eq!(
            marker,
            Marker {
                telemetry_sender: SenderSource::File("tools/sender.wasm".into()),
                telemetry_sender_digest: Some(digest),
                telemetry_sender_options: [("z", "1.10"), ("a", "x"), ("on", "true")]
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .into(),
                telemetry_sender_limits: SenderLimits {
                    memory_mib: 16,
                    deadline: Duration::from_secs(5)
                },
                telemetry_retention_days: 30,
                telemetry_disabled: true,
                log_level: Some("debug".into()),
                upgraded_at: Some("now".into()),
                ..Marker::default()
            }
        );
    }

    #[test]
    fn an_empty_marker_and_null_values_set_nothing() {
        for text in [
            "",
            "\n",
            "# note\n",
            "\u{feff}# note\r\n",
            "---\n",
            "---\n...\n",
            "{}",
            "~",
            "repoId:\r\ntelemetryKeepFlushed: ~\r\ntelemetrySender: null\r\ntelemetrySenderOptions:\r\n",
        ] {
            assert_eq!(Marker::parse(text), Ok(Marker::default()), "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line_and_never_its_value() {
        insta::assert_snapshot!(
            [
                why("repoId: s3cret"),
                why("a: 1\ntelemetryKeepFlushed: s3cret"),
                why("telemetryDisabled: [s3cret]"),
                why("swampVersion: {s3cret: 1}"),
                why("telemetrySender: builtin:s3cret"),
                why("telemetrySenderDigest: sha256:s3cret"),
                why("telemetrySenderOptions: s3cret"),
                why("telemetrySenderOptions:\n  token: [s3cret]"),
                why("telemetrySenderLimits:\n  memoryMiB: -1"),
                why("telemetryRetentionDays: 0"),
                why("telemetryEndpoint: !url s3cret"),
                why("- s3cret"),
                why("s3cret"),
                why("a: 1\na: s3cret"),
                why("a: 1\n---\nb: 2"),
                why("a: 1\n\tb: s3cret"),
                why("a: [s3cret"),
                why("a: &x s3cret\nb: *x"),
                why("a: !!int s3cret"),
                why(&format!("a: {}", "[".repeat(100))),
                why(&" ".repeat((1 << 20) + 1)),
            ]
            .join("\n"),
            @r#"
            line 1 sets repoId to something that it cannot be; write a UUID, or remove the line to get a new one
            line 2 sets telemetryKeepFlushed to something that it cannot be; write true or false
            line 1 sets telemetryDisabled to something that it cannot be; write true or false
            line 1 sets swampVersion to something that it cannot be; write one line of text
            line 1 sets telemetrySender to something that it cannot be; write the path of a component file, builtin:ingest or builtin:otlp
            line 1 sets telemetrySenderDigest to something that it cannot be; write sha256: and 64 hexadecimal digits, as `swamp sender show` prints them
            line 1 sets telemetrySenderOptions to something that it cannot be; write a mapping of names to values
            line 2 sets telemetrySenderOptions.token to something that it cannot be; write a name with one text, number or boolean
            line 2 sets telemetrySenderLimits.memoryMiB to something that it cannot be; write a whole number from 16 to 1024
            line 1 sets telemetryRetentionDays to something that it cannot be; write a number of days from 1 to 65535
            line 1 sets telemetryEndpoint to something that it cannot be; write one line of text
            line 1 is not a `key: value` pair; write the whole file as such pairs
            line 1 is not a `key: value` pair; write the whole file as such pairs
            line 2 sets the key "a" a second time; remove one of the two
            line 2 starts a second document; remove it
            line 1 is not valid YAML (while scanning a plain scalar, found a tab); correct it
            line 1 is not valid YAML (while parsing a flow sequence, expected ',' or ']'); correct it
            line 2 holds an alias (`*name`), which is not supported here; write the value out
            line 1 is YAML that not every parser reads; write it more plainly
            line 1 is nested more than 32 deep; flatten it
            it is larger than 1 MiB; remove what does not belong there
            "#
        );
    }

    #[test]
    fn bombs_are_refused() {
        let laughs = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b]\n";
        assert!(matches!(
            Marker::parse(laughs),
            Err(MarkerError::Yaml(YamlError::Alias(2)))
        ));
        for piece in [
            "[", "{", "- ", "? ", "{a: ", "[[],", "!a ", "&a ", "\"", "\n---", "%A B\n",
        ] {
            assert!(Marker::parse(&long(piece)).is_err(), "{piece}");
        }
    }

    #[test]
    fn long_markers_that_are_harmless_are_read() {
        for piece in ["\n", "#", "''", "x ", "- a\n ", " ? a"] {
            assert_eq!(
                Marker::parse(&long(piece)),
                Ok(Marker::default()),
                "{piece}"
            );
        }
    }

    /// As much of `piece` as a marker can hold.
    fn long(piece: &str) -> String {
        format!("a:\n {}", piece.repeat((MAX_BYTES - 4) / piece.len()))
    }

    #[test]
    fn a_new_marker_is_the_one_that_people_know() {
        let now = DateTime::from_timestamp_millis(1_770_811_200_000).unwrap();
        let repo_id = RepoId::parse("550e8400-e29b-41d4-a716-446655440000").unwrap();
        let text = Marker::init_text("0.1.0", now, &repo_id, Some("http://localhost:8090"));
        insta::assert_snapshot!(text, @r#"
        swampVersion: "0.1.0"
        initializedAt: "2026-02-11T12:00:00.000Z"
        repoId: "550e8400-e29b-41d4-a716-446655440000"
        telemetryEndpoint: "http://localhost:8090"
        "#);
        assert_eq!(Marker::parse(&text).unwrap().repo_id, Some(repo_id.clone()));
        assert!(!Marker::init_text("0.1.0", now, &repo_id, None).contains("Endpoint"));
    }

    proptest! {
        #[test]
        fn any_text_is_a_marker_or_an_error(text in "([a-z\"'|>&*!%@#:,?{}\\[\\] \\n\\r\\t\u{feff}é-]{0,60})") {
            let _ = Marker::parse(&text);
        }

        #[test]
        fn a_decorated_option_is_refused(anchor in "[&!][a-z:]{1,4}", value in "[a-z]{0,3}") {
            let text = format!("telemetrySenderOptions:\n  a: {anchor} {value}\n");
            prop_assert!(Marker::parse(&text).is_err());
        }

        #[test]
        fn both_parsers_read_the_same_options(value in "[ -~é]{0,12}") {
            let text = format!("telemetrySenderOptions:\n  a: {value}\n");
            if let Ok(marker) = Marker::parse(&text) {
                #[derive(serde::Deserialize)]
                #[allow(non_snake_case)]
                struct Other { telemetrySenderOptions: std::collections::BTreeMap<String, Option<String>> }
                let other: Other = serde_yaml::from_str(&text).unwrap();
                let other = other.telemetrySenderOptions["a"].clone();
                let mine = marker.telemetry_sender_options.first().map(|(_, value)| value.to_lowercase());
                prop_assert_eq!(mine, other.map(|text| text.to_lowercase()));
            }
        }
    }
}
