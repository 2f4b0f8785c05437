//! The flush of one batch: through the built-in component, and by native code.
//!
//! Both are processes of this executable, which is as large as the program but for its compiler and its commands:
//! what differs is the sender alone. The worker that a command starts is measured as well.

use std::env;
use std::path::Path;
use std::time::Duration;

use swamp::config::known::Known;
use swamp::config::marker_file::MarkerFile;
use swamp::config::ownership::Owners;
use swamp::config::user_config_file::{config_path, read_user_config};
use swamp::config::{BuiltinSender, SenderLimits};
use swamp::domain::{
    BATCH_SIZE, Batches, Deadline, Endpoint, SpooledEntry, TelemetryRepository as _,
    TelemetrySender,
};
use swamp::egress::{Environment, Network, Reach};
use swamp::flush::{FlushSetup, Flushed, Watch};
use swamp::process::timer::Timer;
use swamp::process::worker::{Program, close_inherited_files, forbid_core_dumps};
use swamp::sender::{Cache, Compiled, Compiler, ComponentFile, ComponentSender, SenderConfig};
use swamp::spool::FileSpool;

use super::figures::{Figure, Turns, time};
use super::native::{NativeSender, like_a_worker};
use super::role::Role;
use super::world::{SWAMP, World, run};

pub(crate) fn measure() -> Vec<Figure> {
    let world = World::new();
    let process = Turns::take(
        150,
        || flush(&world, || run(&mut Role::Flush.command(&world))),
        || flush(&world, || run(&mut Role::FlushNatively.command(&world))),
    );
    let worker: Vec<_> = (0..100)
        .map(|_| flush(&world, || run(&mut world.flusher())))
        .collect();
    let warm = warm(&world);
    vec![
        Figure::time("25 entries, process, component", &process.ours),
        Figure::time("25 entries, process, native", &process.other),
        Figure::ratio("component over native, process", &process).at_most(1.25),
        Figure::time("25 entries, the worker that a command starts", &worker),
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

/// What the worker does, from what it has read of its environment on.
pub(crate) fn by_component() {
    close_inherited_files();
    forbid_core_dumps();
    let watch = Watch::start().unwrap();
    let root = Path::new(".");
    let marker = MarkerFile::new(root, Owners::Own).read().unwrap();
    let user = config_path(|name| env::var_os(name)).unwrap();
    let user = read_user_config(&user).unwrap();
    assert!(!user.telemetry_disabled);
    let spool = FileSpool::open(root, Owners::Own).unwrap().unwrap();
    let endpoint = Endpoint::parse(marker.telemetry_endpoint.as_deref().unwrap()).unwrap();
    let origin = endpoint.origin();
    let known = Known::new(
        root,
        &marker,
        marker.repo_id.clone(),
        origin,
        false,
        |name| env::var_os(name),
    );
    let setup = FlushSetup {
        root: root.to_owned(),
        known,
        owners: Owners::Own,
        repo_id: marker.repo_id.clone().unwrap(),
        marker,
        allow_senders: user.allow_senders,
        headers: Ok(Vec::new()),
        network: Network::live(Environment::read(|name| env::var_os(name))),
        cache: Cache::of_user(Some(root), |name| env::var_os(name)),
        compiler: Compiler::new(Program::new(SWAMP)),
        version: "0.1.0".into(),
        endpoint,
    };
    let flushed = setup.flush(spool, like_a_worker(Batches::One), &watch, |_, _| true);
    let Ok(Flushed::Done { outcome, .. }) = flushed else {
        panic!("{flushed:?}");
    };
    assert!(outcome.failure.is_none());
}

fn warm(world: &World) -> Turns {
    world.fill(BATCH_SIZE);
    let spool = world.spool();
    let entries = spool.find_unflushed(&mut spool.list().unwrap().into_backlog(), BATCH_SIZE);
    let endpoint = Endpoint::parse(&format!("http://{}", world.server)).unwrap();
    let home = world.home();
    let cache = Cache::of_user(None, |name| {
        (name == "HOME").then(|| home.clone().into_os_string())
    });
    let mut component = ComponentSender::new(&compiled(&cache), config(&endpoint)).unwrap();
    let mut native = NativeSender::new(&endpoint);
    send(&mut component, &entries);
    send(&mut native, &entries);
    Turns::take(
        5000,
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
        reach: Reach::default(),
        headers: Vec::new(),
        timer: Timer::default(),
    }
}
