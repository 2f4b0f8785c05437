//! The values that a shell can complete, for the options and positions that take them.

use std::collections::BTreeSet;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use clap_complete::engine::{CompletionCandidate, PathCompleter, ValueCompleter as _};
use swamp::config::BuiltinSender;
use swamp::config::marker_file::{MarkerFile, find_repo};
use swamp::config::ownership::Owners;
use swamp::conformance::Kit;
use swamp::domain::printable;

/// What can stand for a sender: a name, or a component's file.
pub(crate) fn sender_names(current: &OsStr) -> Vec<CompletionCandidate> {
    let is_component = |path: &Path| {
        let extension = path.extension().and_then(OsStr::to_str);
        path.is_file() && extension == Some("wasm")
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
        .filter(|listed| listed.name.starts_with(current))
        .map(|listed| CompletionCandidate::new(listed.name).help(Some(listed.rule.into())))
        .collect()
}

/// The programs that `telemetryTools` of the repository here describes, and what they are recorded as.
pub(crate) fn tool_names(current: &OsStr) -> Vec<CompletionCandidate> {
    let marker = env::current_dir()
        .ok()
        .and_then(|dir| MarkerFile::new(find_repo(&dir)?, Owners::Own).read().ok());
    let (Some(marker), Some(current)) = (marker, current.to_str()) else {
        return Vec::new();
    };
    let names: BTreeSet<&str> = marker
        .telemetry_tools
        .names()
        .filter(|name| name.starts_with(current) && printable(name) == *name)
        .collect();
    names.into_iter().map(CompletionCandidate::new).collect()
}

/// The words behind `exec --`: a program, and then files.
pub(crate) fn program_words(current: &OsStr) -> Vec<CompletionCandidate> {
    let is_path = current.to_string_lossy().contains(['/', '\\']);
    if is_path || !is_first_behind_dashes() {
        return PathCompleter::any().complete(current);
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let programs: BTreeSet<OsString> = env::split_paths(&path)
        .filter_map(|dir| fs::read_dir(dir).ok())
        .flatten()
        .flatten()
        .map(|file| (file.file_name(), file.path()))
        .filter(|(name, path)| starts_with(name, current) && is_program(path))
        .map(|(name, _)| name)
        .collect();
    let directories = PathCompleter::dir().complete(current);
    let programs = programs.into_iter().map(CompletionCandidate::new);
    programs.chain(directories).collect()
}

fn starts_with(name: &OsStr, start: &OsStr) -> bool {
    name.as_encoded_bytes()
        .starts_with(start.as_encoded_bytes())
}

#[cfg(unix)]
fn is_program(path: &PathBuf) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &PathBuf) -> bool {
    let extension = path.extension().and_then(OsStr::to_str);
    extension.is_some_and(|extension| {
        ["exe", "cmd", "bat", "com"].contains(&extension.to_ascii_lowercase().as_str())
    })
}

/// Whether the word that the shell asks for is the first one behind a `--` of the command line.
fn is_first_behind_dashes() -> bool {
    // The shell's script starts this program as `swamp -- WORDS`, and says by a variable which word it is, unless it is
    // the last.
    let words: Vec<OsString> = env::args_os().skip(2).collect();
    let index = env::var("_CLAP_COMPLETE_INDEX");
    let index = index.ok().and_then(|index| index.parse().ok());
    let index: usize = index.unwrap_or_else(|| words.len().saturating_sub(1));
    let dashes = words.iter().position(|word| word == "--");
    dashes.is_some_and(|dashes| index == dashes + 1)
}
