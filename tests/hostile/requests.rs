//! Requests and answers: what leaves the machine, and what comes back.

use std::io::{Read as _, Write as _};
use std::mem;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use swamp::receiver::{Receiver, ReceiverOptions};

use crate::requests::{read_head, read_request};

use super::{Attack, NOWHERE, batch, endpoint, hostile, name, write_for_ever};
use crate::support::AMPLE;

fn receiver() -> Receiver {
    Receiver::start(ReceiverOptions::default()).unwrap()
}

/// An endpoint that accepts whatever it gets, and afterwards hands over all that came on its connections.
pub(super) fn witness() -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, seen) = mpsc::channel();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let (head, body) = read_request(&mut stream).unwrap_or_default();
            stream
                .write_all(
                    b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                )
                .ok();
            let body = String::from_utf8_lossy(&body).into_owned();
            if sender.send(head + &body).is_err() {
                return;
            }
        }
    });
    (format!("http://{address}"), seen)
}

#[test]
fn only_the_endpoints_origin_by_post_or_put_is_reached() {
    // Everything that is asked for is there and would answer.
    let other = receiver();
    let other = other.endpoint();
    let other = other.strip_prefix("http://").unwrap();
    let (_, other_port) = other.rsplit_once(':').unwrap();
    let named = format!("localhost:{other_port}");
    let (endpoint, seen) = witness();
    let own = endpoint.strip_prefix("http://").unwrap();
    for (key, value) in [
        ("method", "GET"),
        ("method", "HEAD"),
        ("method", "DELETE"),
        ("method", "CONNECT"),
        ("method", "OPTIONS"),
        ("method", "TRACE"),
        ("method", "PATCH"),
        ("method", "post"),
        ("scheme", "https"),
        ("scheme", "ftp"),
        ("authority", other),
        ("authority", &named),
        ("authority", "127.0.0.1"),
        ("authority", "169.254.169.254"),
        (
            "authority",
            &format!("localhost:{}", own.rsplit_once(':').unwrap().1),
        ),
        (
            "authority",
            &format!("[::1]:{}", own.rsplit_once(':').unwrap().1),
        ),
    ] {
        let error = Attack::new("post").to(&endpoint).with(key, value).error();
        assert_eq!(name(&error), "denied", "{key} {value}: {error}");
        let text = error.to_string();
        assert!(text.contains(value) || value == "127.0.0.1", "{text}");
        assert!(text.ends_with("a sender may only POST or PUT to the endpoint's origin"));
    }
    // What is not even a URL does not get as far as the sandbox.
    for (key, value) in [
        ("method", "GET / HTTP/1.1"),
        ("method", "P\\r\\nOST"),
        ("authority", &format!("{own}@{other}")),
        ("authority", "evil.test/\\r\\nhost: x"),
        ("path", "/ HTTP/1.1\\r\\nx: y\\r\\n\\r\\n"),
        ("path", "http://evil.test/"),
    ] {
        let error = Attack::new("post").to(&endpoint).with(key, value).error();
        assert!(
            ["other", "denied"].contains(&name(&error)),
            "{key} {value}: {error}"
        );
    }
    assert!(seen.try_recv().is_err());
}

#[test]
fn the_endpoints_origin_by_another_spelling_is_the_same() {
    let (endpoint, seen) = witness();
    let endpoint = endpoint.replace("127.0.0.1", "localhost");
    let port = endpoint.rsplit_once(':').unwrap().1;
    for (key, value) in [
        ("authority", format!("LocalHost:{port}")),
        ("authority", format!("localhost.:{port}")),
        ("method", "PUT".to_owned()),
        ("path", "/?a=b".to_owned()),
    ] {
        let sent = Attack::new("post").to(&endpoint).with(key, &value).result();
        assert_eq!(sent, Ok(()), "{value}");
        let request = seen.recv_timeout(AMPLE).unwrap();
        assert!(
            request.contains(&format!("host: localhost:{port}\r\n")),
            "{request}"
        );
    }
}

#[test]
fn no_header_can_be_smuggled_in() {
    for (header, value) in [
        ("x-a\\r\\nx-b", "value"),
        ("x-a", "value\\r\\nx-b: smuggled"),
        ("x-a", "value\\nx-b: smuggled"),
        ("x-a", "nul\\0"),
        ("x a", "value"),
        ("host", "evil.test"),
        ("transfer-encoding", "chunked"),
        ("connection", "keep-alive, x"),
        ("keep-alive", "1"),
        ("upgrade", "websocket"),
        ("proxy-authorization", "Basic x"),
        ("proxy-connection", "close"),
        ("te", "trailers"),
        ("trailer", "x"),
        ("expect", "100-continue"),
        ("http2-settings", "x"),
    ] {
        let said = Attack::new("post")
            .with("header-name", header)
            .with("header-value", value)
            .said();
        assert!(
            said.contains("the header was not taken"),
            "{header} {value}: {said}"
        );
    }
}

#[test]
fn fields_are_bounded() {
    let error = Attack::new("post").with("headers", 10_000).error();
    assert_eq!(name(&error), "trapped", "{error}");
}

#[test]
fn a_body_ends_at_the_limit_and_nothing_that_was_announced_larger_is_sent() {
    let receiver = receiver();
    let said = |attack: Attack| attack.to(&receiver.endpoint()).said();
    for attack in [
        Attack::new("post").with("size", 9 << 20),
        Attack::new("post").with("content-length", 9 << 20),
    ] {
        assert_eq!(said(attack), "the request is longer than 8388608 bytes");
    }
    assert!(receiver.requests().is_empty());
}

#[test]
fn a_body_of_another_length_than_announced_is_never_a_success() {
    for size in [10, 1_000_000] {
        let (endpoint, _seen) = witness();
        let error = Attack::new("post")
            .to(&endpoint)
            .with("content-length", 1_000)
            .with("size", size)
            .briefly()
            .result()
            .unwrap_err();
        assert!(
            ["unreachable", "out-of-time"].contains(&name(&error)),
            "{error}"
        );
    }
}

#[test]
fn a_trap_in_the_middle_of_a_body_leaves_the_request_unfinished() {
    let (heads, seen) = mpsc::channel();
    let endpoint = endpoint(move |mut stream| {
        let mut rest = Vec::new();
        let whole = stream.read_to_end(&mut rest).is_ok() && rest.ends_with(b"0\r\n\r\n");
        heads.send((rest.len(), whole)).ok();
    });
    let error = Attack::new("post-and-trap")
        .to(&endpoint)
        .with("size", 100_000)
        .error();
    assert_eq!(name(&error), "trapped");
    assert!(!seen.recv_timeout(AMPLE).unwrap().1);
}

#[test]
fn whatever_keeps_a_request_open_is_ended_at_the_deadline() {
    let silent = endpoint(|stream| {
        // Until the other side goes.
        let _ = (&stream).read_to_end(&mut Vec::new());
    });
    for what in ["post", "unfinished"] {
        let said = Attack::new(what).to(&silent).briefly().said();
        assert!(
            said.contains("no answer from") || said.contains("waiting for the answer"),
            "{what}: {said}"
        );
    }
}

#[test]
fn writing_without_having_asked_for_room_is_a_trap() {
    let error = Attack::new("empty-writes").to(NOWHERE).error();
    assert_eq!(name(&error), "trapped", "{error}");
}

#[test]
fn an_answer_ends_at_the_limit_or_the_deadline() {
    let endless = endpoint(|mut stream| {
        stream.write_all(b"HTTP/1.1 202 Accepted\r\n\r\n").ok();
        write_for_ever(&stream, &[b'x'; 16_384]);
    });
    let announced = endpoint(|mut stream| {
        stream
            .write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 1152921504606846976\r\n\r\n")
            .ok();
        write_for_ever(&stream, &[b'x'; 16_384]);
    });
    let head = endpoint(|mut stream| {
        stream.write_all(b"HTTP/1.1 202 Accepted\r\n").ok();
        write_for_ever(&stream, b"x-y: z\r\n");
    });
    for (endpoint, said) in [
        (
            &endless,
            format!("the answer from {endless} is longer than 1048576 bytes"),
        ),
        (
            &announced,
            format!("the answer from {announced} is longer than 1048576 bytes"),
        ),
        (
            &head,
            format!(
                "the head of the answer from {head} is longer than 16384 bytes or has too many fields"
            ),
        ),
    ] {
        assert_eq!(Attack::new("post").to(endpoint).said(), said);
    }

    let drop_by_drop = endpoint(|mut stream| {
        stream.write_all(b"HTTP/1.1 202 Accepted\r\n\r\n").ok();
        while stream.write_all(b"x").is_ok() {
            thread::sleep(std::time::Duration::from_millis(50));
        }
    });
    let said = Attack::new("post").to(&drop_by_drop).briefly().said();
    assert!(
        said.contains(&format!("while reading the answer of {drop_by_drop}"))
            || said.contains("no end of the answer"),
        "{said}"
    );
}

#[test]
fn what_is_compressed_stays_so() {
    // The head of a gzip file, whatever would follow.
    let zipped = endpoint(|mut stream| {
        stream
            .write_all(
                b"HTTP/1.1 202 Accepted\r\ncontent-encoding: gzip\r\ncontent-length: 10\r\nconnection: close\r\n\r\n\
                  \x1f\x8b\x08\0\0\0\0\0\0\x03",
            )
            .ok();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    assert_eq!(
        Attack::new("post").to(&zipped).with("magic", 1).said(),
        "the sender failed: the answer is still compressed"
    );
}

#[test]
fn a_batch_has_a_number_of_requests() {
    let receiver = receiver();
    let error = Attack::new("many").to(&receiver.endpoint()).error();
    assert_eq!(name(&error), "denied");
    assert!(
        error
            .to_string()
            .contains("(after 64 others in the same batch)"),
        "{error}"
    );
    assert!(receiver.requests().len() <= 64);
}

#[test]
fn requests_that_nobody_waits_for_are_resources_too() {
    let receiver = receiver();
    let error = Attack::new("keep-many").to(&receiver.endpoint()).error();
    assert_eq!(name(&error), "trapped", "{error}");
    assert!(receiver.requests().len() <= 64);
}

#[test]
fn timeouts_are_the_guests_only_to_shorten() {
    let silent = endpoint(|stream| {
        let _ = (&stream).read_to_end(&mut Vec::new());
    });
    let said = Attack::new("post").to(&silent).with("timeouts", 0).said();
    assert!(
        said.contains("within the 1ms that the sender allows"),
        "{said}"
    );
    let error = Attack::new("post")
        .to(&silent)
        .with("timeouts", "max")
        .briefly()
        .error();
    assert!(
        ["out-of-time", "unreachable"].contains(&name(&error)),
        "{error}"
    );
}

#[test]
fn ok_is_believed_only_after_a_2xx_that_the_host_saw_in_the_same_batch() {
    for status in [302, 400, 500] {
        let refusing = Receiver::start(ReceiverOptions {
            respond: Some(status),
            ..ReceiverOptions::default()
        })
        .unwrap();
        let error = Attack::new("post-then-ok").to(&refusing.endpoint()).error();
        assert_eq!(name(&error), "unconfirmed");
    }
    let error = Attack::new("post-then-ok").to(NOWHERE).error();
    assert_eq!(name(&error), "unconfirmed");

    // The answer to the first batch's request comes while the second is under way.
    let (go, wait) = mpsc::channel::<()>();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let slow = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut first, _) = listener.accept().unwrap();
        thread::spawn(move || {
            wait.recv().ok();
            read_head(&mut first).ok();
            first
                .write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
                .ok();
            read_head(&mut first).ok();
        });
        // The second request gets no answer.
        listener.incoming().for_each(mem::forget);
    });
    let mut sender = Attack::new("too-early")
        .to(&slow)
        .sender(&hostile())
        .unwrap();
    let first = batch(&mut sender, AMPLE).unwrap_err();
    go.send(()).unwrap();
    let second = batch(&mut sender, AMPLE).unwrap_err();
    assert_eq!(
        (name(&first), name(&second)),
        ("unconfirmed", "unconfirmed")
    );
}

#[test]
fn an_error_after_a_2xx_keeps_the_batch() {
    let (endpoint, _seen) = witness();
    let error = Attack::new("post-then-error").to(&endpoint).error();
    assert_eq!(error.to_string(), "the sender failed: no, thank you");
}

/// A stream that closes at once.
#[test]
fn an_endpoint_that_hangs_up_is_named() {
    let closing = endpoint(|stream: TcpStream| drop(stream));
    let said = Attack::new("post").to(&closing).said();
    assert!(said.starts_with(&closing), "{said}");
}
