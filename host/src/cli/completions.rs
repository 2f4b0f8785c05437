//! `completions`.

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use super::args::Cli;
use super::context::Context;
use super::error::CommandError;

pub(crate) fn run(shell: Shell, context: &Context) -> Result<(), CommandError> {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "swamp", &mut script);
    let script = String::from_utf8_lossy(&script);
    context.ui.answer(script.trim_end())?;
    Ok(())
}
