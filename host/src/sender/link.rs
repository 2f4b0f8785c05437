//! Linking: what the host offers to a component, and what it wants of it.

use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker};

use super::contract::{self, Contract, SenderPre, TypeMismatch, reason};
use super::grants::{Grant, is_usual};
use super::sandbox::Guest;
use super::services;

/// How many imports that are not offered are named.
const NAMED: usize = 5;

/// Links `component` to what the sandbox grants it, and finds its sender.
///
/// # Errors
///
/// Names what is missing on either side.
pub(super) fn link(engine: &Engine, component: &Component) -> Result<SenderPre, String> {
    let contract = contract(engine, component)?;
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
    contract.find(pre).map_err(|error| {
        let mismatch = TypeMismatch(contract.version());
        reason(&format!("{mismatch}: {error:#}"))
    })
}

fn linker(engine: &Engine, component: &Component) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    let component_type = component.component_type();
    let imports: Vec<_> = (component_type.imports(engine))
        .map(|(name, _)| name)
        .collect();
    // Every flush links: what the component does not want is left out.
    let wants = |offered: &[&str]| imports.iter().any(|name| offered.contains(name));
    if wants(&contract::OFFERED) {
        contract::add_to_linker(&mut linker)?;
    }
    if wants(&services::OFFERED) {
        services::add_to_linker(&mut linker)?;
    }
    if imports.iter().all(|name| is_usual(name)) {
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

fn contract(engine: &Engine, component: &Component) -> Result<Contract, String> {
    let component_type = component.component_type();
    let instances = component_type
        .exports(engine)
        .filter(|(_, item)| matches!(item.ty, ComponentItem::ComponentInstance(_)));
    Contract::of(instances.map(|(name, _)| name))
}
