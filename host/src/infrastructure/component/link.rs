//! Linking: what the host offers to a component, and what it wants of it.

use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker};

use super::contract::{INTERFACE, SenderPre, VERSION, reason};
use super::sandbox::Guest;

/// Links `component` to WASI 0.2 as the sandbox grants it, and finds its sender.
///
/// # Errors
///
/// Names what is missing on either side.
pub(super) fn link(engine: &Engine, component: &Component) -> Result<SenderPre<Guest>, String> {
    check_export(engine, component)?;
    let linker = linker(engine).map_err(|error| error.to_string())?;
    let pre = linker
        .instantiate_pre(component)
        .map_err(|error| reason(&format!("{error:#}")))?;
    SenderPre::new(pre).map_err(|error| {
        reason(&format!(
            "its {INTERFACE}@{VERSION} is not the contract's: {error:#}"
        ))
    })
}

fn linker(engine: &Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    Ok(linker)
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
        if let Some(version) = name.strip_prefix(INTERFACE) {
            other = Some(reason(version.trim_start_matches('@')));
        }
    }
    Err(match other {
        Some(version) => format!(
            "it is for version {version} of the contract, and this host runs {VERSION}; build it for that version"
        ),
        None => format!("it does not export {wanted}, so it is not a telemetry sender"),
    })
}
