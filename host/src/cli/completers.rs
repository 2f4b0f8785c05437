//! The values that a shell can complete, for the options and positions that take them.

use std::ffi::OsStr;
use std::path::Path;

use clap_complete::engine::{CompletionCandidate, PathCompleter, ValueCompleter as _};
use swamp::config::BuiltinSender;
use swamp::conformance::Kit;

/// What can stand for a sender: a name, or a component's file.
pub(crate) fn sender_names(current: &OsStr) -> Vec<CompletionCandidate> {
    let is_component = |path: &Path| {
        let extension = path.extension().and_then(OsStr::to_str);
        path.is_file() && matches!(extension, Some("wasm" | "wat"))
    };
    BuiltinSender::ALL
        .iter()
        .map(ToString::to_string)
        .filter(|name| {
            current
                .to_str()
                .is_some_and(|current| name.starts_with(current))
        })
        .map(CompletionCandidate::new)
        .chain(PathCompleter::any().filter(is_component).complete(current))
        .collect()
}

/// The scenarios of the conformance kit.
pub(crate) fn scenario_names(current: &OsStr) -> Vec<CompletionCandidate> {
    /// What most endpoints answer; the names differ only in one status that is a refusal for others.
    const ACCEPTED: u16 = 202;
    let Some(current) = current.to_str() else {
        return Vec::new();
    };
    let known = Kit::list(ACCEPTED).into_iter();
    known
        .filter(|(name, _)| name.starts_with(current))
        .map(|(name, rule)| CompletionCandidate::new(name).help(Some(rule.into())))
        .collect()
}
