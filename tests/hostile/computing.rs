//! Computing, memory, waiting, output and answers.

use swamp::domain::{SendError, SenderFailure, SenderFailureKind};

use super::{Attack, batch, end_with_little_memory, hostile, hostile_path, name};
use crate::support::AMPLE;

#[test]
fn whatever_never_ends_is_out_of_time() {
    const COMPUTING: &str = "computing";
    const WAITING: &str = "waiting, but not for the endpoint";
    for (what, doing) in [
        ("spin", COMPUTING),
        ("sleep", WAITING),
        ("print-for-ever", COMPUTING),
        ("flush-for-ever", COMPUTING),
        ("post-then-spin", COMPUTING),
    ] {
        let error = Attack::new(what).briefly().error();
        assert_eq!(
            error.to_string(),
            format!("the sender hostile.wasm ran out of time after 300 ms while {doing}"),
            "{what}"
        );
    }
}

/// Compiled Rust keeps a stack of its own in its memory, which is full before the real one is: see
/// [`wat`](super::wat) for that.
#[test]
fn recursion_ends_with_the_guests_own_stack() {
    let error = Attack::new("recurse").error();
    assert_eq!(name(&error), "trapped", "{error}");
}

#[test]
fn memory_ends_at_the_limit_however_fast_it_is_taken() {
    for what in ["grow", "grow-at-once"] {
        assert_eq!(
            Attack::new(what).said(),
            "the sender hostile.wasm ran out of memory at 32 MiB",
            "{what}"
        );
    }
}

#[test]
fn a_refusal_of_memory_is_no_crime_in_itself() {
    assert_eq!(
        Attack::new("grow-and-shrug").said(),
        "the sender failed: refused: true"
    );
}

#[test]
fn a_trap_is_named() {
    for (what, trap) in [
        ("unreachable", "wasm `unreachable` instruction executed"),
        ("panic", "wasm `unreachable` instruction executed"),
        ("exit", "it exited with code 0 instead of answering"),
        ("poll-nothing", "empty poll list"),
    ] {
        assert_eq!(
            Attack::new(what).said(),
            format!("the sender hostile.wasm trapped: {trap}")
        );
    }
}

#[test]
fn resources_of_every_kind_run_out() {
    for what in ["pollables", "fields"] {
        let error = Attack::new(what).error();
        assert_eq!(name(&error), "trapped", "{what}: {error}");
    }
}

#[test]
fn what_a_guest_hands_over_in_one_call_is_bounded() {
    for attack in [
        Attack::new("long-methods").with("bytes", 300_000),
        Attack::new("error")
            .with("kind", "other")
            .with("size", 300_000),
    ] {
        let error = attack.error();
        assert_eq!(name(&error), "trapped", "{error}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_the_host_keeps_for_a_guest_is_bounded() {
    for bytes in [250_000, 10_000_000] {
        let options = format!("{{do: long-methods, bytes: \"{bytes}\"}}");
        let kind = end_with_little_memory(&hostile_path(), &options);
        assert_eq!(kind, "trapped", "{bytes}");
    }
}

#[test]
fn a_flood_of_random_bytes_is_not_made() {
    let error = Attack::new("random").error();
    assert_eq!(name(&error), "trapped", "{error}");
}

#[test]
fn the_sandbox_is_empty() {
    assert_eq!(Attack::new("sandbox").said(), "the sender failed: found:");
}

#[test]
fn an_answer_is_shortened_and_harmless_whatever_is_in_it() {
    for kind in ["rejected", "unreachable", "invalid-configuration", "other"] {
        let error = Attack::new("error")
            .with("kind", kind)
            .with("size", 200_000)
            .error();
        assert_eq!(name(&error), kind);
        let text = error.to_string();
        assert!(text.contains(r"\u{1b}[31mred\u{202e}"), "{text}");
    }
}

#[test]
fn a_status_that_there_is_not_is_only_a_number() {
    let error = Attack::new("error")
        .with("kind", "rejected")
        .with("status", 65_535)
        .with("size", 0)
        .error();
    assert_eq!(
        error.to_string(),
        "the endpoint refused the batch with status 65535"
    );
}

#[test]
fn ok_without_a_request_is_not_believed() {
    let error = Attack::new("ok").error();
    assert!(matches!(
        error,
        SendError::Sender(SenderFailure {
            kind: SenderFailureKind::Unconfirmed,
            ..
        })
    ));
}

#[test]
fn an_interrupted_instance_is_replaced_and_its_successor_starts_afresh() {
    let mut sender = Attack::new("grow").sender(&hostile()).unwrap();
    for _ in 0..3 {
        let error = batch(&mut sender, AMPLE).unwrap_err();
        assert_eq!(name(&error), "out-of-memory");
    }
}
