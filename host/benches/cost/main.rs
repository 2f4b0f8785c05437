//! What a sender costs: the program next to itself without telemetry, and its component next to native code.
//!
//!     cargo bench -p swamp                      all of it
//!     cargo bench -p swamp -- command drain     some groups
//!
//! Both sides of a comparison take turns within one run on one machine; what counts is their ratio. Prints a table,
//! then the same as one line of JSON, and exits 1 with a sentence for each budget that was exceeded.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints, and stops where something is wrong"
)]

mod backlog;
mod command;
mod drain;
mod exec;
mod figures;
mod flush;
mod native;
mod role;
mod size;
mod start;
mod world;

use std::process::ExitCode;

use swamp::domain::Batches;

use figures::Figure;
use role::Role;

type Group = fn() -> Vec<Figure>;

/// Each group measures on its own, in a scratch repository of its own. Those with many files come last: for a while
/// after these are gone, some file systems are slow to make new ones.
const GROUPS: [(&str, Group); 7] = [
    ("exec", exec::measure),
    ("flush", flush::measure),
    ("start", start::measure),
    ("command", command::measure),
    ("backlog", backlog::measure),
    ("drain", drain::measure),
    ("size", size::measure),
];

fn play(role: Role) {
    match role {
        Role::Flush => flush::by_component(),
        Role::FlushNatively => native::flush(Batches::One),
        Role::Drain => native::flush(Batches::All),
        Role::Start => println!("{}", start::parts()),
        Role::Peak => println!("{}", size::peak_of_arguments()),
    }
}

fn main() -> ExitCode {
    if let Some(role) = Role::of_this_process() {
        play(role);
        return ExitCode::SUCCESS;
    }
    // Cargo adds `--bench`.
    let chosen: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    if let Some(unknown) = chosen
        .iter()
        .find(|name| GROUPS.iter().all(|(group, _)| group != name))
    {
        let groups = GROUPS.map(|(group, _)| group).join(", ");
        eprintln!("there is no group {unknown}; there are {groups}");
        return ExitCode::from(2);
    }
    world::adopt_orphans();
    let mut figures = Vec::new();
    for (group, measure) in GROUPS {
        if chosen.is_empty() || chosen.iter().any(|name| name == group) {
            println!("{group}");
            for figure in measure() {
                println!("  {figure}");
                figures.push((group, figure));
            }
        }
    }
    println!("{}", figures::json(&figures));
    let mut code = ExitCode::SUCCESS;
    for complaint in figures.iter().filter_map(|(_, figure)| figure.complaint()) {
        eprintln!("over budget: {complaint}");
        code = ExitCode::FAILURE;
    }
    code
}
