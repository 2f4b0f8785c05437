//! `sender wrap`: a component of a core module.

use std::fs;
use std::path::Path;

use wit_component::{StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, Resolve, WorldId};

use crate::support::TestRepo;

/// A core module that exports the contract, as a toolchain with bindings of wit-bindgen makes one.
pub(crate) fn core_module() -> Vec<u8> {
    with_world(|dummy| dummy)
}

/// The same, which imports a function of WASI 0.1 as well.
fn core_module_of_wasi_0_1() -> Vec<u8> {
    with_world(|dummy| {
        let text = wasmprinter::print_bytes(dummy).unwrap();
        let lines = text.lines().map(|line| {
            let Some((export, index)) = line.rsplit_once("(func ") else {
                return line.to_owned();
            };
            if !line.trim_start().starts_with("(export") {
                return line.to_owned();
            }
            // The import comes first, and moves every other function by one.
            let index: u32 = index.trim_end_matches(')').parse().unwrap();
            format!("{export}(func {}))", index + 1)
        });
        let mut lines: Vec<_> = lines.collect();
        lines.insert(
            1,
            r#"(import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))"#.to_owned(),
        );
        wat::parse_str(lines.join("\n")).unwrap()
    })
}

fn with_world(module: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
    let (mut module, resolve, world) = without_world("0.1.0", module);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    module
}

fn without_world(
    contract: &str,
    module: impl FnOnce(Vec<u8>) -> Vec<u8>,
) -> (Vec<u8>, Resolve, WorldId) {
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("wit")
        .join(contract);
    let (package, _) = resolve.push_path(wit).unwrap();
    let world = resolve
        .select_world(&[package], Some("telemetry-sender"))
        .unwrap();
    let mangling = ManglingAndAbi::Legacy(LiftLowerAbi::Sync);
    let module = module(dummy_module(&resolve, world, mangling));
    (module, resolve, world)
}

#[test]
fn a_core_module_becomes_a_component_that_runs() {
    let repo = TestRepo::new();
    for (name, module) in [
        ("pure", core_module()),
        ("adapted", core_module_of_wasi_0_1()),
    ] {
        let core = format!("{name}.wasm");
        fs::write(repo.root().join(&core), module).unwrap();
        let refused = repo.swamp(&["sender", "check", &core]);
        assert_eq!(refused.code, 1);
        assert!(
            refused.stderr.contains("`swamp sender wrap`"),
            "{}",
            refused.stderr
        );
        let wrapped = repo.swamp(&["sender", "wrap", &core]);
        assert_eq!(wrapped.code, 0, "{wrapped:?}");
        let component = format!("{name}.component.wasm");
        assert!(wrapped.stdout.contains(&component), "{}", wrapped.stdout);
        let check = repo.swamp(&["sender", "check", &component]);
        assert_eq!(check.code, 0, "{check:?}");
    }
}

#[test]
fn the_output_has_the_name_that_is_asked_for_and_replaces_what_is_there() {
    let repo = TestRepo::new();
    fs::write(repo.root().join("core.wasm"), core_module()).unwrap();
    fs::write(repo.root().join("ours.wasm"), "old").unwrap();
    let wrapped = repo.swamp(&["sender", "wrap", "core.wasm", "-o", "ours.wasm", "--json"]);
    assert_eq!(wrapped.code, 0, "{wrapped:?}");
    let told: serde_json::Value = serde_json::from_str(&wrapped.stdout).unwrap();
    assert_eq!(told["component"], "ours.wasm");
    let written = fs::metadata(repo.root().join("ours.wasm")).unwrap().len();
    assert_eq!(told["bytes"], written);
}

#[test]
fn what_is_no_core_module_of_a_world_is_refused_in_a_sentence_and_nothing_is_written() {
    let repo = TestRepo::new();
    let component = Path::new(env!("CARGO_MANIFEST_DIR")).join("prebuilt/ingest.wasm");
    for (name, content) in [
        ("text.wasm", b"(module)".to_vec()),
        ("component.wasm", fs::read(component).unwrap()),
        (
            "worldless.wasm",
            wat::parse_str(r#"(module (import "env" "f" (func)))"#).unwrap(),
        ),
        ("cut.wasm", core_module()[..100].to_vec()),
    ] {
        fs::write(repo.root().join(name), content).unwrap();
        let run = repo.swamp(&["sender", "wrap", name, "-o", "out.wasm"]);
        assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{name}");
        let begins = format!("error: could not make a component of {name}: ");
        assert!(run.stderr.starts_with(&begins), "{}", run.stderr);
        let lines: Vec<_> = run.stderr.lines().collect();
        assert!(
            lines.len() == 2 && lines[1].starts_with("hint: "),
            "{}",
            run.stderr
        );
        assert!(!repo.root().join("out.wasm").exists(), "{name}");
    }
    fs::write(repo.root().join("empty.wasm"), "").unwrap();
    #[cfg(unix)]
    nix::unistd::mkfifo(
        &repo.root().join("fifo.wasm"),
        nix::sys::stat::Mode::S_IRWXU,
    )
    .unwrap();
    for (name, why) in [
        ("gone.wasm", "No such file"),
        ("empty.wasm", "it is empty"),
        #[cfg(unix)]
        ("fifo.wasm", "it is not a regular file"),
    ] {
        let refused = repo.swamp(&["sender", "wrap", name]);
        let told = format!("error: could not read {name}: {why}");
        assert!(refused.stderr.starts_with(&told), "{}", refused.stderr);
    }
}

#[test]
fn a_module_without_its_world_takes_it_from_the_directory_of_the_bindings() {
    let repo = TestRepo::new();
    fs::write(
        repo.root().join("core.wasm"),
        without_world("0.1.0", |dummy| dummy).0,
    )
    .unwrap();
    let refused = repo.swamp(&["sender", "wrap", "core.wasm"]);
    assert!(refused.stderr.contains("--wit"), "{refused:?}");

    fs::create_dir(repo.root().join("wit")).unwrap();
    let wit = "wit/sender.wit";
    fs::write(repo.root().join(wit), "package a:b; world {").unwrap();
    let command = ["sender", "wrap", "core.wasm", "--wit", "wit"];
    let broken = repo.swamp(&command);
    let begins = "error: could not read the world in wit: ";
    assert!(broken.stderr.starts_with(begins), "{broken:?}");
    assert_eq!(broken.stderr.lines().count(), 2, "{broken:?}");

    fs::write(
        repo.root().join(wit),
        include_str!("../wit/0.1.0/sender.wit"),
    )
    .unwrap();
    let wrapped = repo.swamp(&command);
    assert_eq!(wrapped.code, 0, "{wrapped:?}");
    let check = repo.swamp(&["sender", "check", "core.component.wasm"]);
    assert_eq!(check.code, 0, "{check:?}");
}

#[test]
fn of_a_directory_with_several_worlds_the_senders_is_taken() {
    let repo = TestRepo::new();
    let core = without_world("0.2.0", |dummy| dummy).0;
    fs::write(repo.root().join("core.wasm"), core).unwrap();
    let wit = repo.root().join("wit");
    fs::create_dir(&wit).unwrap();
    let contract = include_str!("../wit/0.2.0/sender.wit");
    fs::write(wit.join("sender.wit"), contract).unwrap();
    let wrapped = repo.swamp(&["sender", "wrap", "core.wasm", "--wit", "wit"]);
    assert_eq!(wrapped.code, 0, "{wrapped:?}");
    let check = repo.swamp(&["sender", "check", "core.component.wasm"]);
    assert!(check.stdout.contains("contract    0.2.0"), "{check:?}");
    // Nothing in the module answers.
    assert!(check.stderr.contains("trapped"), "{check:?}");
}
