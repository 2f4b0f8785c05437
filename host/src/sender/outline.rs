//! What a component's file says of itself, read without the engine: also where the engine refuses it.

use wasmparser::{Parser, Payload, Validator, WasmFeatures};

use super::contract::{self, reason};
use super::engine::EngineKind;
use super::grants::is_wasi_0_3;

/// The names that a component exports and imports, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outline {
    pub(super) exports: Vec<String>,
    pub(super) imports: Vec<String>,
}

impl Outline {
    /// Reads a component in binary, up to the first thing that is damaged.
    pub(super) fn read(component: &[u8]) -> Self {
        let mut outline = Self::default();
        // The parser descends into modules and components inside; only what is outermost is of interest.
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(component) {
            match payload {
                Ok(Payload::ModuleSection { .. } | Payload::ComponentSection { .. }) => depth += 1,
                Ok(Payload::End(_)) => depth = depth.saturating_sub(1),
                Ok(Payload::ComponentImportSection(section)) if depth == 0 => {
                    let imports = section.into_iter().map_while(Result::ok);
                    outline
                        .imports
                        .extend(imports.map(|import| reason(import.name.name)));
                }
                Ok(Payload::ComponentExportSection(section)) if depth == 0 => {
                    let exports = section.into_iter().map_while(Result::ok);
                    outline
                        .exports
                        .extend(exports.map(|export| reason(export.name.name)));
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
        outline
    }

    /// The engine that the component is for.
    pub(super) fn engine_kind(&self) -> EngineKind {
        let exports = self.exports.iter().map(String::as_str);
        if contract::needs_async(exports) || self.imports.iter().any(|name| is_wasi_0_3(name)) {
            EngineKind::Async
        } else {
            EngineKind::Sync
        }
    }
}

/// What a refused component needs that only the other engine has.
pub(super) const ASYNC: &str = "the component model's async";

/// Of what this engine has switched off, what a component needs, in words. Empty where that is not why it is refused.
pub(super) fn needs(component: &[u8], kind: EngineKind) -> Vec<&'static str> {
    let is_valid = |features| {
        Validator::new_with_features(features)
            .validate_all(component)
            .is_ok()
    };
    if !is_valid(WasmFeatures::all()) {
        return Vec::new();
    }
    let needed = SWITCHED_OFF
        .iter()
        .filter(|(_, words)| kind == EngineKind::Sync || *words != ASYNC)
        .filter(|(features, _)| !is_valid(WasmFeatures::all() - *features));
    needed.map(|(_, words)| *words).collect()
}

/// What `engine` switches off, and what wasmtime does by default.
const SWITCHED_OFF: [(WasmFeatures, &str); 12] = [
    (WasmFeatures::CM_ASYNC, ASYNC),
    (
        WasmFeatures::CM_ASYNC_STACKFUL,
        "async functions without a callback",
    ),
    (
        WasmFeatures::CM_MORE_ASYNC_BUILTINS,
        "the component model's later async built-ins",
    ),
    (WasmFeatures::CM_THREADING, "the component model's threads"),
    (
        WasmFeatures::CM_ERROR_CONTEXT,
        "the component model's error contexts",
    ),
    (WasmFeatures::EXCEPTIONS, "exceptions"),
    (WasmFeatures::GC, "garbage collection"),
    (
        WasmFeatures::FUNCTION_REFERENCES,
        "typed function references",
    ),
    (WasmFeatures::MEMORY64, "64-bit memories"),
    (
        WasmFeatures::THREADS.union(WasmFeatures::SHARED_EVERYTHING_THREADS),
        "threads",
    ),
    (WasmFeatures::STACK_SWITCHING, "stack switching"),
    (WasmFeatures::LEGACY_EXCEPTIONS, "legacy exceptions"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn component(text: &str) -> Vec<u8> {
        wat::parse_str(text).unwrap()
    }

    #[test]
    fn names_are_those_of_the_outermost_component() {
        let outline = Outline::read(&component(
            r#"(component
                (import "wasi:http/types@0.3.0" (instance))
                (component (import "inner" (func)) (export "other" (func 0)))
                (core module (import "core" "inner" (func)))
                (instance $empty)
                (export "swamp:telemetry/sender@9.0.0" (instance $empty))
            )"#,
        ));
        assert_eq!(outline.imports, ["wasi:http/types@0.3.0"]);
        assert_eq!(outline.exports, ["swamp:telemetry/sender@9.0.0"]);
    }

    #[test]
    fn a_damaged_file_tells_what_stands_before_the_damage() {
        let whole = component(r#"(component (import "a" (func)) (import "b" (func)))"#);
        for end in 0..whole.len() {
            let outline = Outline::read(&whole[..end]);
            assert!(
                ["a", "b"].starts_with(
                    &outline
                        .imports
                        .iter()
                        .map(String::as_str)
                        .collect::<Vec<_>>()
                )
            );
        }
    }

    #[test]
    fn what_a_refused_component_needs_is_named() {
        let of = |text: &str, kind| needs(&component(text), kind).join(", ");
        let needs = |text: &str| of(text, EngineKind::Sync);
        let needed = [
            needs("(component (type (stream u8)))"),
            of("(component (type (stream u8)))", EngineKind::Async),
            of("(component (type error-context))", EngineKind::Async),
            needs("(component (core module (memory i64 1)))"),
            needs("(component (core module (memory 1 1 shared)))"),
            needs("(component (core module (tag)))"),
            needs("(component (core module (type (struct))))"),
            needs("(component)"),
        ];
        insta::assert_snapshot!(needed.join("\n"), @r"
        the component model's async

        the component model's error contexts
        64-bit memories
        threads
        exceptions
        garbage collection
        ");
    }
}
