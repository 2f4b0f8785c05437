//! The command line `swamp`.
use std::io::{self, Write};
use std::process::ExitCode;
use swamp::infrastructure::component::compile;
use swamp::infrastructure::worker;

fn main() -> ExitCode {
    let task = std::env::var_os(worker::VARIABLE).and_then(|task| worker::Task::parse(&task));
    if task == Some(worker::Task::Compile) {
        return match compile(io::stdin().lock(), io::stdout().lock()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                writeln!(io::stderr(), "{error}").ok();
                ExitCode::FAILURE
            }
        };
    }
    ExitCode::SUCCESS
}
