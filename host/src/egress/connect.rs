//! A connection that requests of one origin travel on: made, kept, and used again.

use std::fmt;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header, request};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use crate::domain::{Host, Origin, Reason};

use super::early::{HeardOut, Look};
use super::environment::Environment;
use super::failure::{EgressFailure, Phase, innermost};
use super::policy;
use super::proxy::{self, Proxy};
use super::reach::Reach;
use super::report::InFlight;
use super::request_body::RequestBody;
use super::resolve::{Resolver, prohibited};
use super::target::Target;
use super::tls::Tls;

/// How long one address may stay silent before the next one is tried beside it.
const NEXT_ADDRESS: Duration = Duration::from_millis(250);
/// How long a kept connection may take to say that it can be used.
const SETTLE: Duration = Duration::from_millis(100);
/// Of an answer that nobody reads, this many bytes are read all the same.
const UNREAD_BYTES: usize = 1 << 20;
/// The least that hyper takes for a buffer.
const MIN_BUFFER: usize = 8192;
const MAX_FIELDS: usize = 100;

/// The tasks that move a connection's bytes. They end with it.
pub(super) type Tasks = Mutex<JoinSet<()>>;

/// Makes connections to one origin, and keeps the last one for the next request.
pub(super) struct Connector {
    target: Target,
    proxy: Result<Option<Proxy>, Reason>,
    resolver: Resolver,
    reach: Reach,
    /// What its host, or the proxy, resolved to. Resolved once: a later answer could be another one, and a sender
    /// could carry what it was answered there to where it was answered here.
    addresses: OnceCell<Vec<SocketAddr>>,
    tls: Tls,
    max_head: usize,
    tasks: Weak<Tasks>,
    kept: Mutex<Option<Connection>>,
    /// Answers whose bodies the guest left, each with its connection.
    unread: Mutex<Vec<(Incoming, Lease)>>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("target", &self.target)
            .field("proxy", &self.proxy)
            .finish_non_exhaustive()
    }
}

/// A connection that takes one request at a time.
pub(super) struct Connection {
    pub(super) sender: http1::SendRequest<RequestBody>,
    /// What its first answer looks like.
    pub(super) look: Look,
}

/// A connection that goes back to its connector when it is dropped.
pub(super) struct Lease {
    connector: Weak<Connector>,
    connection: Option<Connection>,
}

impl Lease {
    pub(super) fn new(connector: &Arc<Connector>, connection: Connection) -> Self {
        Self {
            connector: Arc::downgrade(connector),
            connection: Some(connection),
        }
    }

    /// Ends the connection instead.
    pub(super) fn discard(mut self) {
        self.connection = None;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let (Some(connector), Some(connection)) =
            (self.connector.upgrade(), self.connection.take())
        {
            *locked(&connector.kept) = Some(connection);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The value is always replaced as a whole, so a panic leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Connector {
    pub(super) fn new(
        target: Target,
        environment: &Environment,
        resolver: Resolver,
        reach: Reach,
        max_head: usize,
        tasks: &Arc<Tasks>,
    ) -> Self {
        Self {
            proxy: proxy::for_origin(environment, &target.origin).map_err(|why| why.reason()),
            target,
            resolver,
            reach,
            addresses: OnceCell::new(),
            tls: Tls::new(environment.clone()),
            max_head,
            tasks: Arc::downgrade(tasks),
            kept: Mutex::new(None),
            unread: Mutex::default(),
        }
    }

    /// The proxy that it goes through. Where none can be named, opening a connection tells why.
    pub(super) fn proxy(&self) -> Option<String> {
        self.proxy.as_ref().ok()?.as_ref().map(ToString::to_string)
    }

    /// Makes the head of a request, its target in origin form, what the other end of a connection expects: a proxy
    /// that reads requests itself wants the whole URL.
    pub(super) fn address(&self, head: &mut request::Parts) {
        let Ok(Some(proxy)) = &self.proxy else { return };
        if self.target.origin.https {
            return;
        }
        if let Ok(whole) = format!("http://{}{}", self.target.authority, head.uri).parse() {
            head.uri = whole;
        }
        if let Some(authorization) = &proxy.authorization {
            head.headers
                .insert(header::PROXY_AUTHORIZATION, authorization.clone());
        }
    }

    /// `failure`, with the proxy that the connection goes through, where it does not name one yet.
    pub(super) fn told(&self, failure: EgressFailure) -> EgressFailure {
        match &self.proxy {
            Ok(Some(proxy)) if failure.is_of_the_way() => EgressFailure::Through {
                failure: Box::new(failure),
                proxy: proxy.to_string(),
            },
            _ => failure,
        }
    }

    /// Takes over an answer that nobody reads to its end: a connection that is closed over it is reset.
    pub(super) fn leave(&self, answer: Incoming, lease: Lease) {
        locked(&self.unread).push((answer, lease));
    }

    /// Reads what was left unread, as far as it comes within `patience`.
    pub(super) async fn read_out(&self, patience: Duration) {
        let unread = mem::take(&mut *locked(&self.unread));
        if unread.is_empty() {
            return;
        }
        let deadline = Instant::now() + patience;
        for (mut answer, lease) in unread {
            let mut left = UNREAD_BYTES;
            let read_out = async {
                while let Some(Ok(frame)) = answer.frame().await {
                    left = left.checked_sub(frame.data_ref().map_or(0, Bytes::len))?;
                }
                answer.is_end_stream().then_some(())
            };
            let ended = timeout_at(deadline, read_out).await;
            // The connection must see the answer given up before it is offered again.
            drop(answer);
            if !matches!(ended, Ok(Some(()))) {
                lease.discard();
            }
        }
    }

    /// The kept connection, where it can still be used. Takes [`SETTLE`] at most.
    pub(super) async fn kept(&self) -> Option<Connection> {
        let mut connection = locked(&self.kept).take()?;
        // A close can have come while nothing ran. In this turn the runtime looks for what has come in, so that the
        // connection's task sees the close before it writes: otherwise the request would be sent in vain, and once more.
        tokio::task::yield_now().await;
        if connection.sender.is_ready() {
            return Some(connection);
        }
        match timeout(SETTLE, connection.sender.ready()).await {
            Ok(Ok(())) => Some(connection),
            _ => None,
        }
    }

    /// Makes a connection.
    pub(super) async fn open(&self, open: &InFlight) -> Result<Connection, EgressFailure> {
        let proxy = match &self.proxy {
            Ok(proxy) => proxy,
            Err(why) => return Err(EgressFailure::ProxySetting(why.clone())),
        };
        let Origin { https, host, port } = &self.target.origin;
        if *https || proxy.as_ref().is_some_and(|proxy| proxy.https) {
            self.tls.config().await?;
        }
        let Some(proxy) = proxy else {
            enter_resolving(open, host);
            let resolve = || self.resolver.usable(host, *port, self.reach);
            let addresses = self.addresses.get_or_try_init(resolve).await?;
            let tcp = HeardOut::new(dial(addresses, host, open).await?, Look::default());
            return if *https {
                let secure = Box::pin(self.secure(host, *port, tcp, open)).await?;
                Box::pin(self.start(secure)).await
            } else {
                self.start(tcp).await
            };
        };
        Box::pin(self.open_by(proxy, open)).await
    }

    async fn open_by(&self, proxy: &Proxy, open: &InFlight) -> Result<Connection, EgressFailure> {
        let Origin { host, .. } = &self.target.origin;
        // The proxy resolves, so the check is on what the endpoint says.
        match host {
            Host::Address(address) => {
                let limits = self
                    .reach
                    .limits()
                    .map_err(|why| EgressFailure::of_own_addresses(&why))?;
                policy::usable(*address, host, &limits)
                    .map_err(|why| prohibited(host, *address, why))?;
            }
            Host::Name(name) if self.reach == Reach::PublicOnly => {
                return Err(EgressFailure::Unchecked {
                    host: name.clone(),
                    proxy: proxy.to_string(),
                });
            }
            Host::Name(_) => {}
        }
        enter_resolving(open, &proxy.host);
        let resolve = || self.resolver.any(&proxy.host, proxy.port);
        let addresses = self.addresses.get_or_try_init(resolve).await?;
        let tcp = HeardOut::new(dial(addresses, &proxy.host, open).await?, Look::default());
        if proxy.https {
            let secure = self.secure(&proxy.host, proxy.port, tcp, open).await?;
            self.through(proxy, secure, open).await
        } else {
            self.through(proxy, tcp, open).await
        }
    }

    /// Goes on where a proxy listens at the other end of `transport`.
    async fn through<T: ByteStream>(
        &self,
        proxy: &Proxy,
        transport: T,
        open: &InFlight,
    ) -> Result<Connection, EgressFailure> {
        let Origin { https, host, port } = &self.target.origin;
        if *https {
            let tunnel = self.tunnel(proxy, transport, open).await?;
            let secure = self.secure(host, *port, tunnel, open).await?;
            self.start(secure).await
        } else {
            self.start(transport).await
        }
    }

    async fn secure<T: ByteStream>(
        &self,
        host: &Host,
        port: u16,
        transport: T,
        open: &InFlight,
    ) -> Result<tokio_rustls::client::TlsStream<T>, EgressFailure> {
        let with = format!("{host}:{port}");
        open.enter(Phase::Handshaking { with: with.clone() });
        self.tls.connect(host, &with, transport).await
    }

    /// Asks the proxy for a connection to the origin.
    async fn tunnel<T: ByteStream>(
        &self,
        proxy: &Proxy,
        transport: T,
        open: &InFlight,
    ) -> Result<TokioIo<hyper::upgrade::Upgraded>, EgressFailure> {
        let to = format!("{}:{}", self.target.origin.host, self.target.origin.port);
        open.enter(Phase::Tunnelling {
            proxy: proxy.to_string(),
            to: to.clone(),
        });
        let broken = |why: &hyper::Error| EgressFailure::ProxyBroken {
            proxy: proxy.to_string(),
            to: to.clone(),
            why: innermost(why),
        };
        let mut ask = Request::new(Empty::<Bytes>::new());
        *ask.method_mut() = Method::CONNECT;
        *ask.uri_mut() = to.parse().map_err(|_| EgressFailure::ProxyBroken {
            proxy: proxy.to_string(),
            to: to.clone(),
            why: "the name of the endpoint cannot be written in a request".to_owned(),
        })?;
        if let Ok(host) = HeaderValue::try_from(&to) {
            ask.headers_mut().insert(header::HOST, host);
        }
        if let Some(authorization) = &proxy.authorization {
            ask.headers_mut()
                .insert(header::PROXY_AUTHORIZATION, authorization.clone());
        }
        let (mut sender, connection) = self
            .builder()
            .handshake(TokioIo::new(transport))
            .await
            .map_err(|why| broken(&why))?;
        self.spawn(async move {
            // The request's own result says what went wrong.
            let _ = connection.with_upgrades().await;
        })?;
        let answer = sender.send_request(ask).await.map_err(|why| broken(&why))?;
        if !answer.status().is_success() {
            return Err(EgressFailure::ProxyRefused {
                proxy: proxy.to_string(),
                to,
                status: answer.status(),
            });
        }
        let upgraded = hyper::upgrade::on(answer).await;
        Ok(TokioIo::new(upgraded.map_err(|why| broken(&why))?))
    }

    /// Speaks HTTP over `transport`.
    async fn start<T: ByteStream>(&self, transport: T) -> Result<Connection, EgressFailure> {
        let look = Look::default();
        let (sender, connection) = self
            .builder()
            .handshake(TokioIo::new(HeardOut::new(transport, look.clone())))
            .await
            .map_err(|why| EgressFailure::of_exchange(&why, &self.target.name, self.max_head))?;
        self.spawn(async move {
            // Likewise.
            let _ = connection.await;
        })?;
        Ok(Connection { sender, look })
    }

    fn builder(&self) -> http1::Builder {
        let mut builder = http1::Builder::new();
        builder
            .max_buf_size(self.max_head.max(MIN_BUFFER))
            // Bounds trailers too.
            .max_header_size(self.max_head)
            .max_headers(MAX_FIELDS);
        builder
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> Result<(), EgressFailure> {
        let tasks = self.tasks.upgrade().ok_or(EgressFailure::Stopped)?;
        let mut tasks = locked(&tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
        Ok(())
    }
}

/// A stream of bytes in both directions.
trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> ByteStream for T {}

fn enter_resolving(open: &InFlight, host: &Host) {
    if let Host::Name(name) = host {
        open.enter(Phase::Resolving { name: name.clone() });
    }
}

/// Connects to one of `addresses`: each a little after the one before it, or as soon as that one has failed.
async fn dial(
    addresses: &[SocketAddr],
    host: &Host,
    open: &InFlight,
) -> Result<TcpStream, EgressFailure> {
    let mut attempts = JoinSet::new();
    let mut first_failure = None;
    let mut left = addresses.iter().copied();
    let mut next = left.next();
    loop {
        if let Some(address) = next.take() {
            open.enter(Phase::Connecting {
                to: shown(address, host),
            });
            attempts.spawn(async move { (address, TcpStream::connect(address).await) });
        }
        if left.len() == 0 && attempts.is_empty() {
            return Err(first_failure.unwrap_or_else(|| EgressFailure::Unreachable {
                to: host.to_string(),
                why: "it has no address".to_owned(),
            }));
        }
        let ended = if left.len() == 0 {
            attempts.join_next().await
        } else {
            timeout(NEXT_ADDRESS, attempts.join_next())
                .await
                .unwrap_or_default()
        };
        match ended {
            Some(Ok((_, Ok(stream)))) => {
                // Without it small writes wait for each other; a connection works either way.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Some(Ok((address, Err(why)))) => {
                first_failure.get_or_insert_with(|| of_dial(&why, address, host));
            }
            // Nothing has ended yet, or an attempt was cancelled along with the runtime.
            Some(Err(_)) | None => {}
        }
        next = left.next();
    }
}

fn shown(address: SocketAddr, host: &Host) -> String {
    match host {
        Host::Name(name) if !host.names_loopback() => format!("{address} ({name})"),
        _ => address.to_string(),
    }
}

fn of_dial(why: &io::Error, address: SocketAddr, host: &Host) -> EgressFailure {
    let to = shown(address, host);
    if why.kind() == io::ErrorKind::ConnectionRefused {
        EgressFailure::Refused { to }
    } else {
        EgressFailure::Unreachable {
            to,
            why: innermost(why),
        }
    }
}
