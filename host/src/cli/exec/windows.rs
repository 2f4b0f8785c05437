//! Running a program where there are no signals: starting it and waiting for it.

use std::process::{Child, Command};

use swamp::domain::variables::PARENT_INVOCATION_ID;

use super::{Ended, NotRun, Program};

/// A program that runs.
pub(super) struct Running(Child);

impl Running {
    pub(super) fn start(program: &Program<'_>) -> Result<Self, NotRun> {
        let id = program.id.map(|id| (PARENT_INVOCATION_ID, id.as_str()));
        let mut command = Command::new(program.path);
        let child = command.args(program.args).envs(id).spawn()?;
        Ok(Self(child))
    }

    pub(super) fn wait(&mut self) -> Ended {
        // That it cannot be waited for does not happen to a child.
        let status = self.0.wait().ok();
        Ended::Exited(status.and_then(|status| status.code()).unwrap_or(1))
    }
}

/// A process cannot become another program here, so that it waits for it.
pub(super) fn become_program(program: &Program<'_>) -> Result<Ended, NotRun> {
    Ok(Running::start(program)?.wait())
}

/// Each process has its own streams here.
pub(super) const fn let_go(_keep_stderr: bool) {}
