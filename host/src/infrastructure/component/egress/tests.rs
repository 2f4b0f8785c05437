//! The way out, by its public face, against scripted servers on the loopback.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wasmtime_wasi_http::{Error as Wasi, RequestOptions, WasiBody, WasiHttpHooks};

use super::{Egress, EgressLimits, Environment, HostHeader, Network, Resolver};
use crate::domain::{Deadline, Endpoint};

/// Longer than any test takes.
const AMPLE: Duration = Duration::from_mins(1);
/// For what must be seen to run out.
const SHORT: Duration = Duration::from_millis(150);

fn way_out(endpoint: &str) -> Egress {
    way_out_by(endpoint, Network::live(Environment::default()), AMPLE)
}

fn way_out_by(endpoint: &str, network: Network, limit: Duration) -> Egress {
    let endpoint = Endpoint::parse(endpoint).unwrap();
    let mut egress = Egress::new(&endpoint, network, EgressLimits::default(), Vec::new());
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
async fn take_request(stream: &mut TcpStream) -> io::Result<String> {
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
    let text = egress.report().failure.unwrap_or_default();
    text.replace(&server.address.to_string(), "SERVER")
}

const ACCEPTED: &str = "HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\nok";

mod exchanges {
    use super::*;

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
        let server = Server::new(|mut stream| async move {
            take_request(&mut stream).await?;
            stream.write_all(ACCEPTED.as_bytes()).await
        })
        .await;
        let mut egress = way_out(&server.url());
        for round in 1..=5 {
            let answer = post(&mut egress, &server.url()).await.unwrap();
            read(answer).await.unwrap();
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
        let mut egress = Egress::new(&endpoint, network, EgressLimits::default(), Vec::new());
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
