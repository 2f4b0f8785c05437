//! The parts of a cold start, each in a process of its own for every measurement.

use std::env;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};
use swamp::config::marker_file::MarkerFile;
use swamp::config::ownership::Owners;
use swamp::config::{BuiltinSender, SenderLimits};
use swamp::domain::{BATCH_SIZE, Deadline, Endpoint, TelemetryRepository as _};
use swamp::sender::{Cache, ComponentFile, ComponentSender};
use swamp::spool::FileSpool;

use super::figures::{Figure, median};
use super::flush::{compiled, config, send};
use super::role::{Role, answer};
use super::world::World;

const ROUNDS: usize = 50;

/// How often a component is compiled.
const COMPILATIONS: usize = 3;

pub(crate) fn measure() -> Vec<Figure> {
    let world = World::new();
    world.fill(BATCH_SIZE);
    let starts: Vec<Value> = (0..ROUNDS)
        .map(|_| answer(&mut Role::Start.command(&world)))
        .collect();
    let names: Vec<&String> = starts[0].as_object().unwrap().keys().collect();
    let mut figures: Vec<_> = names
        .into_iter()
        .map(|name| {
            let millis = starts.iter().map(|start| start[name].as_f64().unwrap());
            Figure::new(name, median(millis), "ms")
        })
        .collect();
    let compilations = (0..COMPILATIONS).map(|_| {
        let empty = tempfile::tempdir().unwrap();
        let cache = Cache::new(empty.path().join("cache"), empty.path().join("state"));
        let began = Instant::now();
        compiled(&cache);
        began.elapsed().as_secs_f64() * 1e3
    });
    figures.push(Figure::new(
        "for once: compilation",
        median(compilations),
        "ms",
    ));
    figures
}

/// Starts a sender in this process. Gives what each part took, in milliseconds.
pub(crate) fn parts() -> Value {
    let root = Path::new(".");
    let marker = MarkerFile::new(root, Owners::Own).read().unwrap();
    let endpoint = Endpoint::parse(marker.telemetry_endpoint.as_deref().unwrap()).unwrap();
    let spool = FileSpool::open(root, Owners::Own).unwrap().unwrap();
    let entries = spool.find_unflushed(&mut spool.list().unwrap().into_backlog(), BATCH_SIZE);
    let cache = Cache::of_user(None, |name| env::var_os(name));

    let mut parts = json!({});
    let mut began = Instant::now();
    let mut lap = |what: &str| {
        parts[what] = (began.elapsed().as_secs_f64() * 1e3).into();
        began = Instant::now();
    };
    drop(ComponentFile::builtin(BuiltinSender::Ingest));
    lap("digest of the component");
    let compiled = compiled(&cache);
    lap("digest again, engine, finding and checking the code");
    let mut sender = ComponentSender::new(&compiled, config(&endpoint)).unwrap();
    lap("mapping the code, linking, event loop");
    sender
        .instantiate(Deadline::after(SenderLimits::default().deadline))
        .unwrap();
    lap("instantiation");
    send(&mut sender, &entries);
    lap("first send");
    send(&mut sender, &entries);
    lap("second send");
    drop(sender);
    lap("end");
    parts
}
