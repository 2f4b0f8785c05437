//! What one instance of a sender holds, and what it may do.

use wasmtime::component::ResourceTable;
use wasmtime::{Engine, ResourceLimiter, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_config::WasiConfigVariables;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::limits;
use super::output::Output;
use crate::domain::EntryFields;
use crate::egress::Egress;

/// The data of a store: no files, environment, arguments or sockets; HTTP as [`Egress`] allows it.
pub(super) struct Guest {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
    pub(super) egress: Egress,
    pub(super) quota: Quota,
    pub(super) stdout: Output,
    pub(super) stderr: Output,
    /// What it logged by `wasi:logging`.
    pub(super) log: Output,
    /// What `wasi:config` tells it.
    pub(super) options: WasiConfigVariables,
    /// Empty unless a batch is being delivered by a sender that asks for them.
    pub(super) entry_fields: Vec<EntryFields>,
}

impl Guest {
    /// A store for one instance, with `memory_bytes` of memory, `egress` for its requests, and these options.
    pub(super) fn store(
        engine: &Engine,
        egress: Egress,
        memory_bytes: u64,
        options: &[(String, String)],
    ) -> Store<Self> {
        let (stdout, stderr) = (Output::default(), Output::default());
        let mut wasi = WasiCtx::builder();
        wasi.stdout(stdout.clone())
            .stderr(stderr.clone())
            .max_random_size(limits::RANDOM_BYTES)
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(limits::HEADER_BYTES);
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits::RESOURCES);
        let guest = Self {
            wasi: wasi.build(),
            http,
            table,
            egress,
            quota: Quota::new(memory_bytes),
            stdout,
            stderr,
            log: Output::default(),
            options: options.iter().cloned().collect(),
            entry_fields: Vec::new(),
        };
        let mut store = Store::new(engine, guest);
        store.limiter(|guest| &mut guest.quota);
        store.set_hostcall_fuel(limits::HOST_CALL_BYTES);
        store.set_max_component_handles(limits::RESOURCES);
        if let Some(states) = store.concurrent_resource_table() {
            states.set_max_capacity(limits::ASYNC_STATES);
            store.set_max_component_handles(limits::ASYNC_HANDLES);
        }
        store.epoch_deadline_trap();
        store
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.egress,
        }
    }
}

/// How much memory and how many tables the memories and tables of one instance take up together.
pub(super) struct Quota {
    memory: u64,
    memory_left: u64,
    elements_left: usize,
    memory_denied: bool,
}

impl Quota {
    const fn new(memory_bytes: u64) -> Self {
        Self {
            memory: memory_bytes,
            memory_left: memory_bytes,
            elements_left: limits::TABLE_ELEMENTS,
            memory_denied: false,
        }
    }

    /// How much memory the guest has taken, in bytes: it gives none back.
    pub(super) const fn memory_taken(&self) -> u64 {
        self.memory - self.memory_left
    }

    /// Whether the guest ever wanted more memory than it may have.
    pub(super) const fn memory_was_denied(&self) -> bool {
        self.memory_denied
    }
}

impl ResourceLimiter for Quota {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let growth = u64::try_from(desired.saturating_sub(current))?;
        let left = self.memory_left.checked_sub(growth);
        self.memory_left = left.unwrap_or(self.memory_left);
        self.memory_denied |= left.is_none();
        Ok(left.is_some())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let growth = desired.saturating_sub(current);
        let left = self.elements_left.checked_sub(growth);
        self.elements_left = left.unwrap_or(self.elements_left);
        Ok(left.is_some())
    }

    fn instances(&self) -> usize {
        limits::INSTANCES
    }

    fn tables(&self) -> usize {
        limits::INSTANCES
    }

    fn memories(&self) -> usize {
        limits::INSTANCES
    }
}
