//! What a person is told of a network that does not do as it should, and what an endpoint sees of the end.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use serde_json::Value;

use crate::requests::read_request;
use crate::support::{AMPLE, TestRepo, dead_endpoint, run};
use crate::unruly::{Plan, Unruly};

/// Runs a command in a repository that sends to `endpoint`, with these variables, and returns what is known of its flush:
/// kind and reason.
fn told(endpoint: &str, variables: &[(&str, &str)]) -> String {
    let repo = TestRepo::of_server(endpoint, "");
    let mut command = repo.command(&["version"]);
    let done = run(command.envs(variables.iter().copied()));
    assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{endpoint}");
    let status = repo.swamp(&["--no-telemetry", "--json", "telemetry", "status"]);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    let failure = &status["lastFlush"]["failure"];
    let text = |key: &str| failure[key].as_str().unwrap_or("-").to_owned();
    let hint = status["hint"].as_str();
    let hint = hint.map_or_else(String::new, |hint| format!(" (hint: {hint})"));
    format!("{}: {}{hint}", text("kind"), text("reason"))
}

#[test]
fn the_hosts_own_sentence_reaches_the_person() {
    let settings = Plan::CloseMidResponse("\0\0\u{12}\u{4}\0\0\0\0\0\0\u{3}\0\0\0d");
    let alert = Plan::CloseMidResponse("\u{15}\u{3}\u{1}\0\u{2}\u{2}F");
    let redirect = Plan::Refuse(
        "308 Permanent Redirect",
        "location: https://new.example/x\r\n".into(),
    );
    let mut lines = Vec::new();
    for (what, plan, path) in [
        ("HTTP/2", settings, ""),
        ("an https port", alert, ""),
        ("a redirect", redirect, ""),
        (
            "a wrong path",
            Plan::Refuse("404 Not Found", String::new()),
            "/team/v9",
        ),
    ] {
        let server = Unruly::always(plan);
        let endpoint = server.endpoint();
        let told = told(&format!("{endpoint}{path}"), &[]);
        lines.push(format!(
            "{what}: {}",
            told.replace(&endpoint[7..], "ADDRESS")
        ));
    }
    // What a plain server does with a handshake.
    let server = Unruly::always(Plan::CloseMidResponse("HTTP/1.1 400 Bad Request\r\n\r\n"));
    let plain = server.endpoint().replace("http://", "https://");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 5]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        }
    });
    let dead = dead_endpoint();
    let secure = format!("https://{address}");
    let proxy = format!("http://me:s3cret@{}", &dead[7..]);
    for (what, endpoint, variables) in [
        ("an http port", secure.as_str(), &[][..]),
        ("nobody", &dead, &[]),
        (
            "a dead proxy",
            "http://telemetry.example",
            &[("http_proxy", proxy.as_str())],
        ),
        (
            "a dead proxy for https",
            "https://telemetry.example",
            &[("HTTPS_PROXY", proxy.as_str())],
        ),
        (
            "a dead proxy for all",
            "http://telemetry.example",
            &[("all_proxy", proxy.as_str())],
        ),
        (
            "a SOCKS proxy",
            "http://telemetry.example",
            &[("all_proxy", "socks5://127.0.0.1:1080")],
        ),
        (
            "no certificates",
            &plain,
            &[("SSL_CERT_FILE", "/no/such/file.pem")],
        ),
        (
            "an address that is not allowed",
            "http://169.254.169.254",
            &[],
        ),
    ] {
        let told = told(endpoint, variables);
        let told = told
            .replace(&dead[7..], "DEAD")
            .replace(&address, "ADDRESS");
        assert!(!told.contains("s3cret"), "{told}");
        lines.push(format!("{what}: {told}"));
    }
    insta::assert_snapshot!(lines.join("\n"), @r"
            HTTP/2: unreachable: the answer from http://ADDRESS is not HTTP: it looks like HTTP/2 (a gRPC port?) (hint: name the port for HTTP/1.1 in the endpoint)
            an https port: unreachable: the answer from http://ADDRESS is not HTTP: it speaks TLS: this is plain http to an https port (hint: write https in the endpoint)
            a redirect: rejected: the endpoint refused the batch with status 308: it redirects to https://new.example/x, and redirects are not followed: sorry
            a wrong path: rejected: the endpoint refused the batch with status 404: there is no endpoint at /team/v9/ingest: sorry
            an http port: unreachable: the TLS handshake with ADDRESS failed: it does not speak TLS
            nobody: unreachable: connection refused by DEAD
            a dead proxy: unreachable: connection refused by DEAD, through the proxy http://DEAD (http_proxy)
            a dead proxy for https: unreachable: connection refused by DEAD, through the proxy http://DEAD (HTTPS_PROXY)
            a dead proxy for all: unreachable: connection refused by DEAD, through the proxy http://DEAD (all_proxy)
            a SOCKS proxy: unreachable: the variable all_proxy names a SOCKS proxy, and only http and https proxies are supported (hint: name an http or https proxy, or put the host in no_proxy)
            no certificates: unreachable: found no certificates through SSL_CERT_FILE and SSL_CERT_DIR: /no/such/file.pem: no such file or directory (hint: correct or unset SSL_CERT_FILE and SSL_CERT_DIR)
            an address that is not allowed: unreachable: 169.254.169.254 is a link-local address, where telemetry is never sent
            ");
}

/// Takes one request, answers with `answer`, and tells how the connection ended: with an error where it was reset.
fn endpoint_that_waits(answer: Vec<u8>) -> (String, mpsc::Receiver<io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        sender.send(serve(stream, &answer)).ok();
    });
    (endpoint, ended)
}

fn serve(mut stream: TcpStream, answer: &[u8]) -> io::Result<()> {
    read_request(&mut stream)?;
    stream.write_all(answer)?;
    io::copy(&mut stream, &mut io::sink()).map(drop)
}

#[test]
fn nothing_is_reset_after_a_202_with_a_body() {
    let sized = |length: usize| {
        let head = format!("HTTP/1.1 202 Accepted\r\ncontent-length: {length}\r\n\r\n");
        [head.into_bytes(), vec![b'x'; length]].concat()
    };
    let chunk = format!("{:x}\r\n{}\r\n", 5000, "x".repeat(5000));
    let chunked = format!(
        "HTTP/1.1 202 Accepted\r\ntransfer-encoding: chunked\r\n\r\n{}0\r\n\r\n",
        chunk.repeat(20)
    );
    for (what, answer) in [
        ("nothing", sized(0)),
        ("a word", sized(6)),
        ("more than the sender reads", sized(30_000)),
        ("more than is shown of any", sized(300_000)),
        ("chunks", chunked.into_bytes()),
    ] {
        for command in [&["version"][..], &["telemetry", "flush"]] {
            let (endpoint, ended) = endpoint_that_waits(answer.clone());
            let repo = TestRepo::of_server(&endpoint, "");
            if command == ["telemetry", "flush"] {
                let mut recorded = repo.command(&["version"]);
                run(recorded.env("SWAMP_TELEMETRY_FLUSH", "off"));
            }
            let done = repo.swamp(command);
            assert_eq!(done.code, 0, "{what}: {done:?}");
            let ended = ended.recv_timeout(AMPLE).unwrap();
            assert!(ended.is_ok(), "{what}, {command:?}: {ended:?}");
            assert_eq!(repo.entries(), [""; 0], "{what}");
        }
    }
}
