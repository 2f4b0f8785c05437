//! The same flush by native code: the port implemented with hyper, and the worker around it.

use std::env;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::Utc;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use swamp::config::marker_file::MarkerFile;
use swamp::config::user_config_file::{config_path, read_user_config};
use swamp::domain::{
    BATCH_SIZE, Deadline, Endpoint, FlushConfig, FlushOutcome, SendError, SpooledEntry,
    TelemetryRepository as _, TelemetrySender, TelemetryService,
};
use swamp::process::timer::Timer;
use swamp::process::watchdog::Watchdog;
use swamp::process::worker::{close_inherited_files, forbid_core_dumps};
use swamp::sender::limits;
use swamp::spool::{FileSpool, LastFlush};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout_at;

/// What a sender would be without a sandbox: no proxy, no TLS, no choice.
pub(crate) struct NativeSender {
    runtime: Runtime,
    url: Uri,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl NativeSender {
    pub(crate) fn new(endpoint: &Endpoint) -> Self {
        Self {
            runtime: Builder::new_current_thread().enable_all().build().unwrap(),
            url: format!("{endpoint}/ingest").parse().unwrap(),
            connection: None,
        }
    }
}

impl TelemetrySender for NativeSender {
    fn send_batch(
        &mut self,
        entries: &[SpooledEntry],
        distinct_id: &str,
        deadline: Deadline,
    ) -> Result<(), SendError> {
        let body = body(entries, distinct_id);
        let authority = self.url.authority().unwrap().as_str();
        let request = Request::post(self.url.path())
            .header(header::HOST, authority)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, "swamp/0.1.0")
            .body(Full::from(body))
            .unwrap();
        let exchange = async {
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => connect(authority).await,
            };
            let answer = connection.send_request(request).await.unwrap();
            let status = answer.status();
            answer.into_body().collect().await.unwrap();
            connection.ready().await.unwrap();
            (status, connection)
        };
        let (status, connection) = self
            .runtime
            .block_on(async { timeout_at(deadline.instant().into(), exchange).await })
            .unwrap();
        assert_eq!(status, StatusCode::ACCEPTED);
        self.connection = Some(connection);
        Ok(())
    }
}

async fn connect(authority: &str) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(authority).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// The bytes that the built-in component sends.
pub(crate) fn body(entries: &[SpooledEntry], distinct_id: &str) -> String {
    let events: Vec<_> = entries
        .iter()
        .map(|entry| event(entry.name.id.as_str(), &entry.data, distinct_id))
        .collect();
    match events.as_slice() {
        [event] => event.clone(),
        _ => format!(r#"{{"events":[{}]}}"#, events.join(",")),
    }
}

/// Ids are letters, digits, `-` and `_`: nothing needs escaping.
pub(crate) fn event(id: &str, data: &str, distinct_id: &str) -> String {
    format!(
        r#"{{"event":"cli_invocation","distinct_id":"{distinct_id}","insert_id":"{id}","properties":{data}}}"#
    )
}

/// What the flusher does, step by step, with [`NativeSender`] in the component's place.
pub(crate) fn flush(all: bool) {
    close_inherited_files();
    forbid_core_dumps();
    let began = Instant::now();
    let marker = MarkerFile::new(Path::new(".")).read().unwrap();
    let config = config_path(|name| env::var_os(name)).unwrap();
    assert!(!read_user_config(&config).unwrap().telemetry_disabled);
    let spool = FileSpool::open(Path::new(".")).unwrap().unwrap();
    let endpoint = Endpoint::parse(marker.telemetry_endpoint.as_deref().unwrap()).unwrap();
    let repo_id = marker.repo_id.unwrap();
    let _lock = spool
        .wait_for_lock(Duration::from_millis(40))
        .unwrap()
        .unwrap();
    let before = spool.last_flush();
    let service = TelemetryService::new(spool);
    let mut backlog = service.repository().backlog().unwrap();
    let watchdog = Watchdog::start(&Timer::default(), limits::WATCHDOG, || {}).unwrap();
    let mut sender = NativeSender::new(&endpoint);
    let mut outcome = FlushOutcome::default();
    loop {
        watchdog.reset();
        let config = FlushConfig {
            distinct_id: repo_id.as_str(),
            batch_size: BATCH_SIZE,
            keep_flushed: marker.telemetry_keep_flushed,
            deadline: Deadline::after(marker.telemetry_sender_limits.deadline),
        };
        outcome.add(service.flush_batch(&mut backlog, &mut sender, config));
        if !all || backlog.is_empty() {
            break;
        }
    }
    let since = before.as_ref().map_or_else(Utc::now, |before| before.at);
    service.repository().sync_since(since).unwrap();
    let last = LastFlush::new(before.as_ref(), &outcome, Utc::now(), began.elapsed());
    service.repository().write_last_flush(&last).unwrap();
    // `flush --all` cleans up as the worker does.
    MarkerFile::new(Path::new(".")).sweep();
    service
        .clean_up(Utc::now(), marker.telemetry_retention_days)
        .unwrap();
}
