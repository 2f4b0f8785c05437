//! The embedding example without the recorder, to be compared with it.

#[path = "../../examples/greet/commands.rs"]
mod commands;

use std::process::ExitCode;

fn main() -> ExitCode {
    let matches = commands::command().get_matches();
    commands::exit_code(commands::run(&matches))
}
