//! The command line: from arguments to an exit code.

mod args;
#[cfg(target_os = "linux")]
mod closed_streams;
mod completers;
mod completions;
mod config;
mod context;
mod demo;
mod doctor;
mod elsewhere;
mod error;
mod exec;
mod finish;
mod help;
mod hint;
mod init;
mod interrupt;
mod invocation;
mod logging;
mod man;
mod notice;
mod output_dir;
mod progress;
mod sender;
mod shorthand;
mod suggestions;
mod telemetry;
mod trust;
mod ui;
mod version;
mod worker;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

#[cfg(unix)]
use nix::sys::signal::{Signal, raise};

use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _};
use swamp::domain::InvocationResult;
use swamp::process::worker::{VARIABLE, WorkerTask};
use tracing::debug;
use tracing::level_filters::LevelFilter;

use self::args::{Cli, Command, Globals, RepoCommand};
use self::context::{Context, VERSION};
use self::error::CommandError;
#[cfg(unix)]
use self::exec::survive_file_limits;
use self::finish::StartTime;
use self::ui::Color;

/// Does what the command line says.
pub(crate) fn run() -> ExitCode {
    survive_file_limits();
    if let Some(task) = worker_task() {
        return worker::run(task);
    }
    if let Some(code) = completions::answer() {
        return code;
    }
    let start = StartTime::now();
    let argv: Vec<OsString> = std::env::args_os().collect();
    let color = Color::of_arguments(&argv);
    let mut root = Cli::command().color(color.of_help());
    if help::may_be_wanted(&argv) {
        root = help::in_groups(root, ui::terminal_columns());
    }
    let argv = shorthand::in_full(&root, argv);
    let parsed = root
        .try_get_matches_from_mut(&argv)
        .map_err(|error| suggestions::for_command(error, &root, &argv))
        .and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    match parsed {
        Ok((cli, matches)) => command(start, cli, &root, &matches),
        Err(error) => no_command(start, &argv, &error),
    }
}

#[cfg(not(unix))]
const fn survive_file_limits() {}

fn worker_task() -> Option<WorkerTask> {
    let told = context::env_var(VARIABLE).and_then(|task| WorkerTask::parse(&task));
    if cfg!(windows) {
        told.or_else(|| WorkerTask::of_name(&std::env::args_os().next()?))
    } else {
        told
    }
}

fn command(start: StartTime, cli: Cli, root: &clap::Command, matches: &ArgMatches) -> ExitCode {
    let mut context = Context::new(cli.globals);
    logging::start(context.log_level(), context.ui.color());
    if context.log_level() >= LevelFilter::DEBUG {
        for warning in context.warnings() {
            debug!("{warning}");
        }
    }
    let done = execute(&cli.command, &mut context);
    let (result, code) = match &done {
        Ok(()) => (InvocationResult::success(), 0),
        Err(error) => {
            context.ui.failure(error);
            (error.result(), error.exit_code())
        }
    };
    let invocation = invocation::invocation(root, matches);
    if invocation::is_recorded(&invocation) {
        context.refresh();
        finish::record(&context, start, invocation, result, VERSION, None);
    }
    #[cfg(unix)]
    if done.is_err_and(|error| error.is_interruption()) {
        // A shell gives up what it was doing only where SIGINT itself ended the program.
        exec::disposition::set_default(Signal::SIGINT as i32);
        raise(Signal::SIGINT).ok();
    }
    ExitCode::from(code)
}

fn execute(command: &Command, context: &mut Context) -> Result<(), CommandError> {
    match command {
        Command::Init(args) | Command::Repo(RepoCommand::Init(args)) => init::init(args, context),
        Command::Repo(RepoCommand::Upgrade) => init::upgrade(context),
        Command::Version => version::run(context),
        Command::Completions { shell } => completions::run(*shell, context),
        Command::Telemetry(command) => telemetry::run(command, context),
        Command::Sender(command) => sender::run(command, context),
        Command::Exec(args) => exec::run(args, context),
        Command::Config(command) => config::run(command, context),
        Command::Doctor { send } => doctor::run(*send, context),
        Command::Demo => demo::run(context),
        Command::Trust { yes } => trust::trust(*yes, context),
        Command::Untrust { dry_run } => trust::untrust(*dry_run, context),
        Command::Man { dir } => man::run(dir.as_deref(), context),
    }
}

/// A command line that asks for help, or that is wrong.
fn no_command(start: StartTime, argv: &[OsString], error: &clap::Error) -> ExitCode {
    let root = Cli::command();
    let (invocation, mut result) = invocation::refused(&root, argv, error.kind());
    let understood = invocation::understood(&root, argv);
    let mut globals = understood
        .and_then(|matches| Globals::from_arg_matches(&matches).ok())
        .unwrap_or_default();
    globals.take_from(argv);
    let context = Context::new(globals);
    let printed = context.ui.usage(error);
    // Help that cannot be printed is none. Nobody waits for it where its reader has gone.
    if result.exit_code == 0
        && let Err(why) = printed
        && why.kind() != io::ErrorKind::BrokenPipe
    {
        let why = io::Error::new(why.kind(), format!("could not print the help: {why}"));
        let why = CommandError::from(why);
        context.ui.error(&why.to_string());
        result = why.result();
    }
    logging::start(context.log_level(), context.ui.color());
    let code = u8::try_from(result.exit_code).unwrap_or(1);
    if invocation::is_recorded(&invocation) {
        finish::record(&context, start, invocation, result, VERSION, None);
    }
    ExitCode::from(code)
}
