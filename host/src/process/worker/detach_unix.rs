//! A process group of its own is enough to outlive a closing terminal.

use std::io;
use std::path::Path;

use super::{Program, WorkerTask};

pub(super) fn detach(program: &Program, task: WorkerTask, root: &Path) -> io::Result<()> {
    program.command(task).current_dir(root).spawn()?;
    Ok(())
}
