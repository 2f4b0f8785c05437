//! What a flush of one batch costs where much more waits: the whole process above the same where nothing else waits.

use std::fs;
use std::hint::black_box;
use std::time::Duration;

use chrono::TimeDelta;
use swamp::domain::BATCH_SIZE;

use super::figures::{Figure, Turns, time};
use super::world::{World, run};

/// How long before the last flush what waits was recorded: that flush has put it on the disk.
const AGE: TimeDelta = TimeDelta::hours(2);

const ROUNDS: usize = 40;

pub(crate) fn measure() -> Vec<Figure> {
    let few = World::new();
    let [some, many] = [3_000, 100_000].map(filled);
    let at_some = above(&some, &few);
    let at_many = above(&many, &few);
    let listing = median_of(|| time(|| list(&many)));
    let over_listing = at_many / (listing.as_secs_f64() * 1e3);
    vec![
        Figure::new("a flush at 3,000 waiting, above one at 25", at_some, "ms").at_most(3.0),
        Figure::new("a flush at 100,000 waiting, above one at 25", at_many, "ms"),
        Figure::time("a bare listing of 100,000", &[listing]),
        Figure::new("the former over the latter", over_listing, "x").at_most(1.5),
    ]
}

/// A repository in which so many wait, and more for the rounds.
fn filled(waiting: usize) -> World {
    let world = World::new();
    world.fill_earlier(AGE, waiting + (ROUNDS + 1) * BATCH_SIZE);
    run(&mut world.flusher());
    world
}

/// How much more a flush takes in a repository than in one where a batch is all that waits, in milliseconds.
fn above(world: &World, few: &World) -> f64 {
    Turns::take(
        ROUNDS,
        || time(|| run(&mut world.flusher())),
        || {
            few.fill_earlier(AGE, BATCH_SIZE);
            time(|| run(&mut few.flusher()))
        },
    )
    .more()
}

fn list(world: &World) {
    for file in fs::read_dir(world.root().join(".swamp/telemetry")).unwrap() {
        black_box(file.unwrap().file_name());
    }
}

fn median_of(measure: impl Fn() -> Duration) -> Duration {
    let mut times: Vec<_> = (0..9).map(|_| measure()).collect();
    times.sort();
    times[times.len() / 2]
}
