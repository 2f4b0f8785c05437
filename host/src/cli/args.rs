//! The command line.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::{ArgValueCompleter, Shell};
use tracing::level_filters::LevelFilter;

use super::completions::sender_names;

const FIRST_STEPS: &str = "\
Examples:
  swamp demo                            see everything once, and leave nothing behind
  swamp init --endpoint https://HOST    make this directory a repository that sends there
  swamp telemetry status                see where its telemetry goes, and what waits
  swamp telemetry disable               turn it off here";

/// Records command-line invocations and delivers them through a sandboxed WebAssembly sender.
#[derive(Debug, Parser)]
#[command(
    name = "swamp",
    version,
    propagate_version = false,
    arg_required_else_help = true,
    after_help = FIRST_STEPS
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[expect(clippy::doc_markdown, reason = "what is shown as help is no Markdown")]
pub(crate) struct Globals {
    /// Work in the repository at DIR instead of the nearest one
    #[arg(short = 'C', long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) repo_dir: Option<PathBuf>,
    /// Answer with one JSON document
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Log what is at least this bad to stderr [env: SWAMP_LOG_LEVEL] [default: warning]
    #[arg(long, global = true, value_name = "LEVEL", ignore_case = true)]
    pub(crate) log_level: Option<LogLevel>,
    /// Say nothing on stderr but errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Log more, like --log-level info
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Record and send nothing
    #[arg(long, global = true)]
    pub(crate) no_telemetry: bool,
    /// Print without colours, as with the environment variable NO_COLOR
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    Trace,
    Debug,
    Info,
    Warning,
    Error,
    Fatal,
}

impl LogLevel {
    pub(crate) const fn filter(self) -> LevelFilter {
        match self {
            Self::Trace => LevelFilter::TRACE,
            Self::Debug => LevelFilter::DEBUG,
            Self::Info => LevelFilter::INFO,
            Self::Warning => LevelFilter::WARN,
            Self::Error | Self::Fatal => LevelFilter::ERROR,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a directory a repository
    Init(Init),
    /// Make or upgrade a repository
    #[command(subcommand)]
    Repo(Repo),
    /// Print the version
    Version,
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// See, send and steer what is recorded
    #[command(subcommand)]
    Telemetry(Telemetry),
    /// See, check and choose the component that delivers
    #[command(subcommand)]
    Sender(Sender),
    /// Watch the whole path once, on this machine and in a scratch directory
    Demo,
    /// Write the manual page of every command into a directory
    #[command(hide = true)]
    Man {
        /// The directory, made where it is missing
        #[arg(value_hint = ValueHint::DirPath)]
        dir: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The directory, made where it is missing [default: the current one]
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
    /// Send telemetry to this http or https URL
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Repo {
    /// Make a directory a repository
    Init(Init),
    /// Bring the repository's marker up to this version
    Upgrade,
}

#[derive(Debug, Subcommand)]
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

#[derive(Debug, Subcommand)]
pub(crate) enum Sender {
    /// Tell which sender delivers for this repository
    Show,
    /// Tell what a component exports and asks for, and whether it would run
    Check {
        /// A component file, or builtin:ingest
        #[arg(add = ArgValueCompleter::new(sender_names))]
        file: PathBuf,
    },
    /// Check a sender, trust it on this machine, and write it into the marker with its digest
    Use {
        /// A component file, or builtin:ingest
        #[arg(value_name = "FILE", add = ArgValueCompleter::new(sender_names))]
        sender: PathBuf,
    },
    /// Trust the sender that the marker names, on this machine
    Trust,
}

/// The commands that are no invocation to record, by name and subcommand.
pub(crate) const UNRECORDED: [(&str, Option<&str>); 5] = [
    ("completions", None),
    ("demo", None),
    ("man", None),
    ("telemetry", Some("flush")),
    ("telemetry", Some("receive")),
];

/// The positions whose values are one of a few known words, and may be recorded: the path of the command, and the
/// argument's name.
pub(crate) const CATEGORICAL: [(&[&str], &str); 1] = [(&["completions"], "shell")];
