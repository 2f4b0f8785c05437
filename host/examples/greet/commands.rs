//! What the program does, which knows nothing of the recorder.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is a program, and no part of the library"
)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::{fs, io, process};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

pub(crate) const VERSION: &str = "7.1.0";

/// Why a command failed.
pub(crate) enum GreetError {
    Nobody,
    Unreadable(PathBuf, io::Error),
}

/// Tells the person how it went, and the system.
pub(crate) fn exit_code(done: Result<(), GreetError>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(GreetError::Nobody) => ExitCode::FAILURE,
        Err(GreetError::Unreadable(path, why)) => {
            eprintln!("greet: could not read {}: {why}", path.display());
            ExitCode::from(3)
        }
    }
}

pub(crate) fn command() -> Command {
    let loud = Arg::new("loud").long("loud").global(true);
    Command::new("greet")
        .version(VERSION)
        .subcommand_required(true)
        .arg(loud.action(ArgAction::SetTrue))
        .subcommand(
            Command::new("hello")
                .arg(Arg::new("name").required(true))
                .arg(Arg::new("language").value_parser(["en", "de"]))
                .arg(Arg::new("title").long("title")),
        )
        .subcommand(
            Command::new("count").arg(
                Arg::new("file")
                    .required(true)
                    .value_parser(value_parser!(PathBuf)),
            ),
        )
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), GreetError> {
    match matches.subcommand() {
        Some(("count", matches)) => {
            for path in matches.get_many::<PathBuf>("file").unwrap_or_default() {
                let text =
                    fs::read(path).map_err(|why| GreetError::Unreadable(path.clone(), why))?;
                println!("{}", text.len());
            }
        }
        Some((_, matches)) => match matches.get_one::<String>("name").map(String::as_str) {
            None | Some("") => return Err(GreetError::Nobody),
            // Two ways in which a program ends before its time.
            Some("panic") => panic!("nobody is called that"),
            Some("exit") => process::exit(0),
            Some(name) => println!("hello, {name}"),
        },
        None => {}
    }
    Ok(())
}
