//! `man`: the manual pages, from the command line's own description and what that has no place for.

mod sections;

use std::path::Path;
use swamp::domain::shown;

use anyhow::Context as _;
use clap::{Command, CommandFactory as _};
use clap_mangen::Man;
use clap_mangen::roff::Roff;
use serde::Serialize;

use super::args::Cli;
use super::context::{Context, VERSION};
use super::error::{CommandError, ErrorKind};
use super::output_dir::OutputDir;

pub(crate) fn run(dir: Option<&Path>, context: &Context) -> Result<(), CommandError> {
    // A page for each `help` would say what the page of the command says.
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let Some(dir) = dir else {
        let page = page(&Page::of(&root))?;
        let page = String::from_utf8_lossy(&page);
        if context.ui.wants_json() {
            context.ui.json(&Manual {
                page: Some(page.trim_end()),
                directory: None,
            })?;
        } else {
            context.ui.verbatim(page.trim_end())?;
        }
        return Ok(());
    };
    let written = OutputDir::create(dir)
        .and_then(|dir| write(&root, &dir))
        .with_context(|| format!("could not write the manual pages to {}", shown(dir)));
    written.map_err(|error| CommandError::new(ErrorKind::Io, error))?;
    if context.ui.wants_json() {
        context.ui.json(&Manual {
            page: None,
            directory: Some(dir),
        })?;
    }
    Ok(())
}

/// The answer. Its keys are stable.
#[derive(Serialize)]
struct Manual<'a> {
    /// The page of the program in the format of `man`; missing if a directory was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<&'a str>,
    /// The directory that the pages were written to.
    #[serde(skip_serializing_if = "Option::is_none")]
    directory: Option<&'a Path>,
}

struct Page<'a> {
    command: &'a Command,
    man: Man,
    /// `swamp-telemetry-list`, for example.
    name: &'a str,
}

impl<'a> Page<'a> {
    fn of(command: &'a Command) -> Self {
        // The examples have a section of their own, not the library's one for whatever comes after.
        let man = Man::new(command.clone().after_help(None).after_long_help(None))
            .source(format!("swamp {VERSION}"))
            .manual("swamp");
        Self {
            command,
            man,
            name: command
                .get_display_name()
                .unwrap_or_else(|| command.get_name()),
        }
    }
}

fn page(page: &Page<'_>) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    page.man.render_title(&mut text)?;
    page.man.render_name_section(&mut text)?;
    page.man.render_synopsis_section(&mut text)?;
    page.man.render_description_section(&mut text)?;
    if page.command.has_subcommands() {
        page.man.render_subcommands_section(&mut text)?;
    }
    page.man.render_options_section(&mut text)?;
    let mut roff = Roff::new();
    sections::add_to(&mut roff, page.name);
    roff.to_writer(&mut text)?;
    Ok(text)
}

fn write(command: &Command, dir: &OutputDir) -> std::io::Result<()> {
    let of_command = Page::of(command);
    dir.put(&of_command.man.get_filename(), &page(&of_command)?)?;
    for inner in command
        .get_subcommands()
        .filter(|inner| !inner.is_hide_set())
    {
        write(inner, dir)?;
    }
    Ok(())
}
