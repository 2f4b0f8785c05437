//! The telemetry senders that come with swamp, each a component that posts a batch as JSON: the default one to
//! `{endpoint}/ingest`, and with the feature `otlp` the one that posts to `{endpoint}/v1/logs`.
//!
//! Neither has options. `telemetrySenderOptions` is meant for the sender that a repository names itself, and may
//! well stay in the marker after that one is gone, so it is ignored here.

// Rust's standard library speaks WASI 0.1, and is adapted to 0.2 by modules that every flush would load and bring to
// life. For any other target than the one that `guest-sender/build` builds for it is there as usual.
#![cfg_attr(target_env = "p1", no_std)]

extern crate alloc;

mod answer;
#[cfg(any(target_env = "p1", test))]
mod arena;
mod http;
mod ingest;
mod otlp;
mod protocol;
mod url;
#[cfg(target_env = "p1")]
mod wasm;

use alloc::borrow::ToOwned as _;
use alloc::vec::Vec;

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
mod bindings {
    wit_bindgen::generate!({
        path: "../wit/0.2.0",
        world: "telemetry-sender",
        additional_derives: [PartialEq],
    });
}

use bindings::exports::swamp::telemetry::{description, sender};
use bindings::swamp::telemetry::types::{Destination, Entry, Failure, Outcome, SenderDescription};

/// The default sender: one event for each entry, 202 for an answer.
#[derive(Debug)]
pub struct IngestSender;

impl sender::Guest for IngestSender {
    fn send_batch(destination: Destination, entries: Vec<Entry>) -> Result<Vec<Outcome>, Failure> {
        protocol::send(&ingest::PROTOCOL, &destination, &entries)
    }
}

impl description::Guest for IngestSender {
    fn describe() -> SenderDescription {
        described(
            "ingest",
            "Posts each entry as an event to the endpoint's /ingest",
        )
    }
}

/// The sender for OpenTelemetry collectors: one log record for each entry, by OTLP/HTTP.
#[derive(Debug)]
pub struct OtlpSender;

impl sender::Guest for OtlpSender {
    fn send_batch(destination: Destination, entries: Vec<Entry>) -> Result<Vec<Outcome>, Failure> {
        protocol::send(&otlp::PROTOCOL, &destination, &entries)
    }
}

impl description::Guest for OtlpSender {
    fn describe() -> SenderDescription {
        described(
            "otlp",
            "Posts each entry as a log record to the /v1/logs of an OpenTelemetry collector",
        )
    }
}

fn described(name: &str, description: &str) -> SenderDescription {
    SenderDescription {
        name: name.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        description: description.to_owned(),
        homepage: None,
        license: Some("Apache-2.0".to_owned()),
        options: Vec::new(),
    }
}

// A component exports the interface once. Natively the cdylib would not link: the linker stumbles over the name
// `cabi_post_…`.
#[cfg(all(target_arch = "wasm32", not(feature = "otlp")))]
bindings::export!(IngestSender with_types_in bindings);
#[cfg(all(target_arch = "wasm32", feature = "otlp"))]
bindings::export!(OtlpSender with_types_in bindings);
