//! How many instructions the built-in sender spends on a batch: a count, the same on every machine.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Config, Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

use bindings::swamp::telemetry::types::{Destination, Entry};

/// The most that a batch of 25 entries may take.
const MOST: u64 = 36_000;

const ENTRIES: usize = 25;

const FUEL: u64 = 1_000_000_000;

#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    reason = "generated from wit/"
)]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit/0.2.0",
        world: "telemetry-sender",
        exports: { default: async },
    });
}

#[test]
fn the_built_in_sender_spends_no_more_instructions_on_a_batch_than_its_budget() {
    let (spent, body) = spent();
    assert_eq!(body.matches("cli_invocation").count(), ENTRIES);
    assert!(
        spent <= MOST,
        "a batch of {ENTRIES} entries takes {spent} units of fuel, more than {MOST}"
    );
}

/// The fuel that a new instance spends on one batch, and the body of the request that it made.
fn spent() -> (u64, String) {
    let mut config = Config::new();
    config.consume_fuel(true);
    let engine = Engine::new(&config).unwrap();
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../guest-sender/prebuilt/ingest.wasm"
    );
    let component = Component::from_file(&engine, file).unwrap();
    let mut linker = Linker::new(&engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker).unwrap();

    let endpoint = Endpoint::default();
    let bodies = Arc::clone(&endpoint.bodies);
    let mut store = Store::new(&engine, Host::new(endpoint));
    store.set_fuel(FUEL).unwrap();
    let destination = Destination {
        endpoint: "http://127.0.0.1:1".into(),
        user_agent: "swamp/test".into(),
        distinct_id: "the-repo".into(),
        options: Vec::new(),
    };
    let entries: Vec<_> = (0..ENTRIES).map(entry).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let spent = runtime.block_on(async {
        let sender = bindings::TelemetrySender::instantiate_async(&mut store, &component, &linker)
            .await
            .unwrap();
        let before = store.get_fuel().unwrap();
        sender
            .swamp_telemetry_sender()
            .call_send_batch(&mut store, &destination, &entries)
            .await
            .unwrap()
            .unwrap();
        before - store.get_fuel().unwrap()
    });
    let body = bodies.lock().unwrap().concat();
    (spent, String::from_utf8(body).unwrap())
}

/// An entry as the program writes it.
fn entry(n: usize) -> Entry {
    let id = format!("01987a6e-0000-7000-8000-{n:012}");
    let data = format!(
        r#"{{
  "id": "{id}",
  "invocation": {{
    "command": "telemetry",
    "subcommand": "status",
    "args": [],
    "optionKeys": [
      "json"
    ],
    "globalOptions": []
  }},
  "result": {{
    "status": "success",
    "exitCode": 0
  }},
  "startedAt": "2026-02-11T00:00:00.000Z",
  "completedAt": "2026-02-11T00:00:00.012Z",
  "durationMs": 12,
  "swampVersion": "0.1.0",
  "platform": "linux"
}}"#
    );
    Entry { id, data }
}

/// Takes every request and answers 202.
#[derive(Default)]
struct Endpoint {
    bodies: Arc<Mutex<Vec<Bytes>>>,
}

type Answer = Result<
    (
        Response<WasiBody>,
        Box<dyn Future<Output = Result<(), Error>> + Send>,
    ),
    Error,
>;

impl WasiHttpHooks for Endpoint {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        _options: Option<RequestOptions>,
        _failed_answer: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Answer> + Send> {
        let bodies = Arc::clone(&self.bodies);
        Box::new(async move {
            let body = request.into_body().collect().await?.to_bytes();
            bodies.lock().unwrap().push(body);
            let nothing = Empty::new().map_err(|never| match never {}).boxed_unsync();
            let mut answer = Response::new(nothing);
            *answer.status_mut() = StatusCode::ACCEPTED;
            let done: Box<dyn Future<Output = _> + Send> = Box::new(async { Ok(()) });
            Ok((answer, done))
        })
    }

    /// As the program has it.
    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        64 << 10
    }
}

struct Host {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
    endpoint: Endpoint,
}

impl Host {
    fn new(endpoint: Endpoint) -> Self {
        Self {
            wasi: WasiCtx::builder().build(),
            http: WasiHttpCtx::new(),
            table: ResourceTable::new(),
            endpoint,
        }
    }
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for Host {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.endpoint,
        }
    }
}
