//! `version`.

use serde::Serialize;

use super::context::{Context, VERSION};
use super::error::CommandError;

#[derive(Serialize)]
struct Version {
    /// The version of `swamp`.
    version: &'static str,
}

pub(crate) fn run(context: &Context) -> Result<(), CommandError> {
    if context.ui.wants_json() {
        context.ui.json(&Version { version: VERSION })?;
    } else {
        context.ui.answer(&format!("swamp {VERSION}"))?;
    }
    Ok(())
}
