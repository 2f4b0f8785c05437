//! What a failed call into a guest means.

use wasmtime::{Error, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use super::contract::reason;

/// Why a guest did not return.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Interruption {
    /// It computed past its deadline.
    OutOfTime,
    /// It stopped itself, or did what it may not: in words.
    Trapped(String),
}

impl Interruption {
    pub(super) fn of(error: &Error) -> Self {
        if let Some(I32Exit(code)) = error.downcast_ref() {
            return Self::Trapped(format!("it exited with code {code} instead of answering"));
        }
        match error.downcast_ref() {
            Some(Trap::Interrupt) => Self::OutOfTime,
            Some(trap) => Self::Trapped(trap.to_string().replace("wasm trap: ", "")),
            None => Self::Trapped(reason(&error.root_cause().to_string())),
        }
    }
}

/// The functions that were running, innermost first, as far as the component names them.
pub(super) fn frames(error: &Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return Vec::new();
    };
    backtrace
        .frames()
        .iter()
        .filter_map(|frame| Some(reason(frame.func_name()?)))
        .collect()
}
