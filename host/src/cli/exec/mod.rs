//! `exec`: a program's run, recorded as an invocation.

mod arguments;
#[cfg(target_os = "linux")]
mod as_found;
#[cfg(unix)]
pub(crate) mod disposition;
#[cfg(unix)]
mod end;
#[cfg(all(unix, not(target_os = "linux")))]
mod signals;
#[cfg_attr(target_os = "linux", path = "linux/mod.rs")]
#[cfg_attr(all(unix, not(target_os = "linux")), path = "other_unix.rs")]
#[cfg_attr(not(unix), path = "windows.rs")]
mod system;

use std::ffi::OsString;
use std::io;
use std::process;

use swamp::domain::{EntryId, InvocationResult, Label, Status, UNKNOWN_VERSION, shown};
use thiserror::Error;
use tracing::level_filters::LevelFilter;

#[cfg(unix)]
pub(super) use self::disposition::survive_file_limits;
#[cfg(unix)]
use self::end::end_as;
use self::system::Running;
use super::args::Exec;
use super::context::Context;
use super::finish::{self, StartTime};

/// How a program's run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Exited(i32),
    #[cfg_attr(not(unix), allow(dead_code, reason = "programs end otherwise there"))]
    Killed(i32),
}

/// Why a program was not run.
#[derive(Debug, Error)]
enum NotRun {
    #[error("there is no such program")]
    NotFound,
    #[error("{0}")]
    NotExecutable(io::Error),
}

/// The program to run.
struct Program<'a> {
    path: &'a OsString,
    args: &'a [OsString],
    /// The id of the invocation that is recorded of it.
    id: Option<&'a EntryId>,
}

/// Runs the program that the command line names, and exits as it did.
pub(crate) fn run(args: &Exec, context: &mut Context) -> ! {
    let Some((path, arguments)) = args.program.split_first() else {
        // clap demands one.
        process::exit(2);
    };
    let mut program = Program {
        path,
        args: arguments,
        id: None,
    };
    if !is_recorded(context) {
        match system::become_program(&program) {
            Ok(ended) => end_as(ended),
            Err(why) => process::exit(refused(&program, &why, context)),
        }
    }
    let start = StartTime::now();
    let id = start.new_id();
    program.id = Some(&id);
    let running = Running::start(&program);
    // While the program runs nobody waits for this.
    let tools = context
        .repo()
        .map(|(_, marker)| marker.telemetry_tools.clone());
    let tool = arguments::tool(args, path, &tools.unwrap_or_default());
    let mut invocation = arguments::invocation(&tool, path, arguments);
    let version = tool.version.as_ref().map_or(UNKNOWN_VERSION, Label::as_str);
    let mut running = match running {
        Ok(running) => running,
        Err(why) => {
            if matches!(why, NotRun::NotFound) {
                invocation = arguments::without_name(invocation, &tool);
            }
            let code = refused(&program, &why, context);
            finish::record(context, start, invocation, why.result(), version, Some(id));
            process::exit(code)
        }
    };
    let unfinished = finish::begin(
        context,
        start,
        id.clone(),
        invocation.clone(),
        unfinished(),
        version,
    );
    // A terminal may be told something; nobody waits for its end.
    system::let_go(context.ui.may_draw() || context.log_level() >= LevelFilter::DEBUG);
    let ended = running.wait();
    // The program may have changed the repository's marker.
    context.refresh();
    match unfinished {
        Some(unfinished) => finish::end(context, start, unfinished, ended.result()),
        None => finish::record(
            context,
            start,
            invocation,
            ended.result(),
            version,
            Some(id),
        ),
    }
    drop(running);
    end_as(ended)
}

/// Exits as the program did.
#[cfg(not(unix))]
fn end_as(ended: Ended) -> ! {
    process::exit(ended.exit_code())
}

fn is_recorded(context: &Context) -> bool {
    context
        .repo()
        .is_ok_and(|(_, marker)| context.off_switch(marker).is_none())
}

/// Says why the program was not run, and gives the exit code for that.
fn refused(program: &Program<'_>, why: &NotRun, context: &Context) -> i32 {
    let message = format!("could not run {}: {why}", shown(program.path.as_ref()));
    let kind = why.result().error_type.unwrap_or_default();
    context.ui.error_of_kind(&kind, &message);
    why.exit_code()
}

impl Ended {
    /// As shells say it: of a program that a signal ended, 128 and the signal's number.
    const fn exit_code(self) -> i32 {
        match self {
            Self::Exited(code) => code,
            Self::Killed(signal) => 128 + signal,
        }
    }

    fn result(self) -> InvocationResult {
        let (kind, sentence) = match self {
            Self::Exited(0) => return InvocationResult::success(),
            Self::Exited(_) => ("ProgramFailed", "the program failed"),
            Self::Killed(_) => ("ProgramKilled", "a signal ended the program"),
        };
        failure(Status::Error, kind, sentence, self.exit_code())
    }
}

impl NotRun {
    /// As shells say it.
    const fn exit_code(&self) -> i32 {
        match self {
            Self::NotFound => 127,
            Self::NotExecutable(_) => 126,
        }
    }

    fn result(&self) -> InvocationResult {
        let (kind, sentence) = match self {
            Self::NotFound => ("ProgramNotFound", "the program was not found"),
            Self::NotExecutable(_) => ("ProgramNotExecutable", "the program could not be executed"),
        };
        failure(Status::UserError, kind, sentence, self.exit_code())
    }
}

impl From<io::Error> for NotRun {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            _ => Self::NotExecutable(error),
        }
    }
}

/// What stands for a program in the spool while it runs.
fn unfinished() -> InvocationResult {
    let killed = Ended::Killed(9).exit_code();
    let sentence = "swamp was killed before the program had ended";
    failure(Status::Error, "Unfinished", sentence, killed)
}

fn failure(status: Status, kind: &str, sentence: &str, exit_code: i32) -> InvocationResult {
    InvocationResult {
        status,
        error_type: Some(kind.to_owned()),
        error_message: Some(sentence.to_owned()),
        exit_code,
    }
}
