//! `telemetry install-id`.

use serde::Serialize;
use swamp::config::install_id::{install_id, make_install_id, remove_install_id};

use crate::cli::args::OnOrOff;
use crate::cli::context::{Context, env_var};
use crate::cli::error::{CommandError, ErrorKind};
use crate::cli::hint;

/// The answer. Its keys are stable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    /// The install id; missing if there is none.
    install_id: Option<String>,
}

pub(crate) fn run(
    state: Option<OnOrOff>,
    dry_run: bool,
    context: &Context,
) -> Result<(), CommandError> {
    let failed = |error| {
        let hint = hint::of_install_id(&error);
        CommandError::new(ErrorKind::Io, error).hint(hint)
    };
    if dry_run && state == Some(OnOrOff::Off) && !context.ui.wants_json() {
        let words = match install_id(env_var) {
            Some(id) => format!("would remove the install id {id}"),
            None => "there is no install id to remove".to_owned(),
        };
        return Ok(context.ui.answer(&words)?);
    }
    let install_id = match state {
        None => install_id(env_var),
        Some(_) if dry_run => install_id(env_var),
        Some(OnOrOff::On) => Some(make_install_id(env_var).map_err(failed)?),
        Some(OnOrOff::Off) => {
            remove_install_id(env_var).map_err(failed)?;
            None
        }
    };
    if context.ui.wants_json() {
        context.ui.json(&Answer { install_id })?;
    } else {
        let words = match install_id {
            Some(id) => format!("install id {id} is recorded with each entry"),
            None => "no install id is recorded".to_owned(),
        };
        context.ui.answer(&words)?;
    }
    Ok(())
}
