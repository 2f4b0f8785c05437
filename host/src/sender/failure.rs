//! What a failed call into a guest means.

use std::fmt::Write as _;
use std::io;

use wasmtime::{Error, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use super::contract::reason;
use super::engine::address_space;
use super::limits;
use super::source_lines::{Place, Position, SourceLines};
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
/// where a compiler of Rust or C++ has mangled the names. With file and line where `source_lines` finds them.
pub(super) fn frames(error: &Error, source_lines: Option<&SourceLines>) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return Vec::new();
    };
    // Only in its text does the engine undo the mangling. That has a line for each frame, `0: 0x1f - module!name`.
    let shown = backtrace.to_string();
    let names = shown.lines().skip(1);
    let frames: Vec<_> = names
        .zip(backtrace.frames())
        .map(|(line, frame)| {
            let name = line.split_once('!').map(|(_, name)| without_hash(name));
            (name.filter(|_| frame.func_name().is_some()), frame)
        })
        .collect();
    let Some(source_lines) = source_lines else {
        let names = frames.into_iter().filter_map(|(name, _)| name);
        return names.take(limits::FRAMES).map(reason).collect();
    };
    let positions: Vec<_> = frames
        .iter()
        .filter_map(|(_, frame)| {
            let offset = frame.module_offset()?;
            Some(Position {
                function: frame.func_index(),
                begin: offset.checked_sub(frame.func_offset()?)?,
                offset,
            })
        })
        .collect();
    let mut places = if positions.len() == frames.len() {
        source_lines.places(&positions)
    } else {
        Vec::new()
    };
    places.resize_with(frames.len(), Vec::new);
    let lines = frames.iter().zip(places).flat_map(|((name, _), places)| {
        if places.is_empty() {
            return name.map(str::to_owned).into_iter().collect();
        }
        let outermost = places.len() - 1;
        let lines = places.into_iter().enumerate().map(|(depth, place)| {
            let name = name.filter(|_| depth == outermost);
            in_words(name, place, source_lines)
        });
        lines.collect::<Vec<_>>()
    });
    lines
        .take(limits::FRAMES)
        .map(|line| reason(&line))
        .collect()
}

/// A name of Rust without the hash that its compiler has put behind it.
fn without_hash(name: &str) -> &str {
    const DIGITS: usize = 16;
    match name.rsplit_once("::h") {
        Some((name, hash))
            if hash.len() == DIGITS && hash.bytes().all(|digit| digit.is_ascii_hexdigit()) =>
        {
            name
        }
        _ => name,
    }
}

/// A place, of a function that the component names so.
fn in_words(name: Option<&str>, place: Place, source_lines: &SourceLines) -> String {
    let name = name.map(str::to_owned).or(place.function);
    let mut words = name.unwrap_or_else(|| "a function without a name".to_owned());
    let Some(file) = &place.file else {
        return words;
    };
    let _ = write!(words, " at {}", source_lines.shown(file));
    for number in [place.line, place.column]
        .into_iter()
        .map_while(|number| number)
    {
        let _ = write!(words, ":{number}");
    }
    words
}
