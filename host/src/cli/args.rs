//! The command line.

mod telemetry;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::{ArgValueCompleter, Shell};
use swamp::domain::Label;
use swamp::scaffold::{ScaffoldLang, ScaffoldTemplate};
use tracing::level_filters::LevelFilter;

use self::telemetry::label;
pub(crate) use self::telemetry::{ListedSubcommands, Receive, Record, RecordedStatus, Telemetry};
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
    #[arg(long, value_parser = label)]
    pub(crate) name: Option<Label>,
    /// The program's version
    #[arg(long, value_name = "VERSION", value_parser = label)]
    pub(crate) tool_version: Option<Label>,
    #[command(flatten)]
    pub(crate) listed: ListedSubcommands,
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
