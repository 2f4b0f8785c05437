//! Usage, grouped and in words.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde::Serialize;
use serde_json::{Map, Value};
use swamp::domain::{ForeignText, Status, Usage, UsageKind};

use super::Usages;
use crate::cli::args::StatsBy;
use crate::cli::telemetry::format::duration;
use crate::cli::telemetry::table::{Cell, Column, table};
use crate::cli::ui::{BOLD, GOOD};

/// The longest bar, in characters.
const BAR: u64 = 20;

/// How many options and platforms are told in words.
const MOST_TOLD: usize = 10;

/// The answer. Its keys are stable; those that the Deno implementation's statistics have mean the same there, and rates
/// are percentages.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stats {
    /// The number of days, including today.
    days_analyzed: u64,
    /// How many invocations there were.
    total_invocations: u64,
    /// How many of them succeeded.
    success_count: u64,
    /// How many failed.
    error_count: u64,
    /// How many failed because of a mistake of the user, such as a wrong command line.
    user_error_count: u64,
    /// The percentage that succeeded.
    success_rate: f64,
    /// The percentage that failed.
    error_rate: f64,
    /// Machines with an install id.
    #[serde(skip_serializing_if = "Option::is_none")]
    machines: Option<usize>,
    /// How often swamp's own commands were used. The other numbers include them only with `--all`.
    own_invocations: u64,
    /// How often each command was used.
    command_frequency: Map<String, Value>,
    /// How often each option was used.
    option_frequency: Map<String, Value>,
    /// In milliseconds.
    average_duration_by_command: Map<String, Value>,
    /// How many invocations there were on each platform.
    platform_distribution: Map<String, Value>,
    /// `commands`, `tools`, `days` or `results`, depending on `--by`.
    #[serde(flatten)]
    groups: BTreeMap<&'static str, Vec<Group>>,
    #[serde(skip)]
    by: StatsBy,
    #[serde(skip)]
    first: Option<NaiveDate>,
    #[serde(skip)]
    all: bool,
}

/// What has the same command, tool, day or result.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    /// `command`, `tool`, `day` or `result`.
    #[serde(flatten)]
    name: BTreeMap<&'static str, String>,
    /// How many invocations there were.
    invocations: u64,
    /// How many of them succeeded.
    succeeded: u64,
    /// How many failed.
    errors: u64,
    /// How many failed because of a mistake of the user.
    user_errors: u64,
    /// The approximate median duration; missing if no duration is known.
    median_ms: Option<u64>,
    /// The approximate 95th percentile of durations.
    p95_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    /// How many machines with an install id they ran on; missing if none has one.
    machines: Option<usize>,
}

/// Usage, and how it ended.
#[derive(Default)]
struct Sum {
    usage: Usage,
    succeeded: u64,
    errors: u64,
    user_errors: u64,
}

impl Sum {
    fn add(&mut self, kind: &UsageKind, usage: &Usage) {
        match kind.status {
            Some(Status::Success) => self.succeeded += usage.count,
            Some(Status::Error) => self.errors += usage.count,
            Some(Status::UserError) => self.user_errors += usage.count,
            None => {}
        }
        self.usage.add(usage);
    }
}

impl StatsBy {
    const fn key(self) -> (&'static str, &'static str) {
        match self {
            Self::Command => ("commands", "command"),
            Self::Tool => ("tools", "tool"),
            Self::Day => ("days", "day"),
            Self::Result => ("results", "result"),
        }
    }

    fn of(self, kind: &UsageKind) -> String {
        match self {
            Self::Command => kind.command.clone(),
            Self::Tool => kind.tool.clone().unwrap_or_else(|| "swamp".to_owned()),
            Self::Day => kind.day.to_string(),
            Self::Result => match kind.status {
                Some(Status::Success) => "success",
                Some(Status::Error) => "error",
                Some(Status::UserError) => "user_error",
                None => "unknown",
            }
            .to_owned(),
        }
    }
}

impl Stats {
    pub(super) fn of(usages: &Usages, by: StatsBy, all: bool) -> Self {
        let is_asked_for = |kind: &UsageKind| usages.first.is_none_or(|first| kind.day >= first);
        let looked_at = || {
            usages
                .history
                .usage()
                .filter(|(kind, _)| is_asked_for(kind))
        };
        let counted = || looked_at().filter(|(kind, _)| all || kind.tool.is_some());
        let own = looked_at().filter(|(kind, _)| kind.tool.is_none());
        let own_invocations = own.map(|(_, usage)| usage.count).sum();
        let mut total = Sum::default();
        let mut groups: BTreeMap<String, Sum> = BTreeMap::new();
        let mut commands: BTreeMap<String, Usage> = BTreeMap::new();
        let mut platforms: BTreeMap<String, u64> = BTreeMap::new();
        for (kind, usage) in counted() {
            total.add(kind, usage);
            groups.entry(by.of(kind)).or_default().add(kind, usage);
            commands.entry(kind.command.clone()).or_default().add(usage);
            let platform = kind.platform.as_deref().unwrap_or("unknown");
            *platforms.entry(platform.to_owned()).or_default() += usage.count;
        }
        let machines = |ids: &BTreeSet<String>| usages.from_machines.then_some(ids.len());
        let first_day = counted().map(|(kind, _)| kind.day).min();
        let first = usages.first.or(first_day);
        let days = first.map_or(0, |first| (usages.today - first).num_days() + 1);
        let count = total.usage.count;
        let frequency = commands
            .iter()
            .map(|(command, usage)| (command, usage.count));
        let average = |(command, usage): (&String, &Usage)| {
            Some((command.clone(), usage.durations.mean_ms()?.into()))
        };
        let (plural, singular) = by.key();
        let mut groups: Vec<_> = groups
            .into_iter()
            .map(|(name, sum)| Group {
                name: BTreeMap::from([(singular, name)]),
                invocations: sum.usage.count,
                succeeded: sum.succeeded,
                errors: sum.errors,
                user_errors: sum.user_errors,
                median_ms: sum.usage.durations.quantile_ms(50),
                p95_ms: sum.usage.durations.quantile_ms(95),
                machines: machines(&sum.usage.machines),
            })
            .collect();
        match by {
            StatsBy::Day => groups.reverse(),
            _ => groups.sort_by_key(|group| std::cmp::Reverse(group.invocations)),
        }
        Self {
            days_analyzed: u64::try_from(days).unwrap_or(0),
            total_invocations: count,
            success_count: total.succeeded,
            error_count: total.errors,
            user_error_count: total.user_errors,
            success_rate: percent(total.succeeded, count),
            error_rate: percent(total.errors + total.user_errors, count),
            machines: machines(&total.usage.machines),
            own_invocations,
            command_frequency: most_frequent_first(frequency),
            option_frequency: most_frequent_first(
                total.usage.options.iter().map(|(key, count)| (key, *count)),
            ),
            average_duration_by_command: commands.iter().filter_map(average).collect(),
            platform_distribution: most_frequent_first(
                platforms.iter().map(|(key, count)| (key, *count)),
            ),
            groups: BTreeMap::from([(plural, groups)]),
            by,
            first,
            all,
        }
    }

    /// In words, with bars and no wider than this on a terminal of so many columns.
    pub(super) fn in_words(&self, terminal: Option<usize>) -> String {
        let apart = match self.own_invocations {
            0 => None,
            _ if self.all => None,
            1 => Some("1 run of swamp's own commands is not counted; --all counts it".to_owned()),
            own => Some(format!(
                "{own} runs of swamp's own commands are not counted; --all counts them"
            )),
        };
        let Some(first) = self.first.filter(|_| self.total_invocations > 0) else {
            let none = "no invocations of tools were recorded";
            return match apart {
                Some(apart) => format!("{none}; {apart}"),
                None => "no invocations were recorded".to_owned(),
            };
        };
        let plural = if self.total_invocations == 1 { "" } else { "s" };
        let machines = match self.machines {
            Some(1) => " on 1 machine".to_owned(),
            Some(machines) => format!(" on {machines} machines"),
            None => String::new(),
        };
        let summary = format!(
            "{BOLD}{}{BOLD:#} invocation{plural}{machines} since {first}, {:.0}% succeeded",
            self.total_invocations, self.success_rate
        );
        let groups = self.groups.values().flatten();
        let most = groups.clone().map(|group| group.invocations).max();
        let bars = terminal.map(|_| most.unwrap_or(1));
        let rows: Vec<_> = groups.map(|group| group.cells(bars)).collect();
        let columns = [
            Column::text(self.by.key().1, 0),
            Column::number("count", 0),
            Column::number("errors", 0),
            Column::number("user errors", 4),
            Column::number(
                if self.machines.is_some() {
                    "machines"
                } else {
                    ""
                },
                0,
            ),
            Column::number("median", 3),
            Column::number("p95", 2),
            Column::text("", 1),
        ];
        let mut parts = vec![
            summary,
            String::new(),
            table(&columns, &rows, terminal),
            String::new(),
        ];
        for (name, counts) in [
            ("options", &self.option_frequency),
            ("platforms", &self.platform_distribution),
        ] {
            if !counts.is_empty() {
                parts.push(format!("{name:<11}{}", told(counts)));
            }
        }
        parts.extend(apart);
        parts.join("\n")
    }
}

impl Group {
    fn cells(&self, most: Option<u64>) -> [Cell; 8] {
        let millis = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), duration);
        let bar = most.map_or_else(
            || Cell::from(""),
            |most| {
                let length = (self.invocations * BAR).div_ceil(most.max(1));
                Cell::styled(GOOD, &"█".repeat(usize::try_from(length).unwrap_or(0)))
            },
        );
        let name = self.name.values().next().map(String::as_str);
        let name = name.filter(|name| !name.is_empty()).unwrap_or("(unknown)");
        [
            name.into(),
            self.invocations.to_string().into(),
            self.errors.to_string().into(),
            self.user_errors.to_string().into(),
            self.machines
                .map(|count| count.to_string())
                .unwrap_or_default()
                .into(),
            millis(self.median_ms).into(),
            millis(self.p95_ms).into(),
            bar,
        ]
    }
}

fn most_frequent_first<'a>(counts: impl Iterator<Item = (&'a String, u64)>) -> Map<String, Value> {
    let mut counts: Vec<_> = counts.collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let pair = |(name, count): (&String, u64)| (name.clone(), count.into());
    counts.into_iter().map(pair).collect()
}

fn told(counts: &Map<String, Value>) -> String {
    let first = counts.iter().take(MOST_TOLD);
    let mut told: Vec<_> = first
        .map(|(name, count)| format!("{} {count}", ForeignText::from(name.as_str())))
        .collect();
    if let Some(more @ 1..) = counts.len().checked_sub(MOST_TOLD) {
        told.push(format!("and {more} more"));
    }
    told.join(", ")
}

fn percent(part: u64, whole: u64) -> f64 {
    let float = |n: u64| u32::try_from(n).map_or(f64::from(u32::MAX), f64::from);
    if whole == 0 {
        return 0.0;
    }
    float(part) * 100.0 / float(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use swamp::domain::{EntryFields, History};

    fn day(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 2, day).unwrap()
    }

    fn usages() -> Usages {
        let mut history = History::default();
        let mut add = |on: u32, tool: Option<&str>, command: &str, status, millis: u64| {
            let fields = EntryFields {
                tool: tool.map(str::to_owned),
                command: Some(command.to_owned()),
                status: Some(status),
                duration_ms: Some(millis),
                option_keys: Some(vec!["--force".into(), "l".into()]),
                platform: Some("linux".into()),
                install_id: Some(format!("{on}")),
                ..EntryFields::default()
            };
            history.add_on(day(on), &fields);
        };
        for n in 1..=20 {
            add(11, Some("deploy"), "deploy run", Status::Success, n * 1000);
        }
        add(11, Some("deploy"), "deploy run", Status::Error, 33_032);
        add(12, Some("deploy"), "deploy rollback", Status::Error, 7);
        add(12, Some("日本"), "日本", Status::UserError, 7);
        add(12, None, "\u{1b}[31m", Status::Success, 7);
        Usages {
            history,
            first: None,
            today: day(13),
            from_machines: false,
        }
    }

    fn shown(usages: &Usages, by: StatsBy, all: bool, terminal: Option<usize>) -> String {
        let words = Stats::of(usages, by, all).in_words(terminal);
        anstream::adapter::strip_str(&words).to_string()
    }

    #[test]
    fn tools_are_counted_and_swamps_own_commands_are_apart() {
        insta::assert_snapshot!(shown(&usages(), StatsBy::Command, false, None), @r"
        23 invocations since 2026-02-11, 87% succeeded

        command          count  errors  user errors  median   p95
        deploy run          21       1            0    11 s  20 s
        deploy rollback      1       1            0    7 ms  7 ms
        日本                 1       0            1    7 ms  7 ms

        options    --force 23, -l 23
        platforms  linux 23
        1 run of swamp's own commands is not counted; --all counts it
        ");
        insta::assert_snapshot!(shown(&usages(), StatsBy::Tool, true, None), @r"
        24 invocations since 2026-02-11, 88% succeeded

        tool    count  errors  user errors  median   p95
        deploy     22       2            0    10 s  20 s
        swamp       1       0            0    7 ms  7 ms
        日本        1       0            1    7 ms  7 ms

        options    --force 24, -l 24
        platforms  linux 24
        ");
    }

    #[test]
    fn days_are_the_newest_first_and_bars_are_scaled_to_the_most() {
        insta::assert_snapshot!(shown(&usages(), StatsBy::Day, false, Some(80)), @r"
        23 invocations since 2026-02-11, 87% succeeded

        day         count  errors  user errors  median   p95
        2026-02-12      2       1            1    7 ms  7 ms  ██
        2026-02-11     21       1            0    11 s  20 s  ████████████████████

        options    --force 23, -l 23
        platforms  linux 23
        1 run of swamp's own commands is not counted; --all counts it
        ");
        let narrow = shown(&usages(), StatsBy::Result, false, Some(40));
        insta::assert_snapshot!(
            narrow
                .lines()
                .skip(2)
                .take(4)
                .collect::<Vec<_>>()
                .join("\n")
        );
    }

    #[test]
    fn machines_are_counted_where_events_come_from_many() {
        let usages = Usages {
            from_machines: true,
            first: Some(day(12)),
            ..usages()
        };
        insta::assert_snapshot!(shown(&usages, StatsBy::Command, false, None), @r"
        2 invocations on 1 machine since 2026-02-12, 0% succeeded

        command          count  errors  user errors  machines  median   p95
        deploy rollback      1       1            0         1    7 ms  7 ms
        日本                 1       0            1         1    7 ms  7 ms

        options    --force 2, -l 2
        platforms  linux 2
        1 run of swamp's own commands is not counted; --all counts it
        ");
    }

    #[test]
    fn the_json_has_the_keys_and_scales_of_the_deno_implementation() {
        let stats = Stats::of(&usages(), StatsBy::Command, false);
        let json = serde_json::to_value(&stats).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&json).unwrap());
    }

    #[test]
    fn nothing_is_told_of_nothing() {
        let empty = Usages {
            history: History::default(),
            ..usages()
        };
        let shown = [
            shown(&empty, StatsBy::Command, false, None),
            shown(
                &Usages {
                    first: Some(day(13)),
                    ..usages()
                },
                StatsBy::Command,
                false,
                None,
            ),
        ];
        insta::assert_snapshot!(shown.join("\n"));
    }
}
