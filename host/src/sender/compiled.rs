//! A component's machine code: found in the cache, or compiled.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};

use tracing::debug;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::cache::{Cache, Found, Key};
use super::compiler::{CompileError, Compiler};
use super::engine;
use super::failure::{out_of_space, system_error};
use super::file::ComponentFile;
use crate::domain::{ForeignText, SenderFailure, SenderFailureKind};

/// A compiled component, to be loaded.
#[derive(Debug)]
pub struct Compiled {
    name: ForeignText,
    engine: Engine,
    code: File,
    cache: Cache,
    key: Key,
}

impl Compiled {
    /// Finds the machine code of `file` in the cache, or has it compiled, which may take
    /// [`limits::COMPILE_TIME`](super::limits::COMPILE_TIME), and then keeps it there. Where another process of this
    /// user compiles it, waits for that one. A component that could not be compiled is not tried again for an hour.
    ///
    /// # Errors
    ///
    /// [`SenderFailureKind::NotCompilable`].
    pub fn obtain(
        file: &ComponentFile,
        cache: &Cache,
        compiler: &Compiler,
    ) -> Result<Self, SenderFailure> {
        let obtain = || {
            let engine = engine::running().map_err(|error| error.to_string())?;
            let key = Key::new(file.digest(), &engine);
            let code = match cache.find(&key) {
                Found::Code(code) => code,
                Found::Failure(reason) => return Err(reason),
                Found::Nothing => compile_alone(file, cache, &key, compiler)?,
            };
            Ok(Self {
                name: file.name().clone(),
                engine,
                code,
                cache: cache.clone(),
                key,
            })
        };
        obtain()
            .map_err(|reason| SenderFailureKind::NotCompilable { reason }.by(file.name().clone()))
    }

    /// Forgets that `file` could not be compiled, if that is remembered: whoever asks for it by name wants it tried
    /// again, since a machine that was busy may have been the reason.
    pub fn forget_failure(file: &ComponentFile, cache: &Cache) {
        if let Ok(engine) = engine::running() {
            let key = Key::new(file.digest(), &engine);
            if matches!(cache.find(&key), Found::Failure(_)) {
                cache.forget(&key);
            }
        }
    }

    /// Whether the cache has the machine code of `file`.
    #[must_use]
    pub fn is_cached(file: &ComponentFile, cache: &Cache) -> bool {
        engine::running().is_ok_and(|engine| {
            let key = Key::new(file.digest(), &engine);
            matches!(cache.find(&key), Found::Code(_))
        })
    }

    pub(super) const fn name(&self) -> &ForeignText {
        &self.name
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

    /// Maps the machine code into this process, or has it in memory where it may not be run from its file.
    pub(super) fn load(&self) -> Result<Component, SenderFailure> {
        let loaded = map(&self.engine, &self.code).or_else(|error| match system_error(&error) {
            Some(why) => {
                debug!("had machine code in memory, since it could not be mapped: {why}");
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
            let reason = format!("its compiled form could not be loaded: {error:#}");
            SenderFailureKind::NotCompilable { reason }.by(self.name.clone())
        })
    }
}

/// What it means that the system refused to load machine code.
fn refused(why: &io::Error) -> String {
    match why.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "no memory may be made executable here ({why}), as with MemoryDenyWriteExecute of systemd; allow it for \
             this program"
        ),
        _ => out_of_space(why).unwrap_or_else(|| format!("the system refused to load it ({why})")),
    }
}

/// Compiles it, unless another process has done so meanwhile.
fn compile_alone(
    file: &ComponentFile,
    cache: &Cache,
    key: &Key,
    compiler: &Compiler,
) -> Result<File, String> {
    let _alone = cache.alone(key);
    match cache.find(key) {
        Found::Code(code) => Ok(code),
        Found::Failure(reason) => Err(reason),
        Found::Nothing => compile(file, cache, key, compiler).map_err(|error| error.to_string()),
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
