//! `man`, for those who package the program.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use clap::{Command, CommandFactory as _};
use clap_mangen::Man;

use super::args::Cli;
use super::context::VERSION;
use super::error::{CommandError, ErrorKind};

pub(crate) fn run(dir: &Path) -> Result<(), CommandError> {
    // A page for each `help` would say what the page of the command says.
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let written = fs::create_dir_all(dir)
        .and_then(|()| write(&root, dir))
        .with_context(|| format!("could not write the manual pages to {}", dir.display()));
    written.map_err(|error| CommandError::new(ErrorKind::Io, error))
}

fn write(command: &Command, dir: &Path) -> std::io::Result<()> {
    Man::new(command.clone())
        .source(format!("swamp {VERSION}"))
        .manual("swamp")
        .generate_to(dir)?;
    for inner in command
        .get_subcommands()
        .filter(|inner| !inner.is_hide_set())
    {
        write(inner, dir)?;
    }
    Ok(())
}
