//! Real servers that answer before they have read the request, and close the connection over the rest of it: what they
//! said arrives, with and without TLS.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::network::{Daemon, free_address, installed};
use crate::support::{TestRepo, run};

/// Eight entries of a mebibyte, less a little: more than what a connection takes before it is read.
fn spool_large_entries(repo: &TestRepo) {
    let today = chrono::Utc::now().date_naive();
    for n in 0..8 {
        let entry = json!({ "id": format!("large-{n}"), "padding": "x".repeat(1_000_000) });
        repo.spool_entry(
            &format!("telemetry-{today}-large-{n}.json"),
            &entry.to_string(),
        );
    }
}

/// Flushes to `endpoint`, and returns what is known of the flush then.
fn flushed(endpoint: &str, certificate: &Path) -> Value {
    let repo = TestRepo::of_server(endpoint, "");
    spool_large_entries(&repo);
    let mut flush = repo.command(&["telemetry", "flush"]);
    let flush = run(flush.env("SSL_CERT_FILE", certificate));
    assert_eq!(flush.code, 1, "{flush:?}");
    let status = repo.swamp(&["--no-telemetry", "--json", "telemetry", "status"]);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(repo.entries().len(), 8);
    status["lastFlush"].clone()
}

/// Asserts that both servers' answers of each kind arrive: `refusal` with `status`, and a 429 that says to wait.
fn assert_heard(of: &str, servers: [&str; 2], status: u16, certificate: &Path) {
    for server in servers {
        let last = flushed(server, certificate);
        let reason = last["failure"]["reason"].as_str().unwrap_or_default();
        let expected = format!("the endpoint refused the batch with status {status}");
        assert!(reason.starts_with(&expected), "{of}, {server}: {last}");
        let last = flushed(&format!("{server}/slow"), certificate);
        assert_eq!(
            last["failure"]["kind"], "throttled",
            "{of}, {server}: {last}"
        );
        assert!(last["retryAt"].is_string(), "{of}, {server}: {last}");
    }
}

/// A directory with `server.pem`, a certificate for localhost and its key.
fn certified() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (certified.cert.pem(), certified.signing_key.serialize_pem());
    fs::write(directory.path().join("server.pem"), certificate + &key).unwrap();
    directory
}

fn endpoints(http: SocketAddr, https: SocketAddr) -> [String; 2] {
    [
        format!("http://localhost:{}", http.port()),
        format!("https://localhost:{}", https.port()),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_haproxy_denies_is_heard() {
    let Some(program) = installed("haproxy") else {
        return;
    };
    let directory = certified();
    let certificate = directory.path().join("server.pem");
    let (http, https) = (free_address(), free_address());
    let configuration = format!(
        "global
    maxconn 100
defaults
    mode http
    timeout client 30s
    timeout server 30s
    timeout connect 30s
frontend all
    bind {http}
    bind {https} ssl crt {}
    http-request deny status 429 hdr Retry-After 70 if {{ path_beg /slow }}
    http-request deny deny_status 413
",
        certificate.display()
    );
    let file = directory.path().join("haproxy.cfg");
    fs::write(&file, configuration).unwrap();
    let mut command = Command::new(program);
    command.arg("-db").arg("-f").arg(&file);
    let _haproxy = Daemon::start(&mut command, http).await;
    let [plain, secure] = endpoints(http, https);
    assert_heard("haproxy", [&plain, &secure], 413, &certificate);
}

/// Answers as `http.server` does without more: in two writes, from a socket that keeps small ones back, and the
/// connection is closed over the request. Where it speaks TLS, small ones are not kept back: behind the handshake's last
/// message, the answer would be thrown away before it has left the machine.
const PYTHON: &str = r#"
import http.server, socketserver, ssl, sys, threading

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        if self.path.startswith("/slow"):
            self.send_response(429)
            self.send_header("Retry-After", "70")
            self.end_headers()
        else:
            self.send_error(413)

class AtOnce(Handler):
    disable_nagle_algorithm = True

class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

http_port, https_port, certificate = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
secure = Server(("127.0.0.1", https_port), AtOnce)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate)
secure.socket = context.wrap_socket(secure.socket, server_side=True)
threading.Thread(target=secure.serve_forever, daemon=True).start()
Server(("127.0.0.1", http_port), Handler).serve_forever()
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_pythons_http_server_refuses_is_heard() {
    let Some(program) = installed("python3") else {
        return;
    };
    let directory = certified();
    let certificate = directory.path().join("server.pem");
    let (http, https) = (free_address(), free_address());
    let mut command = Command::new(&program);
    command.args(["-c", PYTHON]);
    command.args([http.port().to_string(), https.port().to_string()]);
    command.arg(&certificate);
    let _python = Daemon::start(&mut command, http).await;
    let [plain, secure] = endpoints(http, https);
    assert_heard("python3", [&plain, &secure], 413, &certificate);

    // As it is, it knows no POST.
    let bare = free_address();
    let mut command = Command::new(&program);
    command.args(["-m", "http.server", "--bind", "127.0.0.1", "--directory"]);
    command.arg(directory.path()).arg(bare.port().to_string());
    let _bare = Daemon::start(&mut command, bare).await;
    let last = flushed(&format!("http://{bare}"), &certificate);
    let reason = last["failure"]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("with status 501"), "{last}");
}
