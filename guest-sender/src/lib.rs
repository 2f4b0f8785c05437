//! What the telemetry senders that come with swamp have in common: one POST for a batch, and what its answer means.
//! `ingest/` and `otlp/` are the senders, each a package that is built as a component.
//!
//! Neither has options. `telemetrySenderOptions` is meant for the sender that a repository names itself, and may
//! well stay in the marker after that one is gone, so it is ignored here.

// Rust's standard library speaks WASI 0.1, and is adapted to 0.2 by modules that every flush would load and bring to
// life. For any other target than the one that `guest-sender/build` builds for it is there as usual.
#![cfg_attr(target_env = "p1", no_std)]

extern crate alloc;

pub mod answer;
#[cfg(any(target_env = "p1", test))]
mod arena;
mod http;
pub mod protocol;
mod url;
#[cfg(target_env = "p1")]
mod wasm;

/// The Rust side of `wit/`, made by the macro rather than by cargo-component, so that every toolchain builds
/// the same source.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    reason = "generated code"
)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit/0.2.0",
        world: "telemetry-sender",
        additional_derives: [PartialEq],
        pub_export_macro: true,
    });
}
