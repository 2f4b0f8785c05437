//! The same flush by native code: the port implemented with hyper, and the worker around it.

use std::env;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use swamp::config::marker_file::MarkerFile;
use swamp::config::ownership::Owners;
use swamp::config::user_config_file::{config_path, read_user_config};
use swamp::domain::{
    BATCH_SIZE, Batches, Deadline, Delivered, Endpoint, SendError, SpooledEntry, TelemetrySender,
};
use swamp::flush::{FlushJob, Flushed, How, Watch};
use swamp::process::worker::{close_inherited_files, forbid_core_dumps};
use swamp::spool::FileSpool;
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
    ) -> Result<Delivered, SendError> {
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
        Ok(Delivered::Whole)
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

/// The same flush, with [`NativeSender`] in the component's place.
pub(crate) fn flush(batches: Batches) {
    close_inherited_files();
    forbid_core_dumps();
    let watch = Watch::start().unwrap();
    let root = Path::new(".");
    let marker = MarkerFile::new(root, Owners::Own).read().unwrap();
    let config = config_path(|name| env::var_os(name)).unwrap();
    assert!(!read_user_config(&config).unwrap().telemetry_disabled);
    let spool = FileSpool::open(root, Owners::Own).unwrap().unwrap();
    let endpoint = Endpoint::parse(marker.telemetry_endpoint.as_deref().unwrap()).unwrap();
    let job = FlushJob::new(root, &marker, marker.repo_id.clone().unwrap());
    let flushed = swamp::flush::flush(
        &job,
        spool,
        like_a_worker(batches),
        &watch,
        || Ok(()),
        |(), _, _| Ok(NativeSender::new(&endpoint)),
        |_, _| true,
    );
    let Ok(Flushed::Done { outcome, .. }) = flushed else {
        panic!("{flushed:?}");
    };
    assert!(outcome.failure.is_none());
}

/// As the worker that a command starts flushes.
pub(crate) const fn like_a_worker(batches: Batches) -> How {
    How {
        patience: Duration::from_millis(40),
        batches,
        batch_size: BATCH_SIZE,
        heeds_retry_after: true,
    }
}
