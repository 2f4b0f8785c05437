//! Linking: what the host offers to a component, and what it wants of it.

use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker};

use super::contract::{self, Contract, SenderPre, TypeMismatch, reason};
use super::engine::EngineKind;
use super::grants::{Grant, is_usual, is_wasi_0_3};
use super::sandbox::Guest;
use super::services;
use crate::domain::Reason;

/// How many imports that are not offered are named.
const NAMED: usize = 5;

/// Links `component`, which was compiled for an engine of this kind, to what the sandbox grants it, and finds its
/// sender.
///
/// # Errors
///
/// Names what is missing on either side.
pub(super) fn link(
    kind: EngineKind,
    engine: &Engine,
    component: &Component,
) -> Result<SenderPre, Reason> {
    let contract = contract(engine, component)?;
    check_imports(engine, component)?;
    let linker = linker(kind, engine, component).map_err(|error| error.to_string())?;
    let pre = linker.instantiate_pre(component).map_err(|error| {
        let what = format!("{error:#}")
            .replace("component imports ", "")
            .replace(
                ", but a matching implementation was not found in the linker",
                "",
            );
        reason(&format!(
            "its imports are not what this host offers: {what}"
        ))
    })?;
    contract.find(pre).map_err(|error| {
        let mismatch = TypeMismatch(contract.version());
        reason(&format!("{mismatch}: {error:#}")).into()
    })
}

fn linker(
    kind: EngineKind,
    engine: &Engine,
    component: &Component,
) -> wasmtime::Result<Linker<Guest>> {
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
    let (of_0_3, others): (Vec<&str>, Vec<&str>) =
        imports.iter().partition(|name| is_wasi_0_3(name));
    if kind == EngineKind::Async && !of_0_3.is_empty() {
        wasmtime_wasi::p3::add_to_linker(&mut linker)?;
        wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    }
    if others.iter().all(|name| is_usual(name)) {
        wasmtime_wasi::p2::add_to_linker_proxy_interfaces_async(&mut linker)?;
    } else {
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    }
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    Ok(linker)
}

fn check_imports(engine: &Engine, component: &Component) -> Result<(), Reason> {
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
pub(super) fn not_offered(imports: &[String]) -> Reason {
    let named = match imports {
        [one] => one.clone(),
        [named @ .., last] if named.len() < NAMED => format!("{} and {last}", named.join(", ")),
        many => format!(
            "{} and {} others",
            many[..NAMED].join(", "),
            many.len() - NAMED
        ),
    };
    format!("it imports {named}, which this host does not offer").into()
}

fn contract(engine: &Engine, component: &Component) -> Result<Contract, Reason> {
    let component_type = component.component_type();
    let instances: Vec<_> = component_type
        .exports(engine)
        .filter_map(|(name, item)| match item.ty {
            ComponentItem::ComponentInstance(instance) => Some((name, instance)),
            _ => None,
        })
        .collect();
    let contract = Contract::of(instances.iter().map(|(name, _)| *name))?;
    for (_, instance) in instances.iter().filter(|(name, _)| contract.has(name)) {
        for (function, item) in instance.exports(engine) {
            if let ComponentItem::ComponentFunc(ty) = item.ty {
                contract.check_async(function, ty.async_())?;
            }
        }
    }
    Ok(contract)
}
