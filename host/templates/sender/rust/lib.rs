//! A telemetry sender for swamp. `wit/sender.wit` says what is asked of it.

mod http;
mod mapping;

#[allow(warnings, reason = "generated code")]
mod bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "telemetry-sender",
        additional_derives: [PartialEq],
    });
}

use bindings::exports::swamp::telemetry::sender::{Destination, Guest, SendError, TelemetryEntry};

pub struct Sender;

impl Guest for Sender {
    fn send_batch(
        destination: Destination,
        entries: Vec<TelemetryEntry>,
        distinct_id: String,
    ) -> Result<(), SendError> {
        if entries.is_empty() {
            return Ok(());
        }
        let url = format!(
            "{}{}",
            destination.endpoint.trim_end_matches('/'),
            mapping::PATH
        );
        let body = mapping::body(&entries, &distinct_id);
        let answer = http::post_json(&url, &destination.user_agent, &body)?;
        match answer.status {
            429 | 503 => Err(SendError::Throttled(answer.retry_after())),
            _ => mapping::outcome(&answer),
        }
    }
}

// Natively, for the tests, there is no host to export to.
#[cfg(target_arch = "wasm32")]
bindings::export!(Sender with_types_in bindings);
