//! Records the commands of another program that is built with clap, in under ten lines of it.
//!
//! Where the working directory is in a repository, at or below a directory with a `.swamp.yaml`, each command leaves
//! one entry in the repository's spool: which command and which options, never a value, and how it ended. Outside of
//! all repositories it does so where the user ran `swamp init --user`. After a
//! success, the `swamp` that `SWAMP_BIN` names by its absolute path, or the first on `PATH` outside of the
//! repository, is started to deliver what waits; where there is none, the entry waits for the next flush. Elsewhere,
//! and where telemetry is off, nothing happens.
//!
//! Nothing here fails, prints, or makes a command wait for the network. What goes wrong is told to [`tracing`], at
//! debug level. An entry beyond the largest size of a file (`ulimit -f`) is lost in the same way: its SIGXFSZ does not
//! reach the program, whose signal handlers stay as they are.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use swamp::recorder::clap::{ArgMatches, Command};
//! use swamp::recorder::{Failure, Recorder};
//!
//! fn main() -> ExitCode {
//!     let command = Command::new("greet").subcommand(Command::new("hello"));
//!
//!     let recorder = Recorder::new("greet", "1.2.3");
//!     let argv = ["greet", "hello"]; // std::env::args_os()
//!     let matches = command.clone().try_get_matches_from(argv).unwrap_or_else(|error| {
//!         recorder.refused(&command, argv, &error);
//!         error.exit()
//!     });
//!     let recording = recorder.begin(&command, &matches);
//!     let done = run(&matches);
//!     recording.finish(done.err().map(|Offline| OFFLINE));
//!     if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(4) }
//! }
//!
//! // The program's own error, and what is recorded of it.
//! #[derive(Clone, Copy)]
//! struct Offline;
//! const OFFLINE: Failure = Failure::new("Offline", "the server cannot be reached").exit_code(4);
//!
//! fn run(_: &ArgMatches) -> Result<(), Offline> {
//!     Ok(())
//! }
//! ```
//!
//! With clap's derive, `command` is `Cli::command()`, and `Cli::from_arg_matches(&matches)` gives the struct.
//!
//! # A command that does not come to its end
//!
//! is recorded as an error all the same. A panic that unwinds does so itself. After `std::process::exit`, an abort or
//! a kill, what [`Recorder::begin`] has left becomes an entry once this process is gone and another command or a
//! flush opens the spool.
//!
//! # What a command starts
//!
//! names it as its parent where it gets [`Recording::environment`] and records itself.
//!
//! # What decides
//!
//! | variable | does |
//! | --- | --- |
//! | `SWAMP_NO_TELEMETRY`, `DO_NOT_TRACK` | any value but an empty one, `0` and `false`: nothing is recorded |
//! | `SWAMP_REPO_DIR` | the directory of the repository, whatever the working directory is |
//! | `SWAMP_BIN` | the absolute path of the `swamp` that delivers |
//! | `SWAMP_TELEMETRY_FLUSH` | `inline` waits for the delivery, for 5.5 s at most, after a failure too; `off` leaves it to a later command |
//! | `SWAMP_LOG_LEVEL` | `debug` or `trace`: waits, and shows on stderr how the delivery went |
//!
//! Besides them, `telemetryDisabled: true` in the user's `config.yaml` or in the repository's `.swamp.yaml` turns it
//! off.

mod failure;
#[cfg_attr(not(unix), path = "file_limit/none.rs")]
mod file_limit;
mod program;
mod recording;
#[doc(hidden)]
pub mod redaction;
#[doc(hidden)]
pub mod repo;
#[doc(hidden)]
pub mod surroundings;

use std::env;
use std::ffi::OsString;

use clap::{ArgMatches, Command};
use tracing::debug;

pub use clap;

pub use self::failure::Failure;
use self::file_limit::FileLimit;
use self::recording::OpenRecord;
pub use self::recording::Recording;
use crate::config::backlogs::Backlogs;
use crate::domain::{Cause, Invocation, Status, TelemetryRepository as _};
use crate::flush::background::{Background, FLUSH_VARIABLE, FlushMode, LOG_VARIABLE};
use crate::recorder::repo::{Repo, StartTime, locate, named_directory};
use crate::spool::FileSpool;

/// Records the commands of one program.
#[derive(Clone, Debug)]
pub struct Recorder {
    program: String,
    version: String,
    categorical: Vec<(Vec<String>, String)>,
}

impl Recorder {
    /// A recorder for the program of this name and version.
    ///
    /// The name is what its entries have for a command; the path of subcommands is their subcommand.
    ///
    /// ```
    /// let recorder = swamp::recorder::Recorder::new("greet", env!("CARGO_PKG_VERSION"));
    /// ```
    #[must_use]
    pub fn new(program: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            version: version.into(),
            categorical: Vec::new(),
        }
    }

    /// Lets the values of one positional argument be recorded: those of `id` in the command with this path below the
    /// program. All others are recorded as `<REDACTED>`.
    ///
    /// For a position that takes one of a few known words, and never for one that takes a name, a path or a text.
    ///
    /// ```
    /// use swamp::recorder::Recorder;
    ///
    /// // greet hello [LANGUAGE], where LANGUAGE is `en` or `de`
    /// let recorder = Recorder::new("greet", "1.2.3").categorical(&["hello"], "language");
    /// ```
    #[must_use]
    pub fn categorical(mut self, path: &[&str], id: &str) -> Self {
        let path = path.iter().map(|name| (*name).to_owned()).collect();
        self.categorical.push((path, id.to_owned()));
        self
    }

    /// Begins to record a command line that clap has understood: to be called before the command does its work.
    ///
    /// `command` is what `matches` come from.
    ///
    /// ```no_run
    /// use swamp::recorder::{Recorder, clap::Command};
    ///
    /// let command = Command::new("greet").subcommand(Command::new("hello"));
    /// let matches = command.clone().get_matches_from(["greet", "hello"]);
    /// let recording = Recorder::new("greet", "1.2.3").begin(&command, &matches);
    /// // the command's own work
    /// recording.finish(None);
    /// ```
    #[must_use = "what is dropped at once is recorded as an error"]
    pub fn begin(&self, command: &Command, matches: &ArgMatches) -> Recording {
        let is_categorical = |path: &[&str], id: &str| {
            let mut declared = self.categorical.iter();
            declared.any(|(of, name)| of == path && name == id)
        };
        let invocation = redaction::invocation(command, matches, &is_categorical);
        Recording::new(self.running(invocation))
    }

    /// Records a command line that clap has not taken: a wrong one as an error of the user, and a request for help
    /// or the version as a success. `argv` starts with the program's name.
    ///
    /// ```no_run
    /// use swamp::recorder::{Recorder, clap::Command};
    ///
    /// let command = Command::new("greet").subcommand(Command::new("hello"));
    /// let argv = ["greet", "hullo"];
    /// if let Err(error) = command.clone().try_get_matches_from(argv) {
    ///     Recorder::new("greet", "1.2.3").refused(&command, argv, &error);
    /// }
    /// ```
    pub fn refused<T: Into<OsString>>(
        &self,
        command: &Command,
        argv: impl IntoIterator<Item = T>,
        error: &clap::Error,
    ) {
        let start = StartTime::now();
        let argv: Vec<OsString> = argv.into_iter().map(Into::into).collect();
        let (invocation, result) = redaction::refused(command, &argv, error.kind());
        let limit = FileLimit::outlive();
        let Some((repo, spool)) = place() else { return };
        let succeeded = result.status == Status::Success;
        let entry = start
            .entry(self.of_program(invocation), result, &self.version)
            .within(surroundings::surroundings(env_var, true));
        let saved = spool.save(&entry);
        drop(limit);
        match saved {
            Ok(()) => flush(&repo, &spool, succeeded),
            Err(error) => {
                let cause = error.cause().map(Cause::as_str);
                debug!(cause, "{error}");
            }
        }
    }

    fn running(&self, invocation: Invocation) -> Option<OpenRecord> {
        let start = StartTime::now();
        let _limit = FileLimit::outlive();
        let (repo, spool) = place()?;
        let left = Failure::UNFINISHED.result();
        let entry = start
            .entry(self.of_program(invocation), left, &self.version)
            .within(surroundings::surroundings(env_var, true));
        Some(OpenRecord::begin(repo, spool, start, entry))
    }

    /// The program is the command, and what is below it the subcommand.
    fn of_program(&self, invocation: Invocation) -> Invocation {
        let path = [Some(invocation.command), invocation.subcommand];
        let path: Vec<_> = path
            .into_iter()
            .flatten()
            .filter(|name| !name.is_empty())
            .collect();
        Invocation {
            command: self.program.clone(),
            subcommand: (!path.is_empty()).then(|| path.join(" ")),
            ..invocation
        }
        .of_tool()
    }
}

fn env_var(name: &str) -> Option<OsString> {
    env::var_os(name)
}

fn place() -> Option<(Repo, FileSpool)> {
    let named = named_directory(env_var);
    let repo = Repo::at(locate(named.as_deref(), env_var)?, env_var)?;
    if let Some(spool) = repo.spool(false, env_var) {
        return Some((repo, spool));
    }
    if let Some(spool) = repo.spool_to_clean_up()
        && let Some(program) = program::find(&repo.root, env_var)
    {
        let background = Background {
            program: &program,
            root: &repo.root,
            spool: &spool,
        };
        if let Err(error) = background.clean_up() {
            debug!("could not start the clean-up: {error}");
        }
    }
    None
}

fn flush(repo: &Repo, spool: &FileSpool, succeeded: bool) {
    let _limit = FileLimit::outlive();
    let remember = || Backlogs::of(Some(&repo.root), env_var).remember(&repo.root);
    let Some(program) = program::find(&repo.root, env_var) else {
        remember();
        debug!(
            "nothing is sent: found no swamp program; install it on PATH, or set SWAMP_BIN to its absolute path"
        );
        return;
    };
    let level = env_var(LOG_VARIABLE).and_then(|level| level.into_string().ok());
    // A failure is to be seen.
    let log = level.filter(|level| {
        ["debug", "trace"]
            .iter()
            .any(|seen| level.eq_ignore_ascii_case(seen))
    });
    let mode = FlushMode::parse(env_var(FLUSH_VARIABLE).as_deref());
    let background = Background {
        program: &program,
        root: &repo.root,
        spool,
    };
    if let Err(error) = background.start(mode, succeeded, log.as_deref(), remember) {
        let cause = Cause::of_io(&error).map(Cause::as_str);
        debug!(cause, "could not start the flush: {error}");
    }
}
