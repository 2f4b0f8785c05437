//! A program of its own that records how it is used: `greet hello NAME`, `greet count FILE`. All that it takes is in
//! this file, in the lines that name the recorder and in what it says of its own errors.

mod commands;

use std::env;
use std::process::ExitCode;

use commands::GreetError;
use swamp::recorder::{Failure, Recorder};

fn main() -> ExitCode {
    let command = commands::command();
    let recorder = Recorder::new("greet", commands::VERSION).categorical(&["hello"], "language");
    let parsed = command.clone().try_get_matches();
    let matches = parsed.unwrap_or_else(|error| {
        recorder.refused(&command, env::args_os(), &error);
        error.exit()
    });
    let recording = recorder.begin(&command, &matches);
    let done = commands::run(&matches);
    recording.finish(done.as_ref().err().map(Failure::from));
    commands::exit_code(done)
}

impl From<&GreetError> for Failure {
    fn from(error: &GreetError) -> Self {
        match error {
            GreetError::Nobody => Self::new("Nobody", "there is nobody to greet").of_user(),
            GreetError::Unreadable(..) => {
                Self::new("Unreadable", "a file could not be read").exit_code(3)
            }
        }
    }
}
