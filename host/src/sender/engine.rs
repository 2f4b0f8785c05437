//! The one wasmtime configuration, for compiling and for running.

use wasmtime::{Config, Engine};

use super::limits;

/// An engine that compiles.
pub(super) fn compiling() -> wasmtime::Result<Engine> {
    Engine::new(&config())
}

/// An engine that runs what was compiled. It spares itself a compiler's settings, at every flush.
pub(super) fn running() -> wasmtime::Result<Engine> {
    Engine::new(config().enable_compiler(false))
}

/// What every sender gets. Proposals that no sender's toolchain needs are off: less to go wrong. So are the tables that
/// only native debuggers and offsets in backtraces need: every flush reads all of the machine code.
fn config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(limits::STACK_BYTES)
        .wasm_gc(false)
        .wasm_function_references(false)
        .wasm_exceptions(false)
        .wasm_threads(false)
        .wasm_memory64(false)
        .shared_memory(false)
        .generate_address_map(false)
        .native_unwind_info(cfg!(windows));
    config
}
