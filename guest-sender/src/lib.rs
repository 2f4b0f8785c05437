//! The default telemetry sender: posts a batch as JSON to `{endpoint}/ingest` and takes 202 for an answer.
//!
//! The component has no options. `telemetrySenderOptions` is meant for the sender that a repository names
//! itself, and may well stay in the marker after that one is gone, so it is ignored here.

mod http;
mod ingest;

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
        path: "../wit",
        world: "telemetry-sender",
        additional_derives: [PartialEq],
    });
}

use wasip2::clocks::wall_clock;

use bindings::exports::swamp::telemetry::sender::{Destination, Guest, SendError, TelemetryEntry};

/// The component's implementation of the `sender` interface.
#[derive(Debug)]
pub struct IngestSender;

impl Guest for IngestSender {
    fn send_batch(
        destination: Destination,
        entries: Vec<TelemetryEntry>,
        distinct_id: String,
    ) -> Result<(), SendError> {
        if entries.is_empty() {
            return Ok(());
        }
        let url = ingest::ingest_url(&destination.endpoint)?;
        let body = ingest::batch_body(&entries, &distinct_id)?;
        let answer = http::post_json(&url, &destination.user_agent, body.as_bytes())?;
        ingest::outcome(&answer, wall_clock::now().seconds)
    }
}

// Natively the cdylib would not link: the linker stumbles over the name `cabi_post_…`.
#[cfg(target_arch = "wasm32")]
bindings::export!(IngestSender with_types_in bindings);
