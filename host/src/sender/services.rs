//! What the host offers to components besides WASI 0.2 and the contract: their options by `wasi:config`, and a log by
//! `wasi:logging`.

use wasmtime::component::{HasSelf, Linker};
use wasmtime_wasi_config::WasiConfig;

use super::limits;
use super::sandbox::Guest;

#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "generated from wit/"
)]
mod bindings {
    wasmtime::component::bindgen!({
        path: "wit/wasi-logging",
        world: "imports",
    });
}

use bindings::wasi::logging::logging::{self, Level};

/// Their names, in the versions that [`grants`](super::grants) has.
pub(super) const OFFERED: [&str; 2] = [
    "wasi:config/store@0.2.0-rc.1",
    "wasi:logging/logging@0.1.0-draft",
];

/// Offers both.
pub(super) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    wasmtime_wasi_config::add_to_linker(linker, |guest: &mut Guest| {
        WasiConfig::from(&guest.options)
    })?;
    logging::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)
}

impl logging::Host for Guest {
    fn log(&mut self, level: Level, context: String, message: String) {
        let level = match level {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warning",
            Level::Error => "error",
            Level::Critical => "critical error",
        };
        let context = &context[..context.floor_char_boundary(limits::REASON_CHARS)];
        let colon = if context.is_empty() { "" } else { ": " };
        // Each message is a line, and what is not kept is not copied either.
        let message =
            message[..message.floor_char_boundary(limits::OUTPUT_BYTES)].replace(['\r', '\n'], " ");
        self.log
            .append(format!("{level}: {context}{colon}{message}\n").as_bytes());
    }
}
