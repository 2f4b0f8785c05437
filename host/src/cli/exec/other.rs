//! Running a program where there are no signals: starting it and waiting for it.

use std::process::{Child, Command};

use super::{Ended, NotRun, Program};

/// A program that runs.
pub(super) struct Running(Child);

impl Running {
    pub(super) fn start(program: &Program<'_>) -> Result<Self, NotRun> {
        let child = Command::new(program.path).args(program.args).spawn()?;
        Ok(Self(child))
    }

    pub(super) fn wait(mut self) -> Result<Ended, NotRun> {
        let status = self.0.wait()?;
        Ok(Ended::Exited(status.code().unwrap_or(1)))
    }
}

/// A process cannot become another program here, so that it waits for it.
pub(super) fn become_program(program: &Program<'_>) -> Result<Ended, NotRun> {
    Running::start(program)?.wait()
}
