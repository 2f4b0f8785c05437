//! Components in text, for what no compiler would emit.

use std::fs;

use swamp::sender::ComponentFile;

use super::{Attack, name};
use crate::support::wasm;

/// The contract's types, as a component defines them for itself.
const TYPES: &str = r#"
  (type $options (list (tuple string string)))
  (type $destination' (record (field "endpoint" string) (field "user-agent" string) (field "options" $options)))
  (import "destination" (type $destination (eq $destination')))
  (type $status' (enum "success" "error" "user-error"))
  (import "invocation-status" (type $status (eq $status')))
  (type $strings (option (list string)))
  (type $entry' (record
    (field "id" string) (field "data" string)
    (field "command" (option string)) (field "subcommand" (option string))
    (field "args" $strings) (field "option-keys" $strings) (field "global-options" $strings)
    (field "status" (option $status))
    (field "error-type" (option string)) (field "error-message" (option string))
    (field "exit-code" (option s32))
    (field "started-at" (option u64)) (field "completed-at" (option u64)) (field "duration-ms" (option u64))
    (field "swamp-version" (option string)) (field "platform" (option string))))
  (import "telemetry-entry" (type $entry (eq $entry')))
  (type $rejection' (record (field "status" u16) (field "body" string)))
  (import "rejection" (type $rejection (eq $rejection')))
  (type $error' (variant
    (case "rejected" $rejection) (case "throttled" (option u32)) (case "unreachable" string)
    (case "invalid-configuration" string) (case "other" string)))
  (import "send-error" (type $error (eq $error')))
  (type $send-batch (func
    (param "destination" $destination) (param "entries" (list $entry)) (param "distinct-id" string)
    (result (result (error $error)))))
"#;

/// The parameters of `send-batch` in core WebAssembly: ten addresses and lengths. It returns the address of its
/// answer.
const SIGNATURE: &str = "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)";

/// A `realloc` that never frees.
const BUMP: &str = "
  (global.set $next (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
  global.get $next
  (global.set $next (i32.add (global.get $next) (local.get 3)))";

/// A component out of parts.
pub(super) struct Sender {
    pub(super) types: String,
    /// The version that it exports the contract under.
    pub(super) version: String,
    /// What it imports.
    pub(super) imports: &'static str,
    /// What its core module has besides memory and `send-batch`.
    pub(super) fields: String,
    /// The body of `realloc`, which makes room for the arguments.
    pub(super) realloc: String,
    /// The body of `send-batch`.
    pub(super) body: &'static str,
}

impl Default for Sender {
    fn default() -> Self {
        Self {
            types: TYPES.to_owned(),
            version: "@0.1.0".to_owned(),
            imports: "",
            fields: String::new(),
            realloc: BUMP.to_owned(),
            body: "i32.const 0",
        }
    }
}

impl Sender {
    /// The contract with `from` in its types replaced by `to`.
    pub(super) fn with_types(from: &str, to: &str) -> Self {
        assert!(TYPES.contains(from));
        Self {
            types: TYPES.replacen(from, to, 1),
            ..Self::default()
        }
    }

    pub(super) fn text(&self) -> String {
        let Self {
            types,
            version,
            imports,
            fields,
            realloc,
            body,
        } = self;
        // What a component exports must be named in it: hence the inner component, which names the types.
        let names = [
            ("destination", "destination"),
            ("status", "invocation-status"),
            ("entry", "telemetry-entry"),
            ("rejection", "rejection"),
            ("error", "send-error"),
        ];
        let with = names
            .map(|(id, name)| format!("(with \"{name}\" (type ${id}))"))
            .join("\n");
        // `(import "x" (type $x (eq $x')))` becomes `(export $x "x" (type $x'))`.
        let exports: String = types
            .replace('$', "$exported-")
            .lines()
            .map(|line| match line.trim().strip_prefix("(import ") {
                Some(import) => {
                    let mut words = import.split([' ', ')']).filter(|word| !word.is_empty());
                    let (name, id) = (words.next(), words.nth(1));
                    let (name, id) = (name.unwrap(), id.unwrap());
                    format!("(export {id} {name} (type {id}'))\n")
                }
                None => format!("{line}\n"),
            })
            .collect();
        // Outside of it they have no names to be given.
        let local_types = types
            .lines()
            .filter(|line| !line.trim().starts_with("(import "))
            .collect::<Vec<_>>()
            .join("\n")
            .replace('\'', "");
        format!(
            "(component
  {imports}
  (core module $m
    (memory (export \"memory\") 1)
    (global $next (mut i32) (i32.const 4096))
    (func (export \"realloc\") (param i32 i32 i32 i32) (result i32) {realloc})
    {fields}
    (func (export \"send-batch\") {SIGNATURE} {body}))
  (core instance $i (instantiate $m))
  {local_types}
  (func $send-batch (type $send-batch)
    (canon lift (core func $i \"send-batch\") (memory (core memory $i \"memory\"))
      (realloc (core func $i \"realloc\"))))
  (component $shim
    {types}
    (import \"send-batch\" (func $f (type $send-batch)))
    {exports}
    (export \"send-batch\" (func $f) (func (type $exported-send-batch))))
  (instance $sender (instantiate $shim
    {with}
    (with \"send-batch\" (func $send-batch))))
  (export \"swamp:telemetry/sender{version}\" (instance $sender)))"
        )
    }

    pub(super) fn file(&self) -> ComponentFile {
        file(&wasm(&self.text()))
    }
}

/// A component's file with this content.
pub(super) fn file(content: &[u8]) -> ComponentFile {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hostile.wasm");
    fs::write(&path, content).unwrap();
    ComponentFile::read(&path, "hostile.wasm").unwrap()
}

fn error(sender: &Sender) -> swamp::domain::SendError {
    Attack::new("").briefly().error_of(&sender.file())
}

#[test]
fn the_parts_make_a_sender() {
    // An answer of zeros is `ok`.
    let error = error(&Sender::default());
    assert_eq!(name(&error), "unconfirmed", "{error}");
}

fn with_fields(fields: &str, body: &'static str) -> Sender {
    Sender {
        fields: fields.to_owned(),
        body,
        ..Sender::default()
    }
}

#[test]
fn recursion_exhausts_the_guests_stack_and_not_the_hosts() {
    let sender = with_fields(
        "(func $deep (param i64) (result i64)
           (i64.add (i64.const 1) (call $deep (i64.add (local.get 0) (i64.const 1)))))",
        "(drop (call $deep (i64.const 0))) i32.const 0",
    );
    let said = error(&sender).to_string();
    assert!(said.contains("trapped: call stack exhausted"), "{said}");
}

#[test]
fn a_start_function_is_bounded_like_the_rest() {
    let sender = with_fields(
        "(func $start (loop $l (br $l))) (start $start)",
        "i32.const 0",
    );
    assert_eq!(name(&error(&sender)), "out-of-time");
}

#[test]
fn memory_and_tables_are_bounded_from_the_beginning() {
    for (fields, kind, said) in [
        // What a module has from the start on.
        ("(memory $big 1000)", "out-of-memory", "at 32 MiB"),
        ("(table 10000000 funcref)", "trapped", ""),
        (
            "(table 60000 funcref) (table 60000 funcref) (table 60000 funcref) (table 60000 funcref)",
            "trapped",
            "",
        ),
    ] {
        let error = error(&with_fields(fields, "i32.const 0"));
        assert_eq!(name(&error), kind, "{fields}: {error}");
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn tables_and_memories_grow_to_the_limit_and_no_further() {
    // Growth is refused, which the guest takes for a reason to trap.
    let tables = with_fields(
        "(table $t 1 funcref)",
        "(loop $l (br_if $l (i32.ne (i32.const -1) (table.grow $t (ref.null func) (i32.const 1000)))))
         unreachable",
    );
    let error_of_tables = error(&tables);
    assert_eq!(name(&error_of_tables), "trapped", "{error_of_tables}");
    let memory = with_fields(
        "",
        "(loop $l (br_if $l (i32.ne (i32.const -1) (memory.grow (i32.const 1))))) unreachable",
    );
    let error_of_memory = error(&memory);
    assert_eq!(name(&error_of_memory), "out-of-memory", "{error_of_memory}");
}

/// What the answer's address, its kind and its text are is the guest's to say.
#[test]
fn an_answer_that_is_none_is_a_trap() {
    for body in [
        // Nowhere, beyond the end, and not aligned.
        "i32.const -1",
        "i32.const 65535",
        "i32.const 1",
        // No kind of result, and no kind of error.
        "(i32.store8 (i32.const 0) (i32.const 7)) i32.const 0",
        "(i32.store8 (i32.const 0) (i32.const 1)) (i32.store8 (i32.const 4) (i32.const 99)) i32.const 0",
        // `other`, with a text that begins nowhere, that is longer than memory, and that is not UTF-8.
        "(i32.store8 (i32.const 0) (i32.const 1)) (i32.store8 (i32.const 4) (i32.const 4))
         (i32.store (i32.const 8) (i32.const -1)) (i32.store (i32.const 12) (i32.const 1)) i32.const 0",
        "(i32.store8 (i32.const 0) (i32.const 1)) (i32.store8 (i32.const 4) (i32.const 4))
         (i32.store (i32.const 12) (i32.const -1)) i32.const 0",
        "(i32.store8 (i32.const 0) (i32.const 1)) (i32.store8 (i32.const 4) (i32.const 4))
         (i32.store (i32.const 8) (i32.const 32)) (i32.store (i32.const 12) (i32.const 1))
         (i32.store8 (i32.const 32) (i32.const 255)) i32.const 0",
        // 20 MiB of text, which is there: more than the host copies.
        "(drop (memory.grow (i32.const 400)))
         (i32.store8 (i32.const 0) (i32.const 1)) (i32.store8 (i32.const 4) (i32.const 4))
         (i32.store (i32.const 12) (i32.const 20971520)) i32.const 0",
    ] {
        let error = error(&with_fields("", body));
        assert_eq!(name(&error), "trapped", "{body}: {error}");
    }
}

#[test]
fn memory_that_the_guest_gives_for_the_arguments_may_be_nowhere() {
    for address in ["-8", "65536", "1"] {
        let sender = Sender {
            realloc: format!("i32.const {address}"),
            ..Sender::default()
        };
        let error = error(&sender);
        assert_eq!(name(&error), "trapped", "{address}: {error}");
    }
}

#[test]
fn making_room_for_the_arguments_is_bounded_like_the_rest() {
    let sender = Sender {
        realloc: "(loop $l (br $l)) unreachable".to_owned(),
        ..Sender::default()
    };
    assert_eq!(name(&error(&sender)), "out-of-time");
}
