//! An endpoint for one's own machine: takes events in the ingest format and OTLP's logs, says what is wrong with a bad request, and
//! misbehaves where it is told to.
//!
//! It serves HTTP/1.1 on a thread of its own, so that callers need no async runtime, and it never prints: what
//! arrives is handed to the caller as [`Arrival`]s.
//!
//! ```no_run
//! use swamp::receiver::{Receiver, ReceiverOptions};
//!
//! let receiver = Receiver::start(ReceiverOptions::default())?;
//! let arrivals = receiver.arrivals();
//! // … send something to receiver.endpoint() …
//! if let Some(arrival) = arrivals.recv() {
//!     assert_eq!(arrival.answered, Some(202));
//! }
//! let summary = receiver.shut_down();
//! assert_eq!(summary.requests, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod arrival;
mod encoding;
mod event;
mod examine;
mod ingest;
mod json;
mod ledger;
mod otlp;
mod page;
mod plan;
mod seen;
mod service;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use http::{HeaderName, StatusCode};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;

use crate::domain::shown;
pub use arrival::{Arrival, Arrivals};
pub(crate) use encoding::decoded;
pub use event::ReceivedEvent;
pub(crate) use examine::{Asked, Refusal};
pub use examine::{BodyError, Format};
pub use ingest::{EventField, Flaw, IngestError, parse_ingest};
pub use json::JsonKind;
use ledger::Ledger;
pub use ledger::Summary;
pub use otlp::{OtlpError, parse_otlp};
use service::Service;

/// How long a connection may be idle, or take to send the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(30);

/// How long to wait before the next try when a connection could not be accepted, as when no descriptor is free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long a connection is read on after its last answer, and how many bytes.
const PARTING_TIME: Duration = Duration::from_secs(2);
const PARTING_BYTES: u64 = 64 * 1024 * 1024;

/// What a [`Receiver`] does.
#[derive(Clone, Debug)]
pub struct ReceiverOptions {
    /// Where it listens; port 0 is any free one.
    pub listen: SocketAddr,
    /// Whether that may be an address that other machines can reach.
    pub allow_remote: bool,
    /// What the path of a request must end in; every path does in the empty text. Where requests are validated, that of
    /// OTLP's logs, `/v1/logs`, is as good.
    pub path: String,
    /// Whether a request is refused that is not in the format of its path. If not, PUT is as good as POST.
    pub validate: bool,
    /// The status, 200 to 599, that answers a good request instead of 202, and 200 for OTLP. Unless it is a success, nothing in the
    /// request is taken.
    pub respond: Option<u16>,
    /// What `Retry-After` says in answers with 429 and 503, in whole seconds.
    pub retry_after: Option<Duration>,
    /// How long each answer is held back.
    pub delay: Duration,
    /// Every Nth request is refused with 503, and nothing in it is taken.
    pub fail_every: Option<NonZeroU32>,
    /// At every Nth request the connection is closed without an answer, although what is in it was taken.
    pub drop_every: Option<NonZeroU32>,
    /// The file that each new event is appended to, as a line of JSON.
    pub save: Option<PathBuf>,
    /// The largest body, in bytes; a larger one is refused with 413.
    pub max_body: usize,
    /// How many connections are served at once. Further ones wait.
    pub max_connections: NonZeroUsize,
    /// Header fields whose values may be shown, beside those that are never secret.
    pub show_headers: Vec<HeaderName>,
    /// Whether a browser on this machine is shown a page of what arrives, at `/`. Requests for it are not arrivals.
    pub page: bool,
}

impl Default for ReceiverOptions {
    /// A free port of 127.0.0.1, and no misbehaviour; bodies of at most 8 MiB, at most 64 connections.
    fn default() -> Self {
        // Evaluated by the compiler: 64 is not 0.
        const CONNECTIONS: NonZeroUsize = NonZeroUsize::new(64).unwrap();
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            allow_remote: false,
            path: examine::INGEST_PATH.to_owned(),
            validate: true,
            respond: None,
            retry_after: None,
            delay: Duration::ZERO,
            fail_every: None,
            drop_every: None,
            save: None,
            max_body: 8 * 1024 * 1024,
            max_connections: CONNECTIONS,
            show_headers: Vec::new(),
            page: false,
        }
    }
}

/// Why a [`Receiver`] did not start.
#[derive(Debug, Error)]
pub enum ReceiverError {
    /// The address is not a loopback one, and that was not allowed.
    #[error("could not listen on {0}: other machines may reach that address")]
    Remote(SocketAddr),
    /// Something else listens there.
    #[error("could not listen on {0}: the port is in use")]
    InUse(SocketAddr),
    /// The address cannot be listened on.
    #[error("could not listen on {0}: {1}")]
    Listen(SocketAddr, #[source] io::Error),
    /// The status is none that can end a request.
    #[error("could not answer with status {0}")]
    Status(u16),
    /// The file to save to cannot be opened.
    #[error("could not open {} to save events to it: {source}", shown(path))]
    Save {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// The thread or its runtime could not be started.
    #[error("could not start the receiver: {0}")]
    Start(#[source] io::Error),
}

/// A running receiver. It stops when it is dropped.
#[derive(Debug)]
pub struct Receiver {
    addr: SocketAddr,
    service: Arc<Service>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    /// Starts to listen; when this returns, connections are accepted.
    ///
    /// # Errors
    ///
    /// When the options contradict themselves, the address cannot be listened on, or the file cannot be opened.
    pub fn start(options: ReceiverOptions) -> Result<Self, ReceiverError> {
        let listen = options.listen;
        if !(options.allow_remote || listen.ip().to_canonical().is_loopback()) {
            return Err(ReceiverError::Remote(listen));
        }
        let respond = match options.respond {
            None => None,
            Some(status) => Some(
                StatusCode::from_u16(status)
                    .ok()
                    .filter(|_| (200..600).contains(&status))
                    .ok_or(ReceiverError::Status(status))?,
            ),
        };
        let in_vain = |error: io::Error| match error.kind() {
            io::ErrorKind::AddrInUse => ReceiverError::InUse(listen),
            _ => ReceiverError::Listen(listen, error),
        };
        let listener = TcpListener::bind(listen).map_err(in_vain)?;
        listener.set_nonblocking(true).map_err(in_vain)?;
        let addr = listener.local_addr().map_err(in_vain)?;
        let ledger =
            Ledger::open(options.save.as_deref()).map_err(|source| ReceiverError::Save {
                path: options.save.clone().unwrap_or_default(),
                source,
            })?;
        let connections = options.max_connections;
        let service = Arc::new(Service::new(options, respond, ledger, endpoint_at(addr)));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(ReceiverError::Start)?;
        let listener = {
            let _in_runtime = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(ReceiverError::Start)?
        };
        let (stop, stopped) = oneshot::channel();
        let thread = {
            let service = Arc::clone(&service);
            let serve = move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = accept_all(&listener, connections, &service) => {}
                        _ = stopped => {}
                    }
                });
            };
            thread::Builder::new()
                .name("receiver".to_owned())
                .spawn(serve)
                .map_err(ReceiverError::Start)?
        };
        Ok(Self {
            addr,
            service,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// The address that it listens on, with the port that it has.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The endpoint that a repository on this machine names to send here, such as `http://127.0.0.1:8090`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        endpoint_at(self.addr)
    }

    /// A stream of what arrives from now on.
    #[must_use]
    pub fn arrivals(&self) -> Arrivals {
        self.service.ledger().subscribe()
    }

    /// What arrived so far, oldest first; of very much, the latest: at most 4096 requests and some 64 MiB. A request
    /// is in it before its answer leaves.
    #[must_use]
    pub fn requests(&self) -> Vec<Arc<Arrival>> {
        self.service.ledger().history()
    }

    /// What it did so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.service.ledger().summary
    }

    /// Stops it: closes its connections, answered or not, and ends the streams of arrivals.
    #[must_use = "the summary is final only now; to ignore it, drop the receiver"]
    pub fn shut_down(mut self) -> Summary {
        self.stop();
        self.summary()
    }

    fn stop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It ended, even if by a panic.
            let _ = thread.join();
        }
        self.service.ledger().close();
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop();
    }
}

fn endpoint_at(addr: SocketAddr) -> String {
    let ip = match addr.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, addr.port()))
}

/// Serves connections until it is dropped, which drops them too.
async fn accept_all(
    listener: &tokio::net::TcpListener,
    connections: NonZeroUsize,
    service: &Arc<Service>,
) {
    let places = Arc::new(Semaphore::new(connections.get()));
    let mut served = JoinSet::new();
    loop {
        // A semaphore that is never closed always has a permit in the end.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        while served.try_join_next().is_some() {}
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let service = Arc::clone(service);
        served.spawn(async move {
            let answer = service_fn(|request| Box::pin(service.answer(request, peer.ip())));
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIME)
                .serve_connection(TokioIo::new(stream), answer)
                .without_shutdown()
                .await;
            // An error is the client's going away, or a drop that the receiver was told to make.
            if let Ok(parts) = served {
                part(parts.io.into_inner()).await;
            }
            drop(place);
        });
    }
}

/// Ends a connection that has been served: a socket that is closed with something unread in it is reset, and the answer
/// with it.
async fn part(mut stream: TcpStream) {
    let read_out = async {
        stream.shutdown().await?;
        let mut unread = (&mut stream).take(PARTING_BYTES);
        tokio::io::copy(&mut unread, &mut tokio::io::sink()).await
    };
    // Connections that continue to write are reset in the end.
    let _ = tokio::time::timeout(PARTING_TIME, read_out).await;
}
