//! The two wasmtime configurations, each for compiling and for running: a narrow one, and one with the component model's
//! async for components that need it.

use wasmtime::{Config, Engine, WasmBacktraceDetails};

use super::limits;

/// How much address space there is for a guest's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressSpace {
    /// As much as a guest can name: no access to its memory needs a check.
    Ample,
    /// What this process may use is limited: memory grows as it is needed, and each access is checked.
    Scarce,
}

/// Which engine a component is compiled for and runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EngineKind {
    /// The narrow one: nothing of the component model's async.
    Sync,
    /// The one with async functions, streams and futures, for WASI 0.3 and contract 0.3.0.
    Async,
}

impl EngineKind {
    /// Both, the usual one first.
    pub(super) const ALL: [Self; 2] = [Self::Sync, Self::Async];
}

/// With a limit below this, in bytes, space is scarce: where it is ample, each of a guest's memories reserves more than
/// 4 GiB.
const AMPLE: u64 = 16 * 1024 * 1024 * 1024;

/// What a memory reserves to grow into without being moved, where space is scarce, in bytes.
const SMALL_STEP: u64 = 4 * 1024 * 1024;

/// What is left unmapped behind a memory, where space is scarce, in bytes.
const SMALL_GUARD: u64 = 64 * 1024;

impl AddressSpace {
    /// That of this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        match address_space() {
            Some(limit) if limit < AMPLE => Self::Scarce,
            _ => Self::Ample,
        }
    }
}

/// The most address space that this process may use, in bytes, if that is limited.
#[cfg(unix)]
pub(super) fn address_space() -> Option<u64> {
    use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
    let (soft, _) = getrlimit(Resource::RLIMIT_AS).ok()?;
    (soft != RLIM_INFINITY).then_some(soft)
}

#[cfg(not(unix))]
pub(super) const fn address_space() -> Option<u64> {
    None
}

/// How an engine compiles.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compilation {
    /// How much space there is where the machine code will run.
    pub(super) space: AddressSpace,
    /// Whether the machine code tells which instruction of the component each of its own is of: engines that run load
    /// either.
    pub(super) maps_addresses: bool,
    /// Whether functions are compiled at the same time, on the threads of the pool that the engine is called in. The
    /// machine code is the same.
    pub(super) is_parallel: bool,
}

impl Compilation {
    /// The usual one.
    pub(super) const fn new(space: AddressSpace) -> Self {
        Self {
            space,
            maps_addresses: false,
            is_parallel: false,
        }
    }
}

/// An engine that compiles.
pub(super) fn compiling(kind: EngineKind, how: Compilation) -> wasmtime::Result<Engine> {
    Engine::new(
        config(kind, how.space)
            .generate_address_map(how.maps_addresses)
            .parallel_compilation(how.is_parallel),
    )
}

/// An engine that runs what was compiled. It spares itself a compiler's settings, at every flush.
pub(super) fn running(kind: EngineKind) -> wasmtime::Result<Engine> {
    Engine::new(config(kind, AddressSpace::of_this_process()).enable_compiler(false))
}

/// What every sender gets, and async where the engine is for that. Of the component model, whatever is not named
/// `true` here is named `false`: defaults change with wasmtime's features. Proposals that no sender's toolchain needs are
/// off: less to go wrong. So are the tables that only native debuggers and offsets in backtraces need: every flush reads
/// all of the machine code. The engine never reads DWARF, whatever the environment asks of it: `source_lines` does.
fn config(kind: EngineKind, space: AddressSpace) -> Config {
    let is_async = kind == EngineKind::Async;
    let mut config = Config::new();
    config
        .concurrency_support(is_async)
        .wasm_component_model_async(is_async)
        .wasm_component_model_async_stackful(false)
        .wasm_component_model_more_async_builtins(false)
        .wasm_component_model_threading(false)
        .wasm_component_model_error_context(false)
        .wasm_component_model_fixed_length_lists(false)
        .wasm_component_model_gc(false)
        .wasm_component_model_implements(false)
        .wasm_component_model_map(false)
        .wasm_component_model_memory64(false)
        .epoch_interruption(true)
        .max_wasm_stack(limits::STACK_BYTES)
        .wasm_gc(false)
        .wasm_function_references(false)
        .wasm_exceptions(false)
        .wasm_threads(false)
        .wasm_memory64(false)
        .shared_memory(false)
        .generate_address_map(false)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .native_unwind_info(cfg!(windows));
    if space == AddressSpace::Scarce {
        config
            .memory_reservation(0)
            .memory_reservation_for_growth(SMALL_STEP)
            .memory_guard_size(SMALL_GUARD);
    }
    config
}

#[cfg(test)]
mod tests {
    use wasmtime::component::Component;

    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "machine code is loaded")]
    fn code_that_was_compiled_for_one_engine_does_not_load_in_the_other() {
        let component = wat::parse_str("(component)").unwrap();
        for (compiled_for, loaded_in, loads) in [
            (EngineKind::Sync, EngineKind::Sync, true),
            (EngineKind::Sync, EngineKind::Async, false),
            (EngineKind::Async, EngineKind::Async, true),
            (EngineKind::Async, EngineKind::Sync, false),
        ] {
            let space = AddressSpace::of_this_process();
            let compiler = compiling(compiled_for, Compilation::new(space)).unwrap();
            let code = compiler.precompile_component(&component).unwrap();
            let engine = running(loaded_in).unwrap();
            // SAFETY: it is what the compiler of this very program has just made.
            let loaded = unsafe { Component::deserialize(&engine, code) };
            assert_eq!(loaded.is_ok(), loads, "{compiled_for:?} in {loaded_in:?}");
        }
    }
}
