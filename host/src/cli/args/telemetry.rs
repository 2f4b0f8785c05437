//! The command line of `telemetry …`.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use swamp::domain::{Label, Subcommands};

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Telemetry {
    /// Tell whether telemetry is on, where it goes, and what waits
    Status,
    /// Tell how commands are used, by what is in the spool
    Stats {
        /// How many days to look at, today among them
        #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
        days: u16,
    },
    /// List what is in the spool, newest first
    List,
    /// Turn telemetry on
    Enable {
        /// For this user everywhere, instead of in this repository
        #[arg(long)]
        global: bool,
    },
    /// Turn telemetry off
    Disable {
        /// For this user everywhere, instead of in this repository
        #[arg(long)]
        global: bool,
    },
    /// Delete what is in the spool
    Purge {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Be an endpoint on this machine, and print what arrives
    Receive(Receive),
    /// Record an entry of another program, from options or as JSON on stdin
    ///
    /// Without --command, reads entries from stdin: a JSON object, or many, one a line. What they leave out of id, times,
    /// version and platform is added, and fields that are unknown are kept. Prints the id of each entry that is recorded;
    /// a line that is wrong is refused with its number, and the others are taken.
    ///
    /// An id that was recorded already with the same content is no error, and with other content is refused.
    Record(Box<Record>),
    /// Send what waits: one batch of up to 25, the oldest first
    Flush {
        /// Send everything, batch after batch
        #[arg(long)]
        all: bool,
        /// Print the request that the next batch would be, and send nothing
        #[arg(long, conflicts_with = "all")]
        dry_run: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Receive {
    /// Listen on this address
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8090")]
    pub(crate) listen: SocketAddr,
    /// Let it be an address that other machines can reach
    #[arg(long)]
    pub(crate) allow_remote: bool,
    /// Answer good requests with this status instead of 202
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(200..600))]
    pub(crate) respond: Option<u16>,
    /// Hold each answer back for so many milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub(crate) delay: u64,
    /// Refuse every Nth request with 503
    #[arg(long, value_name = "N")]
    pub(crate) fail_every: Option<NonZeroU32>,
    /// Close the connection of every Nth request without an answer
    #[arg(long, value_name = "N")]
    pub(crate) drop_every: Option<NonZeroU32>,
    /// Append each new event to FILE as a line of JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Record {
    /// The command
    #[arg(long)]
    pub(crate) command: Option<String>,
    /// Its subcommand
    #[arg(long, requires = "command")]
    pub(crate) subcommand: Option<String>,
    /// How it ended [default: by the exit code]
    #[arg(long, requires = "command", value_enum)]
    pub(crate) status: Option<RecordedStatus>,
    /// Its exit code [default: by the status]
    #[arg(
        long,
        value_name = "CODE",
        requires = "command",
        allow_negative_numbers = true
    )]
    pub(crate) exit_code: Option<i32>,
    /// When it began, as ISO 8601 has it [default: MS ago, or now]
    #[arg(long, value_name = "TIME", requires = "command")]
    pub(crate) started_at: Option<String>,
    /// How long it took, in milliseconds [default: from TIME until now]
    #[arg(long, value_name = "MS", requires = "command")]
    pub(crate) duration_ms: Option<u64>,
    /// The key of an option that it was given, such as --force; may be repeated
    #[arg(long = "option-key", value_name = "KEY", requires = "command")]
    pub(crate) option_keys: Vec<String>,
    /// The key of a global option that it was given; may be repeated
    #[arg(long = "global-option", value_name = "KEY", requires = "command")]
    pub(crate) global_options: Vec<String>,
    /// How many positional arguments it was given: their values are not recorded
    #[arg(long, value_name = "COUNT", requires = "command")]
    pub(crate) args: Option<u16>,
    /// The type of its error
    #[arg(long, value_name = "TYPE", requires = "command")]
    pub(crate) error_type: Option<String>,
    /// A fixed sentence for that type of error, which quotes nothing
    #[arg(long, value_name = "SENTENCE", requires = "command")]
    pub(crate) error_message: Option<String>,
    /// The version of the program that is recorded
    #[arg(long, value_name = "VERSION", requires = "command")]
    pub(crate) tool_version: Option<String>,
    #[command(flatten)]
    pub(crate) listed: ListedSubcommands,
    /// The entry's id: 1 to 64 letters, digits, - and _ [default: a new one]
    #[arg(long, requires = "command")]
    pub(crate) id: Option<String>,
    /// Keep the args of JSON entries as they are, since they are redacted already
    #[arg(long, conflicts_with = "command")]
    pub(crate) args_are_redacted: bool,
}

/// How an invocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RecordedStatus {
    Success,
    Error,
    #[value(name = "user_error")]
    UserError,
}

impl RecordedStatus {
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
    /// Record these words where they are the program's first argument; all else is redacted
    #[arg(long, value_name = "WORD,...", value_delimiter = ',', value_parser = subcommand)]
    pub(crate) subcommands: Option<Vec<Label>>,
    /// How many leading arguments may be one of these words, 1 to 8
    #[arg(long, value_name = "N", default_value_t = 1, requires = "subcommands", value_parser = depth)]
    pub(crate) depth: usize,
}

pub(super) fn label(text: &str) -> Result<Label, String> {
    let max = Label::MAX_LEN;
    Label::parse(text).ok_or_else(|| format!("write 1 to {max} printable characters"))
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
