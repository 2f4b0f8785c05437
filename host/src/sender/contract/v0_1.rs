//! The contract `swamp:telemetry@0.1.0` in Rust, and the way between its types and the domain's.

use std::time::Duration;

use crate::domain::{SendError, SpooledEntry, Status, printable};

use crate::egress::Secrets;
use crate::sender::limits;

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
        path: "wit",
        world: "telemetry-sender",
        exports: { default: async },
        // Copying a batch to hand it over would take as long as handing it over.
        ownership: Borrowing { duplicate_if_necessary: false },
    });
}

pub(crate) use bindings::exports::swamp::telemetry::sender::{
    Destination, SendError as GuestError, TelemetryEntry,
};
pub(crate) use bindings::{TelemetrySender as Sender, TelemetrySenderPre as SenderPre};

use bindings::exports::swamp::telemetry::sender as wit;

/// The export that a sender is known by, without its version.
pub(crate) const INTERFACE: &str = "swamp:telemetry/sender";

/// The version of the contract that this host runs.
pub(crate) const VERSION: &str = "0.1.0";

/// The most bytes of an entry's data.
const DATA_BYTES: usize = 256 * 1024;

/// Whether the contract promises senders entries such as this one.
pub(crate) fn promises(entry: &SpooledEntry) -> bool {
    entry.id.is_recordable() && entry.data.len() <= DATA_BYTES
}

/// The strings of a batch's lists, of which the contract wants slices of slices: all of them one after the other, in the
/// order in which [`entries`] takes them. The contract promises option keys without dashes.
pub(crate) fn listed_strings(entries: &[SpooledEntry]) -> Vec<&str> {
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
pub(crate) fn entries<'a>(
    entries: &'a [SpooledEntry],
    mut strings: &'a [&'a str],
) -> Vec<TelemetryEntry<'a>> {
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

/// A guest's error, without the user's secrets, which an endpoint may have echoed.
pub(crate) fn send_error(error: wit::SendError, secrets: &Secrets) -> SendError {
    let reason = |text: &str| reason(&secrets.mask(text));
    match error {
        wit::SendError::Rejected(wit::Rejection { status, body }) => SendError::Rejected {
            status,
            body: reason(&body),
        },
        wit::SendError::Throttled(seconds) => SendError::Throttled {
            retry_after: seconds.map(|seconds| Duration::from_secs(seconds.into())),
        },
        wit::SendError::Unreachable(why) => SendError::Unreachable(reason(&why)),
        wit::SendError::InvalidConfiguration(why) => SendError::InvalidConfiguration(reason(&why)),
        wit::SendError::Other(why) => SendError::Other(reason(&why)),
    }
}

/// A guest's or an endpoint's words, short and harmless to a terminal.
pub(crate) fn reason(text: &str) -> String {
    let short: String = text.trim().chars().take(limits::REASON_CHARS).collect();
    printable(&short).into_owned()
}
