//! `telemetry stats`: what the spool says of how commands are used.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;

use chrono::{Days, Utc};
use serde::Serialize;
use swamp::domain::{SpooledEntry, Status, printable};
use swamp::spool::FileSpool;

use super::format::duration;
use super::table::{Column, table};
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::ui::{BOLD, GOOD};

/// The longest bar, in characters.
const BAR: usize = 30;

const COLUMNS: [Column; 6] = [
    Column::text("command", 0),
    Column::number("count", 0),
    Column::number("succeeded", 0),
    Column::number("median", 0),
    Column::number("p95", 0),
    Column::text("", 1),
];

/// The answer. Its keys are stable.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Stats {
    /// The days that were looked at, today among them.
    days: u16,
    invocations: usize,
    succeeded: usize,
    /// The share that succeeded, 0 to 1; missing where there were no invocations.
    success_rate: Option<f64>,
    /// By command, the most used first.
    commands: Vec<CommandStats>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CommandStats {
    command: String,
    invocations: usize,
    succeeded: usize,
    /// Half of the invocations took no longer; missing where no duration is known.
    median_ms: Option<u64>,
    /// 19 of 20 took no longer.
    p95_ms: Option<u64>,
}

pub(crate) fn run(days: u16, context: &Context) -> Result<(), CommandError> {
    let (root, _) = context.repo()?;
    let today = Utc::now().date_naive();
    let first = today.checked_sub_days(Days::new(u64::from(days) - 1));
    let entries: Vec<_> = match FileSpool::open(root)? {
        Some(spool) => spool
            .names()?
            .iter()
            .filter(|name| first.is_none_or(|first| name.date >= first))
            .filter_map(|name| spool.load(name).ok())
            .collect(),
        None => Vec::new(),
    };
    let stats = Stats::of(days, &entries);
    if context.ui.wants_json() {
        context.ui.json(&stats)?;
    } else {
        context
            .ui
            .answer(&stats.in_words(std::io::stdout().is_terminal()))?;
    }
    Ok(())
}

impl Stats {
    fn of(days: u16, entries: &[SpooledEntry]) -> Self {
        let mut by_command: BTreeMap<String, Vec<&SpooledEntry>> = BTreeMap::new();
        for entry in entries {
            let words = entry.fields.command.iter().chain(&entry.fields.subcommand);
            let command = words.cloned().collect::<Vec<_>>().join(" ");
            by_command.entry(command).or_default().push(entry);
        }
        let mut commands: Vec<_> = by_command.into_iter().map(CommandStats::of).collect();
        commands.sort_by_key(|command| std::cmp::Reverse(command.invocations));
        let succeeded = commands.iter().map(|command| command.succeeded).sum();
        Self {
            days,
            invocations: entries.len(),
            succeeded,
            success_rate: rate(succeeded, entries.len()),
            commands,
        }
    }

    fn in_words(&self, bars: bool) -> String {
        let days = match self.days {
            1 => "today".to_owned(),
            days => format!("the last {days} days"),
        };
        let Some(rate) = self.success_rate else {
            return format!("no invocations in the spool of {days}");
        };
        let summary = format!(
            "{BOLD}{}{BOLD:#} {} in the spool of {days}, {:.0}% succeeded",
            self.invocations,
            if self.invocations == 1 {
                "invocation"
            } else {
                "invocations"
            },
            rate * 100.0
        );
        let most = self
            .commands
            .first()
            .map_or(1, |command| command.invocations);
        let rows: Vec<_> = self
            .commands
            .iter()
            .map(|command| command.cells(most, bars))
            .collect();
        format!("{summary}\n\n{}", table(&COLUMNS, &rows, None))
    }
}

impl CommandStats {
    fn of((command, entries): (String, Vec<&SpooledEntry>)) -> Self {
        let mut durations: Vec<_> = entries
            .iter()
            .filter_map(|entry| entry.fields.duration_ms)
            .collect();
        durations.sort_unstable();
        let succeeded = |entry: &&&SpooledEntry| entry.fields.status == Some(Status::Success);
        Self {
            command,
            invocations: entries.len(),
            succeeded: entries.iter().filter(succeeded).count(),
            median_ms: quantile(&durations, 50),
            p95_ms: quantile(&durations, 95),
        }
    }

    fn cells(&self, most: usize, bars: bool) -> [String; 6] {
        let millis = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), duration);
        let share = rate(self.succeeded, self.invocations).unwrap_or(0.0) * 100.0;
        let bar = if bars {
            let length = (self.invocations * BAR).div_ceil(most.max(1));
            format!("{GOOD}{}{GOOD:#}", "█".repeat(length))
        } else {
            String::new()
        };
        let name = if self.command.is_empty() {
            "(unknown)"
        } else {
            &self.command
        };
        [
            printable(name).into_owned(),
            self.invocations.to_string(),
            format!("{share:.0}%"),
            millis(self.median_ms),
            millis(self.p95_ms),
            bar,
        ]
    }
}

fn rate(part: usize, whole: usize) -> Option<f64> {
    let float = |n: usize| u32::try_from(n).map_or(f64::from(u32::MAX), f64::from);
    (whole > 0).then(|| float(part) / float(whole))
}

/// The smallest of the values, which are in order, that `percent` of them do not exceed.
fn quantile(values: &[u64], percent: usize) -> Option<u64> {
    let rank = (values.len() * percent).div_ceil(100);
    values.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use swamp::domain::EntryName;

    fn entry(n: usize, command: &str, status: &str, duration: u64) -> SpooledEntry {
        let name = EntryName::parse(&format!("telemetry-2026-02-11-{n}.json")).unwrap();
        let json = format!(
            r#"{{"id":"{n}","invocation":{{"command":"{command}"}},"result":{{"status":"{status}"}},"durationMs":{duration}}}"#
        );
        SpooledEntry::parse(name, json.into_bytes()).unwrap()
    }

    #[test]
    fn commands_are_counted_and_sorted_and_their_durations_ranked() {
        let mut entries: Vec<_> = (0..20)
            .map(|n| entry(n, "version", "success", n as u64 + 1))
            .collect();
        entries.push(entry(20, "init", "error", 7));
        entries.push(entry(21, "\\u001b[31m", "success", 7));
        let words = Stats::of(7, &entries).in_words(false);
        insta::assert_snapshot!(anstream::adapter::strip_str(&words).to_string(), @r"
        22 invocations in the spool of the last 7 days, 95% succeeded

        command     count  succeeded  median    p95
        version        20       100%   10 ms  19 ms
        \u{1b}[31m      1       100%    7 ms   7 ms
        init            1         0%    7 ms   7 ms
        ");
    }

    #[test]
    fn bars_are_scaled_to_the_most_used() {
        let entries: Vec<_> = (0..4)
            .map(|n| entry(n, if n < 3 { "version" } else { "init" }, "success", 1))
            .collect();
        let words = Stats::of(1, &entries).in_words(true);
        insta::assert_snapshot!(anstream::adapter::strip_str(&words).to_string(), @r"
        4 invocations in the spool of today, 100% succeeded

        command  count  succeeded  median   p95
        version      3       100%    1 ms  1 ms  ██████████████████████████████
        init         1       100%    1 ms  1 ms  ██████████
        ");
    }

    #[test]
    fn one_invocation_is_told_in_the_singular() {
        let words = Stats::of(1, &[entry(0, "version", "success", 1)]).in_words(false);
        let words = anstream::adapter::strip_str(&words).to_string();
        assert!(
            words.starts_with("1 invocation in the spool of today,"),
            "{words}"
        );
    }

    #[test]
    fn an_empty_spool_has_no_rate() {
        assert_eq!(
            Stats::of(1, &[]).in_words(false),
            "no invocations in the spool of today"
        );
    }
}
