//! What senders have in common: one POST for a batch, whatever it says.

use alloc::vec::Vec;

use wasip2::clocks::wall_clock;

use crate::answer::{Answer, Clock, Success};
use crate::bindings::exports::swamp::telemetry::sender::{Destination, SendError, TelemetryEntry};
use crate::http;
use crate::url::Url;

/// What an endpoint wants to be sent, and what its answers mean.
pub(crate) struct Protocol {
    /// Where a batch goes, from the endpoint.
    pub(crate) resource: &'static str,
    pub(crate) success: Success,
    /// The request's body for entries of this distinct id. An error when there can be none.
    pub(crate) batch_body: fn(&[TelemetryEntry], &str) -> Result<Vec<u8>, SendError>,
    /// What the answer means for the batch.
    pub(crate) outcome: fn(&Answer, Clock) -> Result<(), SendError>,
}

/// Sends the entries in one request, or in none where there are no entries.
pub(crate) fn send(
    protocol: &Protocol,
    destination: &Destination,
    entries: &[TelemetryEntry],
    distinct_id: &str,
) -> Result<(), SendError> {
    if entries.is_empty() {
        return Ok(());
    }
    let url = Url::at(&destination.endpoint, protocol.resource)?;
    let body = (protocol.batch_body)(entries, distinct_id)?;
    let answer = http::post_json(&url, &destination.user_agent, &body, protocol.success)?;
    (protocol.outcome)(&answer, || wall_clock::now().seconds)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An entry of which nothing is known.
    pub(crate) fn bare(id: &str, data: &str) -> TelemetryEntry {
        TelemetryEntry {
            id: id.to_owned(),
            data: data.to_owned(),
            command: None,
            subcommand: None,
            args: None,
            option_keys: None,
            global_options: None,
            status: None,
            error_type: None,
            error_message: None,
            exit_code: None,
            started_at: None,
            completed_at: None,
            duration_ms: None,
            swamp_version: None,
            platform: None,
        }
    }
}
