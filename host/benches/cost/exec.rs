//! What it adds to a program to be run through `swamp exec`: recorded, and its flush started in the background.

use super::figures::{Figure, Turns, time};
use super::world::{World, run};

const PROGRAM: &str = "/bin/true";

pub(crate) fn measure() -> Vec<Figure> {
    let world = World::new();
    let turns = Turns::take(
        200,
        || {
            let took = time(|| run(&mut world.swamp(&["exec", "--", PROGRAM])));
            world.wait_for_flusher();
            took
        },
        || time(|| run(&mut world.command(PROGRAM))),
    );
    vec![
        Figure::time("true, through exec", &turns.ours),
        Figure::time("true alone", &turns.other),
        Figure::new("true, through exec more than alone", turns.more(), "ms").at_most(2.0),
    ]
}
