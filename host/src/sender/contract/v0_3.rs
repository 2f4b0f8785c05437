//! The contract `swamp:telemetry@0.3.0`: 0.2.0 with two functions that are async. Its types are those of 0.2.0, field by
//! field, so their way into the domain is [`v0_2`]'s.

use wasmtime::component::{
    ComponentNamedList, Instance, InstancePre, Lift, Linker, Lower, TypedFunc,
};
use wasmtime::{Store, StoreContextMut};

use super::v0_2::{self, Answer, CheckConfig, wit};
use super::{Batch, INTERFACE, TypeMismatch};
use crate::domain::{Delivered, SendError};
use crate::sender::description::Description;
use crate::sender::sandbox::Guest;

pub(super) const VERSION: &str = "0.3.0";

/// What a component imports that asks for the fields of entries.
pub(super) const BATCH: &str = "swamp:telemetry/batch@0.3.0";

/// The functions of the contract that are async.
pub(super) const ASYNC_FUNCTIONS: [&str; 2] = ["send-batch", "check-config"];

/// What a component may import of the contract.
pub(super) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let fields = |store: StoreContextMut<'_, Guest>, (entry,): (u32,)| {
        Ok((v0_2::lent_fields(store.data(), entry)?,))
    };
    linker.instance(BATCH)?.func_wrap("fields", fields)
}

pub(in crate::sender) struct SenderPre {
    pre: InstancePre<Guest>,
    /// Whether it asks for the fields of entries.
    wants_fields: bool,
}

impl SenderPre {
    pub(super) fn new(pre: InstancePre<Guest>) -> Self {
        let wants_fields = v0_2::imports(&pre, BATCH);
        Self { pre, wants_fields }
    }

    pub(super) async fn instantiate(&self, store: &mut Store<Guest>) -> wasmtime::Result<Sender> {
        let instance = self.pre.instantiate_async(&mut *store).await?;
        let description = format!("swamp:telemetry/description@{VERSION}");
        Ok(Sender {
            send_batch: exported(
                store,
                &instance,
                &format!("{INTERFACE}@{VERSION}"),
                "send-batch",
            )?,
            describe: exported(store, &instance, &description, "describe")?,
            check_config: v0_2::check_config(store, &instance, VERSION)?,
            wants_fields: self.wants_fields,
        })
    }
}

/// The function of this name in an interface that a component exports.
fn exported<Params, Return>(
    store: &mut Store<Guest>,
    instance: &Instance,
    interface: &str,
    function: &str,
) -> wasmtime::Result<TypedFunc<Params, Return>>
where
    Params: ComponentNamedList + Lower,
    Return: ComponentNamedList + Lift,
{
    let index = instance
        .get_export_index(&mut *store, None, interface)
        .and_then(|interface| instance.get_export_index(&mut *store, Some(&interface), function));
    let missing =
        || wasmtime::format_err!("instance export `{interface}` does not have export `{function}`");
    index
        .ok_or_else(missing)
        .and_then(|index| instance.get_typed_func(store, index))
        .map_err(|error| error.context(TypeMismatch(VERSION)))
}

type SendBatch = TypedFunc<(wit::Destination<'static>, &'static [wit::Entry<'static>]), (Answer,)>;

pub(in crate::sender) struct Sender {
    send_batch: SendBatch,
    describe: TypedFunc<(), (wit::SenderDescription,)>,
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
            v0_2::lend_fields(store, batch);
        }
        let (options, entries) = (batch.options(), v0_2::entries(batch));
        let params = (v0_2::destination(batch, &options), &entries[..]);
        let (answer,) = self.send_batch.call_async(&mut *store, params).await?;
        store.data_mut().entry_fields.clear();
        Ok(v0_2::judged(answer, batch))
    }

    pub(super) async fn describe(&self, store: &mut Store<Guest>) -> wasmtime::Result<Description> {
        let (description,) = self.describe.call_async(store, ()).await?;
        Ok(v0_2::description(description))
    }

    pub(super) async fn check_config(
        &self,
        store: &mut Store<Guest>,
        batch: &Batch<'_>,
    ) -> wasmtime::Result<Result<(), String>> {
        v0_2::ask_config(self.check_config.as_ref(), store, batch).await
    }
}
