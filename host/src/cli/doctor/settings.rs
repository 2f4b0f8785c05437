//! What is set: the marker, the user's file, the environment, the switches.

use clap::ValueEnum as _;
use swamp::config::advice::{Advice, Oddity, of_marker, of_user_config};
use swamp::config::marker_file::MARKER;
use swamp::config::ownership::{Owners, find_foreign, foreign};
use swamp::config::{ConfigFileError, Marker, OffSwitch, SenderSource, user_config_file};
use swamp::domain::shown;
use swamp::flush::background::FLUSH_VARIABLE;

use super::{Check, Found};
use crate::cli::args::LogLevel;
use crate::cli::context::{Context, env_var};
use crate::cli::hint;
use crate::cli::logging;

/// The repository, where there is one with a marker that can be read.
pub(super) fn repository<'a>(context: &'a Context, checks: &mut Vec<Check>) -> Option<Found<'a>> {
    let Some(repo) = &context.repo else {
        checks.push(Check::wrong(
            "repository",
            format!("there is no {MARKER} here or in a parent directory"),
            "run `swamp init --endpoint URL`",
        ));
        return None;
    };
    match &repo.marker {
        Ok(marker) => {
            let id = marker
                .repo_id
                .as_ref()
                .map_or_else(|| "no id yet".to_owned(), |id| format!("id {id}"));
            let found = format!("{}, {id}", shown(&repo.root));
            checks.push(Check::ok("repository", found));
            Some((&repo.root, marker))
        }
        Err(ConfigFileError::Foreign(foreign)) => {
            let found = format!("{} belongs to {}", shown(&foreign.path), foreign.owner);
            let found = format!("{found}, neither to you nor to root, so that it is not used");
            checks.push(Check::wrong("ownership", found, hint::of_foreign(foreign)));
            None
        }
        Err(error) => {
            let fix = fix(error, &shown(&repo.root.join(MARKER)).to_string());
            checks.push(Check::wrong("repository", error.to_string(), fix));
            None
        }
    }
}

/// What mends the `file` that was not read.
fn fix(error: &ConfigFileError, file: &str) -> String {
    match (error, hint::of_config_file(error)) {
        (ConfigFileError::Invalid { .. }, Some(hint)) => format!("edit {file}: {hint}"),
        (ConfigFileError::Read { .. } | ConfigFileError::Foreign(_), Some(hint)) => hint,
        _ => format!("edit {file}"),
    }
}

/// Whose the repository is that is used, and its sender.
pub(super) fn ownership((root, marker): Found<'_>, context: &Context, checks: &mut Vec<Check>) {
    let is_sender = |path| (foreign(root, root.join(path)), "the sender ");
    let (stranger, what) = match (find_foreign(root), &marker.telemetry_sender) {
        (None, SenderSource::File(path)) => is_sender(path),
        (stranger, _) => (stranger, ""),
    };
    checks.push(match (stranger, context.owners()) {
        (None, _) => Check::ok("ownership", "yours or root's"),
        (Some(stranger), Owners::AllIn(_) | Owners::Any) => Check::ok(
            "ownership",
            format!(
                "{what}{} belongs to {}, and is used because you allowed it or are root",
                shown(&stranger.path),
                stranger.owner
            ),
        ),
        (Some(stranger), Owners::Own) => Check::wrong(
            "ownership",
            format!(
                "{what}{} belongs to {}, neither to you nor to root",
                shown(&stranger.path),
                stranger.owner
            ),
            "if you trust its owner, run `swamp trust`",
        ),
    });
}

/// Whether the marker names its endpoint by a key that is misspelled.
pub(super) fn keys(context: &Context, checks: &mut Vec<Check>) -> bool {
    let Some(repo) = &context.repo else {
        return false;
    };
    let file = repo.root.join(MARKER);
    let advice = of_marker(&swamp::config::read_text(&file).unwrap_or_default());
    of_advice("keys", &advice, &shown(&file).to_string(), checks);
    names_endpoint_wrongly(&advice)
}

/// Whether one of `advice` is about a misspelled `telemetryEndpoint`.
pub(super) fn names_endpoint_wrongly(advice: &[Advice]) -> bool {
    advice
        .iter()
        .any(|advice| advice.oddity == Oddity::Misspelled("telemetryEndpoint"))
}

fn of_advice(name: &'static str, advice: &[Advice], file: &str, checks: &mut Vec<Check>) {
    let mut foreign = 0;
    let before = checks.len();
    for advice in advice {
        let line = advice.line;
        let fix = match &advice.oddity {
            Oddity::Unknown => {
                foreign += 1;
                continue;
            }
            Oddity::Misspelled(known) => format!("write {known} in line {line} of {file}"),
            Oddity::Value(_) => format!("change line {line} of {file}"),
        };
        checks.push(Check::wrong(name, advice.to_string(), fix));
    }
    if checks.len() == before {
        let found = match foreign {
            0 => "all known".to_owned(),
            1 => "1 unknown to this version, left unchanged".to_owned(),
            _ => format!("{foreign} unknown to this version, left unchanged"),
        };
        checks.push(Check::ok(name, found));
    }
}

pub(super) fn user(checks: &mut Vec<Check>) {
    let Some(path) = user_config_file::config_path(env_var) else {
        checks.push(Check::wrong(
            "user config",
            "this user has no configuration directory",
            "set HOME or XDG_CONFIG_HOME",
        ));
        return;
    };
    let name = shown(&path).to_string();
    match user_config_file::read_user_config(&path) {
        Err(error) => {
            let fix = fix(&error, &name);
            checks.push(Check::wrong("user config", error.to_string(), fix));
        }
        Ok(_) if !path.exists() => {
            checks.push(Check::ok("user config", format!("no {name}")));
        }
        Ok(_) => {
            let advice = of_user_config(&swamp::config::read_text(&path).unwrap_or_default());
            of_advice("user config", &advice, &name, checks);
        }
    }
}

/// The variables that are set to something that they cannot be, and have no effect.
pub(super) fn environment(checks: &mut Vec<Check>) {
    let before = checks.len();
    let text = |name| env_var(name).map(|value| value.to_string_lossy().into_owned());
    if let Some(value) = text(FLUSH_VARIABLE)
        && !["", "background", "inline", "off"].contains(&value.as_str())
    {
        checks.push(Check::wrong(
            "environment",
            format!("{FLUSH_VARIABLE} is {value:?}, and must be background, inline or off"),
            format!("unset {FLUSH_VARIABLE}"),
        ));
    }
    if let Some(value) = text(logging::VARIABLE)
        && !value.is_empty()
        && LogLevel::from_str(&value, true).is_err()
    {
        checks.push(Check::wrong(
            "environment",
            format!(
                "{} is {value:?}, which is not a log level",
                logging::VARIABLE
            ),
            format!("unset {}", logging::VARIABLE),
        ));
    }
    if checks.len() == before {
        let found = match text(FLUSH_VARIABLE).as_deref() {
            Some("off") => format!("{FLUSH_VARIABLE}=off: commands record and do not send"),
            Some("inline") => format!("{FLUSH_VARIABLE}=inline: commands wait until it is sent"),
            _ => "nothing unusual".to_owned(),
        };
        checks.push(Check::ok("environment", found));
    }
}

/// Whether telemetry is on.
pub(super) fn switch(context: &Context, marker: &Marker, checks: &mut Vec<Check>) -> bool {
    let Some(switch) = context.off_switch(marker) else {
        checks.push(Check::ok("telemetry", "on"));
        return true;
    };
    let of_switch = match &switch {
        OffSwitch::Option => "leave --no-telemetry out".to_owned(),
        OffSwitch::Variable(name) => format!("unset {name}"),
        OffSwitch::UnreadableUser(_) => "correct your config.yaml, see above".to_owned(),
        OffSwitch::UnreadableTrust(_) => {
            "make that file writable by you alone, or remove it".to_owned()
        }
        OffSwitch::User | OffSwitch::Marker => hint::of_switch(&switch).join("; "),
    };
    let fix = match switch.cause() {
        Some(cause) => format!("{}; {of_switch}", hint::of_cause(cause)),
        None => of_switch,
    };
    checks.push(Check::wrong(
        "telemetry",
        format!("off, so that commands are neither recorded nor sent: {switch}"),
        fix,
    ));
    false
}
