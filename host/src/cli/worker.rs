//! What this program does when it was started as a worker.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use swamp::config::marker_file::MarkerFile;
use swamp::domain::Batches;
use swamp::flush::{Flushed, How, Watch};
use swamp::process::worker::{
    MACHINE_FAILED, WorkerTask, close_inherited_files, forbid_core_dumps,
};
use swamp::sender::{CompileError, bound_compilation, compile};
use swamp::spool::FileSpool;
use tracing::debug;

use super::args::Globals;
use super::context::{Context, flush_setup};
use super::error::CommandError;
use super::hint;
use super::logging;

/// How long a background flush waits for another: a command that only looks whether the lock is free holds it
/// for a moment.
const PATIENCE: Duration = Duration::from_millis(40);

pub(crate) fn run(task: WorkerTask) -> ExitCode {
    close_inherited_files();
    match task {
        WorkerTask::Compile => match compile_bounded() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                writeln!(io::stderr(), "{error}").ok();
                match error {
                    CompileError::Component(_) => ExitCode::FAILURE,
                    CompileError::Machine(_) => MACHINE_FAILED.into(),
                }
            }
        },
        WorkerTask::Flush => {
            forbid_core_dumps();
            let watch = Watch::start();
            let context = Context::new(Globals {
                repo_dir: Some(".".into()),
                ..Globals::default()
            });
            logging::start(context.log_level());
            if let Err(error) = flush(&context, watch) {
                debug!("could not flush telemetry: {error}");
            }
            ExitCode::SUCCESS
        }
    }
}

fn compile_bounded() -> Result<(), CompileError> {
    let _watchdog = bound_compilation()?;
    compile(io::stdin().lock(), io::stdout().lock())
}

fn flush(context: &Context, watch: io::Result<Watch>) -> Result<(), CommandError> {
    let watch = watch?;
    let (root, marker) = context.repo()?;
    if let Some(switch) = context.off_switch(marker) {
        return Err(switch.into());
    }
    let Some(spool) = FileSpool::open(root)? else {
        return Ok(());
    };
    let repo_id = match &marker.repo_id {
        Some(repo_id) => repo_id.clone(),
        None => MarkerFile::new(root).ensure_repo_id()?,
    };
    let setup = flush_setup(context, root, marker, repo_id)?;
    let how = How {
        patience: PATIENCE,
        batches: Batches::One,
        heeds_retry_after: true,
    };
    let endpoint = &setup.endpoint;
    match setup.flush(spool, how, &watch, |_, _| true)? {
        Flushed::OtherAtWork => debug!("another flush is running"),
        Flushed::AskedToWait => debug!("{endpoint} asked to wait"),
        Flushed::Done(outcome) => {
            if let Some(failure) = outcome.failure {
                debug!("could not deliver telemetry to {endpoint}: {failure}");
                let sender = marker.telemetry_sender.to_string().into();
                if let Some(hint) = hint::of_failure(failure.kind(), &sender) {
                    debug!("hint: {hint}");
                }
            } else {
                debug!("delivered {} entries to {endpoint}", outcome.delivered);
            }
        }
    }
    Ok(())
}
