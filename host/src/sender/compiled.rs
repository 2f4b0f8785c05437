//! A component's machine code: found in the cache, or compiled.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::sync::Arc;

use tracing::debug;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::cache::{Cache, Found, Key};
use super::compiler::{CompileError, Compiler, engine_for};
use super::engine::{self, EngineKind};
use super::failure::{out_of_space, system_error};
use super::file::ComponentFile;
use super::source_lines::SourceLines;
use crate::domain::{Cause, ForeignText, Reason, SenderFailure, SenderFailureKind};

/// A compiled component, to be loaded.
#[derive(Debug)]
pub struct Compiled {
    name: ForeignText,
    kind: EngineKind,
    engine: Engine,
    code: File,
    cache: Cache,
    key: Key,
    source_lines: Option<Arc<SourceLines>>,
}

impl Compiled {
    /// Finds the machine code of `file` in the cache, or has it compiled, which may take
    /// [`limits::COMPILE_TIME`](super::limits::COMPILE_TIME), and then keeps it there. Where another process of this
    /// user compiles it, waits for that one. A component that could not be compiled is not tried again for an hour.
    ///
    /// # Errors
    ///
    /// [`SenderFailureKind::NotCompilable`], and [`SenderFailureKind::Unvouched`] where it needs the component model's
    /// async and nobody vouches for it.
    pub fn obtain(
        file: &ComponentFile,
        cache: &Cache,
        compiler: &Compiler,
    ) -> Result<Self, SenderFailure> {
        let not_compilable =
            |reason| SenderFailureKind::NotCompilable { reason }.by(file.name().clone());
        let lookup = Lookup::of(file, cache).map_err(not_compilable)?;
        if lookup.kind == EngineKind::Async && !file.is_vouched_for() {
            return Err(SenderFailureKind::Unvouched.by(file.name().clone()));
        }
        let Lookup {
            kind,
            engine,
            key,
            found,
        } = lookup;
        let code = match found {
            Found::Code(code) => Ok(code),
            Found::Failure(reason) => Err(reason),
            Found::Nothing => compile_alone(file, cache, &key, compiler),
        };
        Ok(Self {
            name: file.name().clone(),
            kind,
            engine,
            code: code.map_err(not_compilable)?,
            cache: cache.clone(),
            key,
            source_lines: compiler.source_lines(file.bytes()).map(Arc::new),
        })
    }

    /// Forgets that `file` could not be compiled, if that is remembered: whoever asks for it by name wants it tried
    /// again, since a machine that was busy may have been the reason.
    pub fn forget_failure(file: &ComponentFile, cache: &Cache) {
        for lookup in lookups(file, cache).flatten() {
            if matches!(lookup.found, Found::Failure(_)) {
                cache.forget(&lookup.key);
            }
        }
    }

    /// Whether the cache has the machine code of `file`.
    #[must_use]
    pub fn is_cached(file: &ComponentFile, cache: &Cache) -> bool {
        lookups(file, cache)
            .flatten()
            .any(|lookup| matches!(lookup.found, Found::Code(_)))
    }

    pub(super) const fn name(&self) -> &ForeignText {
        &self.name
    }

    pub(super) const fn kind(&self) -> EngineKind {
        self.kind
    }

    pub(super) const fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) const fn cache(&self) -> &Cache {
        &self.cache
    }

    pub(super) const fn key(&self) -> &Key {
        &self.key
    }

    /// What finds its lines of source, where it has any and a person waits.
    pub(super) fn source_lines(&self) -> Option<Arc<SourceLines>> {
        self.source_lines.clone()
    }

    /// Maps the machine code into this process, or has it in memory where it may not be run from its file.
    pub(super) fn load(&self) -> Result<Component, SenderFailure> {
        let loaded = map(&self.engine, &self.code).or_else(|error| match system_error(&error) {
            Some(why) => {
                debug!("loaded machine code into memory, because it could not be mapped: {why}");
                read(&self.engine, &self.code)
            }
            None => Err(error),
        });
        loaded.map_err(|error| {
            if let Some(why) = system_error(&error) {
                let reason = refused(&why);
                return SenderFailureKind::NotRunnable { reason }.by(self.name.clone());
            }
            self.cache.forget(&self.key);
            let reason = format!("its compiled form could not be loaded: {error:#}").into();
            SenderFailureKind::NotCompilable { reason }.by(self.name.clone())
        })
    }
}

/// What the cache has of a component for one engine.
struct Lookup {
    kind: EngineKind,
    engine: Engine,
    key: Key,
    found: Found,
}

impl Lookup {
    /// That for the engine which `file` is for. Its bytes are read for this only where the cache knows nothing of it.
    fn of(file: &ComponentFile, cache: &Cache) -> Result<Self, Reason> {
        let mut looked_up = Vec::with_capacity(EngineKind::ALL.len());
        for lookup in lookups(file, cache) {
            let lookup = lookup?;
            if !matches!(lookup.found, Found::Nothing) {
                return Ok(lookup);
            }
            looked_up.push(lookup);
        }
        let kind = engine_for(file.bytes());
        let is_for_it = |lookup: &Self| lookup.kind == kind;
        looked_up
            .into_iter()
            .find(is_for_it)
            .ok_or_else(|| "there is no engine for it".into())
    }
}

/// What the cache has of `file`, for one engine after the other.
fn lookups(file: &ComponentFile, cache: &Cache) -> impl Iterator<Item = Result<Lookup, String>> {
    EngineKind::ALL.into_iter().map(|kind| {
        let engine = engine::running(kind).map_err(|error| error.to_string())?;
        let key = Key::new(file.digest(), &engine);
        let found = cache.find(&key);
        Ok(Lookup {
            kind,
            engine,
            key,
            found,
        })
    })
}

/// What it means that the system refused to load machine code.
fn refused(why: &io::Error) -> Reason {
    match why.kind() {
        io::ErrorKind::PermissionDenied => Reason::new(
            Cause::ExecutableMemory,
            format!(
                "no memory may be made executable here ({why}), as with MemoryDenyWriteExecute of systemd"
            ),
        ),
        _ => out_of_space(why)
            .unwrap_or_else(|| format!("the system refused to load it ({why})").into()),
    }
}

/// Compiles it, unless another process has done so meanwhile.
fn compile_alone(
    file: &ComponentFile,
    cache: &Cache,
    key: &Key,
    compiler: &Compiler,
) -> Result<File, Reason> {
    let _alone = cache.alone(key);
    match cache.find(key) {
        Found::Code(code) => Ok(code),
        Found::Failure(reason) => Err(reason),
        Found::Nothing => compile(file, cache, key, compiler).map_err(CompileError::into_reason),
    }
}

fn compile(
    file: &ComponentFile,
    cache: &Cache,
    key: &Key,
    compiler: &Compiler,
) -> Result<File, CompileError> {
    debug!("compiling the sender {}", file.name());
    let output = cache.output()?;
    compiler
        .compile(file.bytes(), output.file())
        .inspect_err(|error| {
            if let CompileError::Component(reason) = error {
                cache.keep_failure(key, reason);
            }
        })?;
    Ok(cache.keep(key, output)?)
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "machine code is run as it is")]
fn map(engine: &Engine, code: &File) -> wasmtime::Result<Component> {
    use std::os::fd::AsRawFd as _;
    let path = format!("/proc/self/fd/{}", code.as_raw_fd());
    // SAFETY: wasmtime wants a file that `Engine::precompile_component` wrote and that nobody changes while it is
    // mapped. This descriptor is either the compiler worker's own output, or a file of the cache for which this user's
    // secret vouches, verified on this very descriptor; the directory and the file are this user's and nobody else can
    // write to them; and the cache renames files and never writes into one. Reopening by descriptor leaves no moment
    // to put another file in its place.
    unsafe { Component::deserialize_file(engine, path) }
}

#[cfg(not(target_os = "linux"))]
fn map(engine: &Engine, code: &File) -> wasmtime::Result<Component> {
    read(engine, code)
}

#[expect(unsafe_code, reason = "machine code is run as it is")]
fn read(engine: &Engine, mut code: &File) -> wasmtime::Result<Component> {
    let mut bytes = Vec::new();
    code.rewind()?;
    code.read_to_end(&mut bytes)?;
    // SAFETY: wasmtime wants what `Engine::precompile_component` wrote. This descriptor is either the compiler
    // worker's own output, or a file of the cache for which this user's secret vouches, verified on this very
    // descriptor; and the bytes are a copy that nobody else can change.
    unsafe { Component::deserialize(engine, bytes) }
}
