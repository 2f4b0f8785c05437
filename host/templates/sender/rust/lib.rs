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

@0.1 use bindings::exports::swamp::telemetry::sender::{Destination, Guest, SendError, TelemetryEntry};
@0.2 use bindings::exports::swamp::telemetry::{description, sender};
@0.2 use bindings::swamp::telemetry::types::{Destination, Entry, Failure, Outcome, SenderDescription};

pub struct Sender;

@0.1 impl Guest for Sender {
@0.1     fn send_batch(
@0.1         destination: Destination,
@0.1         entries: Vec<TelemetryEntry>,
@0.1         distinct_id: String,
@0.1     ) -> Result<(), SendError> {
@0.2 impl sender::Guest for Sender {
@0.2+sync     fn send_batch(destination: Destination, entries: Vec<Entry>) -> Result<Vec<Outcome>, Failure> {
@0.3     async fn send_batch(
@0.3         destination: Destination,
@0.3         entries: Vec<Entry>,
@0.3     ) -> Result<Vec<Outcome>, Failure> {
        if entries.is_empty() {
@0.1             return Ok(());
@0.2             return Ok(Vec::new());
        }
        let url = format!(
            "{}{}",
            destination.endpoint.trim_end_matches('/'),
            mapping::PATH
        );
@0.1         let body = mapping::body(&entries, &distinct_id);
@0.2         let body = mapping::body(&entries, &destination.distinct_id);
@sync         let answer = http::post_json(&url, &destination.user_agent, &body)?;
@0.3         let answer = http::post_json(&url, &destination.user_agent, body).await?;
        match answer.status {
@0.1             429 | 503 => Err(SendError::Throttled(answer.retry_after())),
@0.1             _ => mapping::outcome(&answer),
@0.2             429 | 503 => Err(Failure::Throttled(answer.retry_after())),
@0.2             _ => mapping::outcomes(&entries, &answer),
@0.2         }
@0.2     }
@0.2 }
@0.2 
@0.2 impl description::Guest for Sender {
@0.2     fn describe() -> SenderDescription {
@0.2         SenderDescription {
@0.2             name: env!("CARGO_PKG_NAME").to_owned(),
@0.2             version: env!("CARGO_PKG_VERSION").to_owned(),
@0.2             description: env!("CARGO_PKG_DESCRIPTION").to_owned(),
@0.2             homepage: None,
@0.2             license: None,
@0.2             // Those of `telemetrySenderOptions` that this sender takes; `swamp sender use` refuses others.
@0.2             options: Vec::new(),
        }
    }
}

// Natively, for the tests, there is no host to export to.
#[cfg(target_arch = "wasm32")]
bindings::export!(Sender with_types_in bindings);
