//! The marker `.swamp.yaml`: what a repository says about itself and its telemetry.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::builtin_sender::BuiltinSender;
use super::edit::double_quoted;
use super::file_error::ConfigError;
use super::yaml::{Document, Entry, Kind, Node};
use crate::domain::{Digest, Label, RepoId, Retention, Subcommands, Tool, Tools, shown};
use chrono::{DateTime, SecondsFormat, Utc};

/// Which component delivers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SenderSource {
    /// One that comes with the program.
    Builtin(BuiltinSender),
    /// A file, as the marker spells it: absolute, or relative to the repository.
    File(PathBuf),
}

/// As `telemetrySender` names it.
impl fmt::Display for SenderSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builtin(sender) => sender.fmt(f),
            Self::File(path) => shown(path).fmt(f),
        }
    }
}

impl Default for SenderSource {
    fn default() -> Self {
        Self::Builtin(BuiltinSender::Ingest)
    }
}

/// What a sender may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderLimits {
    /// Memory in MiB, within [`SenderLimits::MEMORY_MIB`].
    pub memory_mib: u64,
    /// Time for one batch, within [`SenderLimits::DEADLINE_MS`].
    pub deadline: Duration,
}

impl SenderLimits {
    /// The bounds of `memoryMiB`.
    pub const MEMORY_MIB: RangeInclusive<u64> = 16..=1024;

    /// The bounds of `deadlineMs`.
    pub const DEADLINE_MS: RangeInclusive<u64> = 100..=5000;
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
    /// `telemetryUnsentRetentionDays`: the same of those that were not sent, where it differs.
    pub telemetry_unsent_retention_days: Option<u16>,
    /// `telemetryTools`: what is known of programs that are recorded.
    pub telemetry_tools: Tools,
    /// What it was read from.
    pub(super) read_from: ReadFrom,
}

/// Whose the file and the directory were that a marker was read from, as their descriptors said: what is allowed hangs
/// on that, and a path can lead elsewhere the next time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ReadFrom {
    /// Whether the file is this user's, and the link that led to it, if one did.
    pub(super) is_mine: bool,
    /// Who owns the directory, as a number that is compared only.
    pub(super) directory_owner: Option<u32>,
    /// Whether the directory is several users': new files there get its group, whose members may write.
    pub(super) is_shared: bool,
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
            telemetry_unsent_retention_days: None,
            telemetry_tools: Tools::default(),
            read_from: ReadFrom::default(),
        }
    }
}

const TEXT: &str = "one line of text";
const YES_OR_NO: &str = "true or false";
const DAYS: &str = "a whole number of days from 1 to 65535";

impl Marker {
    /// Takes `text` for a marker; an empty one sets nothing.
    ///
    /// # Errors
    ///
    /// Names the line or key that is wrong, and what to write instead.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
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
            repo_id: top.parsed("repoId", "a UUID", RepoId::parse)?,
            telemetry_endpoint: top.text("telemetryEndpoint")?,
            telemetry_keep_flushed: top.switch("telemetryKeepFlushed")?,
            telemetry_disabled: top.switch("telemetryDisabled")?,
            log_level: top.text("logLevel")?,
            telemetry_sender: top
                .parsed("telemetrySender", BuiltinSender::EXPECTED, sender_source)?
                .unwrap_or_default(),
            telemetry_sender_digest: top.parsed(
                "telemetrySenderDigest",
                "sha256: and 64 hexadecimal digits, as `swamp sender show` prints them",
                Digest::parse,
            )?,
            telemetry_sender_options: top.options()?,
            telemetry_sender_limits: top.limits()?,
            telemetry_retention_days: top
                .parsed("telemetryRetentionDays", DAYS, days)?
                .unwrap_or(default.telemetry_retention_days),
            telemetry_unsent_retention_days: top.parsed(
                "telemetryUnsentRetentionDays",
                DAYS,
                days,
            )?,
            telemetry_tools: top.tools()?,
            read_from: ReadFrom::default(),
        })
    }

    /// Whether the directory that it was read in is several users'.
    #[must_use]
    pub const fn is_of_shared_directory(&self) -> bool {
        self.read_from.is_shared
    }

    /// For how long entries are kept.
    #[must_use]
    pub const fn retention(&self) -> Retention {
        Retention {
            sent_days: self.telemetry_retention_days,
            unsent_days: match self.telemetry_unsent_retention_days {
                Some(days) => days,
                None => self.telemetry_retention_days,
            },
        }
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

fn days(text: &str) -> Option<u16> {
    text.parse().ok().filter(|days| *days > 0)
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

    fn wrong(&self, entry: &Entry, wanted: &'static str) -> ConfigError {
        ConfigError::value(entry, self.within, wanted)
    }

    fn parsed<T>(
        &self,
        key: &str,
        wanted: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        self.get(key)
            .map(|entry| match &entry.value.kind {
                Kind::Text(text) => parse(text).ok_or_else(|| self.wrong(entry, wanted)),
                _ => Err(self.wrong(entry, wanted)),
            })
            .transpose()
    }

    fn text(&self, key: &str) -> Result<Option<String>, ConfigError> {
        self.parsed(key, TEXT, |text| Some(text.to_owned()))
    }

    fn switch(&self, key: &str) -> Result<bool, ConfigError> {
        self.get(key)
            .map_or(Ok(false), |entry| match entry.value.kind {
                Kind::Bool(on) => Ok(on),
                _ => Err(self.wrong(entry, YES_OR_NO)),
            })
    }

    fn options(&self) -> Result<Vec<(String, String)>, ConfigError> {
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
                        options.wrong(entry, "a string, number or boolean without anchor or tag")
                    );
                }
                (Some(_), Kind::Null) => continue,
                (Some(_), Kind::Text(text)) => text.clone(),
                (Some(_), Kind::Bool(on)) => on.to_string(),
                _ => return Err(options.wrong(entry, "a string, number or boolean")),
            };
            pairs.extend(entry.key.clone().map(|key| (key, value)));
        }
        Ok(pairs)
    }

    fn tools(&self) -> Result<Tools, ConfigError> {
        let Some(entry) = self.get("telemetryTools") else {
            return Ok(Tools::default());
        };
        let Kind::Mapping(entries) = &entry.value.kind else {
            return Err(self.wrong(entry, "a mapping of program names to mappings"));
        };
        let tools = Self {
            within: "telemetryTools.",
            entries,
        };
        let tool = |entry: &Entry| {
            let (Some(name), Kind::Mapping(entries)) = (&entry.key, &entry.value.kind) else {
                let wanted =
                    "a program's name with a mapping of name, version, subcommands and depth";
                return Err(tools.wrong(entry, wanted));
            };
            let within = format!("telemetryTools.{name}.");
            let tool = Scope {
                within: &within,
                entries,
            };
            Ok((name.clone(), tool.tool()?))
        };
        let tools: Result<_, _> = entries.iter().map(tool).collect();
        Ok(Tools::new(tools?))
    }

    fn tool(&self) -> Result<Tool, ConfigError> {
        const LABEL: &str = "1 to 64 printable characters";
        let depth = self.parsed("depth", "a whole number from 1 to 8", |text| {
            let depth: usize = text.parse().ok()?;
            (1..=Subcommands::MAX_DEPTH)
                .contains(&depth)
                .then_some(depth)
        })?;
        let subcommands = self.get("subcommands").map(|entry| {
            let wanted = || self.wrong(entry, "a list of words, such as [deploy, rollback]");
            let Kind::Sequence(items) = &entry.value.kind else {
                return Err(wanted());
            };
            let word = |item: &Node| match &item.kind {
                Kind::Text(text) => Some(text.clone()),
                // Words all the same, and no switches here.
                Kind::Bool(on) => Some(on.to_string()),
                _ => None,
            };
            let words: Option<Vec<_>> = items.iter().map(word).collect();
            words
                .and_then(|words| {
                    Subcommands::new(words.iter().map(String::as_str), depth.unwrap_or(1))
                })
                .ok_or_else(wanted)
        });
        Ok(Tool {
            name: self.parsed("name", LABEL, Label::parse)?,
            version: self.parsed("version", LABEL, Label::parse)?,
            subcommands: subcommands.transpose()?,
        })
    }

    fn limits(&self) -> Result<SenderLimits, ConfigError> {
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
        let within = |bounds: RangeInclusive<u64>| {
            move |text: &str| text.parse().ok().filter(|number| bounds.contains(number))
        };
        Ok(SenderLimits {
            memory_mib: limits
                .parsed(
                    "memoryMiB",
                    "a whole number from 16 to 1024",
                    within(SenderLimits::MEMORY_MIB),
                )?
                .unwrap_or(default.memory_mib),
            deadline: limits
                .parsed(
                    "deadlineMs",
                    "a whole number of milliseconds from 100 to 5000",
                    within(SenderLimits::DEADLINE_MS),
                )?
                .map_or(default.deadline, Duration::from_millis),
        })
    }
}

#[cfg(test)]
mod tests;
