//! Components in text, for what no compiler would emit.

use std::fs;

use swamp::infrastructure::component::ComponentFile;

use super::{Attack, name};

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

/// A component out of parts.
pub(super) struct Sender {
    types: String,
    /// The version that it exports the contract under.
    pub(super) version: &'static str,
    /// What it imports.
    pub(super) imports: &'static str,
    /// What its core module has besides memory and `send-batch`.
    pub(super) fields: String,
    /// The body of `send-batch`.
    pub(super) body: &'static str,
}

impl Default for Sender {
    fn default() -> Self {
        Self {
            types: TYPES.to_owned(),
            version: "@0.1.0",
            imports: "",
            fields: String::new(),
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
        let with: String = names
            .iter()
            .map(|(id, name)| format!("(with \"{name}\" (type ${id}))\n"))
            .collect();
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
    (func (export \"realloc\") (param i32 i32 i32 i32) (result i32)
      (global.set $next (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      global.get $next
      (global.set $next (i32.add (global.get $next) (local.get 3))))
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
        file(self.text().as_bytes())
    }
}

/// A component's file with this content.
pub(super) fn file(content: &[u8]) -> ComponentFile {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hostile.wat");
    fs::write(&path, content).unwrap();
    ComponentFile::read(&path, "hostile.wat").unwrap()
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
