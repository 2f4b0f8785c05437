//! The contract `swamp:telemetry@0.2.0` in Rust, and the way between its types and the domain's.

use std::time::Duration;

use chrono::{DateTime, Utc};
use wasmtime::Store;
use wasmtime::component::{HasSelf, Instance, InstancePre, Linker, TypedFunc};

use super::{Batch, TypeMismatch, reason};
use crate::domain::{self, Delivered, EntryOutcome, SendError, SpooledEntry, Status};
use crate::sender::description::{Description, OptionDescription};
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
        path: "wit/0.2.0",
        world: "telemetry-sender",
        imports: { default: trappable },
        exports: { default: async },
        // Copying a batch to hand it over would take as long as handing it over.
        ownership: Borrowing { duplicate_if_necessary: false },
    });
}

pub(super) use bindings::swamp::telemetry::types as wit;

pub(super) const VERSION: &str = "0.2.0";

/// What a component imports that asks for the fields of entries.
pub(super) const BATCH: &str = "swamp:telemetry/batch@0.2.0";

/// What a component may import of the contract.
pub(super) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    bindings::swamp::telemetry::batch::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)
}

pub(in crate::sender) struct SenderPre {
    pre: bindings::TelemetrySenderPre<Guest>,
    /// Whether it asks for the fields of entries.
    wants_fields: bool,
}

impl SenderPre {
    pub(super) fn new(linked: InstancePre<Guest>) -> wasmtime::Result<Self> {
        let wants_fields = imports(&linked, BATCH);
        let pre = bindings::TelemetrySenderPre::new(linked)?;
        Ok(Self { pre, wants_fields })
    }

    pub(super) async fn instantiate(&self, store: &mut Store<Guest>) -> wasmtime::Result<Sender> {
        let instance = self
            .pre
            .instance_pre()
            .instantiate_async(&mut *store)
            .await?;
        let exports = bindings::TelemetrySender::new(&mut *store, &instance)
            .map_err(|error| error.context(TypeMismatch(VERSION)))?;
        Ok(Sender {
            exports,
            check_config: check_config(store, &instance, VERSION)?,
            wants_fields: self.wants_fields,
        })
    }
}

/// Whether a component imports the interface of this name and version.
pub(super) fn imports(linked: &InstancePre<Guest>, interface: &str) -> bool {
    let component = linked.component();
    let component_type = component.component_type();
    component_type
        .imports(component.engine())
        .any(|(name, _)| name == interface)
}

/// A component need not export it, so that it is not in the world.
pub(super) type CheckConfig = TypedFunc<(wit::Destination<'static>,), (Result<(), String>,)>;

/// Finds `check-config` of this version of the contract, which a component need not export.
pub(super) fn check_config(
    store: &mut Store<Guest>,
    instance: &Instance,
    version: &'static str,
) -> wasmtime::Result<Option<CheckConfig>> {
    let interface = format!("swamp:telemetry/configuration@{version}");
    let Some(interface) = instance.get_export_index(&mut *store, None, &interface) else {
        return Ok(None);
    };
    let function = instance.get_export_index(&mut *store, Some(&interface), "check-config");
    let typed = function.map(|function| instance.get_typed_func(store, function));
    typed
        .transpose()
        .map_err(|error| error.context(TypeMismatch(version)))
}

pub(in crate::sender) struct Sender {
    exports: bindings::TelemetrySender,
    check_config: Option<CheckConfig>,
    wants_fields: bool,
}

impl Sender {
    pub(super) async fn send_batch(
        &self,
        store: &mut Store<Guest>,
        batch: &Batch<'_>,
    ) -> wasmtime::Result<Result<Delivered, SendError>> {
        if self.wants_fields {
            lend_fields(store, batch);
        }
        let (options, entries) = (batch.options(), entries(batch));
        let sender = self.exports.swamp_telemetry_sender();
        let answer = sender
            .call_send_batch(&mut *store, destination(batch, &options), &entries)
            .await?;
        store.data_mut().entry_fields.clear();
        Ok(judged(answer, batch))
    }

    pub(super) async fn describe(&self, store: &mut Store<Guest>) -> wasmtime::Result<Description> {
        let exports = self.exports.swamp_telemetry_description();
        exports.call_describe(store).await.map(description)
    }

    pub(super) async fn check_config(
        &self,
        store: &mut Store<Guest>,
        batch: &Batch<'_>,
    ) -> wasmtime::Result<Result<(), String>> {
        ask_config(self.check_config.as_ref(), store, batch).await
    }
}

/// Asks a sender about a configuration. One that does not export the question has no objection.
pub(super) async fn ask_config(
    check_config: Option<&CheckConfig>,
    store: &mut Store<Guest>,
    batch: &Batch<'_>,
) -> wasmtime::Result<Result<(), String>> {
    let Some(check_config) = check_config else {
        return Ok(Ok(()));
    };
    let options = batch.options();
    let params = (destination(batch, &options),);
    let (answer,) = check_config.call_async(store, params).await?;
    Ok(answer.map_err(|why| batch.reason(&why)))
}

/// Has the fields of the batch's entries ready for a sender that asks for them.
pub(super) fn lend_fields(store: &mut Store<Guest>, batch: &Batch<'_>) {
    let fields = batch.entries.iter().map(|entry| entry.fields.clone());
    store.data_mut().entry_fields = fields.collect();
}

/// A batch as the contract has it.
pub(super) fn entries<'a>(batch: &Batch<'a>) -> Vec<wit::Entry<'a>> {
    let entry = |entry: &'a SpooledEntry| wit::Entry {
        id: entry.id.as_str(),
        data: &entry.data,
    };
    batch.entries.iter().map(entry).collect()
}

/// What a sender answers to `send-batch`.
pub(super) type Answer = Result<Vec<wit::Outcome>, wit::Failure>;

/// An answer in the domain's types.
pub(super) fn judged(answer: Answer, batch: &Batch<'_>) -> Result<Delivered, SendError> {
    match answer {
        Ok(outcomes) => Ok(delivered(outcomes, batch)),
        Err(failure) => Err(send_error(failure, batch)),
    }
}

/// The most options that a sender may have, and values of one.
const LISTED: usize = 100;

/// A description without what a terminal would act on.
pub(super) fn description(said: wit::SenderDescription) -> Description {
    let plain = |text: String| reason(&text);
    let option = |option: wit::OptionDescription| OptionDescription {
        name: plain(option.name),
        meaning: plain(option.meaning),
        required: option.required,
        default: option.default.map(plain),
        allowed: option.allowed.into_iter().take(LISTED).map(plain).collect(),
    };
    Description {
        name: plain(said.name),
        version: plain(said.version),
        description: plain(said.description),
        homepage: said.homepage.map(plain),
        license: said.license.map(plain),
        options: said.options.into_iter().take(LISTED).map(option).collect(),
    }
}

/// Where a batch goes, as the contract has it.
pub(super) const fn destination<'a>(
    batch: &Batch<'a>,
    options: &'a [(&'a str, &'a str)],
) -> wit::Destination<'a> {
    wit::Destination {
        endpoint: batch.endpoint,
        user_agent: batch.user_agent,
        distinct_id: batch.distinct_id,
        options,
    }
}

fn delivered(outcomes: Vec<wit::Outcome>, batch: &Batch<'_>) -> Delivered {
    if outcomes.len() == batch.entries.len()
        && outcomes
            .iter()
            .all(|outcome| matches!(outcome, wit::Outcome::Taken))
    {
        return Delivered::Whole;
    }
    let outcome = |outcome| match outcome {
        wit::Outcome::Taken => EntryOutcome::Taken,
        wit::Outcome::Rejected(why) => EntryOutcome::Rejected {
            reason: batch.reason(&why),
        },
        wit::Outcome::Later => EntryOutcome::Later,
    };
    Delivered::Each(outcomes.into_iter().map(outcome).collect())
}

fn send_error(failure: wit::Failure, batch: &Batch<'_>) -> SendError {
    match failure {
        wit::Failure::Rejected(wit::Rejection { status, body }) => SendError::Rejected {
            status,
            body: batch.reason(&body),
        },
        wit::Failure::Throttled(seconds) => SendError::Throttled {
            retry_after: seconds.map(|seconds| Duration::from_secs(seconds.into())),
        },
        wit::Failure::Unreachable(why) => SendError::Unreachable(batch.reason(&why).into()),
        wit::Failure::InvalidConfiguration(why) => {
            SendError::InvalidConfiguration(batch.reason(&why))
        }
        wit::Failure::Other(why) => SendError::Other(batch.reason(&why)),
    }
}

impl bindings::swamp::telemetry::batch::Host for Guest {
    fn fields(&mut self, entry: u32) -> wasmtime::Result<wit::EntryFields> {
        lent_fields(self, entry)
    }
}

/// What [`lend_fields`] has ready of one entry.
///
/// # Errors
///
/// A trap where there is no such entry.
pub(super) fn lent_fields(guest: &Guest, entry: u32) -> wasmtime::Result<wit::EntryFields> {
    let count = guest.entry_fields.len();
    let fields = usize::try_from(entry)
        .ok()
        .and_then(|entry| guest.entry_fields.get(entry))
        .ok_or_else(|| {
            wasmtime::format_err!("it asked for the fields of entry {entry} of {count}")
        })?;
    Ok(fields_of(fields.clone()))
}

impl bindings::swamp::telemetry::types::Host for Guest {}

fn fields_of(fields: domain::EntryFields) -> wit::EntryFields {
    let millis = |instant: DateTime<Utc>| u64::try_from(instant.timestamp_millis()).ok();
    // The contract promises keys without dashes.
    let keys = |keys: Vec<String>| {
        let plain = |key: String| key.trim_start_matches('-').to_owned();
        keys.into_iter().map(plain).collect()
    };
    wit::EntryFields {
        command: fields.command,
        subcommand: fields.subcommand,
        args: fields.args,
        option_keys: fields.option_keys.map(keys),
        global_options: fields.global_options.map(keys),
        status: fields.status.map(|status| match status {
            Status::Success => wit::InvocationStatus::Success,
            Status::Error => wit::InvocationStatus::Error,
            Status::UserError => wit::InvocationStatus::UserError,
        }),
        error_type: fields.error_type,
        error_message: fields.error_message,
        exit_code: fields.exit_code,
        started_at: fields.started_at.and_then(millis),
        completed_at: fields.completed_at.and_then(millis),
        duration_ms: fields.duration_ms,
        swamp_version: fields.swamp_version,
        platform: fields.platform,
    }
}
