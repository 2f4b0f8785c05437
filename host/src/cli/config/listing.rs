//! The settings as they take effect, and where each comes from.

use std::fs;

use serde::Serialize;
use swamp::config::advice::top_level_keys;
use swamp::config::marker_file::MARKER;
use swamp::config::{Marker, SenderSource, UserConfig, user_config_file};
use swamp::domain::ForeignText;

use crate::cli::args::{LogLevel, SETTINGS};
use crate::cli::context::{Context, EndpointSource, endpoint, env_var, user_config};
use crate::cli::error::CommandError;
use crate::cli::logging;

/// A setting. Its keys are stable.
#[derive(Serialize)]
pub(super) struct Setting {
    /// The key, as in `config get`.
    pub(super) key: &'static str,
    /// The value; for maps, whose values may be secret, the names. Missing if it is not set and has no default.
    pub(super) value: Option<ForeignText>,
    /// Where it is set: `default`, `user`, `marker`, `environment` or `option`.
    pub(super) source: &'static str,
}

/// All of them.
pub(super) fn settings(context: &Context) -> Result<Vec<Setting>, CommandError> {
    let (marker, text) = match &context.repo {
        None => (Marker::default(), String::new()),
        Some(repo) => {
            let (root, marker) = context.repo()?;
            let text = fs::read_to_string(root.join(MARKER)).unwrap_or_default();
            debug_assert_eq!(root, repo.root);
            (marker.clone(), text)
        }
    };
    let user = user_config()?;
    let user_path = user_config_file::config_path(env_var);
    let user_text = user_path
        .as_deref()
        .and_then(|path| fs::read_to_string(path).ok())
        .unwrap_or_default();
    let (of_marker, of_user) = (top_level_keys(&text), top_level_keys(&user_text));
    let in_marker = |key: &str| {
        let top = key.split('.').next().unwrap_or(key);
        if of_marker.iter().any(|known| known == top) {
            "marker"
        } else {
            "default"
        }
    };
    let in_user = |key: &str| {
        if of_user.iter().any(|known| known == key) {
            "user"
        } else {
            "default"
        }
    };
    let joined = |names: Vec<String>| (!names.is_empty()).then(|| names.join(", "));
    let setting = |key: &'static str| {
        let limits = &marker.telemetry_sender_limits;
        let (value, source) = match key {
            "swampVersion" => (marker.swamp_version.clone(), in_marker(key)),
            "initializedAt" => (marker.initialized_at.clone(), in_marker(key)),
            "upgradedAt" => (marker.upgraded_at.clone(), in_marker(key)),
            "repoId" => (
                marker.repo_id.as_ref().map(ToString::to_string),
                in_marker(key),
            ),
            "telemetryEndpoint" => of_endpoint(&marker),
            "telemetryDisabled" => of_switch(context, &marker, in_marker(key)),
            "telemetryKeepFlushed" => (
                Some(marker.telemetry_keep_flushed.to_string()),
                in_marker(key),
            ),
            "telemetryRetentionDays" => (
                Some(marker.telemetry_retention_days.to_string()),
                in_marker(key),
            ),
            "telemetrySender" => (Some(of_sender(&marker)), in_marker(key)),
            "telemetrySenderDigest" => {
                let digest = marker.telemetry_sender_digest;
                (digest.map(|digest| digest.to_string()), in_marker(key))
            }
            "telemetrySenderOptions" => {
                let options = &marker.telemetry_sender_options;
                let names = options.iter().map(|(name, _)| name.clone()).collect();
                (joined(names), in_marker(key))
            }
            "telemetrySenderLimits.memoryMiB" => {
                (Some(limits.memory_mib.to_string()), in_marker(key))
            }
            "telemetrySenderLimits.deadlineMs" => (
                Some(limits.deadline.as_millis().to_string()),
                in_marker(key),
            ),
            "telemetryTools" => {
                let is_set = in_marker(key) == "marker";
                (is_set.then(|| "see .swamp.yaml".to_owned()), in_marker(key))
            }
            "logLevel" => of_level(context, &marker),
            "allowSenders" => (Some(user.allow_senders.as_str().to_owned()), in_user(key)),
            "headers" => (joined(header_names(&user)), in_user(key)),
            _ => {
                let path = user_path
                    .as_ref()
                    .map(|path| path.to_string_lossy().into_owned());
                (path, "default")
            }
        };
        Setting {
            key,
            value: value.map(Into::into),
            source,
        }
    };
    Ok(SETTINGS.map(setting).into())
}

/// The user's headers, each with the URL that it is for. Their values may be secret.
fn header_names(user: &UserConfig) -> Vec<String> {
    let headers = user.headers.iter().flat_map(|url| {
        let names = url.headers.iter();
        names.map(|(name, _)| format!("{name} for {}", url.scope))
    });
    headers.collect()
}

fn of_endpoint(marker: &Marker) -> (Option<String>, &'static str) {
    let (url, source) = endpoint(marker);
    let value = match url {
        Ok(url) => url.to_string(),
        Err(error) => format!("not usable: {error}"),
    };
    let source = match source {
        EndpointSource::Environment => "environment",
        EndpointSource::Marker => "marker",
        EndpointSource::Default => "default",
    };
    (Some(value), source)
}

fn of_switch(
    context: &Context,
    marker: &Marker,
    in_marker: &'static str,
) -> (Option<String>, &'static str) {
    let off = context.off_switch(marker);
    let source = off.as_ref().map_or(in_marker, |off| off.kind());
    (Some(off.is_some().to_string()), source)
}

fn of_sender(marker: &Marker) -> String {
    match &marker.telemetry_sender {
        SenderSource::Builtin(sender) => sender.to_string(),
        SenderSource::File(path) => path.to_string_lossy().into_owned(),
    }
}

fn of_level(context: &Context, marker: &Marker) -> (Option<String>, &'static str) {
    let globals = &context.globals;
    let of_environment = env_var(logging::VARIABLE)
        .and_then(|level| level.into_string().ok())
        .is_some_and(|level| LogLevel::named(&level).is_some());
    let of_marker =
        (marker.log_level.as_deref()).is_some_and(|level| LogLevel::named(level).is_some());
    let source = if globals.log_level.is_some() || globals.quiet || globals.verbose {
        "option"
    } else if of_environment {
        "environment"
    } else if of_marker {
        "marker"
    } else {
        "default"
    };
    let level = match context.log_level().to_string().as_str() {
        "warn" => "warning".to_owned(),
        level => level.to_owned(),
    };
    (Some(level), source)
}
