//! The command line.

mod config;
mod telemetry;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::{ArgValueCompleter, Shell};
use swamp::domain::Label;
use swamp::scaffold::{ScaffoldContract, ScaffoldLang, ScaffoldTemplate};
use tracing::level_filters::LevelFilter;

pub(crate) use self::config::{ConfigCommand, SETTINGS};
use self::telemetry::label;
pub(crate) use self::telemetry::{
    List, ListedSubcommands, OnOrOff, Receive, Record, RecordedStatus, Stats, StatsBy, Telemetry,
};
use super::completers::{program_words, scenario_names, sender_names, tool_names};
use super::ui::Color;

/// Records command-line invocations and delivers them through a sandboxed WebAssembly sender.
#[derive(Debug, Parser)]
#[command(
    name = "swamp",
    version,
    propagate_version = false,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The options of every command.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent flag")]
#[expect(clippy::doc_markdown, reason = "help texts are not Markdown")]
pub(crate) struct Globals {
    /// Use the repository in DIR instead of the nearest one
    #[arg(short = 'C', long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) repo_dir: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Minimum log level [env: SWAMP_LOG_LEVEL] [default: warning]
    #[arg(long, global = true, value_name = "LEVEL", ignore_case = true)]
    pub(crate) log_level: Option<LogLevel>,
    /// Print only errors on stderr
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Log more; same as --log-level info
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Do not record or send telemetry
    #[arg(long, global = true)]
    pub(crate) no_telemetry: bool,
    /// When to use colors [env: NO_COLOR, CLICOLOR_FORCE] [default: auto]
    #[arg(long, global = true, value_name = "WHEN")]
    pub(crate) color: Option<Color>,
    /// Same as --color never
    #[arg(long, global = true, hide = true, conflicts_with = "color")]
    pub(crate) no_color: bool,
}

impl Globals {
    /// Whether an option turns telemetry off.
    pub(crate) const fn turns_telemetry_off(&self) -> bool {
        self.no_telemetry
    }

    /// Takes what holds whatever else is wrong with the command line: who asks for no telemetry gets none.
    pub(crate) fn take_from(&mut self, argv: &[OsString]) {
        self.no_telemetry |= argv.iter().any(|arg| arg == "--no-telemetry");
        let mut own = argv.iter().take_while(|arg| *arg != "--");
        self.json |= own.any(|arg| arg == "--json");
    }
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
    /// The level of this name, in upper or lower case.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::from_str(name, true).ok()
    }

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
    /// Set up telemetry in a directory
    Init(Init),
    /// Set up or upgrade a repository
    #[command(subcommand)]
    Repo(RepoCommand),
    /// Print the version
    Version,
    /// Print a completion script for a shell
    Completions {
        /// Shell
        shell: Shell,
    },
    /// Inspect, send and control telemetry
    #[command(subcommand)]
    Telemetry(Telemetry),
    /// Inspect, test and choose the sender component
    #[command(subcommand)]
    Sender(Sender),
    /// Allow what this repository and its sender ask for, on this machine
    ///
    /// Shows the endpoint, the sender with its digest, its options and limits, and the headers of your config.yaml that it
    /// would send, and then asks. Without this, a repository whose .swamp.yaml came with a checkout gets none of your
    /// headers, its own sender reaches public addresses only, and it cannot raise limits. A repository that belongs to
    /// another user is not used at all.
    Trust {
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
    /// Take back what `trust` has allowed for this repository
    Untrust {
        /// Show what would be taken back and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Run a program and record it as an invocation
    ///
    /// The program keeps the terminal, the standard streams and the signals, and its exit code becomes the exit code of
    /// this command. Its name, option keys, result and duration are recorded; values, output and environment are not.
    /// When telemetry is off, the program runs and is not recorded.
    Exec(Exec),
    /// Show and change settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Check that telemetry works here, and print a fix for each problem
    Doctor {
        /// Also send a test event to the endpoint
        #[arg(long)]
        send: bool,
    },
    /// Record, flush and receive telemetry once in a scratch directory
    Demo,
    /// Print the manual page, or write all manual pages to a directory
    ///
    /// Without DIR, prints the page of swamp in the format of man: `swamp man | man -l -` shows it.
    Man {
        /// Directory to write the pages of all commands to; created if missing
        #[arg(value_hint = ValueHint::DirPath)]
        dir: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Exec {
    /// Name to record [default: the program's base name]
    #[arg(long, value_parser = label, add = ArgValueCompleter::new(tool_names))]
    pub(crate) name: Option<Label>,
    /// Version of the program
    #[arg(long, value_name = "VERSION", value_parser = label)]
    pub(crate) tool_version: Option<Label>,
    #[command(flatten)]
    pub(crate) listed: ListedSubcommands,
    /// Program and its arguments
    #[arg(last = true, required = true, value_name = "PROGRAM", add = ArgValueCompleter::new(program_words))]
    pub(crate) program: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Directory to set up; created if missing [default: current directory]
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
    /// Set up a repository of your own, for commands outside of all other repositories
    #[arg(long, conflicts_with = "dir")]
    pub(crate) user: bool,
    /// Send telemetry to this http or https URL
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum RepoCommand {
    /// Set up telemetry in a directory
    Init(Init),
    /// Upgrade .swamp.yaml to this version
    Upgrade,
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Sender {
    /// Show the sender of this repository
    Show,
    /// Show what a component exports and imports, and whether it runs
    Check {
        /// Component file, builtin:ingest or builtin:otlp
        #[arg(add = ArgValueCompleter::new(sender_names))]
        file: PathBuf,
    },
    /// Run the conformance tests against a component
    Test(SenderTest),
    /// Create a sender project in the directory NAME
    New(SenderNew),
    /// Check a sender, trust it on this machine and write it to .swamp.yaml
    ///
    /// A file outside of the repository is copied to .swamp/senders, to be committed; run the command again after a
    /// rebuild. A file in the repository is used in place.
    Use {
        /// Component file, builtin:ingest or builtin:otlp
        #[arg(value_name = "FILE", add = ArgValueCompleter::new(sender_names))]
        sender: PathBuf,
        /// Use a file outside of the repository in place, by its absolute path
        #[arg(long)]
        in_place: bool,
        /// Option of the sender, replacing all options that are set; can be repeated
        #[arg(long = "option", value_name = "KEY=VALUE", value_parser = key_and_value)]
        options: Vec<(String, String)>,
    },
    /// Trust the sender in .swamp.yaml on this machine, as `swamp trust` does
    Trust {
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
    /// Convert a core module, as C, Zig and Go toolchains build it, to a component
    Wrap(SenderWrap),
}

#[derive(Debug, Args)]
pub(crate) struct SenderWrap {
    /// Core module, built with the bindings of wit-bindgen
    #[arg(value_name = "CORE.wasm", value_hint = clap::ValueHint::FilePath)]
    pub(crate) core: PathBuf,
    /// Directory with the WIT world of the bindings, if the module does not contain it
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(crate) wit: Option<PathBuf>,
    /// Component to write [default: CORE.component.wasm]
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SenderTest {
    /// Component file, builtin:ingest or builtin:otlp
    #[arg(required_unless_present = "list", add = ArgValueCompleter::new(sender_names))]
    pub(crate) file: Option<PathBuf>,
    /// List the scenarios and run none
    #[arg(long, conflicts_with_all = ["watch", "junit"])]
    pub(crate) list: bool,
    /// Run again whenever the file changes
    #[arg(long)]
    pub(crate) watch: bool,
    #[arg(long, help = "Also write the report to FILE as JUnit XML", value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) junit: Option<PathBuf>,
    /// Path of the test endpoint
    #[arg(long, value_name = "/PATH", value_parser = endpoint_path)]
    pub(crate) endpoint_path: Option<String>,
    /// Status that means the batch was accepted
    #[arg(long, value_name = "N", default_value_t = 202, value_parser = clap::value_parser!(u16).range(200..300))]
    pub(crate) accept_status: u16,
    /// Run only these scenarios, by name or pattern such as 'status-*'; can be repeated
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(scenario_names))]
    pub(crate) only: Vec<String>,
    /// Option to pass to the sender; can be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub(crate) option: Vec<(String, String)>,
}

fn endpoint_path(text: &str) -> Result<String, &'static str> {
    let is_path = text.starts_with('/') && !text.contains("//") && !text.contains(['?', '#', '\\']);
    if is_path {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err("expected a path such as /v1/logs, without a query")
    }
}

fn key_and_value(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE"),
    }
}

#[derive(Debug, Args)]
pub(crate) struct SenderNew {
    /// Name of the directory and of the package
    pub(crate) name: String,
    /// Language and toolchain
    #[arg(long, value_name = "LANG", default_value = "rust")]
    pub(crate) lang: ScaffoldLanguage,
    /// Request format: like builtin:ingest or builtin:otlp
    #[arg(long, value_name = "TEMPLATE", default_value = "ingest")]
    pub(crate) template: ScaffoldFormat,
    /// Version of the sender contract
    #[arg(long, value_name = "VERSION", default_value = "0.2")]
    pub(crate) contract: ScaffoldVersion,
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
pub(crate) enum ScaffoldVersion {
    /// An outcome for the batch
    #[value(name = "0.1")]
    V0_1,
    /// An outcome for each entry, and a description
    #[value(name = "0.2")]
    V0_2,
    /// The same with async functions, for WASI 0.3; in Rust and Python
    #[value(name = "0.3")]
    V0_3,
}

impl ScaffoldVersion {
    pub(crate) const fn contract(self) -> ScaffoldContract {
        match self {
            Self::V0_1 => ScaffoldContract::V0_1,
            Self::V0_2 => ScaffoldContract::V0_2,
            Self::V0_3 => ScaffoldContract::V0_3,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScaffoldLanguage {
    Rust,
    RustWstd,
    RustCargoComponent,
    #[value(name = "javascript")]
    JavaScript,
    Python,
    C,
    Go,
}

impl ScaffoldLanguage {
    pub(crate) const fn lang(self) -> ScaffoldLang {
        match self {
            Self::Rust => ScaffoldLang::Rust,
            Self::RustWstd => ScaffoldLang::RustWstd,
            Self::RustCargoComponent => ScaffoldLang::RustCargoComponent,
            Self::JavaScript => ScaffoldLang::JavaScript,
            Self::Python => ScaffoldLang::Python,
            Self::C => ScaffoldLang::C,
            Self::Go => ScaffoldLang::Go,
        }
    }
}

/// The commands that are not recorded, by name and subcommand.
pub(crate) const UNRECORDED: [(&str, Option<&str>); 6] = [
    ("completions", None),
    ("demo", None),
    ("man", None),
    ("telemetry", Some("flush")),
    ("telemetry", Some("receive")),
    ("telemetry", Some("record")),
];

/// The positional arguments whose values are one of a fixed set and may be recorded: the command's path and the
/// argument's name.
pub(crate) const CATEGORICAL: [(&[&str], &str); 1] = [(&["completions"], "shell")];
