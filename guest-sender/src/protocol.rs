//! What senders have in common: one POST for a batch, whatever it says.

use alloc::vec;
use alloc::vec::Vec;

use wasip2::clocks::wall_clock;

use crate::answer::{Answer, Clock, Success};
use crate::bindings::swamp::telemetry::types::{Destination, Entry, Failure, Outcome};
use crate::http;
use crate::url::Url;

/// What an endpoint wants to be sent, and what its answers mean.
pub struct Protocol {
    /// Where a batch goes, from the endpoint.
    pub resource: &'static str,
    /// By which statuses it takes responsibility for a batch.
    pub success: Success,
    /// The request's body for entries of this distinct id. An error when there can be none.
    pub batch_body: fn(&[Entry], &str) -> Result<Vec<u8>, Failure>,
    /// What the answer means for the batch.
    pub outcome: fn(&Answer, Clock) -> Result<(), Failure>,
}

/// Sends the entries in one request, or in none where there are no entries.
///
/// # Errors
///
/// When there is no such request, no answer, or one that is no success.
pub fn send(
    protocol: &Protocol,
    destination: &Destination,
    entries: &[Entry],
) -> Result<Vec<Outcome>, Failure> {
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let url = Url::at(&destination.endpoint, protocol.resource)?;
    let body = (protocol.batch_body)(entries, &destination.distinct_id)?;
    let answer = http::post_json(&url, &destination.user_agent, &body, protocol.success)?;
    (protocol.outcome)(&answer, || wall_clock::now().seconds)?;
    Ok(vec![Outcome::Taken; entries.len()])
}
