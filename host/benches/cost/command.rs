//! What telemetry adds to a command: `swamp version` with it, in the background, and without it.

use std::process::Command;
use std::time::Duration;

use super::figures::{Figure, Turns, time};
use super::world::{World, run};

pub(crate) fn measure() -> Vec<Figure> {
    let world = World::new();
    let mut figures = compare("empty spool", &world, 200);
    world.fill(100_000);
    figures.extend(compare("spool of 100,000", &world, 40));
    figures
}

fn compare(spool: &str, world: &World, rounds: usize) -> Vec<Figure> {
    let turns = Turns::take(
        rounds,
        || {
            let took = took(&mut world.swamp(&["version"]));
            // It works for this command, and must not get in the way of the next.
            world.wait_for_flusher();
            took
        },
        || took(&mut world.swamp(&["--no-telemetry", "version"])),
    );
    vec![
        Figure::time(format!("version, {spool}"), &turns.ours),
        Figure::time(format!("--no-telemetry version, {spool}"), &turns.other),
        Figure::ratio(format!("with telemetry over without, {spool}"), &turns).at_most(1.5),
        Figure::new(
            format!("with telemetry more than without, {spool}"),
            turns.more(),
            "ms",
        )
        .at_most(2.0),
    ]
}

fn took(command: &mut Command) -> Duration {
    time(|| run(command))
}
