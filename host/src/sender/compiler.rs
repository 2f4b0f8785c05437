//! Cold compilation, in a process of its own: it may take long, and much memory.

use std::fs::File;
use std::io::{self, Read, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::thread;

use rayon::{ThreadPool, ThreadPoolBuilder};
use thiserror::Error;

use super::contract::reason;
use super::engine::{self, AddressSpace, Compilation, EngineKind, address_space};
use super::outline::{self, Outline};
use super::resources::{bound_cpu, bound_memory, cpu_limit};
use super::source_lines::SourceLines;
use super::{contract, limits, source_lines};
use crate::domain::{Cause, Reason};
use crate::process::timer::Timer;
use crate::process::watchdog::Watchdog;
use crate::process::worker::{self, Program, WorkerTask};

/// Why a component could not be compiled.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CompileError {
    /// For what it is, or for what it takes: it will hardly be otherwise the next time.
    #[error("{0}")]
    Component(Reason),
    /// For the state that this machine is in.
    #[error("{0}")]
    Machine(Reason),
}

impl CompileError {
    /// The reason, whatever it is about.
    #[must_use]
    pub fn into_reason(self) -> Reason {
        match self {
            Self::Component(reason) | Self::Machine(reason) => reason,
        }
    }
}

impl From<io::Error> for CompileError {
    fn from(error: io::Error) -> Self {
        Self::Machine(Reason::from(&error))
    }
}

/// Compiles components, each in a worker.
#[derive(Clone, Debug)]
pub struct Compiler {
    program: Program,
    /// Where the person works who waits, if one does.
    waiting_in: Option<PathBuf>,
}

/// How long a compilation may take, whatever processor time it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// [`limits::COMPILE_TIME`].
    Bounded,
    /// As long as a person waits for it.
    OfPerson,
}

impl Compiler {
    /// A compiler whose workers run `program`.
    #[must_use]
    pub const fn new(program: Program) -> Self {
        Self {
            program,
            waiting_in: None,
        }
    }

    /// The same, for as long as a person waits, who works in `directory`.
    #[must_use]
    pub fn awaited_in(self, directory: PathBuf) -> Self {
        Self {
            waiting_in: Some(directory),
            ..self
        }
    }

    /// What finds the lines of source of `component`, where a person waits and it has any.
    pub(super) fn source_lines(&self, component: &[u8]) -> Option<SourceLines> {
        let directory = self.waiting_in.as_deref()?;
        SourceLines::of(component, &self.program, directory)
    }

    /// Compiles `component` (binary, or the text format) and writes the machine code to `output`.
    ///
    /// # Errors
    ///
    /// When it is not a component, cannot be compiled within [`limits::COMPILE_CPU`], [`limits::COMPILE_TIME`] and
    /// [`limits::COMPILE_MEMORY`], or no worker could be started.
    pub(super) fn compile(&self, component: &[u8], output: &File) -> Result<(), CompileError> {
        let task = match self.waiting_in {
            None => WorkerTask::Compile,
            Some(_) => WorkerTask::CompileAwaited,
        };
        let mut worker = self
            .program
            .command(task)
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| {
                CompileError::Machine(format!("could not start its compiler: {error}").into())
            })?;
        let (stdin, stderr) = (worker.stdin.take(), worker.stderr.take());
        let mut message = String::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                // A worker that has seen enough closes its end; what it says then is what counts.
                stdin.map(|mut stdin| stdin.write_all(component))
            });
            stderr.map(|stderr| stderr.take(4096).read_to_string(&mut message))
        });
        let status = worker.wait()?;
        if status.success() {
            return Ok(());
        }
        Err(failure(status, &message))
    }
}

/// What it means that a worker ended in this way, after this message.
fn failure(status: ExitStatus, message: &str) -> CompileError {
    if status.code() == Some(worker::MACHINE_FAILED.into()) {
        return CompileError::Machine(told(message));
    }
    if status.code() == Some(worker::OUT_OF_TIME) {
        let minutes = limits::COMPILE_TIME.as_secs() / 60;
        let cpu = limits::COMPILE_CPU.as_secs();
        return CompileError::Machine(format!(
            "its compiler did not get {cpu} seconds of processor time within {minutes} minutes; this machine is busy"
        )
        .into());
    }
    if message.contains("memory allocation of") {
        return out_of_memory();
    }
    if is_out_of_cpu(status) {
        return out_of_cpu(cpu_limit());
    }
    if let Some(why) = ended_from_outside(status) {
        return CompileError::Machine(why);
    }
    CompileError::Component(if status.code() == Some(1) && !message.is_empty() {
        told(message)
    } else {
        format!("the compiler crashed ({status})").into()
    })
}

/// What a worker wrote, short and without control characters.
fn told(message: &str) -> Reason {
    let told = Reason::from_record(message);
    told.with_text(reason(&told.to_string()))
}

/// Where this process itself may use less memory than a compiler gets, that is the machine's fault.
fn out_of_memory() -> CompileError {
    const MIB: u64 = 1024 * 1024;
    match address_space() {
        Some(limit) if limit < limits::COMPILE_MEMORY => {
            let mib = limit / MIB;
            CompileError::Machine(Reason::new(
                Cause::AddressSpaceLimit,
                format!("its compiler may use only {mib} MiB of address space here"),
            ))
        }
        _ => {
            let mib = limits::COMPILE_MEMORY / MIB;
            CompileError::Component(format!("it took more than {mib} MiB of memory").into())
        }
    }
}

/// As for memory, where this process itself may run for `limit` seconds.
fn out_of_cpu(limit: Option<u64>) -> CompileError {
    let ours = limits::COMPILE_CPU.as_secs();
    match limit {
        Some(limit) if limit < ours => CompileError::Machine(Reason::new(
            Cause::ProcessorTimeLimit,
            format!("its compiler may use only {limit} seconds of processor time here"),
        )),
        _ => CompileError::Component(
            format!("it took more than {ours} seconds of processor time").into(),
        ),
    }
}

#[cfg(unix)]
fn is_out_of_cpu(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    status.signal() == Some(nix::libc::SIGXCPU)
}

#[cfg(not(unix))]
const fn is_out_of_cpu(_: ExitStatus) -> bool {
    false
}

/// Why a process was ended that did nothing wrong. Signals of crashes are its own.
#[cfg(unix)]
fn ended_from_outside(status: ExitStatus) -> Option<Reason> {
    use std::os::unix::process::ExitStatusExt as _;

    use nix::sys::signal::Signal;
    let signal = Signal::try_from(status.signal()?).ok()?;
    let told = |why: &str| format!("its compiler was ended by {signal}, {why}");
    let why = match signal {
        Signal::SIGKILL => "probably because the system ran out of memory",
        Signal::SIGXFSZ => {
            let text = told("because files may not be that large here");
            return Some(Reason::new(Cause::FileSizeLimit, text));
        }
        Signal::SIGTERM | Signal::SIGINT | Signal::SIGHUP | Signal::SIGQUIT => "from outside",
        _ => return None,
    };
    Some(told(why).into())
}

#[cfg(not(unix))]
const fn ended_from_outside(_: ExitStatus) -> Option<Reason> {
    None
}

/// Bounds this process as a compiling worker is bounded: by [`limits::COMPILE_CPU`] and [`limits::COMPILE_MEMORY`] from
/// now on, and unless a person waits by [`limits::COMPILE_TIME`] for as long as the watchdog lives.
///
/// # Errors
///
/// When the system gives no thread for the watchdog.
pub fn bound_compilation(patience: Patience) -> io::Result<Option<Watchdog>> {
    bound_memory(limits::COMPILE_MEMORY);
    bound_cpu();
    match patience {
        Patience::Bounded => {
            Watchdog::start(&Timer::default(), limits::COMPILE_TIME, || {}).map(Some)
        }
        Patience::OfPerson => Ok(None),
    }
}

/// What a compiling worker does: reads a component from `input`, and writes machine code to `output`. Only where a person
/// waits does it take more than one processor.
///
/// # Errors
///
/// Says what is wrong with the component.
pub fn compile(
    input: impl Read,
    mut output: impl Write,
    space: AddressSpace,
    patience: Patience,
) -> Result<(), CompileError> {
    let mut bytes = Vec::new();
    input
        .take(limits::COMPONENT_BYTES)
        .read_to_end(&mut bytes)?;
    let component = component(&bytes)?;
    let kind = engine_for(component);
    let described = |error: wasmtime::Error| CompileError::Component(format!("{error:#}").into());
    let threads = match patience {
        Patience::Bounded => None,
        Patience::OfPerson => threads(),
    };
    let how = Compilation {
        maps_addresses: source_lines::are_in(component),
        is_parallel: threads.is_some(),
        ..Compilation::new(space)
    };
    let engine = engine::compiling(kind, how).map_err(described)?;
    let compile = || engine.precompile_component(component);
    let compiled = match threads {
        Some(threads) => threads.install(compile),
        None => compile(),
    };
    let code = compiled
        .map_err(|error| unsupported(component, kind).unwrap_or_else(|| described(error)))?;
    output.write_all(&code)?;
    output.flush()?;
    Ok(())
}

/// The threads to compile on where a person waits, if the system gives any.
fn threads() -> Option<ThreadPool> {
    let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let pool = ThreadPoolBuilder::new()
        .num_threads(processors.min(limits::COMPILE_THREADS))
        .thread_name(|index| format!("compile-{index}"));
    pool.build().ok()
}

/// The engine that a component is for, by the names in its file.
pub(super) fn engine_for(component: &[u8]) -> EngineKind {
    Outline::read(component).engine_kind()
}

/// Says what a component needs that the engine of this kind has switched off, where that is why it is refused.
fn unsupported(component: &[u8], kind: EngineKind) -> Option<CompileError> {
    let needs = outline::needs(component, kind);
    let (last, others) = needs.split_last()?;
    let needed = match others {
        [] => (*last).to_owned(),
        others => format!("{} and {last}", others.join(", ")),
    };
    Some(CompileError::Component(if needs == [outline::ASYNC] {
        Reason::new(
            Cause::AsyncContract,
            format!(
                "it needs {needed}, which this host has for senders of contract {} only",
                contract::ASYNC_VERSION
            ),
        )
    } else {
        let text = format!("it needs {needed}, which this host does not run");
        Reason::new(Cause::UnsupportedFeature, text)
    }))
}

/// The content of a file, provided that it is a component.
pub(super) fn component(bytes: &[u8]) -> Result<&[u8], CompileError> {
    const MAGIC: &[u8] = b"\0asm";
    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
    const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";
    let why: Reason = if bytes.starts_with(COMPONENT) {
        return Ok(bytes);
    } else if bytes.starts_with(CORE_MODULE) {
        Reason::new(Cause::CoreModule, "it is a core module, not a component")
    } else if bytes.starts_with(MAGIC) {
        "it is a WebAssembly file of a version that this host does not know".into()
    } else if matches!(bytes.trim_ascii_start(), [b'(' | b';', ..]) {
        Reason::new(
            Cause::TextFormat,
            "it is WebAssembly's text format, and this host runs the binary format",
        )
    } else {
        "it is not a WebAssembly component".into()
    };
    Err(CompileError::Component(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(bytes: &[u8]) -> String {
        component(bytes).unwrap_err().to_string()
    }

    #[cfg(unix)]
    #[test]
    fn only_what_the_machine_is_to_blame_for_may_be_otherwise_the_next_time() {
        use std::os::unix::process::ExitStatusExt as _;
        let ended =
            |code: u8, message| failure(ExitStatus::from_raw(i32::from(code) << 8), message);
        assert_eq!(
            ended(worker::MACHINE_FAILED, "No space left on device\n"),
            CompileError::Machine("No space left on device".into())
        );
        assert_eq!(
            ended(1, "it is a core module\n"),
            CompileError::Component("it is a core module".into())
        );
        assert_eq!(
            ended(1, "core-module\nit is a core module\n"),
            CompileError::Component(Reason::new(Cause::CoreModule, "it is a core module"))
        );
        let killed = |signal| failure(ExitStatus::from_raw(signal), "");
        for signal in [nix::libc::SIGKILL, nix::libc::SIGXFSZ, nix::libc::SIGTERM] {
            let failure = killed(signal);
            assert!(matches!(failure, CompileError::Machine(_)), "{failure}");
        }
        assert_eq!(
            killed(nix::libc::SIGXCPU),
            CompileError::Component("it took more than 60 seconds of processor time".into())
        );
        assert_eq!(
            out_of_cpu(Some(5)),
            CompileError::Machine(Reason::new(
                Cause::ProcessorTimeLimit,
                "its compiler may use only 5 seconds of processor time here"
            ))
        );
        assert_eq!(
            ended(124, ""),
            CompileError::Machine(
                "its compiler did not get 60 seconds of processor time within 10 minutes; this machine is busy".into()
            )
        );
        for signal in [nix::libc::SIGSEGV, nix::libc::SIGABRT, nix::libc::SIGILL] {
            let failure = killed(signal);
            assert!(matches!(failure, CompileError::Component(_)), "{failure}");
        }
    }

    #[test]
    fn what_is_no_component_is_told_apart() {
        insta::assert_snapshot!(
            [
                error(b""),
                error(b"hello"),
                error(b"\x7fELF\xff"),
                error(b" (component (oops))"),
                error(b";; text\n(module)"),
                error(b"\0asm\x01\0\0\0"),
                error(b"\0asm\x99\0\x01\0"),
            ]
            .join("\n"),
            @r"
        it is not a WebAssembly component
        it is not a WebAssembly component
        it is not a WebAssembly component
        it is WebAssembly's text format, and this host runs the binary format
        it is WebAssembly's text format, and this host runs the binary format
        it is a core module, not a component
        it is a WebAssembly file of a version that this host does not know
        "
        );
    }
}
