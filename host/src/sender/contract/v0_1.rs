//! The contract `swamp:telemetry@0.1.0` in Rust, and the way between its types and the domain's.

use std::time::Duration;

use wasmtime::Store;
use wasmtime::component::InstancePre;

use super::{Batch, TypeMismatch};
use crate::domain::{Delivered, SendError, SpooledEntry, Status};
use crate::sender::sandbox::Guest;

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
        path: "wit/0.1.0",
        world: "telemetry-sender",
        exports: { default: async },
        // Copying a batch to hand it over would take as long as handing it over.
        ownership: Borrowing { duplicate_if_necessary: false },
    });
}

use bindings::exports::swamp::telemetry::sender as wit;
use wit::{Destination, TelemetryEntry};

pub(super) const VERSION: &str = "0.1.0";

/// The most bytes of an entry's data.
const DATA_BYTES: usize = 256 * 1024;

/// Whether the contract promises senders entries such as this one.
pub(super) fn promises(entry: &SpooledEntry) -> bool {
    entry.id.is_recordable() && entry.data.len() <= DATA_BYTES
}

pub(in crate::sender) struct SenderPre(bindings::TelemetrySenderPre<Guest>);

impl SenderPre {
    pub(super) fn new(linked: InstancePre<Guest>) -> wasmtime::Result<Self> {
        bindings::TelemetrySenderPre::new(linked).map(Self)
    }

    pub(super) async fn instantiate(&self, store: &mut Store<Guest>) -> wasmtime::Result<Sender> {
        let instance = self.0.instance_pre().instantiate_async(&mut *store).await?;
        bindings::TelemetrySender::new(store, &instance)
            .map(Sender)
            .map_err(|error| error.context(TypeMismatch(VERSION)))
    }
}

pub(in crate::sender) struct Sender(bindings::TelemetrySender);

impl Sender {
    pub(super) async fn send_batch(
        &self,
        store: &mut Store<Guest>,
        batch: &Batch<'_>,
    ) -> wasmtime::Result<Result<Delivered, SendError>> {
        let strings = listed_strings(batch.entries);
        let entries = entries(batch.entries, &strings);
        let destination = Destination {
            endpoint: batch.endpoint,
            user_agent: batch.user_agent,
            options: &batch.options(),
        };
        let sender = self.0.swamp_telemetry_sender();
        let answer = sender
            .call_send_batch(store, destination, &entries, batch.distinct_id)
            .await?;
        Ok(match answer {
            Ok(()) => Ok(Delivered::Whole),
            Err(error) => Err(send_error(error, batch)),
        })
    }
}

/// The strings of a batch's lists, of which the contract wants slices of slices: all of them one after the other, in the
/// order in which [`entries`] takes them. The contract promises option keys without dashes.
fn listed_strings(entries: &[SpooledEntry]) -> Vec<&str> {
    let mut strings = Vec::new();
    for SpooledEntry { fields, .. } in entries {
        strings.extend(fields.args.iter().flatten().map(String::as_str));
        let keys = [&fields.option_keys, &fields.global_options];
        let keys = keys.into_iter().flatten().flatten();
        strings.extend(keys.map(|key| key.trim_start_matches('-')));
    }
    strings
}

/// A batch as the contract has it, given its [`listed_strings`].
fn entries<'a>(entries: &'a [SpooledEntry], mut strings: &'a [&'a str]) -> Vec<TelemetryEntry<'a>> {
    let mut take = |list: &Option<Vec<String>>| {
        let (taken, left) = strings.split_at(list.as_ref()?.len());
        strings = left;
        Some(taken)
    };
    let entries = entries.iter().map(|entry| entry_of(entry, &mut take));
    entries.collect()
}

fn entry_of<'a>(
    SpooledEntry {
        id, data, fields, ..
    }: &'a SpooledEntry,
    mut list: impl FnMut(&Option<Vec<String>>) -> Option<&'a [&'a str]>,
) -> TelemetryEntry<'a> {
    let millis =
        |instant: chrono::DateTime<chrono::Utc>| u64::try_from(instant.timestamp_millis()).ok();
    TelemetryEntry {
        id: id.as_str(),
        data,
        command: fields.command.as_deref(),
        subcommand: fields.subcommand.as_deref(),
        args: list(&fields.args),
        option_keys: list(&fields.option_keys),
        global_options: list(&fields.global_options),
        status: fields.status.map(|status| match status {
            Status::Success => wit::InvocationStatus::Success,
            Status::Error => wit::InvocationStatus::Error,
            Status::UserError => wit::InvocationStatus::UserError,
        }),
        error_type: fields.error_type.as_deref(),
        error_message: fields.error_message.as_deref(),
        exit_code: fields.exit_code,
        started_at: fields.started_at.and_then(millis),
        completed_at: fields.completed_at.and_then(millis),
        duration_ms: fields.duration_ms,
        swamp_version: fields.swamp_version.as_deref(),
        platform: fields.platform.as_deref(),
    }
}

fn send_error(error: wit::SendError, batch: &Batch<'_>) -> SendError {
    match error {
        wit::SendError::Rejected(wit::Rejection { status, body }) => SendError::Rejected {
            status,
            body: batch.reason(&body),
        },
        wit::SendError::Throttled(seconds) => SendError::Throttled {
            retry_after: seconds.map(|seconds| Duration::from_secs(seconds.into())),
        },
        wit::SendError::Unreachable(why) => SendError::Unreachable(batch.reason(&why).into()),
        wit::SendError::InvalidConfiguration(why) => {
            SendError::InvalidConfiguration(batch.reason(&why))
        }
        wit::SendError::Other(why) => SendError::Other(batch.reason(&why)),
    }
}
