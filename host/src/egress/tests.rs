//! The way out, by its public face, against scripted servers on the loopback.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use wasmtime_wasi_http::{Error as Wasi, RequestOptions, WasiBody, WasiHttpHooks};

use super::tls::tests::Authority;
use super::{Egress, EgressLimits, Environment, HostHeader, Network, Reach, Resolver};
use crate::domain::{Deadline, Endpoint, UrlScope};

/// Longer than any test takes.
const AMPLE: Duration = Duration::from_mins(1);
/// For what must be seen to run out.
const SHORT: Duration = Duration::from_secs(1);

fn way_out(endpoint: &str) -> Egress {
    way_out_by(endpoint, Network::live(Environment::default()), AMPLE)
}

fn way_out_by(endpoint: &str, network: Network, limit: Duration) -> Egress {
    let endpoint = Endpoint::parse(endpoint).unwrap();
    let mut egress = Egress::new(
        &endpoint,
        network,
        Reach::default(),
        EgressLimits::default(),
        Vec::new(),
    );
    egress.begin_batch(Deadline::after(limit));
    egress
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::read(|name| {
        let (_, value) = variables.iter().find(|(key, _)| *key == name)?;
        Some(value.into())
    })
}

fn body(text: impl Into<Bytes>) -> WasiBody {
    Full::new(text.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

fn request(method: &str, uri: &str) -> Request<WasiBody> {
    Request::builder()
        .method(method)
        .uri(uri)
        .body(body("{}"))
        .unwrap()
}

async fn send_with(
    egress: &mut Egress,
    request: Request<WasiBody>,
    options: RequestOptions,
) -> Result<Response<WasiBody>, Wasi> {
    let answer = egress.send_request(request, Some(options), Box::new(async { Ok(()) }));
    let (answer, tail) = Box::into_pin(answer).await?;
    Box::into_pin(tail).await?;
    Ok(answer)
}

async fn send(egress: &mut Egress, request: Request<WasiBody>) -> Result<Response<WasiBody>, Wasi> {
    send_with(egress, request, RequestOptions::default()).await
}

async fn post(egress: &mut Egress, uri: &str) -> Result<Response<WasiBody>, Wasi> {
    send(egress, request("POST", uri)).await
}

async fn read(answer: Response<WasiBody>) -> Result<String, Wasi> {
    let bytes = answer.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A server on the loopback that treats each connection as told, until the test ends.
struct Server {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
}

impl Server {
    async fn new<F: Future<Output = io::Result<()>> + Send>(
        treat: impl Fn(TcpStream) -> F + Clone + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let treat = treat.clone();
                // The client may well be gone before everything is written.
                tokio::spawn(async move { drop(treat(stream).await) });
            }
        });
        Self { address, accepted }
    }

    /// Answers every request with `answer`, and keeps the connection open.
    async fn answering(answer: impl Into<Bytes>) -> Self {
        let answer = answer.into();
        Self::new(move |mut stream| {
            let answer = answer.clone();
            async move {
                loop {
                    take_request(&mut stream).await?;
                    stream.write_all(&answer).await?;
                }
            }
        })
        .await
    }

    /// Takes a request, and says nothing ever.
    async fn silent() -> Self {
        Self::new(|mut stream| async move {
            take_request(&mut stream).await?;
            std::future::pending().await
        })
        .await
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }
}

/// Reads the head of a request and its body, by `content-length` or chunks. Gives both back.
async fn take_request(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let mut taken = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&taken).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                (name == "content-length").then(|| value.parse::<usize>().unwrap())
            });
            let whole = match length {
                Some(length) => body.len() >= length,
                None if head.contains("transfer-encoding: chunked") => body.ends_with("0\r\n\r\n"),
                None => true,
            };
            if whole {
                return Ok(text);
            }
        }
        if stream.read_buf(&mut taken).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The report's sentence, with the server's address put in words.
fn failure(egress: &Egress, server: &Server) -> String {
    let failure = egress.report().failure;
    let text = failure.map_or_else(String::new, |failure| failure.to_string());
    text.replace(&server.address.to_string(), "SERVER")
}

const ACCEPTED: &str = "HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\nok";

mod exchanges {
    use super::*;

    #[tokio::test]
    async fn an_empty_target_leaves_as_a_slash() {
        let server = Server::new(|mut stream| async move {
            let asked = take_request(&mut stream).await?;
            let line = asked.lines().next().unwrap_or_default();
            let length = line.len();
            let answer = format!("HTTP/1.1 202 Accepted\r\ncontent-length: {length}\r\n\r\n{line}");
            stream.write_all(answer.as_bytes()).await
        })
        .await;
        let authority = server.address.to_string();
        for target in ["", "/", "?a"] {
            let uri = http::Uri::builder()
                .scheme("http")
                .authority(authority.as_str())
                .path_and_query(target);
            let mut asking = request("POST", "/");
            *asking.uri_mut() = uri.build().unwrap();
            let mut egress = way_out(&server.url());
            let answer = send(&mut egress, asking).await.unwrap();
            let line = format!("POST /{} HTTP/1.1", target.trim_start_matches('/'));
            assert_eq!(read(answer).await.unwrap(), line, "{target:?}");
        }
    }

    #[tokio::test]
    async fn an_accepted_request_is_reported_as_a_success() {
        let server = Server::answering(ACCEPTED).await;
        let mut egress = way_out(&server.url());
        let answer = post(&mut egress, &format!("{}/ingest", server.url()))
            .await
            .unwrap();
        assert_eq!(answer.status(), 202);
        assert_eq!(read(answer).await.unwrap(), "ok");
        let report = egress.report();
        assert_eq!((report.requests, report.last_status), (1, Some(202)));
        assert!(report.saw_success);
        assert_eq!(
            (report.denied, report.failure, report.phase),
            (None, None, None)
        );
    }

    #[tokio::test]
    async fn what_arrives_is_the_guests_request_with_the_hosts_own_host_field() {
        let (arrived, mut heads) = tokio::sync::mpsc::unbounded_channel();
        let server = Server::new(move |mut stream| {
            let arrived = arrived.clone();
            async move {
                arrived.send(take_request(&mut stream).await?).unwrap();
                stream.write_all(ACCEPTED.as_bytes()).await
            }
        })
        .await;
        let mut egress = way_out(&server.url());
        let mut asked = request("PUT", &format!("{}?a=b", server.url()));
        for (name, value) in [
            ("host", "elsewhere.example"),
            ("te", "trailers"),
            ("expect", "100-continue"),
            ("trailer", "x"),
            ("proxy-authorization", "Basic x"),
            ("connection", "close"),
            ("x-own", "kept"),
        ] {
            asked.headers_mut().insert(name, value.parse().unwrap());
        }
        send(&mut egress, asked).await.unwrap();
        let head = heads.recv().await.unwrap();
        insta::assert_snapshot!(
            head.replace(&server.address.to_string(), "SERVER").replace('\r', ""),
            @r"
        PUT /?a=b HTTP/1.1
        host: SERVER
        x-own: kept
        content-length: 2

        {}
        "
        );
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_like_any_other() {
        let elsewhere = Server::answering(ACCEPTED).await;
        let moved = format!(
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: {}/\r\ncontent-length: 0\r\n\r\n",
            elsewhere.url()
        );
        let server = Server::answering(moved).await;
        let mut egress = way_out(&server.url());
        let answer = post(&mut egress, &server.url()).await.unwrap();
        assert_eq!(answer.status(), 307);
        assert!(!egress.report().saw_success);
        assert_eq!(egress.report().last_status, Some(307));
        assert_eq!(elsewhere.accepted(), 0);
    }

    #[tokio::test]
    async fn two_requests_travel_on_one_connection() {
        for answer in [
            ACCEPTED,
            "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n",
        ] {
            let server = Server::answering(answer).await;
            let mut egress = way_out(&server.url());
            for _ in 0..2 {
                let answer = post(&mut egress, &server.url()).await.unwrap();
                read(answer).await.unwrap();
                egress.begin_batch(Deadline::after(AMPLE));
            }
            // An answer that the guest does not read is in the way of nothing.
            post(&mut egress, &server.url()).await.unwrap();
            post(&mut egress, &server.url()).await.unwrap();
            assert_eq!(server.accepted(), 1);
        }
    }

    #[tokio::test]
    async fn a_connection_that_was_closed_meanwhile_is_replaced() {
        let (ended, mut both_ended) = tokio::sync::mpsc::unbounded_channel();
        let server = Server::new(move |mut stream| {
            let ended = ended.clone();
            async move {
                take_request(&mut stream).await?;
                stream.write_all(ACCEPTED.as_bytes()).await?;
                stream.shutdown().await?;
                // The other end closes in turn when it has seen this one's close.
                assert_eq!(stream.read(&mut [0]).await?, 0);
                ended.send(()).unwrap();
                Ok(())
            }
        })
        .await;
        let mut egress = way_out(&server.url());
        for round in 1..=5 {
            let answer = post(&mut egress, &server.url()).await.unwrap();
            read(answer).await.unwrap();
            both_ended.recv().await.unwrap();
            assert_eq!(server.accepted(), round);
        }
    }

    #[tokio::test]
    async fn answers_of_http_1_0_are_read_to_their_end() {
        let server = Server::new(|mut stream| async move {
            take_request(&mut stream).await?;
            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nold").await
        })
        .await;
        let mut egress = way_out(&server.url());
        for _ in 0..2 {
            let answer = post(&mut egress, &server.url()).await.unwrap();
            assert_eq!(read(answer).await.unwrap(), "old");
        }
        assert_eq!(server.accepted(), 2);
    }

    #[tokio::test]
    async fn nothing_is_sent_before_the_first_batch() {
        let server = Server::answering(ACCEPTED).await;
        let endpoint = Endpoint::parse(&server.url()).unwrap();
        let network = Network::live(Environment::default());
        let mut egress = Egress::new(
            &endpoint,
            network,
            Reach::default(),
            EgressLimits::default(),
            Vec::new(),
        );
        assert!(post(&mut egress, &server.url()).await.is_err());
        assert_eq!(server.accepted(), 0);
    }

    #[tokio::test]
    async fn connections_end_with_the_way_out() {
        let (ended, end) = tokio::sync::oneshot::channel();
        let ended = Arc::new(std::sync::Mutex::new(Some(ended)));
        let server = Server::new(move |mut stream| {
            let ended = Arc::clone(&ended);
            async move {
                take_request(&mut stream).await?;
                stream
                    .write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 9\r\n\r\nbegun")
                    .await?;
                let _ = stream.read(&mut [0]).await;
                ended.lock().unwrap().take().unwrap().send(()).unwrap();
                Ok(())
            }
        })
        .await;
        let mut egress = way_out(&server.url());
        let answer = post(&mut egress, &server.url()).await.unwrap();
        drop(egress);
        end.await.unwrap();
        assert!(read(answer).await.is_err());
    }
}

mod refusals {
    use super::*;

    #[tokio::test]
    async fn whatever_is_not_a_post_or_put_to_the_endpoint_is_denied_and_never_connected() {
        let server = Server::answering(ACCEPTED).await;
        let port = server.address.port();
        let other = Server::answering(ACCEPTED).await;
        let endpoint = format!("http://localhost:{port}/base");
        for (method, uri) in [
            ("GET", endpoint.clone()),
            ("DELETE", endpoint.clone()),
            ("CONNECT", endpoint.clone()),
            ("post", endpoint.clone()),
            ("POST", format!("https://localhost:{port}/base")),
            ("POST", format!("ftp://localhost:{port}/base")),
            ("POST", format!("http://127.0.0.1:{port}/base")),
            (
                "POST",
                format!("http://localhost:{}/base", other.address.port()),
            ),
            ("POST", "http://localhost/base".to_owned()),
            ("POST", format!("http://user@localhost:{port}/base")),
            ("POST", format!("http://localhost.evil.test:{port}/")),
            ("POST", "http://169.254.169.254/latest/meta-data".to_owned()),
            ("POST", "/no/authority".to_owned()),
        ] {
            let mut egress = way_out(&endpoint);
            let denied = send(&mut egress, request(method, &uri)).await.unwrap_err();
            assert!(
                matches!(denied, Wasi::HttpRequestDenied),
                "{method} {uri}: {denied}"
            );
            let report = egress.report();
            assert_eq!(report.denied, Some(format!("{method} {uri}")));
            assert_eq!((report.requests, report.failure), (0, None));
        }
        assert_eq!((server.accepted(), other.accepted()), (0, 0));

        // Another spelling of the same origin is the same origin.
        let mut egress = way_out(&endpoint);
        let spelled = format!("HTTP://LOCALHOST.:{port}/elsewhere");
        assert_eq!(post(&mut egress, &spelled).await.unwrap().status(), 202);
    }

    #[tokio::test]
    async fn the_first_refused_request_is_reported_shortened_and_escaped() {
        let mut egress = way_out("http://localhost:1");
        let long = format!("http://evil.test/\u{e9}{}", "x".repeat(500));
        post(&mut egress, &long).await.unwrap_err();
        post(&mut egress, "http://second.test").await.unwrap_err();
        let shown = egress.report().denied.unwrap();
        assert!(
            shown.starts_with(r"POST http://evil.test/\u{e9}xxx"),
            "{shown}"
        );
        assert!(shown.ends_with("x…") && shown.len() < 150, "{shown}");
    }

    #[tokio::test]
    async fn a_batch_has_a_limited_number_of_requests() {
        let server = Server::answering(ACCEPTED).await;
        let mut egress = way_out(&server.url());
        for _ in 0..64 {
            post(&mut egress, &server.url()).await.unwrap();
        }
        let denied = post(&mut egress, &server.url()).await.unwrap_err();
        assert!(matches!(denied, Wasi::HttpRequestDenied));
        let report = egress.report();
        assert_eq!(report.requests, 64);
        assert!(
            report
                .denied
                .unwrap()
                .ends_with(" (after 64 others in the same batch)")
        );
        egress.begin_batch(Deadline::after(AMPLE));
        post(&mut egress, &server.url()).await.unwrap();
    }

    #[tokio::test]
    async fn a_sender_for_public_addresses_reaches_nothing_of_this_machine_nor_what_only_a_proxy_resolves()
     {
        let server = Server::answering(ACCEPTED).await;
        let port = server.address.port();
        let proxy = Network::live(environment(&[("http_proxy", &server.url())]));
        let direct = Network::live(Environment::default());
        let mut refusals = Vec::new();
        for (url, network) in [
            (server.url(), direct.clone()),
            (format!("http://localhost:{port}"), direct),
            ("http://10.9.8.7".to_owned(), proxy.clone()),
            ("http://telemetry.example".to_owned(), proxy),
        ] {
            let endpoint = Endpoint::parse(&url).unwrap();
            let limits = EgressLimits::default();
            let mut egress = Egress::new(&endpoint, network, Reach::PublicOnly, limits, Vec::new());
            egress.begin_batch(Deadline::after(AMPLE));
            let refused = post(&mut egress, &url).await.unwrap_err();
            assert!(matches!(refused, Wasi::DestinationIpProhibited), "{url}");
            refusals.push(failure(&egress, &server));
        }
        assert_eq!(server.accepted(), 0);
        insta::assert_snapshot!(refusals.join("\n"), @r"
            127.0.0.1 is a loopback address, and this sender may reach public addresses only
            localhost resolves to 127.0.0.1, a loopback address, and this sender may reach public addresses only
            10.9.8.7 is a private address, and this sender may reach public addresses only
            the proxy http://SERVER (http_proxy) resolves telemetry.example, so swamp cannot check that its address is public, and this sender may reach public addresses only
            ");
    }

    #[tokio::test]
    async fn a_name_is_resolved_once_for_all_connections_of_all_requests() {
        let server = Server::new(|mut stream| async move {
            take_request(&mut stream).await?;
            stream
                .write_all(b"HTTP/1.1 202 \r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .await
        })
        .await;
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let rebinding = Resolver::new(move |_| {
            let first = count.fetch_add(1, Ordering::Relaxed) == 0;
            let answer = if first { "127.0.0.1" } else { "240.0.0.1" };
            Box::pin(async move { Ok(vec![answer.parse().unwrap()]) })
        });
        // Of a proxy every address is used, so that the test need not leave this machine.
        let proxy = format!("http://proxy.example:{}", server.address.port());
        let network = Network::Live(environment(&[("http_proxy", &proxy)]), rebinding);
        let mut egress = way_out_by("http://telemetry.example", network, AMPLE);
        for _ in 0..3 {
            let answer = post(&mut egress, "http://telemetry.example/")
                .await
                .unwrap();
            assert_eq!(read(answer).await.unwrap(), "");
            egress.begin_batch(Deadline::after(AMPLE));
        }
        assert_eq!(server.accepted(), 3);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn the_connection_goes_to_the_address_that_was_checked() {
        let server = Server::answering(ACCEPTED).await;
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        // The first answer is harmless, and leads nowhere; the second is this machine.
        let rebinding = Resolver::new(move |_| {
            let first = count.fetch_add(1, Ordering::Relaxed) == 0;
            let answer = if first { "240.0.0.1" } else { "127.0.0.1" };
            Box::pin(async move { Ok(vec![answer.parse().unwrap()]) })
        });
        let url = format!("http://telemetry.example:{}", server.address.port());
        let network = Network::Live(Environment::default(), rebinding);
        let mut egress = way_out_by(&url, network, AMPLE);
        for _ in 0..3 {
            let refused = post(&mut egress, &url).await.unwrap_err();
            assert!(matches!(refused, Wasi::DestinationIpProhibited));
        }
        // Once a request: never again for the connection itself.
        assert_eq!(asked.load(Ordering::Relaxed), 3);
        assert_eq!(server.accepted(), 0);
        insta::assert_snapshot!(
            egress.report().failure.unwrap().to_string(),
            @"telemetry.example resolves to 127.0.0.1, a loopback address, which the endpoint does not name, where telemetry is never sent"
        );
    }
}

mod faults {
    use super::*;

    /// The failure of a request to a server that, having taken it, says `answer` and hangs up.
    async fn after(answer: &'static [u8]) -> (Wasi, String) {
        let server = Server::new(move |mut stream| async move {
            take_request(&mut stream).await?;
            stream.write_all(answer).await
        })
        .await;
        let mut egress = way_out(&server.url());
        let error = match post(&mut egress, &server.url()).await {
            Ok(answer) => read(answer).await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(egress.report().phase, None);
        (error, failure(&egress, &server))
    }

    #[tokio::test]
    async fn what_goes_wrong_is_told_apart() {
        let mut told = Vec::new();
        for answer in [
            &b""[..],
            b"HTTP/1.1 202 Acc",
            b"HTTP/1.1 202 Accepted\r\ncontent-length: 9\r\n\r\nbegun",
            b"HTTP/1.1 202 Accepted\r\ntransfer-encoding: chunked\r\n\r\n5\r\nbegun\r\n",
            b"HTTP/1.1 202 Accepted\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n",
            b"HTTP/1.1 2 Accepted\r\n\r\n",
            b"HTTP/1.1 202 Accepted\r\ncontent-length: 1, 2\r\n\r\n",
        ] {
            let (code, text) = after(answer).await;
            told.push(format!("{code} | {text}"));
        }
        insta::assert_snapshot!(told.join("\n"), @r"
        connection terminated | http://SERVER closed the connection before it answered
        connection terminated | http://SERVER closed the connection before it answered
        incomplete HTTP response | http://SERVER closed the connection in the middle of its answer
        incomplete HTTP response | http://SERVER closed the connection in the middle of its answer
        HTTP protocol error | the answer from http://SERVER is not HTTP: invalid chunk size line: missing size digit
        HTTP protocol error | the answer from http://SERVER is not HTTP: invalid HTTP version parsed
        HTTP protocol error | the answer from http://SERVER is not HTTP: invalid HTTP status-code parsed
        HTTP protocol error | the answer from http://SERVER is not HTTP: invalid content-length parsed
        ");
    }

    #[tokio::test]
    async fn a_refused_connection_names_the_address() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let mut egress = way_out(&format!("http://{address}"));
        let code = post(&mut egress, &format!("http://{address}"))
            .await
            .unwrap_err();
        assert!(matches!(code, Wasi::ConnectionRefused));
        assert_eq!(
            egress.report().failure.unwrap().to_string(),
            format!("connection refused by {address}")
        );
    }

    #[tokio::test]
    async fn a_reset_is_told_as_such() {
        let server = Server::new(|mut stream| async move {
            // Closed with something left to read, a connection is reset.
            stream.read_exact(&mut [0; 8]).await?;
            Ok(())
        })
        .await;
        let mut egress = way_out(&server.url());
        let code = post(&mut egress, &server.url()).await.unwrap_err();
        assert!(matches!(code, Wasi::ConnectionTerminated), "{code}");
        assert_eq!(
            failure(&egress, &server),
            "http://SERVER reset the connection"
        );
    }

    // Elsewhere the loopback has one address.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_later_address_is_tried_where_an_earlier_one_refuses_or_stays_silent() {
        let server = Server::answering(ACCEPTED).await;
        let port = server.address.port();
        // A full queue of connections that nobody accepts: the next one gets no answer at all.
        let silent = tokio::net::TcpSocket::new_v4().unwrap();
        silent.bind(([127, 0, 0, 3], port).into()).unwrap();
        let silent = silent.listen(1).unwrap();
        let mut queued = Vec::new();
        while let Ok(stream) = tokio::time::timeout(
            Duration::from_millis(100),
            TcpStream::connect(silent.local_addr().unwrap()),
        )
        .await
        {
            queued.push(stream.unwrap());
        }
        // Nobody listens at 127.0.0.2. The user's own proxy may be at any address.
        let several = Resolver::new(|_| {
            let addresses = ["127.0.0.2", "127.0.0.3", "127.0.0.1"];
            Box::pin(async move { Ok(addresses.map(|a| a.parse().unwrap()).to_vec()) })
        });
        let proxy = format!("http://proxy.example:{port}");
        let network = Network::Live(environment(&[("http_proxy", &proxy)]), several);
        let url = "http://telemetry.example";
        let mut egress = way_out_by(url, network, AMPLE);
        assert_eq!(post(&mut egress, url).await.unwrap().status(), 202);
    }

    /// Writes `parts` for ever.
    async fn flood(parts: &'static [u8], start: &'static [u8]) -> Server {
        Server::new(move |mut stream| async move {
            take_request(&mut stream).await?;
            stream.write_all(start).await?;
            loop {
                stream.write_all(parts).await?;
            }
        })
        .await
    }

    #[tokio::test]
    async fn what_an_answer_can_take_up_is_limited() {
        let mut told = Vec::new();
        for (start, parts) in [
            (
                &b"HTTP/1.1 202 Accepted\r\n"[..],
                &b"x-more: of the same\r\n"[..],
            ),
            (b"HTTP/1.1 202 Accepted\r\nx-long: ", b"of the same "),
            (b"HTTP/1.1 ", b"2"),
            (
                b"HTTP/1.1 202 Accepted\r\ncontent-length: 1073741824\r\n\r\n",
                &[0; 4096],
            ),
            (b"HTTP/1.1 202 Accepted\r\n\r\n", &[0; 4096]),
            (
                b"HTTP/1.1 202 Accepted\r\ntransfer-encoding: chunked\r\n\r\n",
                b"1;extension\r\nx\r\n",
            ),
            (
                b"HTTP/1.1 202 Accepted\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
                b"x-more: of the same\r\n",
            ),
        ] {
            let server = flood(parts, start).await;
            let mut egress = way_out(&server.url());
            let error = match post(&mut egress, &server.url()).await {
                Ok(answer) => read(answer).await.unwrap_err(),
                Err(error) => error,
            };
            told.push(format!("{error} | {}", failure(&egress, &server)));
        }
        insta::assert_snapshot!(told.join("\n"), @r"
        HTTP response header section size exceeds limit: 16384 bytes | the head of the answer from http://SERVER is longer than 16384 bytes or has too many fields
        HTTP response header section size exceeds limit: 16384 bytes | the head of the answer from http://SERVER is longer than 16384 bytes or has too many fields
        HTTP protocol error | the answer from http://SERVER is not HTTP: invalid HTTP status-code parsed
        HTTP response body size exceeds limit: 1048576 bytes | the answer from http://SERVER is longer than 1048576 bytes
        HTTP response body size exceeds limit: 1048576 bytes | the answer from http://SERVER is longer than 1048576 bytes
        HTTP protocol error | the answer from http://SERVER is not HTTP: chunk extensions over limit
        HTTP protocol error | the answer from http://SERVER is not HTTP: chunk trailers count overflow
        ");
    }

    #[tokio::test]
    async fn the_limit_of_a_head_is_that_of_trailers_too() {
        for (answer, expected) in [
            (
                "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\nx: {}\r\n\r\n",
                "the head of the answer from http://SERVER is longer than 200 bytes or has too many fields",
            ),
            (
                "HTTP/1.1 202 Accepted\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: {}\r\n\r\n",
                "the answer from http://SERVER is not HTTP: chunk trailers bytes over limit",
            ),
        ] {
            for (length, fits) in [(10, true), (200, false)] {
                let server = Server::answering(answer.replace("{}", &"x".repeat(length))).await;
                let limits = EgressLimits {
                    max_head: 200,
                    ..EgressLimits::default()
                };
                let endpoint = Endpoint::parse(&server.url()).unwrap();
                let network = Network::live(Environment::default());
                let mut egress =
                    Egress::new(&endpoint, network, Reach::default(), limits, Vec::new());
                egress.begin_batch(Deadline::after(AMPLE));
                let outcome = match post(&mut egress, &server.url()).await {
                    Ok(answer) => read(answer).await,
                    Err(error) => Err(error),
                };
                assert_eq!(outcome.is_ok(), fits, "{outcome:?}");
                let expected = if fits { "" } else { expected };
                assert_eq!(failure(&egress, &server), expected);
            }
        }
    }

    #[tokio::test]
    async fn a_request_is_not_longer_than_its_limit() {
        let server = Server::answering(ACCEPTED).await;
        let mut egress = way_out(&server.url());
        let most = 8 << 20;
        for (length, expected) in [
            (most, None),
            (most + 1, Some("the request is longer than 8388608 bytes")),
        ] {
            for announced in [true, false] {
                let whole = Bytes::from(vec![b'x'; length]);
                let body = if announced {
                    body(whole)
                } else {
                    // As a guest writes it: piece by piece, without saying how much there will be.
                    let pieces = whole.chunks(65_536).map(Bytes::copy_from_slice).collect();
                    pieces_body(pieces)
                };
                let mut asked = request("POST", &server.url());
                *asked.body_mut() = body;
                let outcome = send(&mut egress, asked).await;
                assert_eq!(outcome.is_ok(), expected.is_none(), "{length} {announced}");
                if expected.is_some() {
                    assert!(matches!(
                        outcome,
                        Err(Wasi::HttpRequestBodySize(Some(8_388_608)))
                    ));
                }
                assert_eq!(egress.report().failure, expected.map(Into::into));
                egress.begin_batch(Deadline::after(AMPLE));
            }
        }
    }

    fn pieces_body(pieces: Vec<Bytes>) -> WasiBody {
        Pieces(pieces.into()).boxed_unsync()
    }

    struct Pieces(std::collections::VecDeque<Bytes>);

    impl http_body::Body for Pieces {
        type Data = Bytes;
        type Error = Wasi;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Wasi>>> {
            std::task::Poll::Ready(
                self.0
                    .pop_front()
                    .map(|piece| Ok(http_body::Frame::data(piece))),
            )
        }
    }
}

mod patience {
    use super::*;

    /// What is told when `server` has not done its part after a short time.
    async fn overdue(server: &Server) -> String {
        let mut egress = way_out_by(&server.url(), Network::live(Environment::default()), SHORT);
        let error = match post(&mut egress, &server.url()).await {
            Ok(answer) => read(answer).await.unwrap_err(),
            Err(error) => error,
        };
        format!("{error} | {}", failure(&egress, server))
    }

    /// Sends `start` at once and `drop` every few milliseconds.
    async fn dripping(start: &'static [u8], drop: &'static [u8]) -> Server {
        Server::new(move |mut stream| async move {
            take_request(&mut stream).await?;
            stream.write_all(start).await?;
            loop {
                stream.write_all(drop).await?;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }

    #[tokio::test]
    async fn nothing_outlasts_the_deadline() {
        let endless = Server::new(|mut stream| async move {
            take_request(&mut stream).await?;
            let hints = b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100);
            loop {
                stream.write_all(&hints).await?;
            }
        })
        .await;
        let (silent, head, hints, body) = (
            Server::silent().await,
            dripping(b"HTTP/1.1 202 Accepted\r\nx: ", b"x").await,
            dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n").await,
            dripping(
                b"HTTP/1.1 202 Accepted\r\ncontent-length: 99999\r\n\r\n",
                b"x",
            )
            .await,
        );
        let told: [String; 5] = tokio::join!(
            overdue(&silent),
            overdue(&head),
            overdue(&hints),
            overdue(&endless),
            overdue(&body),
        )
        .into();
        insta::assert_snapshot!(told.join("\n"), @r"
        HTTP response timeout | no answer from http://SERVER within the deadline
        HTTP response timeout | no answer from http://SERVER within the deadline
        HTTP response timeout | no answer from http://SERVER within the deadline
        HTTP response timeout | no answer from http://SERVER within the deadline
        connection read timeout | no complete answer from http://SERVER within the deadline
        ");
    }

    #[tokio::test]
    async fn the_guest_can_shorten_but_not_lengthen_the_wait() {
        let server = Server::silent().await;
        for (wanted, limit, expected) in [
            (
                SHORT,
                AMPLE,
                "no answer from http://SERVER within the 1s that the sender allows",
            ),
            (
                Duration::ZERO,
                AMPLE,
                "no answer from http://SERVER within the 1ms that the sender allows",
            ),
            (
                Duration::MAX,
                SHORT,
                "no answer from http://SERVER within the deadline",
            ),
        ] {
            let network = Network::live(Environment::default());
            let mut egress = way_out_by(&server.url(), network, limit);
            let options = RequestOptions {
                connect_timeout: Some(AMPLE),
                first_byte_timeout: Some(wanted),
                between_bytes_timeout: Some(wanted),
            };
            let error = send_with(&mut egress, request("POST", &server.url()), options).await;
            assert!(matches!(error, Err(Wasi::HttpResponseTimeout)));
            assert_eq!(failure(&egress, &server), expected);
        }
    }

    #[tokio::test]
    async fn the_guest_can_limit_the_wait_between_two_parts_of_an_answer() {
        let server =
            Server::answering("HTTP/1.1 202 Accepted\r\ncontent-length: 9\r\n\r\nbegun").await;
        for (wanted, limit, expected) in [
            (
                SHORT,
                AMPLE,
                "no complete answer from http://SERVER within the 1s that the sender allows",
            ),
            (
                Duration::ZERO,
                AMPLE,
                "no complete answer from http://SERVER within the 1ms that the sender allows",
            ),
            (
                Duration::MAX,
                SHORT,
                "no complete answer from http://SERVER within the deadline",
            ),
        ] {
            let network = Network::live(Environment::default());
            let mut egress = way_out_by(&server.url(), network, limit);
            let options = RequestOptions {
                between_bytes_timeout: Some(wanted),
                ..RequestOptions::default()
            };
            let asked = request("POST", &server.url());
            let answer = send_with(&mut egress, asked, options).await.unwrap();
            assert!(matches!(
                read(answer).await,
                Err(Wasi::ConnectionReadTimeout)
            ));
            assert_eq!(failure(&egress, &server), expected);
        }
    }

    #[tokio::test]
    async fn what_a_request_waits_for_can_be_read_while_it_waits() {
        let (taken, request_taken) = tokio::sync::oneshot::channel();
        let taken = Arc::new(std::sync::Mutex::new(Some(taken)));
        let server = Server::new(move |mut stream| {
            let taken = Arc::clone(&taken);
            async move {
                take_request(&mut stream).await?;
                taken.lock().unwrap().take().unwrap().send(()).unwrap();
                std::future::pending().await
            }
        })
        .await;
        let mut egress = way_out(&server.url());
        let asked = request("POST", &server.url());
        let answer = egress.send_request(asked, None, Box::new(async { Ok(()) }));
        let answer = tokio::spawn(Box::into_pin(answer));
        request_taken.await.unwrap();
        assert_eq!(
            egress.report().phase,
            Some(format!(
                "waiting for the answer of http://{}",
                server.address
            ))
        );
        answer.abort();
        assert!(answer.await.is_err());
        assert_eq!(egress.report().phase, None);
    }

    #[tokio::test]
    async fn a_name_that_does_not_resolve_in_time_is_told() {
        let silent = Resolver::new(|_| Box::pin(std::future::pending()));
        let network = Network::Live(Environment::default(), silent);
        let mut egress = way_out_by("http://telemetry.example", network, SHORT);
        let error = post(&mut egress, "http://telemetry.example")
            .await
            .unwrap_err();
        assert!(matches!(error, Wasi::DnsTimeout));
        assert_eq!(
            egress.report().failure.unwrap().to_string(),
            "no address for telemetry.example within the deadline"
        );
    }

    #[tokio::test]
    async fn a_tls_handshake_that_hangs_is_told() {
        let server = Server::new(|stream| async move {
            let _held = stream;
            std::future::pending().await
        })
        .await;
        let url = format!("https://{}", server.address);
        let network = Network::live(Environment::default());
        let mut egress = way_out_by(&url, network, Duration::from_secs(1));
        let error = post(&mut egress, &url).await.unwrap_err();
        assert!(matches!(error, Wasi::ConnectionTimeout), "{error}");
        assert_eq!(
            failure(&egress, &server),
            "no TLS handshake with SERVER within the deadline"
        );
    }
}

mod proxies {
    use super::*;

    /// A way to `url` through the proxy at `value`.
    fn way_through(value: &str, url: &str, limit: Duration) -> Egress {
        let variables = [("http_proxy", value), ("https_proxy", value)];
        let nobody = Resolver::new(|name| panic!("asked for {name}, which the proxy resolves"));
        way_out_by(url, Network::Live(environment(&variables), nobody), limit)
    }

    /// A proxy that answers everything with `answer`, and hands on what it is asked.
    async fn proxy(answer: &'static str) -> (Server, tokio::sync::mpsc::UnboundedReceiver<String>) {
        let (arrived, heads) = tokio::sync::mpsc::unbounded_channel();
        let server = Server::new(move |mut stream| {
            let arrived = arrived.clone();
            async move {
                loop {
                    arrived.send(take_request(&mut stream).await?).unwrap();
                    stream.write_all(answer.as_bytes()).await?;
                }
            }
        })
        .await;
        (server, heads)
    }

    #[tokio::test]
    async fn a_proxy_gets_the_whole_url_and_its_credentials() {
        let (proxy, mut heads) = proxy(ACCEPTED).await;
        let value = format!("http://me:secret@{}", proxy.address);
        let mut egress = way_through(&value, "http://telemetry.example", AMPLE);
        for _ in 0..2 {
            let answer = post(&mut egress, "http://telemetry.example/ingest?a")
                .await
                .unwrap();
            read(answer).await.unwrap();
        }
        assert_eq!(proxy.accepted(), 1);
        heads.recv().await.unwrap();
        insta::assert_snapshot!(heads.recv().await.unwrap().replace('\r', ""), @r"
        POST http://telemetry.example/ingest?a HTTP/1.1
        host: telemetry.example
        proxy-authorization: Basic bWU6c2VjcmV0
        content-length: 2

        {}
        ");
        let debug = format!("{egress:?}");
        assert!(
            !debug.contains("secret") && !debug.contains("bWU6c2VjcmV0"),
            "{debug}"
        );
    }

    /// Treats a proxy's connection: connects it to `to`, whatever is asked for.
    async fn splice<T: AsyncRead + AsyncWrite + Unpin>(
        mut stream: T,
        to: SocketAddr,
    ) -> io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        if !head.starts_with(b"CONNECT telemetry.example:443 HTTP/1.1\r\n") {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut far = TcpStream::connect(to).await?;
        stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await?;
        tokio::io::copy_bidirectional(&mut stream, &mut far).await?;
        Ok(())
    }

    #[tokio::test]
    async fn https_is_tunnelled_through_a_proxy_that_speaks_http_or_https() {
        let authority = Authority::new("ours");
        let file = authority.file();
        let path = file.path().to_string_lossy().into_owned();
        let accept = |host: &str| TlsAcceptor::from(Arc::new(authority.server(host, |_| {})));
        let (as_endpoint, as_proxy) = (accept("telemetry.example"), accept("127.0.0.1"));
        let endpoint = Server::new(move |stream| {
            let as_endpoint = as_endpoint.clone();
            async move {
                let mut stream = as_endpoint.accept(stream).await?;
                loop {
                    take_request(&mut stream).await?;
                    stream.write_all(ACCEPTED.as_bytes()).await?;
                }
            }
        })
        .await;
        let to = endpoint.address;
        let plain = Server::new(move |stream| splice(stream, to)).await;
        let secure = Server::new(move |stream| {
            let as_proxy = as_proxy.clone();
            async move { splice(as_proxy.accept(stream).await?, to).await }
        })
        .await;
        for proxy in [plain.url(), format!("https://{}", secure.address)] {
            let variables = [("https_proxy", proxy.as_str()), ("SSL_CERT_FILE", &path)];
            let nobody = Resolver::new(|name| panic!("asked for {name}"));
            let network = Network::Live(environment(&variables), nobody);
            let mut egress = way_out_by("https://telemetry.example", network, AMPLE);
            for _ in 0..2 {
                let answer = post(&mut egress, "https://telemetry.example")
                    .await
                    .unwrap();
                assert_eq!(read(answer).await.unwrap(), "ok");
            }
        }
        assert_eq!((plain.accepted(), secure.accepted()), (1, 1));
    }

    #[tokio::test]
    async fn a_proxy_that_does_not_connect_is_told_apart_by_what_it_says() {
        let mut told = Vec::new();
        for answer in [
            "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/\r\ncontent-length: 0\r\n\r\n",
            "nonsense\r\n\r\n",
        ] {
            let (proxy, mut heads) = proxy(answer).await;
            let value = format!("http://me:secret@{}", proxy.address);
            let mut egress = way_through(&value, "https://telemetry.example", AMPLE);
            let code = post(&mut egress, "https://telemetry.example")
                .await
                .unwrap_err();
            told.push(format!("{code} | {}", failure(&egress, &proxy)));
            let asked = heads.recv().await.unwrap().replace('\r', "");
            insta::allow_duplicates! {
                insta::assert_snapshot!(asked, @r"
                CONNECT telemetry.example:443 HTTP/1.1
                host: telemetry.example:443
                proxy-authorization: Basic bWU6c2VjcmV0
                ");
            }
        }
        insta::assert_snapshot!(told.join("\n"), @r"
            destination unavailable | the proxy http://SERVER (https_proxy) refused to connect to telemetry.example:443: it answered 407 Proxy Authentication Required
            destination unavailable | the proxy http://SERVER (https_proxy) refused to connect to telemetry.example:443: it answered 502 Bad Gateway
            destination unavailable | the proxy http://SERVER (https_proxy) refused to connect to telemetry.example:443: it answered 302 Found
            destination unavailable | the proxy http://SERVER (https_proxy) did not connect to telemetry.example:443: invalid HTTP version parsed
            ");
    }

    #[tokio::test]
    async fn a_proxy_that_says_nothing_is_told() {
        let proxy = Server::silent().await;
        let mut egress = way_through(
            &proxy.url(),
            "https://telemetry.example",
            Duration::from_secs(1),
        );
        let code = post(&mut egress, "https://telemetry.example")
            .await
            .unwrap_err();
        assert!(matches!(code, Wasi::ConnectionTimeout), "{code}");
        assert_eq!(
            failure(&egress, &proxy),
            "no connection to telemetry.example:443 through the proxy http://SERVER (https_proxy) within the deadline"
        );
    }

    #[tokio::test]
    async fn where_the_proxy_cannot_be_used_nothing_goes_directly() {
        let server = Server::answering(ACCEPTED).await;
        for value in ["socks5://127.0.0.1:1", "http://127.0.0.1:1", "nonsense:"] {
            let mut egress = way_through(value, &server.url(), AMPLE);
            post(&mut egress, &server.url()).await.unwrap_err();
            assert!(egress.report().failure.is_some());
        }
        assert_eq!(server.accepted(), 0);
    }

    #[tokio::test]
    async fn a_proxy_is_not_asked_for_a_forbidden_address() {
        let (proxy, _heads) = proxy(ACCEPTED).await;
        for url in ["http://169.254.169.254", "http://[fd00:ec2::254]"] {
            let mut egress = way_through(&proxy.url(), url, AMPLE);
            let code = post(&mut egress, url).await.unwrap_err();
            assert!(matches!(code, Wasi::DestinationIpProhibited));
        }
        assert_eq!(proxy.accepted(), 0);
    }
}

mod secrets {
    use super::*;

    fn header(url: &str, name: &'static str, value: &str, shown: &str) -> HostHeader {
        let value = HeaderValue::from_str(value).unwrap();
        let scope = UrlScope::parse(url).unwrap();
        let name = HeaderName::from_static(name);
        HostHeader::new(scope, name, value, shown.to_owned()).unwrap()
    }

    fn way_with(endpoint: &str, network: Network, headers: Vec<HostHeader>) -> Egress {
        let endpoint = Endpoint::parse(endpoint).unwrap();
        let limits = EgressLimits::default();
        let mut egress = Egress::new(&endpoint, network, Reach::default(), limits, headers);
        egress.begin_batch(Deadline::after(AMPLE));
        egress
    }

    fn way_with_secrets(endpoint: &str, network: Network) -> Egress {
        let headers = vec![
            header(
                endpoint,
                "authorization",
                "Bearer s3cret",
                "Bearer ${API_KEY}",
            ),
            header(endpoint, "x-team", "t34m", "${TEAM}"),
        ];
        way_with(endpoint, network, headers)
    }

    #[tokio::test]
    async fn a_header_is_for_its_url_and_what_is_below_it_and_the_longest_path_wins() {
        let headers = vec![
            header("http://h.example", "x-key", "of the origin", "origin"),
            header("http://h.example/a/b", "x-key", "of a/b", "a/b"),
            header("http://h.example/a/", "x-key", "of a", "a"),
            header("http://h.example/c", "x-other", "of c", "c"),
            header("https://h.example", "x-other", "of https", "https"),
            header("http://h.example:81", "x-other", "of 81", "81"),
        ];
        let mut egress = way_with("http://h.example", Network::DryRun, headers);
        for (path, expected) in [
            ("", "x-key: origin"),
            ("/ab", "x-key: origin"),
            ("/a", "x-key: a"),
            ("/a/b", "x-key: a/b"),
            ("/a/b/c?d", "x-key: a/b"),
            ("/a/b/../c", "x-key: origin"),
            ("/c/d", "x-other: c, x-key: origin"),
            ("/c/%2e%2e/d", "x-key: origin"),
        ] {
            let url = format!("http://h.example{path}");
            send(&mut egress, request("POST", &url)).await.unwrap();
            let sent = egress.take_dry_run_requests().remove(0);
            let own = sent
                .headers
                .iter()
                .filter(|(name, _)| name.starts_with("x-"));
            let own: Vec<_> = own
                .map(|(name, value)| format!("{name}: {value}"))
                .collect();
            assert_eq!(own.join(", "), expected, "{path}");
        }
    }

    fn guessing_request(uri: &str) -> Request<WasiBody> {
        let mut asked = request("POST", uri);
        let fields = asked.headers_mut();
        fields.append("authorization", HeaderValue::from_static("guest"));
        fields.append("authorization", HeaderValue::from_static("guest again"));
        fields.append("content-type", HeaderValue::from_static("application/json"));
        asked
    }

    #[tokio::test]
    async fn the_users_headers_replace_the_guests() {
        let (arrived, mut heads) = tokio::sync::mpsc::unbounded_channel();
        let server = Server::new(move |mut stream| {
            let arrived = arrived.clone();
            async move {
                arrived.send(take_request(&mut stream).await?).unwrap();
                stream.write_all(ACCEPTED.as_bytes()).await
            }
        })
        .await;
        let network = Network::live(Environment::default());
        let mut egress = way_with_secrets(&server.url(), network);
        send(&mut egress, guessing_request(&server.url()))
            .await
            .unwrap();
        let head = heads.recv().await.unwrap();
        insta::assert_snapshot!(
            head.replace(&server.address.to_string(), "SERVER").replace('\r', ""),
            @r"
        POST / HTTP/1.1
        host: SERVER
        content-type: application/json
        authorization: Bearer s3cret
        x-team: t34m
        content-length: 2

        {}
        "
        );
        let debug = format!("{egress:?} {:?}", egress.report());
        assert!(
            !debug.contains("s3cret") && !debug.contains("t34m"),
            "{debug}"
        );
        assert!(
            debug.contains("authorization: Bearer ${API_KEY}"),
            "{debug}"
        );
    }

    #[tokio::test]
    async fn a_dry_run_keeps_the_exact_request_but_for_secrets_and_sends_nothing() {
        let server = Server::answering(ACCEPTED).await;
        let mut egress = way_with_secrets(&server.url(), Network::DryRun);
        let url = format!("{}/ingest?a=b", server.url());
        let answer = send(&mut egress, guessing_request(&url)).await.unwrap();
        assert_eq!(answer.status(), 202);
        assert_eq!(read(answer).await.unwrap(), "");
        assert!(egress.report().saw_success);

        let requests = egress.take_dry_run_requests();
        let [request] = &requests[..] else {
            panic!("{requests:?}");
        };
        let mut shown = format!("{} {}\n", request.method, request.url);
        for (name, value) in &request.headers {
            shown += &[name, ": ", value, "\n"].concat();
        }
        shown += &String::from_utf8_lossy(&request.body);
        insta::assert_snapshot!(shown.replace(&server.address.to_string(), "SERVER"), @r"
        POST http://SERVER/ingest?a=b
        host: SERVER
        content-type: application/json
        authorization: Bearer ${API_KEY}
        x-team: ${TEAM}
        content-length: 2
        {}
        ");
        assert!(!format!("{requests:?}").contains("s3cret"));
        assert_eq!(egress.take_dry_run_requests(), []);

        let denied = post(&mut egress, "http://elsewhere.test")
            .await
            .unwrap_err();
        assert!(matches!(denied, Wasi::HttpRequestDenied));
        let mut long = super::request("POST", &url);
        *long.body_mut() = body(vec![b'x'; (8 << 20) + 1]);
        let refused = send(&mut egress, long).await.unwrap_err();
        assert!(matches!(refused, Wasi::HttpRequestBodySize(_)));
        assert_eq!(egress.take_dry_run_requests(), []);
        assert_eq!(server.accepted(), 0);
    }

    #[test]
    fn a_header_that_belongs_to_the_connection_is_no_users() {
        let refused = HostHeader::new(
            UrlScope::parse("http://h.example").unwrap(),
            http::header::TRANSFER_ENCODING,
            HeaderValue::from_static("chunked"),
            String::new(),
        );
        insta::assert_snapshot!(
            refused.unwrap_err(),
            @"the header transfer-encoding belongs to the connection and cannot be set"
        );
    }
}

mod endings {
    use super::*;

    /// Answers before the request is whole, and closes the connection over the rest of it.
    async fn refusing(
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        status: &str,
    ) -> io::Result<()> {
        let mut some = [0; 512];
        stream.read_exact(&mut some).await?;
        let answer = format!(
            "HTTP/1.1 {status}\r\nretry-after: 7\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbig"
        );
        stream.write_all(answer.as_bytes()).await?;
        stream.flush().await
    }

    async fn large_request(egress: &mut Egress, url: &str) -> (u16, Option<String>, String) {
        let mut large = request("POST", url);
        *large.body_mut() = body(vec![b'x'; 6 << 20]);
        let sent = send(egress, large).await;
        let answer = sent.unwrap_or_else(|why| panic!("{url}: {why}, {:?}", egress.report()));
        let wait = answer.headers().get("retry-after");
        let wait = wait.map(|value| value.to_str().unwrap().to_owned());
        (answer.status().as_u16(), wait, read(answer).await.unwrap())
    }

    #[tokio::test]
    async fn an_answer_that_comes_early_arrives_although_the_connection_is_reset() {
        let statuses = ["413 Too Large", "429 Too Many Requests"];
        let expected = |status: &str| {
            let code = status[..3].parse().unwrap();
            (code, Some("7".to_owned()), "big".to_owned())
        };
        for status in statuses {
            let server =
                Server::new(move |mut stream| async move { refusing(&mut stream, status).await })
                    .await;
            for _ in 0..10 {
                let mut egress = way_out(&server.url());
                let told = large_request(&mut egress, &server.url()).await;
                assert_eq!(told, expected(status));
            }
        }
        for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
            let authority = Authority::new("Test authority");
            let file = authority.file();
            let path = file.path().to_string_lossy().into_owned();
            let config = Arc::new(authority.server_of("127.0.0.1", &[version]));
            for status in statuses {
                let acceptor = TlsAcceptor::from(Arc::clone(&config));
                let server = Server::new(move |stream| {
                    let acceptor = acceptor.clone();
                    async move {
                        // Without it the answer may wait behind the tickets of TLS 1.3 for an acknowledgement, and is
                        // thrown away by the reset before it has left.
                        stream.set_nodelay(true)?;
                        let mut stream = acceptor.accept(stream).await?;
                        refusing(&mut stream, status).await
                    }
                })
                .await;
                let url = format!("https://{}", server.address);
                for _ in 0..10 {
                    let network = Network::live(environment(&[("SSL_CERT_FILE", &path)]));
                    let mut egress = way_out_by(&url, network, AMPLE);
                    let told = large_request(&mut egress, &url).await;
                    assert_eq!(told, expected(status), "{version:?}");
                }
            }
        }
    }

    #[tokio::test]
    async fn a_kept_connection_that_ends_over_a_request_costs_one_fresh_one() {
        let (seen, mut requests) = tokio::sync::mpsc::unbounded_channel();
        let server = Server::new(move |mut stream| {
            let seen = seen.clone();
            async move {
                take_request(&mut stream).await?;
                stream.write_all(ACCEPTED.as_bytes()).await?;
                // The second request on a connection is taken, and never answered.
                let again = take_request(&mut stream).await?;
                seen.send(again).unwrap();
                stream.set_zero_linger()?;
                drop(stream);
                Ok(())
            }
        })
        .await;
        let mut egress = way_out(&server.url());
        for expected in [1, 2, 3] {
            let mut asked = request("POST", &server.url());
            *asked.body_mut() = body("x".repeat(100_000));
            let answer = send(&mut egress, asked).await.unwrap();
            assert_eq!(read(answer).await.unwrap(), "ok");
            assert_eq!(server.accepted(), expected);
        }
        assert_eq!(egress.report().failure, None);
        assert_eq!(egress.report().requests, 3);
        assert!(requests.recv().await.unwrap().ends_with("xxx"));
    }

    /// Between two batches nothing runs that could see a close: what was closed then must be seen before it is used, or
    /// the endpoint gets the next batch twice.
    #[test]
    fn a_close_that_came_between_two_requests_is_seen_before_the_second_is_sent() {
        let runtime = || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.enable_all().build().unwrap()
        };
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        listener.set_nonblocking(true).unwrap();
        let (idle, is_idle) = std::sync::mpsc::channel();
        let (closed, was_closed) = std::sync::mpsc::channel();
        let server = std::thread::spawn(move || {
            runtime().block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                let mut rest = Vec::new();
                for _ in 0..2 {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    take_request(&mut stream).await.unwrap();
                    stream.write_all(ACCEPTED.as_bytes()).await.unwrap();
                    is_idle.recv().unwrap();
                    stream.shutdown().await.unwrap();
                    closed.send(()).unwrap();
                    stream.read_to_end(&mut rest).await.ok();
                }
                rest
            })
        });
        let client = runtime();
        let mut egress = client.block_on(async { way_out(&url) });
        for _ in 0..2 {
            client.block_on(async {
                let answer = post(&mut egress, &url).await.unwrap();
                assert_eq!(read(answer).await.unwrap(), "ok");
            });
            idle.send(()).unwrap();
            was_closed.recv_timeout(AMPLE).unwrap();
        }
        drop((egress, client));
        let sent_in_vain = server.join().unwrap();
        assert_eq!(String::from_utf8_lossy(&sent_in_vain), "");
    }

    #[tokio::test]
    async fn a_fresh_connection_that_ends_over_a_request_is_not_tried_again() {
        let server = Server::new(|mut stream| async move {
            take_request(&mut stream).await?;
            Ok(())
        })
        .await;
        let mut egress = way_out(&server.url());
        assert!(post(&mut egress, &server.url()).await.is_err());
        assert_eq!(server.accepted(), 1);
    }

    #[tokio::test]
    async fn tls_that_is_just_closed_ends_an_answer_that_ends_with_its_connection() {
        let authority = Authority::new("Test authority");
        let file = authority.file();
        let acceptor = TlsAcceptor::from(Arc::new(authority.server("127.0.0.1", |_| {})));
        let server = Server::new(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let mut stream = acceptor.accept(stream).await?;
                take_request(&mut stream).await?;
                stream
                    .write_all(b"HTTP/1.1 202 Accepted\r\n\r\nall of it")
                    .await?;
                stream.flush().await?;
                // Without a close_notify.
                stream.get_mut().0.shutdown().await
            }
        })
        .await;
        let url = format!("https://{}", server.address);
        let path = file.path().to_string_lossy().into_owned();
        let network = Network::live(environment(&[("SSL_CERT_FILE", &path)]));
        let mut egress = way_out_by(&url, network, AMPLE);
        let answer = post(&mut egress, &url).await.unwrap();
        assert_eq!(read(answer).await.unwrap(), "all of it");
    }

    #[tokio::test]
    async fn what_a_guest_leaves_of_an_answer_is_read_and_the_connection_is_kept() {
        let long = "y".repeat(30_000);
        let answer = format!(
            "HTTP/1.1 202 Accepted\r\ncontent-length: {}\r\n\r\n{long}",
            long.len()
        );
        let server = Server::answering(answer).await;
        let mut egress = way_out(&server.url());
        for _ in 0..3 {
            drop(post(&mut egress, &server.url()).await.unwrap());
            egress.read_out(AMPLE).await;
        }
        assert_eq!(server.accepted(), 1);
    }

    #[tokio::test]
    async fn what_answers_in_another_protocol_is_named() {
        let mut told = Vec::new();
        for answer in [
            &b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64"[..],
            b"\x15\x03\x01\0\x02\x02\x46",
            b"SSH-2.0-OpenSSH_9.2\r\n",
        ] {
            let server = Server::new(move |mut stream| async move {
                take_request(&mut stream).await?;
                stream.write_all(answer).await
            })
            .await;
            let mut egress = way_out(&server.url());
            assert!(post(&mut egress, &server.url()).await.is_err());
            told.push(failure(&egress, &server));
        }
        insta::assert_snapshot!(told.join("\n"), @r"
            the answer from http://SERVER is not HTTP: it looks like HTTP/2 (a gRPC port?)
            the answer from http://SERVER is not HTTP: it speaks TLS: this is plain http to an https port
            the answer from http://SERVER is not HTTP: invalid HTTP version parsed
            ");
    }

    #[tokio::test]
    async fn a_redirect_and_a_path_that_is_not_there_are_named() {
        let mut told = Vec::new();
        for head in [
            "302 Found\r\nlocation: https://other.example/x?y",
            "404 Not Found",
        ] {
            let server =
                Server::answering(format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\n\r\n")).await;
            let mut egress = way_out(&server.url());
            post(&mut egress, &format!("{}/team/ingest?a", server.url()))
                .await
                .unwrap();
            told.push(egress.report().remark.unwrap());
        }
        insta::assert_snapshot!(told.join("\n"), @r"
            it redirects to https://other.example/x?y, and redirects are not followed
            there is no endpoint at /team/ingest
            ");
    }

    #[tokio::test]
    async fn a_failure_behind_a_proxy_names_it_and_its_variable() {
        let dead = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap()
        };
        let value = format!("http://me:s3cret@{dead}");
        let network = Network::live(environment(&[("http_proxy", &value)]));
        let mut egress = way_out_by("http://telemetry.example", network, AMPLE);
        assert!(
            post(&mut egress, "http://telemetry.example/")
                .await
                .is_err()
        );
        let told = egress
            .report()
            .failure
            .unwrap()
            .to_string()
            .replace(&dead.to_string(), "PROXY");
        insta::assert_snapshot!(told, @"connection refused by PROXY, through the proxy http://PROXY (http_proxy)");
    }
}
