//! Linking: what the host offers to a component, and what it wants of it.

use thiserror::Error;
use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker};

use super::contract::{INTERFACE, SenderPre, VERSION, reason};
use super::grants::{Grant, is_usual};
use super::sandbox::Guest;

/// How many imports that are not offered are named.
const NAMED: usize = 5;

/// A component whose export of the right name has another type than the contract's.
#[derive(Debug, Error)]
#[error("its {INTERFACE}@{VERSION} is not the contract's")]
pub(super) struct TypeMismatch;

/// Links `component` to WASI 0.2 as the sandbox grants it, and finds its sender.
///
/// # Errors
///
/// Names what is missing on either side.
pub(super) fn link(engine: &Engine, component: &Component) -> Result<SenderPre<Guest>, String> {
    check_export(engine, component)?;
    check_imports(engine, component)?;
    let linker = linker(engine, component).map_err(|error| error.to_string())?;
    let pre = linker.instantiate_pre(component).map_err(|error| {
        let what = format!("{error:#}")
            .replace("component imports ", "")
            .replace(
                ", but a matching implementation was not found in the linker",
                "",
            );
        reason(&format!(
            "what it imports is not what this host offers: {what}"
        ))
    })?;
    SenderPre::new(pre).map_err(|error| {
        reason(&format!(
            "its {INTERFACE}@{VERSION} is not the contract's: {error:#}"
        ))
    })
}

fn linker(engine: &Engine, component: &Component) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    let component_type = component.component_type();
    if component_type
        .imports(engine)
        .all(|(name, _)| is_usual(name))
    {
        wasmtime_wasi::p2::add_to_linker_proxy_interfaces_async(&mut linker)?;
    } else {
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    }
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    Ok(linker)
}

fn check_imports(engine: &Engine, component: &Component) -> Result<(), String> {
    let component_type = component.component_type();
    let missing: Vec<String> = component_type
        .imports(engine)
        .map(|(name, _)| name)
        .filter(|name| !Grant::of(name).is_offered())
        .map(reason)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(not_offered(&missing))
}

/// Names the imports that are missing.
pub(super) fn not_offered(imports: &[String]) -> String {
    let named = match imports {
        [one] => one.clone(),
        [named @ .., last] if named.len() < NAMED => format!("{} and {last}", named.join(", ")),
        many => format!(
            "{} and {} others",
            many[..NAMED].join(", "),
            many.len() - NAMED
        ),
    };
    if imports.iter().all(|import| import.contains("@0.3.")) {
        return format!(
            "it imports {named} of WASI 0.3, and this host offers WASI 0.2; build it for WASI 0.2"
        );
    }
    format!("it imports {named}, which this host does not offer")
}

fn check_export(engine: &Engine, component: &Component) -> Result<(), String> {
    let wanted = format!("{INTERFACE}@{VERSION}");
    let component_type = component.component_type();
    let mut other = None;
    for (name, item) in component_type.exports(engine) {
        if !matches!(item.ty, ComponentItem::ComponentInstance(_)) {
            continue;
        }
        if name == wanted {
            return Ok(());
        }
        if let Some(version) = name
            .strip_prefix(INTERFACE)
            .and_then(|rest| rest.strip_prefix('@'))
        {
            other = Some(reason(version));
        }
    }
    Err(match other {
        Some(version) => format!(
            "it is for version {version} of the contract, and this host runs {VERSION}; build it for that version"
        ),
        None => format!("it does not export {wanted}, so it is not a telemetry sender"),
    })
}
