//! The command line.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::{ArgValueCompleter, Shell};
use swamp::scaffold::{ScaffoldLang, ScaffoldTemplate};
use tracing::level_filters::LevelFilter;

use super::completions::sender_names;
use super::exec::ProgramName;

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
#[command(defer = true)]
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
    /// Run a program, and record its run as an invocation
    ///
    /// The program has this terminal, its streams and its signals as if it ran alone, and its exit code is the answer.
    /// Recorded are its name, the keys of its options, how it ended and how long it took; never a value, its output or its
    /// environment. Where telemetry is off, it is simply run.
    Exec(Exec),
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
pub(crate) struct Exec {
    /// Record it as NAME [default: the program's base name]
    #[arg(long, value_parser = ProgramName::parse)]
    pub(crate) name: Option<ProgramName>,
    /// The program, and what it is given
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    pub(crate) program: Vec<OsString>,
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
#[command(defer = true)]
pub(crate) enum Repo {
    /// Make a directory a repository
    Init(Init),
    /// Bring the repository's marker up to this version
    Upgrade,
}

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
    /// The key of an option that it was given, without dashes; may be repeated
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

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Sender {
    /// Tell which sender delivers for this repository
    Show,
    /// Tell what a component exports and asks for, and whether it would run
    Check {
        /// A component file, builtin:ingest or builtin:otlp
        #[arg(add = ArgValueCompleter::new(sender_names))]
        file: PathBuf,
    },
    /// Put a component through everything that the contract speaks of, on this machine
    Test(SenderTest),
    /// Write a project to build a sender from into the directory NAME
    New(SenderNew),
    /// Check a sender, trust it on this machine, and write it into the marker with its digest
    Use {
        /// A component file, builtin:ingest or builtin:otlp
        #[arg(value_name = "FILE", add = ArgValueCompleter::new(sender_names))]
        sender: PathBuf,
    },
    /// Trust the sender that the marker names, on this machine
    Trust,
}

#[derive(Debug, Args)]
pub(crate) struct SenderTest {
    /// A component file, builtin:ingest or builtin:otlp
    #[arg(add = ArgValueCompleter::new(sender_names))]
    pub(crate) file: PathBuf,
    /// Use endpoints with this path
    #[arg(long, value_name = "/PATH", value_parser = endpoint_path)]
    pub(crate) endpoint_path: Option<String>,
    /// Take this status for the endpoint's one success
    #[arg(long, value_name = "N", default_value_t = 202, value_parser = clap::value_parser!(u16).range(200..300))]
    pub(crate) accept_status: u16,
    /// Run only this scenario; may be given again
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<String>,
    /// Give the sender this option; may be given again
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub(crate) option: Vec<(String, String)>,
}

fn endpoint_path(text: &str) -> Result<String, &'static str> {
    let is_path = text.starts_with('/') && !text.contains("//") && !text.contains(['?', '#', '\\']);
    if is_path {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err("write a path such as /v1/logs, without a query")
    }
}

fn key_and_value(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write a key, `=` and a value"),
    }
}

#[derive(Debug, Args)]
pub(crate) struct SenderNew {
    /// The directory to make, and the name of the package
    pub(crate) name: String,
    /// The language, and the toolchain
    #[arg(long, value_name = "LANG", default_value = "rust")]
    pub(crate) lang: ScaffoldLanguage,
    /// What the endpoint understands: what builtin:ingest sends, or what builtin:otlp does
    #[arg(long, value_name = "TEMPLATE", default_value = "ingest")]
    pub(crate) template: ScaffoldFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScaffoldFormat {
    Ingest,
    Otlp,
}

impl ScaffoldFormat {
    pub(crate) const fn template(self) -> ScaffoldTemplate {
        match self {
            Self::Ingest => ScaffoldTemplate::Ingest,
            Self::Otlp => ScaffoldTemplate::Otlp,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScaffoldLanguage {
    Rust,
    RustCargoComponent,
    #[value(name = "javascript")]
    JavaScript,
    Python,
}

impl ScaffoldLanguage {
    pub(crate) const fn lang(self) -> ScaffoldLang {
        match self {
            Self::Rust => ScaffoldLang::Rust,
            Self::RustCargoComponent => ScaffoldLang::RustCargoComponent,
            Self::JavaScript => ScaffoldLang::JavaScript,
            Self::Python => ScaffoldLang::Python,
        }
    }
}

/// The commands that are no invocation to record, by name and subcommand.
pub(crate) const UNRECORDED: [(&str, Option<&str>); 6] = [
    ("completions", None),
    ("demo", None),
    ("man", None),
    ("telemetry", Some("flush")),
    ("telemetry", Some("receive")),
    ("telemetry", Some("record")),
];

/// The positions whose values are one of a few known words, and may be recorded: the path of the command, and the
/// argument's name.
pub(crate) const CATEGORICAL: [(&[&str], &str); 1] = [(&["completions"], "shell")];
