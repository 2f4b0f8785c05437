//! `sender wrap`: a component of a core module, as C, Zig and Go toolchains make them.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use swamp::domain::{ForeignText, SenderFailureKind, shown};
use swamp::sender::ComponentFile;
use tempfile::NamedTempFile;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wasmparser::{Parser, Payload};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::cli::args::SenderWrap;
use crate::cli::context::Context;
use crate::cli::error::{CommandError, ErrorKind};
use crate::cli::progress::Work;

/// The answer. Its keys are stable.
#[derive(Serialize)]
struct Wrapped {
    /// The file that was written.
    component: ForeignText,
    /// Its size in bytes.
    bytes: usize,
    /// The command that inspects the component.
    next: String,
}

pub(crate) fn run(args: &SenderWrap, context: &Context) -> Result<(), CommandError> {
    let file = ComponentFile::read(&args.core, args.core.as_path()).map_err(|failure| {
        let core = shown(&args.core);
        match failure.kind {
            SenderFailureKind::Missing { reason } => {
                failed(format!("could not read {core}: {reason}"))
                    .hint("use a core WebAssembly module")
            }
            other => CommandError::new(ErrorKind::Sender, other.by(args.core.as_path())),
        }
    })?;
    let mut core = file.bytes().to_vec();
    if !core.starts_with(CORE_MODULE) {
        let core = shown(&args.core);
        return Err(failed(format!(
            "could not make a component of {core}: it is not a binary core module"
        ))
        .hint(BINDINGS));
    }
    if let Some(wit) = &args.wit {
        embed(&mut core, wit).map_err(|why| {
            failed(format!(
                "could not read the world in {}: {}",
                shown(wit),
                ForeignText::from(why)
            ))
            .hint("name the directory that the bindings were generated from, with one world in it")
        })?;
    }
    let work = Work::begin(context.ui, format!("wrapping {}", shown(&args.core)));
    let wrapped = wrapped(&core);
    drop(work);
    let component = wrapped.map_err(|why| {
        let core = shown(&args.core);
        let hint = if args.wit.is_some() {
            BINDINGS
        } else {
            "build it with the bindings that wit-bindgen generates from wit/, and name that directory with --wit if the module does not contain its world"
        };
        failed(format!(
            "could not make a component of {core}: {}",
            ForeignText::from(why)
        ))
        .hint(hint)
    })?;
    let output = args.output.clone().unwrap_or_else(|| beside(&args.core));
    write(&output, &component).map_err(|error| {
        let output = shown(&output);
        failed(format!("could not write {output}: {error}"))
            .hint("use -o to write to another directory")
    })?;
    let wrapped = Wrapped {
        bytes: component.len(),
        next: format!("swamp sender check {}", shown(&output).in_shell()),
        component: output.as_path().into(),
    };
    if context.ui.wants_json() {
        context.ui.json(&wrapped)?;
    } else {
        let Wrapped {
            component,
            bytes,
            next,
        } = wrapped;
        context
            .ui
            .answer(&format!("wrote {component}, {bytes} bytes; next: {next}"))?;
    }
    Ok(())
}

fn failed(sentence: String) -> CommandError {
    CommandError::msg(ErrorKind::Sender, sentence)
}

const BINDINGS: &str = "build it with the bindings that wit-bindgen generates from wit/";

/// How every core module begins, and no component.
const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// What a contract calls the world of a sender.
const WORLD: &str = "telemetry-sender";

/// Adds the one world of the package in `wit` to a core module, as the bindings of C and Rust do themselves.
fn embed(core: &mut Vec<u8>, wit: &Path) -> Result<(), String> {
    let mut add = || {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_dir(wit)?;
        // Of several, as contract 0.2.0 has them, the one that a sender must export.
        let world = resolve.select_world(&[package], None).or_else(|why| {
            resolve
                .select_world(&[package], Some(WORLD))
                .map_err(|_| why)
        })?;
        embed_component_metadata(core, &resolve, world, StringEncoding::UTF8)
    };
    add().map_err(|error| in_one_line(&error))
}

/// The component of a core module that carries its world. What it imports of WASI 0.1 is adapted to WASI 0.2.
fn wrapped(core: &[u8]) -> Result<Vec<u8>, String> {
    // It would become a component that exports nothing.
    if !carries_a_world(core) {
        return Err("it does not contain a world".to_owned());
    }
    let encode = || {
        ComponentEncoder::default()
            .validate(true)
            .module(core)?
            .adapter(
                WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
                WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
            )?
            .encode()
    };
    encode().map_err(|error| in_one_line(&error))
}

fn carries_a_world(core: &[u8]) -> bool {
    Parser::new(0).parse_all(core).flatten().any(|payload| {
        matches!(payload, Payload::CustomSection(section) if section.name().starts_with("component-type"))
    })
}

fn in_one_line(error: &anyhow::Error) -> String {
    format!("{error:#}")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// `core.wasm` becomes `core.component.wasm`.
fn beside(core: &Path) -> PathBuf {
    core.with_extension("component.wasm")
}

/// Writes it whole or not at all: a sender that is in use may be read meanwhile.
fn write(path: &Path, component: &[u8]) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut file = new_file(directory)?;
    file.write_all(component)?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

#[cfg(unix)]
fn new_file(directory: &Path) -> io::Result<NamedTempFile> {
    use std::os::unix::fs::PermissionsExt as _;
    // The umask takes what it takes, as of any file that a compiler writes.
    let permissions = std::fs::Permissions::from_mode(0o666);
    tempfile::Builder::new()
        .permissions(permissions)
        .tempfile_in(directory)
}

#[cfg(not(unix))]
fn new_file(directory: &Path) -> io::Result<NamedTempFile> {
    NamedTempFile::new_in(directory)
}
