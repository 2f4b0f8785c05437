//! Draining a spool: `swamp telemetry flush --all`, the same with a native sender, and a bare loop over the files.

use std::fs;
use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use swamp::domain::BATCH_SIZE;

use super::figures::{Figure, Turns, median, time};
use super::native;
use super::role::Role;
use super::world::{World, read_head, run};

const ENTRIES: usize = 100_000;
const FEW: usize = 1_000;
/// Few: each is a mean of 4,000 batches already, and the files take longer to make than to send.
const ROUNDS: usize = 3;
const ROUNDS_OF_FEW: usize = 9;

pub(crate) fn measure() -> Vec<Figure> {
    let world = World::new();
    let ways: [fn(&World, usize) -> Duration; 3] = [by_component, by_native_sender, by_bare_loop];
    let mut times = [const { Vec::new() }; 3];
    for round in 0..ROUNDS {
        // Each comes first once: what was drained before still keeps some file systems busy.
        for turn in 0..ways.len() {
            let way = (round + turn) % ways.len();
            times[way].push(ways[way](&world, ENTRIES));
        }
    }
    let [component, native, bare] = times;
    // In a directory that was never large: some file systems never make one smaller again.
    let world = World::new();
    let few: Vec<_> = (0..ROUNDS_OF_FEW)
        .map(|_| by_component(&world, FEW))
        .collect();
    let bare_over_component = Turns {
        ours: bare.clone(),
        other: component.clone(),
    };
    let of_many = micros_each(&component, ENTRIES);
    let of_few = micros_each(&few, FEW);
    let component_over_native = Turns {
        ours: component.clone(),
        other: native.clone(),
    };
    vec![
        rate("100,000 entries, component", &component),
        rate("100,000 entries, native sender", &native),
        rate("100,000 entries, bare native loop", &bare),
        Figure::ratio("component over native sender, time", &component_over_native).at_most(1.3),
        Figure::new(
            "rate of the component over the bare loop's",
            bare_over_component.ratio(),
            "x",
        )
        .at_least(0.6),
        Figure::new("an entry of 1,000, component", of_few, "us"),
        Figure::new("an entry of 100,000, component", of_many, "us"),
        Figure::new(
            "an entry of 100,000 over one of 1,000",
            of_many / of_few,
            "x",
        )
        .at_most(1.15),
    ]
}

fn by_component(world: &World, entries: usize) -> Duration {
    drained(world, entries, || {
        run(&mut world.swamp(&["telemetry", "flush", "--all"]));
    })
}

fn by_native_sender(world: &World, entries: usize) -> Duration {
    drained(world, entries, || run(&mut Role::Drain.command(world)))
}

fn by_bare_loop(world: &World, entries: usize) -> Duration {
    drained(world, entries, || loop_over_files(world))
}

fn drained(world: &World, entries: usize, drain: impl FnOnce()) -> Duration {
    world.fill(entries);
    // What waited for hours was written long ago; left to itself, the system does it in the middle of somebody's turn.
    world.sync();
    let took = time(drain);
    assert_eq!(world.pending(), 0);
    took
}

#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn rate(what: &str, times: &[Duration]) -> Figure {
    let rates = times.iter().map(|took| ENTRIES as f64 / took.as_secs_f64());
    Figure::new(what, median(rates), "entries/s")
}

#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn micros_each(times: &[Duration], entries: usize) -> f64 {
    median(
        times
            .iter()
            .map(|took| took.as_secs_f64() * 1e6 / entries as f64),
    )
}

/// Reads the files, posts the bytes that a sender would, and unlinks them; nothing else.
fn loop_over_files(world: &World) {
    let mut stream = TcpStream::connect(world.server).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    for batch in files(world).chunks(BATCH_SIZE) {
        let events: Vec<_> = batch
            .iter()
            .map(|path| {
                let name = path.file_stem().unwrap().to_str().unwrap();
                let id = &name["telemetry-YYYY-MM-DD-".len()..];
                let data = fs::read_to_string(path).unwrap();
                native::event(id, &data, "00000000-0000-4000-8000-000000000000")
            })
            .collect();
        let body = format!(r#"{{"events":[{}]}}"#, events.join(","));
        let message = format!(
            "POST /ingest HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            world.server,
            body.len()
        );
        stream.write_all(message.as_bytes()).unwrap();
        read_head(&mut answers).unwrap();
        for path in batch {
            fs::remove_file(path).unwrap();
        }
    }
}

/// The entries' files, oldest first: our ids sort by time.
fn files(world: &World) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(world.root().join(".swamp/telemetry"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("telemetry-"))
        })
        .collect();
    paths.sort();
    paths
}
