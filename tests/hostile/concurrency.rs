//! The second door: senders of contract 0.3.0 that mean harm by tasks, streams and futures, or by requests of WASI 0.3.
//!
//! Most of them are `fixtures/async-sender/async-sender.wasm`, which does what the option `do` says. What no compiler
//! would emit is written in WAT, and happens when the component comes to life.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use swamp::domain::SendError;
use swamp::sender::ComponentFile;

use super::wat::file;
use super::{Attack, BRIEF, batch, end_with_little_memory, endpoint, name, write_for_ever};
use crate::support::{AMPLE, wasm};

fn sender() -> ComponentFile {
    ComponentFile::read(&crate::wasi_0_3::fixture(), "async.wasm").unwrap()
}

fn error(what: &str) -> SendError {
    Attack::new(what).error_of(&sender())
}

/// Reads all of a request and whatever comes after it, and never answers.
fn silent() -> String {
    endpoint(|mut stream| drop(stream.read_to_end(&mut Vec::new())))
}

/// Answers what has begun to ask.
fn answering() -> String {
    endpoint(|mut stream: TcpStream| {
        stream
            .write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .ok();
        drop(stream.read_to_end(&mut Vec::new()));
    })
}

#[test]
fn an_async_sender_that_never_ends_is_out_of_time() {
    const COMPUTING: &str = "computing";
    for (what, doing) in [
        ("spin", COMPUTING),
        ("yield", COMPUTING),
        ("poll-sets", COMPUTING),
        ("tasks-that-end", COMPUTING),
        ("streams-dropped", COMPUTING),
        ("futures-dropped", COMPUTING),
        ("print-for-ever", COMPUTING),
        ("sleep", "waiting, but not for the endpoint"),
    ] {
        let error = Attack::new(what).briefly().error_of(&sender());
        assert_eq!(
            error.to_string(),
            format!("the sender async.wasm ran out of time after 300 ms while {doing}"),
            "{what}"
        );
    }
}

#[test]
fn an_async_sender_that_waits_for_nothing_is_ended_at_once() {
    for (what, why) in [
        // The generated code notices that itself.
        ("wait", "unreachable"),
        ("wait-for-nothing", "deadlock"),
        ("never-read", "deadlock"),
    ] {
        let error = error(what);
        assert_eq!(name(&error), "trapped", "{what}: {error}");
        assert!(error.to_string().contains(why), "{what}: {error}");
    }
}

#[test]
fn tasks_streams_futures_and_waitable_sets_run_out() {
    for what in ["tasks", "streams", "futures", "sets"] {
        let error = error(what);
        assert_eq!(name(&error), "trapped", "{what}: {error}");
    }
}

#[test]
fn an_async_sender_finds_the_same_empty_world() {
    assert_eq!(error("sandbox").to_string(), "the sender failed: found:");
    assert_eq!(
        error("exit").to_string(),
        "the sender async.wasm trapped: it exited with code 0 instead of answering"
    );
}

#[test]
fn the_client_of_wasi_0_3_goes_to_the_endpoints_origin_by_post_or_put_and_nowhere_else() {
    for (what, request) in [
        ("get", "GET http://127.0.0.1:9/"),
        ("elsewhere", "POST http://127.0.0.1:10/"),
    ] {
        let error = error(what);
        assert_eq!(name(&error), "denied", "{what}: {error}");
        assert!(error.to_string().contains(request), "{what}: {error}");
    }
}

#[test]
fn whatever_keeps_a_request_of_wasi_0_3_open_is_ended_at_the_deadline() {
    let silent = silent();
    for what in ["", "never-close", "never-written-trailers"] {
        let attack = Attack::new(what).to(&silent).briefly();
        let said = attack.error_of(&sender()).to_string();
        assert!(
            said.contains("no answer from") || said.contains("waiting for the answer"),
            "{what}: {said}"
        );
    }
}

#[test]
fn a_stream_that_is_written_for_ever_ends_at_the_limit_of_a_request() {
    let error = Attack::new("write-for-ever")
        .to(&silent())
        .error_of(&sender());
    assert_eq!(
        error.to_string(),
        "the request is longer than 8388608 bytes"
    );
}

#[test]
fn an_answer_that_an_async_sender_leaves_is_read_for_it_and_no_further_than_the_limit() {
    let endless = endpoint(|mut stream| {
        stream.write_all(b"HTTP/1.1 202 Accepted\r\n\r\n").ok();
        write_for_ever(&stream, &[b'x'; 16_384]);
    });
    let attack = Attack::new("leave-the-answer").to(&endless);
    let mut sender = attack.sender(&sender()).unwrap();
    for _ in 0..3 {
        batch(&mut sender, AMPLE).unwrap();
    }
}

#[test]
fn a_request_that_is_cancelled_is_no_success_and_each_counts() {
    let silent = silent();
    let error = Attack::new("cancel").to(&silent).error_of(&sender());
    assert_eq!(name(&error), "unconfirmed", "{error}");
    let for_ever = Attack::new("cancel-for-ever").to(&silent).briefly();
    let error = for_ever.error_of(&sender());
    assert_eq!(name(&error), "out-of-time", "{error}");
}

/// What is left running goes on in the next batch, under its deadline and its limits.
#[test]
fn what_an_async_sender_leaves_running_is_bounded_by_the_next_batch() {
    let endpoint = answering();
    let batches = |what: &str, second: Duration| {
        let attack = Attack::new(what).to(&endpoint);
        let mut sender = attack.sender(&sender()).unwrap();
        let first = batch(&mut sender, AMPLE);
        assert_eq!(first, Ok(()), "{what}");
        [second, AMPLE].map(|time| batch(&mut sender, time))
    };
    for what in ["leave-sleeping", "leave-yielding"] {
        assert_eq!(batches(what, AMPLE), [Ok(()), Ok(())], "{what}");
    }
    let [second, third] = batches("leave-spinning", BRIEF);
    assert_eq!(name(&second.unwrap_err()), "out-of-time");
    // Of a fresh instance.
    assert_eq!(third, Ok(()));
    for later in batches("leave-posting", AMPLE) {
        let said = later.as_ref().map_err(name);
        assert!(
            [Ok(&()), Err("denied"), Err("trapped")].contains(&said),
            "{later:?}"
        );
    }
}

#[test]
fn what_an_async_guest_hands_over_in_one_call_is_bounded() {
    let error = error("a-long-path");
    assert_eq!(name(&error), "trapped", "{error}");
}

/// It has the host keep all that it can.
#[cfg(target_os = "linux")]
#[test]
fn what_the_host_keeps_for_an_async_guest_is_bounded() {
    for what in ["long-errors", "long-paths"] {
        let kind = end_with_little_memory(&crate::wasi_0_3::fixture(), &format!("{{do: {what}}}"));
        assert_eq!(kind, "trapped", "{what}");
    }
}

/// A component that does something when it comes to life: `parts` define `$go`, a function to call.
fn at_its_start(parts: &str) -> SendError {
    let text = format!(
        r#"(component
            {parts}
            (core module $starter (import "" "go" (func $go)) (start $go))
            (core instance (instantiate $starter (with "" (instance (export "go" (func $go))))))
            (instance $sender)
            (export "swamp:telemetry/sender@0.3.0" (instance $sender)))"#
    );
    Attack::new("").briefly().error_of(&file(&wasm(&text)))
}

/// Calls a function that never ends for ever, without waiting for it. `never` is its body, where `$new` gives a waitable
/// set and `$wait` waits for one.
fn with_tasks(never: &str) -> SendError {
    at_its_start(&format!(
        r#"
        (component $inner
            (core module $memory (memory (export "memory") 1))
            (core instance $memory (instantiate $memory))
            (core func $new (canon waitable-set.new))
            (core func $wait (canon waitable-set.wait (memory (core memory $memory "memory"))))
            (core module $m
                (import "" "new" (func $new (result i32)))
                (import "" "wait" (func $wait (param i32 i32) (result i32)))
                (func (export "never") (result i32) {never})
                (func (export "callback") (param i32 i32 i32) (result i32) unreachable))
            (core instance $i (instantiate $m (with "" (instance
                (export "new" (func $new)) (export "wait" (func $wait))))))
            (func (export "never") async
                (canon lift (core func $i "never") async (callback (core func $i "callback")))))
        (instance $inner (instantiate $inner))
        (core func $never (canon lower (func $inner "never") async))
        (core module $outer
            (import "" "never" (func $never (result i32)))
            (func (export "go") (loop $again (drop (call $never)) (br $again))))
        (core instance $outer (instantiate $outer (with "" (instance (export "never" (func $never))))))
        (alias core export $outer "go" (core func $go))"#
    ))
}

#[test]
fn a_million_tasks_between_components_run_out() {
    for never in [
        // To be called back when something happens in an empty set.
        "(i32.or (i32.const 2) (i32.shl (call $new) (i32.const 4)))",
        // To wait for that on its own stack.
        "(call $wait (call $new) (i32.const 0))",
    ] {
        let error = with_tasks(never);
        assert_eq!(name(&error), "trapped", "{never}: {error}");
    }
    // To be called back at once, for ever.
    let error = with_tasks("i32.const 1");
    assert!(
        ["trapped", "out-of-time"].contains(&name(&error)),
        "{error}"
    );
}

#[test]
fn a_component_that_is_entered_while_it_runs_is_ended() {
    let error = at_its_start(
        r#"
        (component $outer
            (core module $m
                (type $plain (func))
                (table (export "table") 1 funcref)
                (func (export "again"))
                (func (export "go") (call_indirect (type $plain) (i32.const 0))))
            (core instance $i (instantiate $m))
            (func $again (canon lift (core func $i "again")))
            (component $inner
                (import "again" (func $again))
                (core func $again' (canon lower (func $again)))
                (core module $m
                    (import "" "again" (func $again))
                    (func (export "call-again") (call $again)))
                (core instance $i (instantiate $m (with "" (instance (export "again" (func $again'))))))
                (func (export "call-again") (canon lift (core func $i "call-again"))))
            (instance $inner (instantiate $inner (with "again" (func $again))))
            (core func $call-again (canon lower (func $inner "call-again")))
            (core module $filler
                (import "" "table" (table 1 funcref))
                (import "" "call-again" (func $call-again))
                (elem (i32.const 0) func $call-again))
            (core instance (instantiate $filler (with "" (instance
                (export "table" (table $i "table")) (export "call-again" (func $call-again))))))
            (func (export "go") (canon lift (core func $i "go"))))
        (instance $outer (instantiate $outer))
        (core func $go (canon lower (func $outer "go")))"#,
    );
    assert_eq!(name(&error), "trapped", "{error}");
    assert!(error.to_string().contains("cannot enter"), "{error}");
}
