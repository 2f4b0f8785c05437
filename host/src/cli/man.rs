//! `man`, for those who package the program.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use clap::{Command, CommandFactory as _};
use clap_mangen::Man;
use swamp::domain::variables::DOCUMENTED;

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

/// The section on environment variables.
fn environment() -> String {
    DOCUMENTED.iter().fold(
        ".SH ENVIRONMENT\n".to_owned(),
        |section, (name, meaning)| section + ".TP\n\\fB" + name + "\\fR\n" + meaning + "\n",
    )
}

fn write(command: &Command, dir: &Path) -> std::io::Result<()> {
    let man = Man::new(command.clone())
        .source(format!("swamp {VERSION}"))
        .manual("swamp");
    let mut page = Vec::new();
    man.render(&mut page)?;
    if command.get_name() == "swamp" {
        page.extend(environment().into_bytes());
    }
    fs::write(dir.join(man.get_filename()), page)?;
    for inner in command
        .get_subcommands()
        .filter(|inner| !inner.is_hide_set())
    {
        write(inner, dir)?;
    }
    Ok(())
}
