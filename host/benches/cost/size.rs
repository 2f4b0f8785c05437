//! How much memory the command and the flusher take at their peak, and how large the program is.

use std::env;
use std::fs;
use std::process::Command;

use serde_json::Value;
use swamp::domain::BATCH_SIZE;
use swamp::process::worker;

use super::figures::{Figure, median};
use super::role::{Role, answer};
use super::world::{SWAMP, World};

const ROUNDS: usize = 20;

pub(crate) fn measure() -> Vec<Figure> {
    let world = World::new();
    let command = (0..ROUNDS).map(|_| {
        let mut version = Role::Peak.command(&world);
        let peak = peak(version.arg(world.program()).arg("version"));
        world.wait_for_flusher();
        peak
    });
    let command = median(command);
    let flusher = (0..ROUNDS).map(|_| {
        world.fill(BATCH_SIZE);
        let mut flusher = Role::Peak.command(&world);
        peak(flusher.arg(world.program()).env(worker::VARIABLE, "flush"))
    });
    let flusher = median(flusher);
    let size = fs::metadata(SWAMP).unwrap().len();
    vec![
        Figure::new("peak memory, version", command, "MB"),
        Figure::new("peak memory, flusher", flusher, "MB").at_most(40.0),
        Figure::new("the program's file", megabytes(size), "MB").at_most(20.0),
    ]
}

fn peak(command: &mut Command) -> f64 {
    let Value::Number(kibibytes) = answer(command) else {
        return f64::NAN;
    };
    megabytes(kibibytes.as_u64().unwrap() * 1024)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "it is printed with two decimals"
)]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// Runs the program that this process's arguments name. Gives its peak memory in KiB: this process is small and has
/// no other children, so that the system's figure for them is that program's.
#[cfg(target_os = "linux")]
pub(crate) fn peak_of_arguments() -> i64 {
    use nix::sys::resource::{UsageWho, getrusage};
    use std::process::Stdio;

    let mut args = env::args().skip(1);
    let status = Command::new(args.next().unwrap())
        .args(args)
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success());
    getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss()
}
