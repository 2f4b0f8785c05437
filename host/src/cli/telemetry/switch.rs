//! `telemetry enable` and `telemetry disable`.

use serde::Serialize;
use swamp::config::marker_file::MarkerFile;
use swamp::config::user_config_file::{config_path, set_telemetry_disabled};
use swamp::config::{Edit, Scalar};
use swamp::domain::{ForeignText, TelemetryRepository as _};
use swamp::spool::FileSpool;

use super::format::entries;
use crate::cli::context::{Context, env_var};
use crate::cli::error::{CommandError, ErrorKind};

/// The answer. Its keys are stable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Switched {
    /// Whether telemetry is on now, for the repository that the command ran in, or otherwise for this user.
    enabled: bool,
    /// The file that was changed.
    file: ForeignText,
    /// How many entries of this repository are pending; missing outside of a repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<usize>,
    /// What still turns telemetry off.
    #[serde(skip_serializing_if = "Option::is_none")]
    still_off_by: Option<ForeignText>,
}

const KEY: &str = "telemetryDisabled";

/// Turns telemetry on or off: for the repository, or with `global` for this user everywhere.
pub(crate) fn run(on: bool, global: bool, context: &Context) -> Result<(), CommandError> {
    let file = if global {
        switch_user(on)?
    } else {
        switch_repo(on, context)?
    };
    // What is in force now, and no longer what was when the command began.
    let after = Context::new(context.globals.clone());
    let repo = after.repo().ok();
    let switch = repo.and_then(|(_, marker)| after.off_switch(marker));
    let spool = match repo {
        Some((root, _)) => FileSpool::open(root, context.owners())?,
        None => None,
    };
    let pending = match &spool {
        Some(spool) => Some(spool.list()?.pending.len()),
        None => repo.map(|_| 0),
    };
    let switched = Switched {
        enabled: on && switch.is_none(),
        file,
        pending,
        still_off_by: switch
            .filter(|_| on)
            .map(|switch| switch.to_string().into()),
    };
    if context.ui.wants_json() {
        context.ui.json(&switched)?;
    } else {
        context.ui.answer(&switched.in_words(on, global))?;
    }
    Ok(())
}

fn switch_repo(on: bool, context: &Context) -> Result<ForeignText, CommandError> {
    let (root, _) = context.repo()?;
    let file = MarkerFile::new(root, context.owners());
    file.update(|marker| {
        if marker.telemetry_disabled == on {
            // Set, and not removed: what somebody wrote behind it stays.
            vec![Edit::Set(KEY, Scalar::Bool(!on))]
        } else {
            Vec::new()
        }
    })?;
    Ok(file.path().into())
}

fn switch_user(on: bool) -> Result<ForeignText, CommandError> {
    let path = config_path(env_var).ok_or_else(|| {
        let why = "could not find your config.yaml: no home directory";
        CommandError::msg(ErrorKind::Io, why).hint("set HOME or XDG_CONFIG_HOME")
    })?;
    set_telemetry_disabled(&path, !on).map_err(CommandError::of_user_config)?;
    Ok(path.as_path().into())
}

impl Switched {
    fn in_words(&self, on: bool, global: bool) -> String {
        let whose = if global {
            "all your repositories"
        } else {
            "this repository"
        };
        let file = &self.file;
        if let Some(switch) = &self.still_off_by {
            return format!(
                "enabled telemetry for {whose} in {file}, but it is still off ({switch})"
            );
        }
        let state = if on { "on" } else { "off" };
        let mut words = format!("telemetry is {state} for {whose} ({file})");
        if let Some(pending @ 1..) = self.pending.filter(|_| !on) {
            let pending = entries(u64::try_from(pending).unwrap_or(u64::MAX));
            words += "\n";
            words += &pending;
            words +=
                " recorded earlier will not be sent; run `swamp telemetry purge` to delete them";
        }
        words
    }
}
