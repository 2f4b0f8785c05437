//! What does not fit: other worlds, other versions, other types, and imports that the host does not offer.

use swamp::domain::SendError;

use super::wat::{Sender, file};
use super::{Attack, hostile, name};
use crate::support::wasm;

fn error(text: &str) -> SendError {
    Attack::new("").briefly().error_of(&file(&wasm(text)))
}

fn reason(text: &str) -> String {
    let error = error(text);
    assert_eq!(name(&error), "not-linkable", "{error}");
    error
        .to_string()
        .replace("could not link the sender hostile.wasm: ", "")
}

fn importing(imports: &'static str) -> String {
    Sender {
        imports,
        ..Sender::default()
    }
    .text()
}

#[test]
fn another_version_of_the_contract_is_told_with_both() {
    for version in ["0.0.9", "0.1.1", "0.2.1", "0.3.1", "1.0.0", "0.1.0-rc.1"] {
        let sender = Sender {
            version: format!("@{version}"),
            ..Sender::default()
        };
        assert_eq!(
            reason(&sender.text()),
            format!(
                "it is for version {version} of the contract, and this host runs 0.1.0, 0.2.0 and 0.3.0"
            )
        );
    }
}

#[test]
fn another_world_is_told() {
    let command = r#"(component
        (core module $m (func (export "f")))
        (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i "f")))
        (instance $x (export "run" (func $f)))
        (export "wasi:cli/run@0.2.0" (instance $x)))"#;
    let unversioned = Sender {
        version: String::new(),
        ..Sender::default()
    };
    for text in ["(component)", command, &unversioned.text()] {
        assert_eq!(
            reason(text),
            "it does not export swamp:telemetry/sender@0.2.0, so it is not a telemetry sender"
        );
    }
}

#[test]
fn imports_that_the_host_does_not_offer_are_named() {
    insta::assert_snapshot!(
        [
            r#"(import "wasi:keyvalue/store@0.2.0" (instance (export "f" (func))))"#,
            r#"(import "wasi:keyvalue/store@0.2.0" (instance (export "f" (func))))
               (import "wasi:http/types@0.4.0" (instance (export "f" (func))))
               (import "wasi:cli/stdout@0.2.0" (instance))
               (import "run" (func))"#,
            r#"(import "a" (func)) (import "b" (func)) (import "c" (func)) (import "d" (func))
               (import "e" (func)) (import "f" (func)) (import "g" (func))"#,
            r#"(import "m" (core module))"#,
            r#"(import "wasi:io/poll@0.2.0" (instance (export "frobnicate" (func))))"#,
            r#"(import "wasi:random/random@0.2.3" (instance (export "get-random-u64" (func (result u32)))))"#,
        ]
        .map(|imports| reason(&importing(imports)))
        .join("\n"),
        @r#"
        it imports wasi:keyvalue/store@0.2.0, which this host does not offer
        it imports wasi:keyvalue/store@0.2.0, wasi:http/types@0.4.0 and run, which this host does not offer
        it imports a, b, c, d, e and 2 others, which this host does not offer
        it imports m, which this host does not offer
        its imports are not what this host offers: instance `wasi:io/poll@0.2.0`: instance export `frobnicate` has the wrong type: function implementation is missing
        its imports are not what this host offers: instance `wasi:random/random@0.2.3`: instance export `get-random-u64` has the wrong type: type mismatch with results: expected `u64` found `u32`
        "#
    );
}

#[test]
fn a_contract_of_the_same_name_with_other_types_is_told_by_the_item() {
    let lacks_the_function =
        r#"(component (instance $x) (export "swamp:telemetry/sender@0.1.0" (instance $x)))"#;
    let another_function = r#"(component
        (core module $m (func (export "f")))
        (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i "f")))
        (instance $x (export "send-batch" (func $f)))
        (export "swamp:telemetry/sender@0.1.0" (instance $x)))"#;
    let with_types = |from, to| Sender::with_types(from, to).text();
    insta::assert_snapshot!(
        [
            lacks_the_function,
            another_function,
            &with_types(r#"(case "other" string)"#, r#"(case "other" string) (case "novel" string)"#),
            &with_types(r#"(field "status" u16)"#, r#"(field "status" u32)"#),
            &with_types(r#"(field "platform" (option string))"#, r#"(field "system" (option string))"#),
        ]
        .map(reason)
        .join("\n"),
        @r#"
        its sender is not that of contract 0.1.0: instance export `swamp:telemetry/sender@0.1.0` does not have export `send-batch`
        its sender is not that of contract 0.1.0: type mismatch with parameters: expected 3-tuple, found 0-tuple
        its sender is not that of contract 0.1.0: type mismatch with results: expected variant of 5 cases, found 6 cases
        its sender is not that of contract 0.1.0: type mismatch with results: type mismatch for case rejected: type mismatch for field status: expected `u16` found `u32`
        its sender is not that of contract 0.1.0: type mismatch with parameters: expected record field named platform, found system
        "#
    );
}

/// What a toolchain brings along whether or not it is used. All of it is there, and empty.
#[test]
fn files_sockets_and_terminals_may_be_imported() {
    let component = hostile();
    let imports = String::from_utf8_lossy(component.bytes());
    for interface in [
        "wasi:cli/environment@0.2.",
        "wasi:cli/terminal-stdin@0.2.",
        "wasi:filesystem/preopens@0.2.",
        "wasi:sockets/tcp@0.2.",
        "wasi:sockets/udp@0.2.",
        "wasi:sockets/ip-name-lookup@0.2.",
    ] {
        assert!(imports.contains(interface), "{interface}");
    }
    assert_eq!(name(&Attack::new("ok").error_of(&component)), "unconfirmed");
}
