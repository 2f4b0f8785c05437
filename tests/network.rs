//! The way out of the sandbox against a real web server and a real forward proxy, started on the loopback.
//! Where they are not installed, a line says so and nothing is tested.

// clippy takes only what is marked as a test for one, not what tests share.
#![allow(clippy::unwrap_used)]

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use swamp::domain::{Deadline, Endpoint};
use swamp::egress::{Egress, EgressLimits, Environment, Network, Reach};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use wasmtime_wasi_http::{Error, WasiBody, WasiHttpHooks};

use crate::requests::read_head;
use crate::support::not_installed;

const AMPLE: Duration = Duration::from_mins(1);

/// The program `name`. Says in words where there is none.
pub(crate) fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        // Where Debian keeps what mostly root runs.
        .chain(["/usr/sbin".into()])
        .map(|directory| directory.join(name))
        .find(|program| program.is_file());
    if found.is_none() {
        not_installed(name);
    }
    found
}

/// A program that runs until the test ends.
pub(crate) struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Daemon {
    /// Starts `command`, and waits until it listens at `address`.
    pub(crate) async fn start(command: &mut Command, address: SocketAddr) -> Self {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut daemon = Self(child);
        let limit = Instant::now() + AMPLE;
        while TcpStream::connect(address).await.is_err() {
            assert!(
                daemon.0.try_wait().unwrap().is_none(),
                "{command:?} ended at once"
            );
            assert!(Instant::now() < limit, "{command:?} listens nowhere");
            // A foreign program gives no other sign.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        daemon
    }
}

/// An address for a program that takes no port 0. Nobody else gets it: it is held until the process ends, by a socket
/// beside which one that may be reused, as those of all servers, can listen.
pub(crate) fn free_address() -> SocketAddr {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    std::mem::forget(socket);
    address
}

/// What nginx hands on to: it accepts every request, and passes the heads on.
fn upstream() -> (SocketAddr, UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (arrived, heads) = unbounded_channel();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let head = read_head(&mut stream).unwrap_or_default();
            let _ = arrived.send(head.to_lowercase());
            let answer = b"HTTP/1.1 202 Accepted\r\ncontent-length: 8\r\n\r\naccepted";
            let _ = stream.write_all(answer);
        }
    });
    (address, heads)
}

/// nginx in front of an upstream: once with TLS, once without.
struct Nginx {
    _daemon: Daemon,
    directory: tempfile::TempDir,
    https: u16,
    http: u16,
    heads: UnboundedReceiver<String>,
}

impl Nginx {
    async fn start(program: &Path) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name).display().to_string();
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(at("certificate.pem"), certified.cert.pem()).unwrap();
        fs::write(at("key.pem"), certified.signing_key.serialize_pem()).unwrap();
        let (upstream, heads) = upstream();
        let (https, http) = (free_address(), free_address());
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|what| format!("{what}_temp_path {};", at(what)))
            .concat();
        let configuration = format!(
            "daemon off; master_process off; pid {pid}; error_log {log};
            events {{}}
            http {{
                access_log off; {temporary}
                server {{
                    listen {https} ssl; listen {http};
                    ssl_certificate {certificate}; ssl_certificate_key {key};
                    client_max_body_size 1m;
                    location / {{ proxy_pass http://{upstream}; }}
                    location /moved {{ return 308 http://{upstream}/; }}
                }}
            }}",
            pid = at("pid"),
            log = at("error.log"),
            certificate = at("certificate.pem"),
            key = at("key.pem"),
        );
        fs::write(at("nginx.conf"), configuration).unwrap();
        let mut command = Command::new(program);
        command
            .args(["-p", &at(""), "-e", &at("error.log"), "-c"])
            .arg(at("nginx.conf"));
        Self {
            _daemon: Daemon::start(&mut command, http).await,
            directory,
            https: https.port(),
            http: http.port(),
            heads,
        }
    }

    fn certificate(&self) -> String {
        let path = self.directory.path().join("certificate.pem");
        path.display().to_string()
    }

    fn secure_url(&self) -> String {
        format!("https://localhost:{}", self.https)
    }

    fn plain_url(&self) -> String {
        format!("http://localhost:{}", self.http)
    }
}

/// A way out to `endpoint` with these variables and no others.
fn way_out(endpoint: &str, variables: &[(&str, &str)]) -> Egress {
    let environment = Environment::read(|name| {
        let (_, value) = variables.iter().find(|(key, _)| *key == name)?;
        Some(OsString::from(value))
    });
    let endpoint = Endpoint::parse(endpoint).unwrap();
    let network = Network::live(environment);
    let mut egress = Egress::new(
        &endpoint,
        network,
        Reach::default(),
        EgressLimits::default(),
        Vec::new(),
    );
    egress.begin_batch(Deadline::after(AMPLE));
    egress
}

async fn post(egress: &mut Egress, url: &str, length: usize) -> Result<Response<WasiBody>, Error> {
    let body = Full::new(vec![b'x'; length].into());
    let request = Request::post(url)
        .body(body.map_err(|never| match never {}).boxed_unsync())
        .unwrap();
    let answer = egress.send_request(request, None, Box::new(async { Ok(()) }));
    let (answer, _) = Box::into_pin(answer).await?;
    Ok(answer)
}

async fn read(answer: Response<WasiBody>) -> String {
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn nginx_takes_requests_with_and_without_tls() {
    let Some(program) = installed("nginx") else {
        return;
    };
    let mut nginx = Nginx::start(&program).await;
    let certificate = nginx.certificate();
    let variables = [("SSL_CERT_FILE", certificate.as_str())];
    for url in [nginx.secure_url(), nginx.plain_url()] {
        let mut egress = way_out(&url, &variables);
        for _ in 0..3 {
            let answer = post(&mut egress, &format!("{url}/ingest"), 5)
                .await
                .unwrap();
            assert_eq!(answer.status(), 202);
            assert_eq!(read(answer).await, "accepted");
            let head = nginx.heads.recv().await.unwrap();
            assert!(head.starts_with("post /ingest http/1."), "{head}");
        }
        let moved = post(&mut egress, &format!("{url}/moved"), 5).await.unwrap();
        assert_eq!(moved.status(), 308);
        let long = post(&mut egress, &format!("{url}/ingest"), 2 << 20).await;
        assert_eq!(long.unwrap().status(), 413);
        assert!(egress.report().saw_success);
        assert_eq!(egress.report().last_status, Some(413));
    }
}

#[tokio::test]
async fn a_certificate_that_only_nginx_has_is_not_trusted() {
    let Some(program) = installed("nginx") else {
        return;
    };
    let nginx = Nginx::start(&program).await;
    let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let file = nginx.directory.path().join("stranger.pem");
    fs::write(&file, stranger.cert.pem()).unwrap();
    let file = file.display().to_string();
    let url = nginx.secure_url();
    let mut egress = way_out(&url, &[("SSL_CERT_FILE", &file)]);
    let error = post(&mut egress, &url, 5).await.unwrap_err();
    assert!(matches!(error, Error::TlsCertificateError), "{error}");
    let failure = egress.report().failure.unwrap().to_string();
    assert!(
        failure.contains("is not signed by an authority that this machine trusts"),
        "{failure}"
    );
}

#[tokio::test]
async fn tinyproxy_forwards_and_tunnels_for_whom_it_knows() {
    let (Some(nginx), Some(program)) = (installed("nginx"), installed("tinyproxy")) else {
        return;
    };
    let mut nginx = Nginx::start(&nginx).await;
    let address = free_address();
    let configuration = nginx.directory.path().join("tinyproxy.conf");
    let text = format!(
        "Port {}\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\nBasicAuth me secret\n",
        address.port()
    );
    fs::write(&configuration, text).unwrap();
    let mut command = Command::new(program);
    command.arg("-d").arg("-c").arg(&configuration);
    let _tinyproxy = Daemon::start(&mut command, address).await;

    let certificate = nginx.certificate();
    let (known, unknown) = (
        format!("me:secret@{address}"),
        format!("me:guess@{address}"),
    );
    for url in [nginx.secure_url(), nginx.plain_url()] {
        let through = |proxy: &str| {
            let variables = [("all_proxy", proxy), ("SSL_CERT_FILE", &certificate)];
            way_out(&url, &variables)
        };
        let mut egress = through(&known);
        for _ in 0..2 {
            let answer = post(&mut egress, &url, 5).await.unwrap();
            assert_eq!(answer.status(), 202);
            assert_eq!(read(answer).await, "accepted");
            let head = nginx.heads.recv().await.unwrap();
            // A proxy that reads the request says so; one that tunnels it cannot.
            assert_eq!(
                head.contains("tinyproxy"),
                url == nginx.plain_url(),
                "{head}"
            );
            assert!(!head.contains("proxy-authorization"), "{head}");
        }
        let mut egress = through(&unknown);
        let outcome = post(&mut egress, &url, 5).await;
        let report = egress.report();
        assert!(!report.saw_success);
        // What is forwarded is answered by the proxy itself; a tunnel there is none.
        if let Ok(answer) = outcome {
            assert!([401, 407].contains(&answer.status().as_u16()));
        } else {
            let failure = report.failure.unwrap().to_string();
            assert!(
                failure.contains("refused to connect to localhost"),
                "{failure}"
            );
        }
    }
}
