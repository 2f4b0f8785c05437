//! `std` passes on every inheritable handle, so that somebody who reads this program's output would wait for the
//! worker too: it is started without inheritance instead, apart from the console and the job.

use std::io;
use std::path::Path;

use winsafe::co::{CREATE, ERROR};
use winsafe::{CreateProcess, STARTUPINFO, SysResult};

use super::{Program, VARIABLE, WorkerTask};
use crate::domain::{Cause, Reason};

pub(super) fn detach(program: &Program, task: WorkerTask, root: &Path) -> io::Result<()> {
    let program = text(&program.path)?;
    let root = text(root)?;
    // The worker is told by its name. It has this process's environment: winsafe 0.0.29 frees another one before
    // the system reads it.
    let name = format!("{VARIABLE}={}", task.as_str());
    let start = |flags: CREATE| -> SysResult<()> {
        CreateProcess(
            Some(program),
            Some(&name),
            None,
            None,
            false,
            flags,
            &[],
            Some(root),
            &mut STARTUPINFO::default(),
        )
        .map(drop)
    };
    let flags = CREATE::NO_WINDOW | CREATE::NEW_PROCESS_GROUP;
    match start(flags | CREATE::BREAKAWAY_FROM_JOB) {
        // The job does not let its processes go.
        Err(ERROR::ACCESS_DENIED) => start(flags),
        result => result,
    }
    .map_err(io::Error::other)
}

fn text(path: &Path) -> io::Result<&str> {
    path.to_str()
        .filter(|text| !text.contains('\0'))
        .ok_or_else(|| {
            let path = crate::domain::shown(path);
            let text = format!("could not start a worker: the path {path} is not Unicode");
            Reason::new(Cause::PathNotUnicode, text).into_io(io::ErrorKind::InvalidInput)
        })
}
