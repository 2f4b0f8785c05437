//! What is recorded of where a command runs.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};

use crate::config::install_id::install_id;
use crate::domain::{InvocationContext, Surroundings, parent_invocation};

/// Where this process runs. `stdin_is_its_own` says whether stdin being a terminal means that a person is there.
#[must_use]
pub fn surroundings(
    env: impl Fn(&str) -> Option<OsString> + Copy,
    stdin_is_its_own: bool,
) -> Surroundings {
    let is_interactive = stdin_is_its_own.then(|| io::stdin().is_terminal());
    Surroundings {
        context: Some(InvocationContext::of(env, is_interactive)),
        parent: parent_invocation(env),
        install_id: install_id(env),
    }
}
