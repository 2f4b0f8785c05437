//! `sender trust`: trust the sender that the marker names, on this machine.

use serde::Serialize;
use swamp::domain::ForeignText;
use swamp::flush::component_file;

use crate::cli::context::{Context, trust_store};
use crate::cli::error::{CommandError, ErrorKind};

/// The answer. Its keys are stable.
#[derive(Serialize)]
struct Trusted<'a> {
    component: &'a ForeignText,
    digest: String,
}

pub(crate) fn run(context: &Context) -> Result<(), CommandError> {
    let (root, marker) = context.repo()?;
    let file = component_file(root, &marker.telemetry_sender)?;
    trust_store()
        .add(file.digest())
        .map_err(|error| CommandError::new(ErrorKind::Sender, error))?;
    if context.ui.wants_json() {
        context.ui.json(&Trusted {
            component: file.name(),
            digest: file.digest().to_string(),
        })?;
    } else {
        context.ui.answer(&format!(
            "trusted {} ({}) on this machine",
            file.name(),
            file.digest()
        ))?;
    }
    Ok(())
}
