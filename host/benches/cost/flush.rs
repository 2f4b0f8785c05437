//! The flush of one batch: through the built-in component, and by native code.

use std::env;
use std::time::Duration;

use swamp::domain::{
    BATCH_SIZE, BuiltinSender, Deadline, Endpoint, SenderLimits, SpooledEntry,
    TelemetryRepository as _, TelemetrySender,
};
use swamp::infrastructure::component::egress::{Environment, Network};
use swamp::infrastructure::component::{
    Cache, Compiled, Compiler, ComponentFile, ComponentSender, SenderConfig,
};
use swamp::infrastructure::worker::Program;

use super::figures::{Figure, Turns, time};
use super::native::NativeSender;
use super::role::Role;
use super::world::{SWAMP, World, run};

pub(crate) fn measure() -> Vec<Figure> {
    let world = World::new();
    let process = Turns::take(
        150,
        || flush(&world, || run(&mut world.flusher())),
        || flush(&world, || run(&mut Role::Flush.command(&world))),
    );
    let warm = warm(&world);
    vec![
        Figure::time("25 entries, process, component", &process.ours),
        Figure::time("25 entries, process, native", &process.other),
        Figure::ratio("component over native, process", &process).at_most(1.25),
        Figure::time("25 entries, warm call, component", &warm.ours),
        Figure::time("25 entries, warm call, native", &warm.other),
        Figure::ratio("component over native, warm call", &warm).at_most(1.5),
    ]
}

fn flush(world: &World, flush: impl FnOnce()) -> Duration {
    world.fill(BATCH_SIZE);
    let took = time(flush);
    assert_eq!(world.pending(), 0);
    took
}

fn warm(world: &World) -> Turns {
    world.fill(BATCH_SIZE);
    let entries = world.spool().find_unflushed(BATCH_SIZE).unwrap();
    let endpoint = Endpoint::parse(&format!("http://{}", world.server)).unwrap();
    let home = world.home();
    let cache = Cache::new(Cache::default_dir(|name| {
        (name == "HOME").then(|| home.clone().into_os_string())
    }));
    let mut component = ComponentSender::new(&compiled(&cache), config(&endpoint)).unwrap();
    let mut native = NativeSender::new(&endpoint);
    send(&mut component, &entries);
    send(&mut native, &entries);
    Turns::take(
        1000,
        || time(|| send(&mut component, &entries)),
        || time(|| send(&mut native, &entries)),
    )
}

pub(crate) fn send(sender: &mut dyn TelemetrySender, entries: &[SpooledEntry]) {
    let deadline = Deadline::after(Duration::from_secs(5));
    let repo_id = "00000000-0000-4000-8000-000000000000";
    sender.send_batch(entries, repo_id, deadline).unwrap();
}

pub(crate) fn compiled(cache: &Cache) -> Compiled {
    let file = ComponentFile::builtin(BuiltinSender::Ingest);
    Compiled::obtain(&file, cache, &Compiler::new(Program::new(SWAMP))).unwrap()
}

pub(crate) fn config(endpoint: &Endpoint) -> SenderConfig {
    SenderConfig {
        endpoint: endpoint.clone(),
        user_agent: "swamp/0.1.0".into(),
        options: Vec::new(),
        limits: SenderLimits::default(),
        network: Network::live(Environment::read(|name| {
            env::var_os(name).filter(|_| !name.to_lowercase().ends_with("proxy"))
        })),
        headers: Vec::new(),
    }
}
