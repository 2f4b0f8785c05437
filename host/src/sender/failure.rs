//! What a failed call into a guest means.

use std::io;

use wasmtime::{Error, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use super::contract::reason;
use super::engine::address_space;
use crate::domain::{Cause, Reason};

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

/// What the system said, where it was the system that refused.
pub(super) fn system_error(error: &Error) -> Option<io::Error> {
    error.chain().find_map(|cause| {
        #[cfg(unix)]
        if let Some(errno) = cause.downcast_ref::<rustix::io::Errno>() {
            return Some((*errno).into());
        }
        let code = cause.downcast_ref::<io::Error>()?.raw_os_error()?;
        Some(io::Error::from_raw_os_error(code))
    })
}

/// The reason where this process got no memory because of a limit on its address space.
pub(super) fn out_of_space(why: &io::Error) -> Option<Reason> {
    let mib = address_space()? / (1024 * 1024);
    (why.kind() == io::ErrorKind::OutOfMemory).then(|| {
        let text = format!("a process may use only {mib} MiB of address space here");
        Reason::new(Cause::AddressSpaceLimit, text)
    })
}

/// The functions that were running, innermost first, as far as the component names them: as their author wrote them,
/// where a compiler of Rust or C++ has mangled the names.
pub(super) fn frames(error: &Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return Vec::new();
    };
    // Only in its text does the engine undo the mangling. That has a line for each frame, `0: 0x1f - module!name`.
    let shown = backtrace.to_string();
    let lines = shown.lines().skip(1);
    lines
        .zip(backtrace.frames())
        .filter(|(_, frame)| frame.func_name().is_some())
        .filter_map(|(line, _)| Some(reason(line.split_once('!')?.1)))
        .collect()
}
