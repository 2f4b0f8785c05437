//! Running a program where there are no signals: starting it and waiting for it.

use std::process::Command;

use super::{Ended, NotRun, Program};

pub(super) fn run(program: &Program<'_>) -> Result<Ended, NotRun> {
    let status = Command::new(program.path).args(program.args).status()?;
    Ok(Ended::Exited(status.code().unwrap_or(1)))
}

/// A process cannot become another program here, so that it waits for it.
pub(super) fn become_program(program: &Program<'_>) -> Result<Ended, NotRun> {
    run(program)
}
