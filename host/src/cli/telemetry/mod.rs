//! `telemetry …`.

mod dry_run;
mod flush;
mod status;
mod words;

use super::args::Telemetry;
use super::context::Context;
use super::error::CommandError;

pub(crate) fn run(command: &Telemetry, context: &Context) -> Result<(), CommandError> {
    match command {
        Telemetry::Status => status::run(context),
        Telemetry::Flush { dry_run: true, .. } => dry_run::run(context),
        Telemetry::Flush { all, .. } => flush::run(*all, context),
    }
}
