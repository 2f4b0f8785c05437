//! What this program does when it was started as a worker.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use chrono::{DateTime, Utc};
use swamp::domain::{BATCH_SIZE, Batches, UnsentRule};
use swamp::flush::background::{FLUSH_VARIABLE, FlushMode};
use swamp::flush::{Flushed, How, Watch};
use swamp::process::worker::{
    MACHINE_FAILED, WorkerTask, close_inherited_files, end_with_parent, forbid_core_dumps,
    unblock_signals,
};
use swamp::sender::{
    AddressSpace, CompileError, Patience, bound_compilation, bound_locating, compile, locate,
};
use swamp::spool::{FileSpool, LastFlush};
use tracing::debug;
use tracing::level_filters::LevelFilter;

use super::args::Globals;
use super::context::{Context, env_var, flush_setup_with_id, followed};
use super::elsewhere;
use super::error::CommandError;
use super::hint;
use super::logging;

/// How long a background flush waits for another: a command that only looks whether the lock is free holds it
/// for a moment.
const PATIENCE: Duration = Duration::from_millis(40);

/// How long one waits for another that a command waits for.
const AWAITED_PATIENCE: Duration = Duration::from_secs(5);

pub(crate) fn run(task: WorkerTask) -> ExitCode {
    close_inherited_files();
    unblock_signals();
    match task {
        WorkerTask::Compile => compile_bounded(Patience::Bounded),
        WorkerTask::CompileAwaited => compile_bounded(Patience::OfPerson),
        WorkerTask::Locate => locate_bounded(),
        WorkerTask::Flush => in_repository(flush),
        WorkerTask::CleanUp => in_repository(|context, _| clean_up(context)),
    }
}

fn compile_bounded(patience: Patience) -> ExitCode {
    end_with_parent();
    forbid_core_dumps();
    let compile = || {
        // That of the process which will run the code: this one's is about to be bounded.
        let space = AddressSpace::of_this_process();
        let _watchdog = bound_compilation(patience)?;
        compile(io::stdin().lock(), io::stdout().lock(), space, patience)
    };
    let Err(error) = compile() else {
        return ExitCode::SUCCESS;
    };
    let code = match error {
        CompileError::Component(_) => ExitCode::FAILURE,
        CompileError::Machine(_) => MACHINE_FAILED.into(),
    };
    writeln!(io::stderr(), "{}", error.into_reason().to_record()).ok();
    code
}

fn locate_bounded() -> ExitCode {
    end_with_parent();
    forbid_core_dumps();
    let locate = || {
        let _watchdog = bound_locating()?;
        locate(io::stdin().lock(), io::stdout().lock())
    };
    match locate() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Does `work` in the repository that is the working directory, watched from before anything of it is opened.
fn in_repository(work: impl FnOnce(&Context, &Watch) -> Result<(), CommandError>) -> ExitCode {
    forbid_core_dumps();
    let watch = Watch::start();
    let context = Context::new(Globals {
        repo_dir: Some(".".into()),
        ..Globals::default()
    });
    logging::start(context.log_level(), context.ui.color());
    let watch = match watch {
        Ok(watch) => watch,
        Err(error) => {
            debug!("could not flush telemetry: the system could not start a thread: {error}");
            return ExitCode::SUCCESS;
        }
    };
    if let Err(error) = work(&context, &watch) {
        debug!("could not flush telemetry: {error}");
        for hint in error.hinted() {
            debug!("hint: {hint}");
        }
        // A flush that cannot even begin removes nothing.
        if let Err(error) = clean_up(&context) {
            debug!("{error}");
        }
    }
    ExitCode::SUCCESS
}

fn flush(context: &Context, watch: &Watch) -> Result<(), CommandError> {
    // The command waits for this by the same two that it has passed on.
    let mode = FlushMode::parse(env_var(FLUSH_VARIABLE).as_deref());
    let is_awaited = mode == FlushMode::Inline || context.log_level() >= LevelFilter::DEBUG;
    let patience = if is_awaited {
        AWAITED_PATIENCE
    } else {
        PATIENCE
    };
    let (root, marker) = context.repo()?;
    if let Some(switch) = context.off_switch(marker) {
        return Err(switch.into());
    }
    let Some(spool) = FileSpool::open(root, context.owners())? else {
        return Ok(());
    };
    let setup = flush_setup_with_id(context, root, marker)?;
    let how = How {
        patience,
        batches: Batches::One,
        batch_size: BATCH_SIZE,
        heeds_retry_after: true,
    };
    let endpoint = &setup.endpoint;
    let began = Utc::now();
    let flushed = elsewhere::flush_and_remember(context, root, &setup, spool, how, watch)?;
    match flushed {
        Flushed::OtherAtWork => debug!("another flush is running; the entries stay pending"),
        Flushed::AskedToWait => debug!("{endpoint} asked to wait"),
        Flushed::Done { outcome, .. } => {
            if let Some(failure) = outcome.failure {
                debug!("could not deliver telemetry to {endpoint}: {failure}");
                let sender = marker.telemetry_sender.to_string().into();
                for hint in hint::of_failure(failure.kind(), failure.cause(), &sender) {
                    debug!("hint: {hint}");
                }
                return Ok(());
            }
            if let Some(other) = other_flush(context, root, began).filter(|_| outcome.was_idle()) {
                debug!(
                    "another flush delivered {} entries to {endpoint}",
                    other.delivered
                );
            } else {
                debug!("delivered {} entries to {endpoint}", outcome.delivered);
            }
            elsewhere::flush_one(
                root,
                BATCH_SIZE.saturating_sub(outcome.delivered),
                watch,
                is_awaited,
            );
        }
    }
    Ok(())
}

/// The flush that ended since `began`, which was not this one: this one had nothing to do.
fn other_flush(context: &Context, root: &Path, began: DateTime<Utc>) -> Option<LastFlush> {
    let last = FileSpool::open(root, context.owners())
        .ok()??
        .last_flush()?;
    (last.at >= began).then_some(last)
}

fn clean_up(context: &Context) -> Result<(), CommandError> {
    let (root, marker) = context.repo()?;
    let Some(spool) = FileSpool::open(root, context.owners())? else {
        return Ok(());
    };
    let rule = match context.off_switch(marker) {
        Some(_) => UnsentRule::Expire,
        None => UnsentRule::ExpireLate,
    };
    swamp::flush::clean_up(root, spool, followed(root, marker).retention(), rule)?;
    Ok(())
}
