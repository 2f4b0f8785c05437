//! The command line of `telemetry …`.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use clap::{Args, Subcommand, ValueEnum, ValueHint};
use clap_complete::ArgValueCompleter;
use swamp::domain::{Label, Status, Subcommands};

use crate::cli::completers::tool_names;

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Telemetry {
    /// Show whether telemetry is on, where it goes and what is pending
    Status {
        /// Show all your repositories with pending entries, not only this one
        #[arg(long)]
        everywhere: bool,
    },
    /// Show how commands are used
    ///
    /// Counts the entries that were sent in the last 90 days and those in the spool. If the table is wider than the
    /// terminal, columns are left out in this order: the bar, p95, median, user errors.
    Stats(Stats),
    /// List the entries in the spool, newest first
    ///
    /// If the table is wider than the terminal, columns are left out in this order: state, took, started, result. Then the
    /// command is shortened.
    List(List),
    /// Turn telemetry on
    Enable {
        /// For all your repositories instead of this one
        #[arg(long)]
        global: bool,
    },
    /// Turn telemetry off
    Disable {
        /// For all your repositories instead of this one
        #[arg(long)]
        global: bool,
    },
    /// Show, create or remove the random id of this machine
    ///
    /// Without an id, which is the default, nobody can tell how many machines entries come from. With an id, each entry
    /// contains it. The id says nothing about the machine or its user.
    InstallId {
        /// on creates an id, off removes it [default: show it]
        state: Option<OnOrOff>,
        /// Show what off would remove and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Delete the entries in the spool
    Purge {
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
        /// Show what would be deleted and delete nothing
        #[arg(long, conflicts_with = "yes")]
        dry_run: bool,
    },
    /// Run a local endpoint and print what arrives
    Receive(Receive),
    /// Record entries of another program, from options or as JSON on stdin
    ///
    /// Without --command, reads entries from stdin: one JSON object, or one per line. Missing ids, times, versions and
    /// platforms are filled in, and unknown fields are kept. Prints the id of each recorded entry. An invalid line is
    /// reported with its number, and the other lines are recorded.
    ///
    /// Recording an id again is not an error if the content is the same; different content is refused. --schema prints the
    /// JSON Schema of an entry, and --example prints a valid entry.
    Record(Box<Record>),
    /// Send pending entries: one batch of up to 25, oldest first
    Flush {
        /// Send all pending entries, batch by batch
        #[arg(long)]
        all: bool,
        /// Print the request for the next batch without sending it
        #[arg(long, conflicts_with = "all")]
        dry_run: bool,
        /// Send all pending entries of all your repositories, each with its own settings
        #[arg(long, conflicts_with = "dry_run")]
        everywhere: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnOrOff {
    On,
    Off,
}

#[derive(Debug, Args)]
pub(crate) struct Stats {
    /// What to count by
    #[arg(long, value_enum, default_value_t)]
    pub(crate) by: StatsBy,
    /// Number of days to include, counting today [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) days: Option<u16>,
    /// Count swamp's own commands too
    #[arg(long)]
    pub(crate) all: bool,
    /// Count the events in FILE, as `telemetry receive --save` writes them, and the machines they come from
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) from: Option<PathBuf>,
}

/// What invocations are counted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatsBy {
    Day,
    #[default]
    Command,
    Result,
    Tool,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Number of entries to list, 0 for all [default: a screenful on a terminal, otherwise all]
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Only this command or tool, with or without its subcommand, such as deploy or "deploy run"
    #[arg(long, value_name = "COMMAND", add = ArgValueCompleter::new(tool_names))]
    pub(crate) command: Option<String>,
    /// Only entries with this result
    #[arg(long, value_enum)]
    pub(crate) result: Option<RecordedStatus>,
    /// Only entries since then: an age such as 30m, 12h or 7d, a date or an ISO 8601 time
    #[arg(long, value_name = "WHEN", value_parser = since)]
    pub(crate) since: Option<DateTime<Utc>>,
}

fn since(text: &str) -> Result<DateTime<Utc>, &'static str> {
    let age = || {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let number: i64 = number.parse().ok().filter(|number| *number >= 0)?;
        let age = match unit {
            "s" => TimeDelta::try_seconds(number),
            "m" => TimeDelta::try_minutes(number),
            "h" => TimeDelta::try_hours(number),
            "d" => TimeDelta::try_days(number),
            "w" => TimeDelta::try_weeks(number),
            _ => None,
        };
        Utc::now().checked_sub_signed(age?)
    };
    let date = || {
        Some(
            text.parse::<NaiveDate>()
                .ok()?
                .and_time(NaiveTime::MIN)
                .and_utc(),
        )
    };
    let time = || Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc());
    age()
        .or_else(date)
        .or_else(time)
        .ok_or("use an age such as 12h or 7d, a date such as 2026-02-11, or an ISO 8601 time")
}

#[derive(Debug, Args)]
pub(crate) struct Receive {
    /// Address or port to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8090", value_parser = listen)]
    pub(crate) listen: SocketAddr,
    /// Allow an address that other machines can reach
    #[arg(long)]
    pub(crate) allow_remote: bool,
    /// Respond to valid requests with this status instead of 202
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(200..600))]
    pub(crate) respond: Option<u16>,
    /// Delay each response by this many milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub(crate) delay: u64,
    /// Respond to every Nth request with 503
    #[arg(long, value_name = "N")]
    pub(crate) fail_every: Option<NonZeroU32>,
    /// Close the connection of every Nth request without a response
    #[arg(long, value_name = "N")]
    pub(crate) drop_every: Option<NonZeroU32>,
    /// Append each new event to FILE as a line of JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Record {
    /// Command
    #[arg(long, add = ArgValueCompleter::new(tool_names))]
    pub(crate) command: Option<String>,
    /// Subcommand
    #[arg(long, requires = "command")]
    pub(crate) subcommand: Option<String>,
    /// Result [default: from the exit code]
    #[arg(long, requires = "command", value_enum)]
    pub(crate) status: Option<RecordedStatus>,
    /// Exit code [default: from the status]
    #[arg(
        long,
        value_name = "CODE",
        requires = "command",
        allow_negative_numbers = true
    )]
    pub(crate) exit_code: Option<i32>,
    /// Start time in ISO 8601 [default: MS ago, or now]
    #[arg(long, value_name = "TIME", requires = "command")]
    pub(crate) started_at: Option<String>,
    /// Duration in milliseconds [default: from TIME until now]
    #[arg(long, value_name = "MS", requires = "command")]
    pub(crate) duration_ms: Option<u64>,
    /// Option key that was given, such as --force; can be repeated
    #[arg(long = "option-key", value_name = "KEY", requires = "command")]
    pub(crate) option_keys: Vec<String>,
    /// Key of a global option that was given, without dashes; can be repeated
    #[arg(long = "global-option", value_name = "KEY", requires = "command")]
    pub(crate) global_options: Vec<String>,
    /// Number of positional arguments; their values are not recorded
    #[arg(long, value_name = "COUNT", requires = "command")]
    pub(crate) args: Option<u16>,
    /// Error type
    #[arg(long, value_name = "TYPE", requires = "command")]
    pub(crate) error_type: Option<String>,
    /// Fixed sentence for this error type, without values or paths
    #[arg(long, value_name = "SENTENCE", requires = "command")]
    pub(crate) error_message: Option<String>,
    /// Version of the recorded program
    #[arg(long, value_name = "VERSION", requires = "command")]
    pub(crate) tool_version: Option<String>,
    #[command(flatten)]
    pub(crate) listed: ListedSubcommands,
    /// Entry id: 1 to 64 letters, digits, - and _ [default: a new id]
    #[arg(long, requires = "command")]
    pub(crate) id: Option<String>,
    /// Keep the args of JSON entries, because they are already redacted
    #[arg(long, conflicts_with = "command")]
    pub(crate) args_are_redacted: bool,
    /// Print the JSON Schema of an entry and record nothing
    #[arg(long, conflicts_with_all = ["command", "args_are_redacted", "subcommands", "example"])]
    pub(crate) schema: bool,
    /// Print a valid entry and record nothing
    #[arg(long, conflicts_with_all = ["command", "args_are_redacted", "subcommands"])]
    pub(crate) example: bool,
}

/// The result of an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RecordedStatus {
    Success,
    Error,
    #[value(name = "user_error")]
    UserError,
}

impl RecordedStatus {
    pub(crate) const fn status(self) -> Status {
        match self {
            Self::Success => Status::Success,
            Self::Error => Status::Error,
            Self::UserError => Status::UserError,
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::UserError => "user_error",
        }
    }
}

// Which arguments of a program may be recorded. A doc comment would become the help of the commands that have it.
#[derive(Debug, Args)]
pub(crate) struct ListedSubcommands {
    /// Record the program's first argument if it is one of these words; other arguments are redacted
    #[arg(long, value_name = "WORD,...", value_delimiter = ',', value_parser = subcommand)]
    pub(crate) subcommands: Option<Vec<Label>>,
    /// Number of leading arguments that can be one of these words, 1 to 8
    #[arg(long, value_name = "N", default_value_t = 1, requires = "subcommands", value_parser = depth)]
    pub(crate) depth: usize,
}

pub(super) fn label(text: &str) -> Result<Label, String> {
    let max = Label::MAX_LEN;
    Label::parse(text).ok_or_else(|| format!("write 1 to {max} printable characters"))
}

/// A port, an address with a port, or localhost with a port.
fn listen(text: &str) -> Result<SocketAddr, String> {
    let local = text.strip_prefix("localhost:").unwrap_or(text);
    if let Ok(port) = local.parse::<u16>() {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    text.parse().map_err(|_| {
        "write a port or an address with one, such as 8091, localhost:8091 or [::1]:8091".to_owned()
    })
}

fn subcommand(text: &str) -> Result<Label, String> {
    let is_word = Subcommands::new([text], 1).is_some();
    let label = Label::parse(text).filter(|_| is_word);
    label.ok_or_else(|| "write words of 1 to 64 characters, separated by commas".to_owned())
}

fn depth(text: &str) -> Result<usize, String> {
    let depth = text.parse().ok();
    depth
        .filter(|depth| (1..=Subcommands::MAX_DEPTH).contains(depth))
        .ok_or_else(|| format!("write a number from 1 to {}", Subcommands::MAX_DEPTH))
}
