//! Linking: what the host offers to a component, and what it wants of it.

use thiserror::Error;
use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker};

use super::contract::{INTERFACE, SenderPre, VERSION, reason};
use super::sandbox::Guest;

/// The interfaces of WASI 0.2 that the host offers. What is in them is the sandbox's to grant: most are empty.
const OFFERED: [&str; 29] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:http/outgoing-handler",
    "wasi:http/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// What of that a sender imports which does nothing but post. The rest, five times as many functions, is linked only
/// for a component that wants some of it.
const USUAL: [&str; 11] = [
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:http/outgoing-handler",
    "wasi:http/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/random",
];

/// How many imports that are not offered are named.
const NAMED: usize = 5;

/// A component whose export of the right name has another type than the contract's.
#[derive(Debug, Error)]
#[error("its {INTERFACE}@{VERSION} is not the contract's")]
pub(super) struct Misfit;

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
        .all(|(name, _)| is_among(&USUAL, name))
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
        .filter(|name| !is_among(&OFFERED, name))
        .map(reason)
        .collect();
    match missing.as_slice() {
        [] => Ok(()),
        [one] => Err(format!("it imports {one}, which this host does not offer")),
        [named @ .., last] if named.len() < NAMED => Err(format!(
            "it imports {} and {last}, which this host does not offer",
            named.join(", ")
        )),
        many => Err(format!(
            "it imports {} and {} others, which this host does not offer",
            many[..NAMED].join(", "),
            many.len() - NAMED
        )),
    }
}

/// Of WASI 0.2, each version is as good as another: each later one has what the earlier ones had.
fn is_among(interfaces: &[&str], import: &str) -> bool {
    import
        .split_once("@0.2.")
        .is_some_and(|(interface, patch)| {
            interfaces.contains(&interface) && patch.parse::<u32>().is_ok()
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wasi_0_2_is_offered_in_all_its_versions_and_nothing_else() {
        for (import, offered) in [
            ("wasi:http/types@0.2.0", true),
            ("wasi:http/types@0.2.99", true),
            ("wasi:http/types@0.3.0", false),
            ("wasi:http/types@0.2.0-rc-2023-11-10", false),
            ("wasi:http/types", false),
            ("wasi:http/incoming-handler@0.2.0", false),
            ("wasi:keyvalue/store@0.2.0", false),
            ("run", false),
        ] {
            assert_eq!(is_among(&OFFERED, import), offered, "{import}");
        }
    }
}
